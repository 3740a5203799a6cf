// input_gradient[B,U] = (gamma + gamma_offset) / sqrt(variance + epsilon) * (output_gradient -
// (beta_gradient + normalized * gamma_gradient) / B) * activation'(input[B,U]), where the activation is
// the one that made the input.
@group(0) @binding(2) var<storage, read> output_gradient: array<Rows>;
@group(0) @binding(3) var<storage, read> input: array<Rows>;
@group(0) @binding(4) var<storage, read> mean: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> variance: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> gamma: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> gamma_gradient: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read> beta_gradient: array<vec4<f32>>;
@group(0) @binding(9) var<storage, read_write> input_gradient: array<Rows>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    if (index >= step.live_rows * row_quads()) {
        return;
    }
    let quad = index % row_quads();
    let x = vec4<f32>(input[index]);
    let deviation = sqrt(variance[quad] + shape.epsilon);
    let normalized = (x - mean[quad]) / deviation;
    // The part of the gradient that the batch's own mean and variance cancel.
    let cancelled = (beta_gradient[quad] + normalized * gamma_gradient[quad]) * step.inverse_live_rows;
    let scale = (gamma[quad] + shape.gamma_offset) / deviation;
    let gradient = scale * (vec4<f32>(output_gradient[index]) - cancelled) * activation_derivative(x);
    input_gradient[index] = Rows(live_or(gradient, quad, 0.0));
}
