// input_gradient[B,U] = moments[B,1] * (g - mean over U of g - normalized * mean over U of (g *
// normalized)) * activation'(input[B,U]), with g = output_gradient * (gamma + gamma_offset), where the
// activation is the one that made the input.
@group(0) @binding(2) var<storage, read> output_gradient: array<Rows>;
@group(0) @binding(3) var<storage, read> input: array<Rows>;
@group(0) @binding(4) var<storage, read> moments: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> gamma: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> input_gradient: array<Rows>;

@compute @workgroup_size(64)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = shared_row(local, group, groups);
    let first = row * row_quads();
    let quads = select(0u, row_quads(), row < step.live_rows);
    let mean = moments[row].x;
    let inverse = moments[row].y;
    // The padding of the gradient is zero, and so is that of g.
    var sums = vec4<f32>(0.0);
    var products = vec4<f32>(0.0);
    for (var quad = first_quad(local); quad < quads; quad += LANES) {
        let g = vec4<f32>(output_gradient[first + quad]) * (gamma[quad] + shape.gamma_offset);
        sums += g;
        products += g * ((vec4<f32>(input[first + quad]) - mean) * inverse);
    }
    let mean_g = row_sum(local, sums) / f32(shape.units);
    let mean_product = row_sum(local, products) / f32(shape.units);
    for (var quad = first_quad(local); quad < quads; quad += LANES) {
        let x = vec4<f32>(input[first + quad]);
        let g = vec4<f32>(output_gradient[first + quad]) * (gamma[quad] + shape.gamma_offset);
        let inner = g - mean_g - (x - mean) * inverse * mean_product;
        let gradient = inverse * inner * activation_derivative(x);
        input_gradient[first + quad] = Rows(live_or(gradient, quad, 0.0));
    }
}
