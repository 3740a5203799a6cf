// index[B] = the place of the largest of each row of values[B,U], one row an invocation.
@group(0) @binding(3) var<storage, read_write> index: array<u32>;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if (row >= step.live_rows) {
        return;
    }
    index[row] = largest_place(row);
}
