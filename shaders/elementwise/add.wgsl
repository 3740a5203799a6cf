// output[B,U] = first[B,U] + second[B,U]. The padding of both is zero, and so is its sum.
@group(0) @binding(2) var<storage, read> first: array<Rows>;
@group(0) @binding(3) var<storage, read> second: array<Rows>;
@group(0) @binding(4) var<storage, read_write> output: array<Rows>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    if (index >= step.live_rows * row_quads()) {
        return;
    }
    output[index] = Rows(vec4<f32>(first[index]) + vec4<f32>(second[index]));
}
