// weight_gradient[K, N] = input[M, K]^T * gradient[M, N]
// bias_gradient[N] = the sum of gradient[M, N] over its rows
//
// For CPU-type adapters whose subgroup is exactly eight lanes (lavapipe). A load there visits the lanes one after
// another, so the fewest loads win: each lane loads what no other lane has, and the eight lanes hand it round by
// broadcast. A subgroup owns a 32x32 tile of the output, each lane one vec4 column of it, and eight loads feed
// 512 multiply-adds a lane. Blocks are mat4x4, with a row of the weight gradient in each matrix column.
// The workgroup is one subgroup; with any other subgroup size the result is wrong.
// lavapipe ends a loop after some 65,535 iterations, hence four rows of the batch an iteration: 262,000 rows at most.

struct Shape {
    inputs: u32,
    units: u32,
    scale: f32,
    pad: u32,
}

@group(0) @binding(1) var<uniform> shape: Shape;
@group(0) @binding(3) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> weight_gradient: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> bias_gradient: array<vec4<f32>>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_invocation_id) lane: u32) {
    let depth = (shape.inputs + 3u) / 4u;
    let width = (shape.units + 3u) / 4u;
    let input_column = group.x * 8u;
    let column = group.y * 8u + lane;

    // A tile at the edge repeats the last column instead of leaving the row; store drops what is extra.
    let own_start = min(input_column + lane, depth - 1u);
    let safe_column = min(column, width - 1u);

    var sums0 = mat4x4<f32>();
    var sums1 = mat4x4<f32>();
    var sums2 = mat4x4<f32>();
    var sums3 = mat4x4<f32>();
    var sums4 = mat4x4<f32>();
    var sums5 = mat4x4<f32>();
    var sums6 = mat4x4<f32>();
    var sums7 = mat4x4<f32>();
    var bias = vec4<f32>();
    let whole = step.live_rows / 4u * 4u;
    for (var row = 0u; row < whole; row += 4u) {
        let at = row * width + safe_column;
        let block = mat4x4<f32>(
            gradient[at],
            gradient[at + width],
            gradient[at + 2u * width],
            gradient[at + 3u * width],
        );
        bias += block[0] + block[1] + block[2] + block[3];
        let source = row * depth + own_start;
        let own = mat4x4<f32>(
            load_input(source),
            load_input(source + depth),
            load_input(source + 2u * depth),
            load_input(source + 3u * depth),
        );
        sums0 += block * transpose(mat4x4<f32>(
            subgroupBroadcast(own[0], 0u),
            subgroupBroadcast(own[1], 0u),
            subgroupBroadcast(own[2], 0u),
            subgroupBroadcast(own[3], 0u),
        ));
        sums1 += block * transpose(mat4x4<f32>(
            subgroupBroadcast(own[0], 1u),
            subgroupBroadcast(own[1], 1u),
            subgroupBroadcast(own[2], 1u),
            subgroupBroadcast(own[3], 1u),
        ));
        sums2 += block * transpose(mat4x4<f32>(
            subgroupBroadcast(own[0], 2u),
            subgroupBroadcast(own[1], 2u),
            subgroupBroadcast(own[2], 2u),
            subgroupBroadcast(own[3], 2u),
        ));
        sums3 += block * transpose(mat4x4<f32>(
            subgroupBroadcast(own[0], 3u),
            subgroupBroadcast(own[1], 3u),
            subgroupBroadcast(own[2], 3u),
            subgroupBroadcast(own[3], 3u),
        ));
        sums4 += block * transpose(mat4x4<f32>(
            subgroupBroadcast(own[0], 4u),
            subgroupBroadcast(own[1], 4u),
            subgroupBroadcast(own[2], 4u),
            subgroupBroadcast(own[3], 4u),
        ));
        sums5 += block * transpose(mat4x4<f32>(
            subgroupBroadcast(own[0], 5u),
            subgroupBroadcast(own[1], 5u),
            subgroupBroadcast(own[2], 5u),
            subgroupBroadcast(own[3], 5u),
        ));
        sums6 += block * transpose(mat4x4<f32>(
            subgroupBroadcast(own[0], 6u),
            subgroupBroadcast(own[1], 6u),
            subgroupBroadcast(own[2], 6u),
            subgroupBroadcast(own[3], 6u),
        ));
        sums7 += block * transpose(mat4x4<f32>(
            subgroupBroadcast(own[0], 7u),
            subgroupBroadcast(own[1], 7u),
            subgroupBroadcast(own[2], 7u),
            subgroupBroadcast(own[3], 7u),
        ));
    }
    // The last one to three rows, one at a time: what lies behind them may be garbage.
    for (var row = whole; row < step.live_rows; row++) {
        let units = gradient[row * width + safe_column];
        bias += units;
        let own = load_input(row * depth + own_start);
        sums0 += outer(units, subgroupBroadcast(own, 0u));
        sums1 += outer(units, subgroupBroadcast(own, 1u));
        sums2 += outer(units, subgroupBroadcast(own, 2u));
        sums3 += outer(units, subgroupBroadcast(own, 3u));
        sums4 += outer(units, subgroupBroadcast(own, 4u));
        sums5 += outer(units, subgroupBroadcast(own, 5u));
        sums6 += outer(units, subgroupBroadcast(own, 6u));
        sums7 += outer(units, subgroupBroadcast(own, 7u));
    }

    store(input_column, column, width, sums0);
    store(input_column + 1u, column, width, sums1);
    store(input_column + 2u, column, width, sums2);
    store(input_column + 3u, column, width, sums3);
    store(input_column + 4u, column, width, sums4);
    store(input_column + 5u, column, width, sums5);
    store(input_column + 6u, column, width, sums6);
    store(input_column + 7u, column, width, sums7);
    if input_column == 0u && column < width {
        bias_gradient[column] = bias;
    }
}

fn outer(units: vec4<f32>, inputs: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(units * inputs.x, units * inputs.y, units * inputs.z, units * inputs.w);
}

// Stores four inputs' rows of one vec4 column. Padding units and inputs come out as zero by themselves,
// because the operands' padding is zero.
fn store(input_column: u32, column: u32, width: u32, sums: mat4x4<f32>) {
    if input_column >= (shape.inputs + 3u) / 4u || column >= width {
        return;
    }
    let at = 4u * input_column * width + column;
    weight_gradient[at] = sums[0];
    weight_gradient[at + width] = sums[1];
    weight_gradient[at + 2u * width] = sums[2];
    weight_gradient[at + 3u * width] = sums[3];
}
