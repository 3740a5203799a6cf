// input_gradient[M, K] = (gradient[M, N] * weights[K, N]^T) * activation_derivative(activated[M, K])
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
@group(0) @binding(2) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> activated: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> input_gradient: array<vec4<f32>>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
    let depth = (shape.inputs + 3u) / 4u;
    let width = (shape.units + 3u) / 4u;
    let row = group.x * 32u;
    let column = group.y * 8u + lane;

    // A tile at the edge repeats the last row or column instead of leaving the buffer; store drops what is extra.
    let last_row = step.live_rows - 1u;
    let safe_column = min(column, depth - 1u);
    let rows0 = min(row + lane, last_row) * width;
    let rows1 = min(row + 8u + lane, last_row) * width;
    let rows2 = min(row + 16u + lane, last_row) * width;
    let rows3 = min(row + 24u + lane, last_row) * width;

    var sums0 = mat4x4<f32>();
    var sums1 = mat4x4<f32>();
    var sums2 = mat4x4<f32>();
    var sums3 = mat4x4<f32>();
    var sums4 = mat4x4<f32>();
    var sums5 = mat4x4<f32>();
    var sums6 = mat4x4<f32>();
    var sums7 = mat4x4<f32>();
    let end = select(0u, width, row < step.live_rows);
    for (var n = 0u; n < end; n++) {
        let at = 4u * safe_column * width + n;
        let block = transpose(mat4x4<f32>(
            weights[at],
            weights[at + width],
            weights[at + 2u * width],
            weights[at + 3u * width],
        ));
        let own0 = gradient[rows0 + n];
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
        let own1 = gradient[rows1 + n];
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
        let own2 = gradient[rows2 + n];
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
        let own3 = gradient[rows3 + n];
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

    store(row, column, depth, sums0);
    store(row + 4u, column, depth, sums1);
    store(row + 8u, column, depth, sums2);
    store(row + 12u, column, depth, sums3);
    store(row + 16u, column, depth, sums4);
    store(row + 20u, column, depth, sums5);
    store(row + 24u, column, depth, sums6);
    store(row + 28u, column, depth, sums7);
}

// Stores four rows of one vec4 column. Rows that are not live stay untouched and their activations unread;
// padding inputs are written as zero.
fn store(row: u32, column: u32, depth: u32, sums: mat4x4<f32>) {
    if column >= depth {
        return;
    }
    let live = vec4<u32>(4u * column) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(shape.inputs);
    let at = row * depth + column;
    if row < step.live_rows {
        input_gradient[at] = select(vec4<f32>(0.0), sums[0] * activation_derivative(activated[at]), live);
    }
    if row + 1u < step.live_rows {
        let next = at + depth;
        input_gradient[next] = select(vec4<f32>(0.0), sums[1] * activation_derivative(activated[next]), live);
    }
    if row + 2u < step.live_rows {
        let next = at + 2u * depth;
        input_gradient[next] = select(vec4<f32>(0.0), sums[2] * activation_derivative(activated[next]), live);
    }
    if row + 3u < step.live_rows {
        let next = at + 3u * depth;
        input_gradient[next] = select(vec4<f32>(0.0), sums[3] * activation_derivative(activated[next]), live);
    }
}
