// Adagrad.
struct Constants {
    length: u32,
    epsilon: f32,
}

@group(0) @binding(1) var<uniform> constants: Constants;
@group(0) @binding(4) var<storage, read_write> accumulator: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    if (index >= constants.length / 4u || is_skipped()) {
        return;
    }
    let g = gradients[index];
    let sum = accumulator[index] + g * g;
    accumulator[index] = sum;
    update(index, step_size() * g / sqrt(sum + vec4<f32>(constants.epsilon)));
}
