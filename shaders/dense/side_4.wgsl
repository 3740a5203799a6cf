// A tile kernel (tile.wgsl) whose threads compute four rows x four columns each.

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let origin = group.xy * vec2<u32>(ROW_QUADS, COLUMN_QUADS);
    let own = position(thread % OWN, COLUMN_QUADS);
    let part = thread / OWN;
    let copied = share(thread, origin);
    let terms = term_quads();

    var sums = mat4x4<f32>();
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
        for (var term = part; term < min(CHUNK, terms - start); term += PARTS) {
            let left = place(own.x, term, ROW_QUADS);
            let right = 4u * LEFT_BLOCKS + place(own.y, term, COLUMN_QUADS);
            sums = add_products(sums, chunk[left], chunk[right]);
            sums = add_products(sums, chunk[left + LEFT_BLOCKS], chunk[right + RIGHT_BLOCKS]);
            sums = add_products(sums, chunk[left + 2u * LEFT_BLOCKS], chunk[right + 2u * RIGHT_BLOCKS]);
            sums = add_products(sums, chunk[left + 3u * LEFT_BLOCKS], chunk[right + 3u * RIGHT_BLOCKS]);
        }
        workgroupBarrier();
    }

    if SUMS_COLUMNS && group.x == 0u {
        finish_column_sums(thread, copied, origin, column_sums);
    }
    finish(thread, origin, COLUMN_QUADS, sums);
}
