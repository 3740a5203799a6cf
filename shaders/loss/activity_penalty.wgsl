// loss[B] += l1 * sum over U of |value[B,U]| + l2 * sum over U of value^2. The padding of the value is
// zero.
@group(0) @binding(2) var<storage, read> value: array<Rows>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;

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
        let x = vec4<f32>(value[first + quad]);
        sums += shape.l1 * abs(x) + shape.l2 * x * x;
    }
    let cost = row_sum(local, sums);
    if (first_quad(local) == 0u && row < step.live_rows) {
        loss[row] += cost;
    }
}
