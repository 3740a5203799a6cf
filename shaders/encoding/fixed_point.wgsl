// Sums in fixed point. Additions of integers give the same bits in whatever order they come, so invocations add
// to one number by atomic operations. A sum is two words: with the lower one as a signed number, it is
// upper * 2^32 + lower. The unit is a power of two, so that the largest gradient is 2^29 to 2^30 units:
// a number that is added is that far from overflow, and 2^33 of them add up without.
@group(0) @binding(2) var<storage, read> largest: array<vec4<f32>, 4>;

struct Unit {
    // Units in 1, and its inverse.
    scale: f32,
    inverse: f32,
    // Whether all gradients are finite.
    is_finite: bool,
}

fn unit_of_sums() -> Unit {
    var bits = vec4<u32>();
    for (var i = 0u; i < 4u; i += 1u) {
        bits = max(bits, bitcast<vec4<u32>>(largest[i]));
    }
    // The exponent and its bias of 127; subnormal numbers count as the least normal ones.
    let exponent = max(max(max(bits.x, bits.y), max(bits.z, bits.w)) >> 23u, 1u);
    let power = min(29 + 127 - i32(exponent), 126);
    let scale = bitcast<f32>(u32(127 + power) << 23u);
    return Unit(scale, bitcast<f32>(u32(127 - power) << 23u), exponent < 255u);
}
