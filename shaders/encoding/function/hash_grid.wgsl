// The multiresolution hash grid of one position: its features in each level, interpolated between those of the
// corners of its cell. The text around this one says how many DIMENSIONS a position has and how many FEATURES an
// entry of the table. It has `columns`, the features of all levels together; `level_of`, a level by its number;
// and `table_value`, the number at a place of the table.

// Up to four features of a level, from `feature` on.
fn level_features(position: vec4<f32>, level: Level, feature: u32) -> vec4<f32> {
    let cell = cell_of(position, level);
    var features = vec4<f32>();
    for (var number = 0u; number < (1u << DIMENSIONS); number += 1u) {
        let sides = sides_of(number);
        let share = share_of(cell.offset, sides);
        let first = entry_of(cell.corner + sides, level) * FEATURES + feature;
        for (var i = 0u; i < min(FEATURES, 4u); i += 1u) {
            features[i] += share * table_value(first + i);
        }
    }
    return features;
}

// Four columns of the features of all levels, which lie beside each other. Where a coordinate is NaN, so are they;
// WGSL may assume that there is none, so only the bits tell.
fn grid_features(position: vec4<f32>, quad: u32) -> vec4<f32> {
    let bits = bitcast<vec4<u32>>(position) & vec4<u32>(0x7fffffffu);
    let is_nan = any(bits > vec4<u32>(0x7f800000u));
    let nan = bitcast<f32>(bits.x | 0x7fc00000u);
    var values = vec4<f32>();
    for (var i = 0u; i < 4u; i += min(FEATURES, 4u)) {
        let column = quad * 4u + i;
        if (column < columns()) {
            let features = level_features(position, level_of(column / FEATURES), column % FEATURES);
            for (var j = 0u; j < min(FEATURES, 4u); j += 1u) {
                values[i + j] = select(features[j], nan, is_nan);
            }
        }
    }
    return values;
}
