// What a position has of one level of a multiresolution hash grid: its features, interpolated between those of the
// corners of its cell. The text around this one says how many DIMENSIONS a position has and how many FEATURES an
// entry of the table, and has `table_value`: the number at a place of the table.

// Up to four features of a level, from `feature` on. Where a coordinate is NaN, so are they; WGSL may assume
// that there is none, so only the bits tell.
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
    let bits = bitcast<vec4<u32>>(position) & vec4<u32>(0x7fffffffu);
    let is_nan = any(bits > vec4<u32>(0x7f800000u));
    return select(features, vec4<f32>(bitcast<f32>(bits.x | 0x7fc00000u)), is_nan);
}
