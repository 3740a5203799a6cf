// How a tile kernel (tile.wgsl) ends whose threads have parts of sums: it adds the parts up in pairs, then in
// pairs of pairs, and stores what comes out. The threads' blocks lie from `origin` on, `columns` of them side by
// side. Nothing may read the chunk any more.

// Then each thread has at most one vec4 to store.
const_assert PARTS >= 4u;

fn finish(thread: u32, origin: vec2<u32>, columns: u32, sums: mat4x4<f32>) {
    let own = thread % OWN;
    let part = thread / OWN;
    let at = part * 4u * OWN + own;
    chunk[at] = sums[0];
    chunk[at + OWN] = sums[1];
    chunk[at + 2u * OWN] = sums[2];
    chunk[at + 3u * OWN] = sums[3];
    workgroupBarrier();
    for (var half = PARTS / 2u; half > 0u; half /= 2u) {
        for (var i = thread; i < half * 4u * OWN; i += THREADS) {
            chunk[i] += chunk[i + half * 4u * OWN];
        }
        workgroupBarrier();
    }
    if thread < 4u * OWN {
        let block = origin + position(own, columns);
        store(4u * block.x + part, block.y, chunk[thread]);
    }
    // Each thread has read before another one writes again.
    workgroupBarrier();
}
