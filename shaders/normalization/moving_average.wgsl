// average = average * momentum + value * (1 - momentum). The padding of both is zero and stays so.
struct Constants {
    length: u32,
    momentum: f32,
    one_minus_momentum: f32,
}

@group(0) @binding(1) var<uniform> constants: Constants;
@group(0) @binding(2) var<storage, read> value: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> average: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    if (index >= constants.length / 4u) {
        return;
    }
    let kept = average[index] * constants.momentum;
    average[index] = kept + value[index] * constants.one_minus_momentum;
}
