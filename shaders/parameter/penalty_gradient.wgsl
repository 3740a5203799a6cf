// Adds the derivative of a weight's regularizer, l1 * sign(w) + 2 * l2 * w, to the weight's gradient.
struct Constants {
    length: u32,
    l1: f32,
    l2: f32,
}

@group(0) @binding(1) var<uniform> constants: Constants;
@group(0) @binding(2) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> gradient: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    if (index >= constants.length / 4u) {
        return;
    }
    let w = weights[index];
    gradient[index] += constants.l1 * sign(w) + 2.0 * constants.l2 * w;
}
