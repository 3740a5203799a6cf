// input_gradient[M, K] = (gradient[M, N] * weights[K, N]^T) * activation_derivative(activated[M, K]),
// one output a thread. Here only to measure the other forms against.
// Groups of 8x8 outputs, rows over x, inputs over y.
@group(0) @binding(2) var<storage, read> gradient: array<f32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> activated: array<f32>;
@group(0) @binding(5) var<storage, read_write> input_gradient: array<f32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let stride = (shape.units + 3u) / 4u * 4u;
    let input_stride = (shape.inputs + 3u) / 4u * 4u;
    let row = id.x;
    let k = id.y;
    if row >= step.live_rows || k >= input_stride {
        return;
    }
    var sum = 0.0;
    for (var unit = 0u; unit < shape.units; unit++) {
        sum += gradient[row * stride + unit] * weights[k * stride + unit];
    }
    let index = row * input_stride + k;
    let result = sum * activation_derivative(vec4<f32>(activated[index])).x;
    input_gradient[index] = select(0.0, result, k < shape.inputs);
}
