// Gradient descent with momentum, plain or Nesterov's.
struct Constants {
    length: u32,
    momentum: f32,
}

override NESTEROV: bool = false;

@group(0) @binding(1) var<uniform> constants: Constants;
@group(0) @binding(4) var<storage, read_write> velocity: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    if (index >= constants.length / 4u || is_skipped()) {
        return;
    }
    let step_down = step_size() * gradients[index];
    let after = constants.momentum * velocity[index] - step_down;
    velocity[index] = after;
    if (NESTEROV) {
        update(index, step_down - constants.momentum * after);
    } else {
        update(index, -after);
    }
}
