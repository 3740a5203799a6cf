// output[M, N] = activate(input[M, K] * weights[K, N] + bias[N]), the textbook way: one output a thread.
// Here only to measure the other forms against. Groups of 8x8 outputs, rows over x, units over y.
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> output: array<f32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let stride = (shape.units + 3u) / 4u * 4u;
    let input_stride = (shape.inputs + 3u) / 4u;
    let row = id.x;
    let unit = id.y;
    if row >= step.live_rows || unit >= stride {
        return;
    }
    var sum = 0.0;
    for (var k = 0u; k < shape.inputs; k++) {
        sum += load_input_scalar(row * input_stride, k) * weights[k * stride + unit];
    }
    let activated = activate(vec4<f32>(sum + bias[unit])).x;
    output[row * stride + unit] = select(0.0, activated, unit < shape.units);
}

// One element of a row that starts at a vec4 index.
fn load_input_scalar(start: u32, column: u32) -> f32 {
    return load_input(start + column / 4u)[column % 4u];
}
