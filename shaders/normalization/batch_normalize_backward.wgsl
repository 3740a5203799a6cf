// gamma_gradient[U] = sum over B of output_gradient * normalized, beta_gradient[U] = sum over B of
// output_gradient, with normalized = (input - mean) / sqrt(variance + epsilon).
@group(0) @binding(2) var<storage, read> output_gradient: array<Rows>;
@group(0) @binding(3) var<storage, read> input: array<Rows>;
@group(0) @binding(4) var<storage, read> mean: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> variance: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> gamma_gradient: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> beta_gradient: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let quads = row_quads();
    let quad = column_quad(local, group, groups);
    let rows = select(0u, step.live_rows, quad < quads);
    var of_gamma = vec4<f32>(0.0);
    var of_beta = vec4<f32>(0.0);
    for (var row = first_row(local); row < rows; row += LANES) {
        let index = row * quads + quad;
        let normalized = (vec4<f32>(input[index]) - mean[quad]) / sqrt(variance[quad] + shape.epsilon);
        of_gamma += vec4<f32>(output_gradient[index]) * live_or(normalized, quad, 0.0);
        of_beta += vec4<f32>(output_gradient[index]);
    }
    let gamma_sum = column_sum(local, of_gamma);
    let beta_sum = column_sum(local, of_beta);
    if (first_row(local) == 0u && quad < quads) {
        gamma_gradient[quad] = gamma_sum;
        beta_gradient[quad] = beta_sum;
    }
}
