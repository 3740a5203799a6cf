// output[B,1] = sum over U of input[B,U]. The padding of the input is zero.
@group(0) @binding(2) var<storage, read> input: array<Rows>;
@group(0) @binding(3) var<storage, read_write> output: array<Rows>;

@compute @workgroup_size(64)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = shared_row(local, group, groups);
    let first = row * row_quads();
    let quads = select(0u, row_quads(), row < step.live_rows);
    var sums = vec4<f32>(0.0);
    for (var quad = first_quad(local); quad < quads; quad += LANES) {
        sums += vec4<f32>(input[first + quad]);
    }
    let total = row_sum(local, sums);
    if (first_quad(local) == 0u && row < step.live_rows) {
        output[row] = Rows(vec4<f32>(total, 0.0, 0.0, 0.0));
    }
}
