// What the kernels share that ask which of a row's values is the largest.
@group(0) @binding(2) var<storage, read> values: array<Rows>;

// Integers in the order of the values, so that every device orders infinities, NaN and the smallest
// numbers alike: 0 for NaN, which is below all others, and for what lies beyond the last unit.
fn ranks(row: u32, quad: u32) -> vec4<u32> {
    let bits = bitcast<vec4<u32>>(vec4<f32>(values[row * ((shape.units + 3u) / 4u) + quad]));
    let magnitude = bits & vec4<u32>(0x7fffffffu);
    // -0 is as large as 0.
    let negative = bits > vec4<u32>(0x80000000u);
    let rank = select(magnitude | vec4<u32>(0x80000000u), ~bits, negative);
    let unit = vec4<u32>(quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    let live = unit < vec4<u32>(shape.units);
    return select(vec4<u32>(0u), rank, live & (magnitude <= vec4<u32>(EXPONENT)));
}

// The first of several largest; 0 if all are NaN.
fn largest_place(row: u32) -> u32 {
    let quads = (shape.units + 3u) / 4u;
    var largest = 0u;
    var place = 0u;
    for (var quad = 0u; quad < quads; quad += 1u) {
        let rank = ranks(row, quad);
        for (var i = 0u; i < 4u; i += 1u) {
            if (rank[i] > largest) {
                largest = rank[i];
                place = quad * 4u + i;
            }
        }
    }
    return place;
}
