// A tile kernel (tile.wgsl) whose threads compute eight rows x eight columns each, as four blocks of 4x4, one in
// each quarter of the tile: a value that is read from workgroup memory is used eight times.

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let origin = group.xy * vec2<u32>(ROW_QUADS, COLUMN_QUADS);
    let own = position(thread % OWN, COLUMN_QUADS / 2u);
    let part = thread / OWN;
    let copied = share(thread, origin);
    let terms = term_quads();

    var sums00 = mat4x4<f32>();
    var sums01 = mat4x4<f32>();
    var sums10 = mat4x4<f32>();
    var sums11 = mat4x4<f32>();
    var column_sums = vec4<f32>();
    var next = fetch(copied, 0u);
    for (var start = 0u; start < terms; start += CHUNK) {
        keep(copied, next);
        if SUMS_COLUMNS {
            column_sums += (next[0] + next[1]) + (next[2] + next[3]);
        }
        workgroupBarrier();

        // The next chunk is on its way while this one is multiplied.
        if start + CHUNK < terms {
            next = fetch(copied, start + CHUNK);
        }
        // Always so many times, so that compilers can unroll it; past the last term both sides are zero.
        for (var i = 0u; i < CHUNK; i += PARTS) {
            let term = i + part;
            let left0 = place(own.x, term, ROW_QUADS);
            let left1 = place(own.x + ROW_QUADS / 2u, term, ROW_QUADS);
            let right0 = 4u * LEFT_BLOCKS + place(own.y, term, COLUMN_QUADS);
            let right1 = 4u * LEFT_BLOCKS + place(own.y + COLUMN_QUADS / 2u, term, COLUMN_QUADS);

            // The four terms by hand: a loop costs more than it says, as naga writes it.
            var rows0 = chunk[left0];
            var rows1 = chunk[left1];
            var columns0 = chunk[right0];
            var columns1 = chunk[right1];
            sums00 = add_products(sums00, rows0, columns0);
            sums01 = add_products(sums01, rows0, columns1);
            sums10 = add_products(sums10, rows1, columns0);
            sums11 = add_products(sums11, rows1, columns1);

            rows0 = chunk[left0 + LEFT_BLOCKS];
            rows1 = chunk[left1 + LEFT_BLOCKS];
            columns0 = chunk[right0 + RIGHT_BLOCKS];
            columns1 = chunk[right1 + RIGHT_BLOCKS];
            sums00 = add_products(sums00, rows0, columns0);
            sums01 = add_products(sums01, rows0, columns1);
            sums10 = add_products(sums10, rows1, columns0);
            sums11 = add_products(sums11, rows1, columns1);

            rows0 = chunk[left0 + 2u * LEFT_BLOCKS];
            rows1 = chunk[left1 + 2u * LEFT_BLOCKS];
            columns0 = chunk[right0 + 2u * RIGHT_BLOCKS];
            columns1 = chunk[right1 + 2u * RIGHT_BLOCKS];
            sums00 = add_products(sums00, rows0, columns0);
            sums01 = add_products(sums01, rows0, columns1);
            sums10 = add_products(sums10, rows1, columns0);
            sums11 = add_products(sums11, rows1, columns1);

            rows0 = chunk[left0 + 3u * LEFT_BLOCKS];
            rows1 = chunk[left1 + 3u * LEFT_BLOCKS];
            columns0 = chunk[right0 + 3u * RIGHT_BLOCKS];
            columns1 = chunk[right1 + 3u * RIGHT_BLOCKS];
            sums00 = add_products(sums00, rows0, columns0);
            sums01 = add_products(sums01, rows0, columns1);
            sums10 = add_products(sums10, rows1, columns0);
            sums11 = add_products(sums11, rows1, columns1);
        }
        workgroupBarrier();
    }

    if SUMS_COLUMNS && group.x == 0u {
        finish_column_sums(thread, copied, origin, column_sums);
    }
    // One quarter after the other, with the sums shifted along: the code for one is compiled once.
    for (var quarter = 0u; quarter < 4u; quarter++) {
        let first = vec2<u32>(quarter / 2u, quarter % 2u) * vec2<u32>(ROW_QUADS, COLUMN_QUADS) / 2u;
        finish(thread, origin + first, COLUMN_QUADS / 2u, sums00);
        sums00 = sums01;
        sums01 = sums10;
        sums10 = sums11;
    }
}
