// An update by itself: it runs over the whole flat buffer of parameters, four of them an invocation.
@group(0) @binding(2) var<storage, read> gradients: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    if (index >= constants.length / 4u) {
        return;
    }
    learn(index, gradients[index]);
}
