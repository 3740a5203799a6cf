// What the tile kernels share, which are for GPUs. They compute left[M, K] * right[K, N]. A workgroup owns a
// tile of the result and walks the terms of its sums in chunks, which it copies to workgroup memory. Everything is
// counted in quads: of four rows, four columns or four terms.
//
// Beside this file stand the numbers of the tile (ROW_QUADS, COLUMN_QUADS, THREADS, PARTS and CHUNK, all powers
// of two), a file for how much of the tile a thread computes (side_4.wgsl, side_8.wgsl), one for how it is
// finished (whole.wgsl, parts.wgsl), and the file of the product, which says what left and right are:
// - load_left(quad of rows, quad of terms) and load_right(quad of columns, quad of terms) give a vec4 of rows, or
//   of columns, for each of four terms;
// - LEFT_ALONG_TERMS and RIGHT_ALONG_TERMS say that the terms of a row, or of a column, lie side by side in memory;
// - store(row, quad of columns, values) writes what is within the result, and nothing else;
// - if SUMS_COLUMNS, store_column_sums(quad of columns, values) is given the sums over the rows of right.
//
// The order of each sum depends on the shape and the tile only.

// Threads of one part: the parts of a sum are shared out among PARTS times so many threads.
const OWN: u32 = THREADS / PARTS;
const LEFT_BLOCKS: u32 = CHUNK * ROW_QUADS;
const RIGHT_BLOCKS: u32 = CHUNK * COLUMN_QUADS;

// A chunk is a block of four terms x four rows for each of LEFT_BLOCKS threads, then one of four terms x four
// columns for each of RIGHT_BLOCKS: first terms, second terms, third and fourth ones each side by side.
var<workgroup> chunk: array<vec4<f32>, 4u * THREADS>;

// Where one quad of rows or columns lies among all `quads` and terms. Quads are turned by their term, so that
// eight threads side by side, whether they read quads of one term or write one quad of eight terms, meet
// eight different banks.
fn place(quad: u32, term: u32, quads: u32) -> u32 {
    let turn = select(term * quads / 8u, term * max(8u / CHUNK, 1u), quads >= 8u);
    return term * quads + (quad ^ (turn % min(quads, 8u)));
}

// The quads of the tile that a thread computes, or the first of them: those of 32 threads make a block as
// square as can be, for which they read the fewest values.
fn position(own: u32, columns: u32) -> vec2<u32> {
    let across = min(columns, 8u);
    let lane = own % 32u;
    let block = own / 32u;
    let blocks = columns / across;
    return vec2<u32>(
        block / blocks * (32u / across) + lane / across,
        block % blocks * across + lane % across,
    );
}

// The block that a thread copies in each chunk.
struct Share {
    left: bool,
    // Threads beyond the blocks copy nothing.
    any: bool,
    // In the whole matrix.
    quad: u32,
    // In the chunk.
    term: u32,
    // In workgroup memory, and how far from there its next term lies.
    at: u32,
    stride: u32,
}

// Threads side by side copy what lies side by side in memory.
fn share(thread: u32, origin: vec2<u32>) -> Share {
    if thread < LEFT_BLOCKS {
        let quad = select(thread % ROW_QUADS, thread / CHUNK, LEFT_ALONG_TERMS);
        let term = select(thread / ROW_QUADS, thread % CHUNK, LEFT_ALONG_TERMS);
        return Share(true, true, origin.x + quad, term, place(quad, term, ROW_QUADS), LEFT_BLOCKS);
    }
    let right = thread - LEFT_BLOCKS;
    let quad = select(right % COLUMN_QUADS, right / CHUNK, RIGHT_ALONG_TERMS);
    let term = select(right / COLUMN_QUADS, right % CHUNK, RIGHT_ALONG_TERMS);
    let at = 4u * LEFT_BLOCKS + place(quad, term, COLUMN_QUADS);
    return Share(false, right < RIGHT_BLOCKS, origin.y + quad, term, at, RIGHT_BLOCKS);
}

// A thread's block of the chunk that begins at `start`. Past the last term both sides are zero.
fn fetch(share: Share, start: u32) -> mat4x4<f32> {
    let term = start + share.term;
    if !share.any || term >= term_quads() {
        return mat4x4<f32>();
    }
    if share.left {
        return load_left(share.quad, term);
    }
    return load_right(share.quad, term);
}

fn keep(share: Share, block: mat4x4<f32>) {
    if share.any {
        chunk[share.at] = block[0];
        chunk[share.at + share.stride] = block[1];
        chunk[share.at + 2u * share.stride] = block[2];
        chunk[share.at + 3u * share.stride] = block[3];
    }
}

// Adds to four rows x four columns the products of one term.
fn add_products(sums: mat4x4<f32>, rows: vec4<f32>, columns: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(
        fma(vec4<f32>(rows.x), columns, sums[0]),
        fma(vec4<f32>(rows.y), columns, sums[1]),
        fma(vec4<f32>(rows.z), columns, sums[2]),
        fma(vec4<f32>(rows.w), columns, sums[3]),
    );
}

// The sums over the rows of right, from what each thread that copied right has summed. For the workgroups of
// the first rows alone.
fn finish_column_sums(thread: u32, share: Share, origin: vec2<u32>, sums: vec4<f32>) {
    if !share.left && share.any {
        chunk[share.term * COLUMN_QUADS + share.quad - origin.y] = sums;
    }
    workgroupBarrier();
    for (var half = CHUNK / 2u; half > 0u; half /= 2u) {
        for (var i = thread; i < half * COLUMN_QUADS; i += THREADS) {
            chunk[i] += chunk[i + half * COLUMN_QUADS];
        }
        workgroupBarrier();
    }
    if thread < COLUMN_QUADS {
        store_column_sums(origin.y + thread, chunk[thread]);
    }
    workgroupBarrier();
}
