// What kernels over each element of [B,U] share: four of a row an invocation, over the rows' padding
// too, which they must leave zero.

// The quad of this invocation, counted through all rows.
fn quad_index(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    // One dimension of workgroups may hold 65535 of them, so the index runs on over y.
    return id.y * groups.x * 64u + id.x;
}

fn row_quads() -> u32 {
    return (shape.units + 3u) / 4u;
}
