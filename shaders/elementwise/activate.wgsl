// output[B,U] = activation(input[B,U]).
@group(0) @binding(2) var<storage, read> input: array<Rows>;
@group(0) @binding(3) var<storage, read_write> output: array<Rows>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    if (index >= step.live_rows * row_quads()) {
        return;
    }
    output[index] = Rows(live_or(activate(vec4<f32>(input[index])), index % row_quads(), 0.0));
}
