// input_gradient[B,U] = value * (output_gradient - sum over U of output_gradient * value), where
// value[B,U] is the softmax. One row an invocation.
@group(0) @binding(2) var<storage, read> output_gradient: array<Rows>;
@group(0) @binding(3) var<storage, read> value: array<Rows>;
@group(0) @binding(4) var<storage, read_write> input_gradient: array<Rows>;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if (row >= step.live_rows) {
        return;
    }
    let quads = (shape.units + 3u) / 4u;
    let first = row * quads;
    // The padding of both is zero, and so is its product.
    var sums = vec4<f32>(0.0);
    for (var quad = 0u; quad < quads; quad += 1u) {
        sums += vec4<f32>(output_gradient[first + quad]) * vec4<f32>(value[first + quad]);
    }
    let sum = (sums.x + sums.y) + (sums.z + sums.w);
    for (var quad = 0u; quad < quads; quad += 1u) {
        let gradient = vec4<f32>(value[first + quad]) * (vec4<f32>(output_gradient[first + quad]) - sum);
        input_gradient[first + quad] = Rows(live_or(gradient, quad, 0.0));
    }
}
