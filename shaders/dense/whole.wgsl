// How a tile kernel (tile.wgsl) ends whose threads each have whole sums: it stores them. The threads' blocks lie
// from `origin` on, `columns` of them side by side.
fn finish(thread: u32, origin: vec2<u32>, columns: u32, sums: mat4x4<f32>) {
    let at = origin + position(thread, columns);
    let row = 4u * at.x;
    store(row, at.y, sums[0]);
    store(row + 1u, at.y, sums[1]);
    store(row + 2u, at.y, sums[2]);
    store(row + 3u, at.y, sums[3]);
}
