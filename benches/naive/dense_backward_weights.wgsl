// weight_gradient[K, N] = input[M, K]^T * gradient[M, N] and bias_gradient[N] = the column sums of gradient[M, N],
// one output a thread, one loop iteration a row, so at most 65,535 rows on lavapipe.
// Here only to measure the other forms against. Groups of 8x8 outputs, inputs over x, units over y.
@group(0) @binding(3) var<storage, read> gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> weight_gradient: array<f32>;
@group(0) @binding(5) var<storage, read_write> bias_gradient: array<f32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let stride = (shape.units + 3u) / 4u * 4u;
    let input_stride = (shape.inputs + 3u) / 4u;
    let k = id.x;
    let unit = id.y;
    if k >= input_stride * 4u || unit >= stride {
        return;
    }
    var sum = 0.0;
    var bias_sum = 0.0;
    for (var row = 0u; row < step.live_rows; row++) {
        let from_above = gradient[row * stride + unit];
        sum += load_input(row * input_stride + k / 4u)[k % 4u] * from_above;
        bias_sum += from_above;
    }
    weight_gradient[k * stride + unit] = sum;
    if k == 0u {
        bias_gradient[unit] = bias_sum;
    }
}
