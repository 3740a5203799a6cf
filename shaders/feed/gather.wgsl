// Puts the rows of a step in their places, as words of four bytes whatever they hold. Row i of
// `gathered` is row `numbers[i]` of the set that lies on the device; the rows of `first` and `second`
// were uploaded with the step. What a step has uploaded begins at `step.uploads_at`: the numbers, and
// then each column whose rows are not on the device, one row after the other.
struct Columns {
    // Words of a row of each; 0 where there is none.
    gathered: u32,
    first: u32,
    second: u32,
    // Of the columns that come before it in the uploads, the numbers included: words for each row of
    // the step.
    before_first: u32,
    before_second: u32,
    // The rows that `resident` holds: so many, from this one of the set on.
    from_row: u32,
    rows: u32,
    pad: u32,
}

@group(0) @binding(1) var<uniform> columns: Columns;
@group(0) @binding(2) var<storage, read> resident: array<u32>;
@group(0) @binding(3) var<storage, read> uploads: array<u32>;
@group(0) @binding(4) var<storage, read_write> gathered: array<u32>;
@group(0) @binding(5) var<storage, read_write> first: array<u32>;
@group(0) @binding(6) var<storage, read_write> second: array<u32>;

// Groups of four words that a row of so many makes; the last one may be smaller.
fn quads(words: u32) -> u32 {
    return (words + 3u) / 4u;
}

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let gathered_quads = quads(columns.gathered);
    let first_quads = quads(columns.first);
    let row_quads = gathered_quads + first_quads + quads(columns.second);
    let index = folded_index(id, groups);
    if (index >= step.live_rows * row_quads) {
        return;
    }
    let row = index / row_quads;
    var word = 4u * (index % row_quads);
    if (word < 4u * gathered_quads) {
        // A row before the first one becomes a number that is too large, too.
        let number = uploads[step.uploads_at + row] - columns.from_row;
        if (number >= columns.rows) {
            return;
        }
        let source = number * columns.gathered + word;
        let at = row * columns.gathered + word;
        // Without a loop, which is slow where a CPU runs the kernel.
        let left = columns.gathered - word;
        gathered[at] = resident[source];
        if (left >= 4u) {
            gathered[at + 1u] = resident[source + 1u];
            gathered[at + 2u] = resident[source + 2u];
            gathered[at + 3u] = resident[source + 3u];
            return;
        }
        for (var i = 1u; i < left; i += 1u) {
            gathered[at + i] = resident[source + i];
        }
        return;
    }
    word -= 4u * gathered_quads;
    if (word < 4u * first_quads) {
        let place = step.uploads_at + step.live_rows * columns.before_first;
        let end = min(word + 4u, columns.first);
        for (; word < end; word += 1u) {
            let number = row * columns.first + word;
            first[number] = uploads[place + number];
        }
        return;
    }
    word -= 4u * first_quads;
    let place = step.uploads_at + step.live_rows * columns.before_second;
    let end = min(word + 4u, columns.second);
    for (; word < end; word += 1u) {
        let number = row * columns.second + word;
        second[number] = uploads[place + number];
    }
}
