// output[B,U] = (input - mean[U]) / sqrt(variance[U] + epsilon) * (gamma[U] + gamma_offset) + beta[U].
@group(0) @binding(2) var<storage, read> input: array<Rows>;
@group(0) @binding(3) var<storage, read> mean: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> variance: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> gamma: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> beta: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> output: array<Rows>;

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
    let normalized = (vec4<f32>(input[index]) - mean[quad]) / sqrt(variance[quad] + shape.epsilon);
    output[index] = Rows(live_or(normalized * (gamma[quad] + shape.gamma_offset) + beta[quad], quad, 0.0));
}
