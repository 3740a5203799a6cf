// output[M, N] = activate(input[M, K] * weights[K, N] + bias[N])
//
// For CPU-type adapters whose subgroup is exactly eight lanes (lavapipe). A load there visits the lanes one after
// another, so the fewest loads win: each lane loads what no other lane has, and the eight lanes hand it round by
// broadcast. A subgroup owns a 32x32 tile of the output, each lane one vec4 column of it, and eight loads feed
// 512 multiply-adds a lane. Blocks are mat4x4, with a row of the output in each matrix column.
// The workgroup is one subgroup; with any other subgroup size the result is wrong.

struct Shape {
    inputs: u32,
    units: u32,
    scale: f32,
    pad: u32,
}

@group(0) @binding(1) var<uniform> shape: Shape;
@group(0) @binding(3) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> output: array<vec4<f32>>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
    let depth = (shape.inputs + 3u) / 4u;
    let width = (shape.units + 3u) / 4u;
    let row = group.x * 32u;
    let column = group.y * 8u + lane;

    // A tile at the edge repeats the last row or column instead of leaving the buffer; store drops what is extra.
    let last_row = step.live_rows - 1u;
    let safe_column = min(column, width - 1u);
    let rows0 = min(row + lane, last_row) * depth;
    let rows1 = min(row + 8u + lane, last_row) * depth;
    let rows2 = min(row + 16u + lane, last_row) * depth;
    let rows3 = min(row + 24u + lane, last_row) * depth;

    var sums0 = mat4x4<f32>();
    var sums1 = mat4x4<f32>();
    var sums2 = mat4x4<f32>();
    var sums3 = mat4x4<f32>();
    var sums4 = mat4x4<f32>();
    var sums5 = mat4x4<f32>();
    var sums6 = mat4x4<f32>();
    var sums7 = mat4x4<f32>();
    let end = select(0u, depth, row < step.live_rows);
    for (var k = 0u; k < end; k++) {
        let at = 4u * k * width + safe_column;
        let block = mat4x4<f32>(
            weights[at],
            weights[at + width],
            weights[at + 2u * width],
            weights[at + 3u * width],
        );
        let own0 = load_input(rows0 + k);
        sums0 += block * mat4x4<f32>(
            subgroupBroadcast(own0, 0u),
            subgroupBroadcast(own0, 1u),
            subgroupBroadcast(own0, 2u),
            subgroupBroadcast(own0, 3u),
        );
        sums1 += block * mat4x4<f32>(
            subgroupBroadcast(own0, 4u),
            subgroupBroadcast(own0, 5u),
            subgroupBroadcast(own0, 6u),
            subgroupBroadcast(own0, 7u),
        );
        let own1 = load_input(rows1 + k);
        sums2 += block * mat4x4<f32>(
            subgroupBroadcast(own1, 0u),
            subgroupBroadcast(own1, 1u),
            subgroupBroadcast(own1, 2u),
            subgroupBroadcast(own1, 3u),
        );
        sums3 += block * mat4x4<f32>(
            subgroupBroadcast(own1, 4u),
            subgroupBroadcast(own1, 5u),
            subgroupBroadcast(own1, 6u),
            subgroupBroadcast(own1, 7u),
        );
        let own2 = load_input(rows2 + k);
        sums4 += block * mat4x4<f32>(
            subgroupBroadcast(own2, 0u),
            subgroupBroadcast(own2, 1u),
            subgroupBroadcast(own2, 2u),
            subgroupBroadcast(own2, 3u),
        );
        sums5 += block * mat4x4<f32>(
            subgroupBroadcast(own2, 4u),
            subgroupBroadcast(own2, 5u),
            subgroupBroadcast(own2, 6u),
            subgroupBroadcast(own2, 7u),
        );
        let own3 = load_input(rows3 + k);
        sums6 += block * mat4x4<f32>(
            subgroupBroadcast(own3, 0u),
            subgroupBroadcast(own3, 1u),
            subgroupBroadcast(own3, 2u),
            subgroupBroadcast(own3, 3u),
        );
        sums7 += block * mat4x4<f32>(
            subgroupBroadcast(own3, 4u),
            subgroupBroadcast(own3, 5u),
            subgroupBroadcast(own3, 6u),
            subgroupBroadcast(own3, 7u),
        );
    }

    store(row, column, width, sums0);
    store(row + 4u, column, width, sums1);
    store(row + 8u, column, width, sums2);
    store(row + 12u, column, width, sums3);
    store(row + 16u, column, width, sums4);
    store(row + 20u, column, width, sums5);
    store(row + 24u, column, width, sums6);
    store(row + 28u, column, width, sums7);
}

// Stores four rows of one vec4 column. Rows that are not live stay untouched; padding units become zero,
// because an activation such as sigmoid would not leave them so.
fn store(row: u32, column: u32, width: u32, sums: mat4x4<f32>) {
    if column >= width {
        return;
    }
    let offset = bias[column];
    let live = vec4<u32>(4u * column) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(shape.units);
    let at = row * width + column;
    if row < step.live_rows {
        output[at] = select(vec4<f32>(0.0), activate(sums[0] + offset), live);
    }
    if row + 1u < step.live_rows {
        output[at + width] = select(vec4<f32>(0.0), activate(sums[1] + offset), live);
    }
    if row + 2u < step.live_rows {
        output[at + 2u * width] = select(vec4<f32>(0.0), activate(sums[2] + offset), live);
    }
    if row + 3u < step.live_rows {
        output[at + 3u * width] = select(vec4<f32>(0.0), activate(sums[3] + offset), live);
    }
}
