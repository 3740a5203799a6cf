// Adds the sum of the squares of a gradient to sum[0], which begins at 0 if this gradient is the first.
// One workgroup; the order of the sum depends only on the length.
struct Constants {
    length: u32,
    first: u32,
}

@group(0) @binding(1) var<uniform> constants: Constants;
@group(0) @binding(2) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> sum: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) local: u32) {
    var squares = vec4<f32>(0.0);
    for (var i = local; i < constants.length / 4u; i += 64u) {
        squares += gradient[i] * gradient[i];
    }
    let total = workgroup_sum(local, (squares.x + squares.y) + (squares.z + squares.w));
    if (local == 0u) {
        sum[0] = select(sum[0], 0.0, constants.first == 1u) + total;
    }
}
