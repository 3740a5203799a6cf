// The number of an invocation of a kernel over elements, 64 a workgroup. One dimension of workgroups
// may hold 65535 of them, so the index runs on over y.
fn folded_index(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    return id.y * groups.x * 64u + id.x;
}
