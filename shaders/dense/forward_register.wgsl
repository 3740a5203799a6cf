// output[M, N] = activate(input[M, K] * weights[K, N] + bias[N]), for adapters that run on the CPU.
// There a load costs as much as dozens of multiplications and a barrier more still, so each thread keeps
// a tile of 8 rows x 8 units in registers, loads only vec4s, and shares nothing with its group.
// Tiles are numbered along the shorter of rows and units first, so that it is the smaller operand, which a cache
// may hold, that is read again and again; 8 of them, one a thread, make a group.
@group(0) @binding(3) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> output: array<Rows>;

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // Strides in vec4s.
    let depth = (shape.inputs + 3u) / 4u;
    let width = (shape.units + 3u) / 4u;
    let tile = (group.y * groups.x + group.x) * 8u + lane;
    let down_first = step.live_rows < shape.units;
    let line = select((width + 1u) / 2u, (step.live_rows + 7u) / 8u, down_first);
    let row = select(tile / line, tile % line, down_first) * 8u;
    let column = select(tile % line, tile / line, down_first) * 2u;

    // Rows and columns past the end repeat the last one, so that every load is in bounds; the store drops them.
    let last = step.live_rows - 1u;
    let x0 = min(row, last) * depth;
    let x1 = min(row + 1u, last) * depth;
    let x2 = min(row + 2u, last) * depth;
    let x3 = min(row + 3u, last) * depth;
    let x4 = min(row + 4u, last) * depth;
    let x5 = min(row + 5u, last) * depth;
    let x6 = min(row + 6u, last) * depth;
    let x7 = min(row + 7u, last) * depth;
    let w0 = min(column, width - 1u);
    let w1 = min(column + 1u, width - 1u);

    var sum00 = mat4x4<f32>();
    var sum01 = mat4x4<f32>();
    var sum10 = mat4x4<f32>();
    var sum11 = mat4x4<f32>();
    // A thread past the last row has nothing to sum.
    let end = select(0u, depth, row < step.live_rows);
    for (var k = 0u; k < end; k++) {
        let at = 4u * k * width;
        let b0 = mat4x4<f32>(
            weights[at + w0],
            weights[at + width + w0],
            weights[at + 2u * width + w0],
            weights[at + 3u * width + w0],
        );
        let b1 = mat4x4<f32>(
            weights[at + w1],
            weights[at + width + w1],
            weights[at + 2u * width + w1],
            weights[at + 3u * width + w1],
        );
        let a0 = mat4x4<f32>(
            load_input(x0 + k),
            load_input(x1 + k),
            load_input(x2 + k),
            load_input(x3 + k),
        );
        sum00 += b0 * a0;
        sum01 += b1 * a0;
        let a1 = mat4x4<f32>(
            load_input(x4 + k),
            load_input(x5 + k),
            load_input(x6 + k),
            load_input(x7 + k),
        );
        sum10 += b0 * a1;
        sum11 += b1 * a1;
    }
    // One store in a loop, with the sums shifted along, because code for a store takes long to compile there.
    let blocks = select(0u, 4u, row < step.live_rows);
    for (var block = 0u; block < blocks; block++) {
        store(row + block / 2u * 4u, column + block % 2u, width, sum00);
        sum00 = sum01;
        sum01 = sum10;
        sum10 = sum11;
    }
}

// Four rows of one vec4 of units; what lies past the live units becomes zero.
fn store(row: u32, column: u32, width: u32, sums: mat4x4<f32>) {
    if column >= width {
        return;
    }
    let offset = bias[column];
    let live = vec4<u32>(4u * column) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(shape.units);
    let zero = vec4<f32>();
    if row < step.live_rows {
        output[row * width + column] = Rows(select(zero, activate(sums[0] + offset), live));
    }
    if row + 1u < step.live_rows {
        output[(row + 1u) * width + column] = Rows(select(zero, activate(sums[1] + offset), live));
    }
    if row + 2u < step.live_rows {
        output[(row + 2u) * width + column] = Rows(select(zero, activate(sums[2] + offset), live));
    }
    if row + 3u < step.live_rows {
        output[(row + 3u) * width + column] = Rows(select(zero, activate(sums[3] + offset), live));
    }
}
