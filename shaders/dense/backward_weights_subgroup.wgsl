// weight_gradient[K, N] = input[M, K]^T * gradient[M, N] and
// bias_gradient[N] = the column sums of gradient[M, N]
//
// For CPU-type adapters whose subgroup is exactly eight lanes (lavapipe). A load there visits the lanes one after
// another, so the fewest loads win: each lane loads what no other lane has, and the eight lanes hand it round by
// broadcast. A subgroup owns a 32x32 tile of the output, each lane one vec4 column of it, and eight loads feed
// 512 multiply-adds a lane. Blocks are mat4x4, with a row of the output in each matrix column.
// The workgroup is one subgroup; with any other subgroup size the result is wrong.
// Groups are numbered along the shorter of inputs and units first: those that run one after another then share a strip
// of the larger operand, and it is the smaller one, which a cache may hold, that is read again and again.
// lavapipe ends any loop after 65,535 iterations, hence four rows of the batch an iteration: 262,000 rows at most.
@group(0) @binding(3) var<storage, read> gradient: array<Rows>;
@group(0) @binding(4) var<storage, read_write> weight_gradient: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> bias_gradient: array<vec4<f32>>;

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    // Strides in vec4s.
    let depth = (shape.inputs + 3u) / 4u;
    let width = (shape.units + 3u) / 4u;
    let tile = group.y * groups.x + group.x;
    let down_first = depth < width;
    let line = select((width + 7u) / 8u, (depth + 7u) / 8u, down_first);
    let down = select(tile / line, tile % line, down_first);
    let across = select(tile % line, tile / line, down_first);
    let input_column = down * 8u;
    let column = across * 8u + lane;

    // A tile at the edge repeats the last column instead of leaving the row; store drops what is extra.
    let own_column = min(input_column + lane, depth - 1u);
    let safe_column = min(column, width - 1u);
    let last = step.live_rows - 1u;
    let zero = vec4<f32>();

    var sums0 = mat4x4<f32>();
    var sums1 = mat4x4<f32>();
    var sums2 = mat4x4<f32>();
    var sums3 = mat4x4<f32>();
    var sums4 = mat4x4<f32>();
    var sums5 = mat4x4<f32>();
    var sums6 = mat4x4<f32>();
    var sums7 = mat4x4<f32>();
    var bias_sums = vec4<f32>();
    for (var row = 0u; row < step.live_rows; row += 4u) {
        // Rows past the live ones hold garbage: zero takes its place.
        let row1 = min(row + 1u, last);
        let row2 = min(row + 2u, last);
        let row3 = min(row + 3u, last);
        let live1 = row + 1u < step.live_rows;
        let live2 = row + 2u < step.live_rows;
        let live3 = row + 3u < step.live_rows;
        let block = mat4x4<f32>(
            vec4<f32>(gradient[row * width + safe_column]),
            select(zero, vec4<f32>(gradient[row1 * width + safe_column]), live1),
            select(zero, vec4<f32>(gradient[row2 * width + safe_column]), live2),
            select(zero, vec4<f32>(gradient[row3 * width + safe_column]), live3),
        );
        bias_sums += block * vec4<f32>(1.0);
        let own0 = load_input(row * depth + own_column);
        let own1 = select(zero, load_input(row1 * depth + own_column), live1);
        let own2 = select(zero, load_input(row2 * depth + own_column), live2);
        let own3 = select(zero, load_input(row3 * depth + own_column), live3);
        sums0 += block * transpose(mat4x4<f32>(
            subgroupBroadcast(own0, 0u),
            subgroupBroadcast(own1, 0u),
            subgroupBroadcast(own2, 0u),
            subgroupBroadcast(own3, 0u),
        ));
        sums1 += block * transpose(mat4x4<f32>(
            subgroupBroadcast(own0, 1u),
            subgroupBroadcast(own1, 1u),
            subgroupBroadcast(own2, 1u),
            subgroupBroadcast(own3, 1u),
        ));
        sums2 += block * transpose(mat4x4<f32>(
            subgroupBroadcast(own0, 2u),
            subgroupBroadcast(own1, 2u),
            subgroupBroadcast(own2, 2u),
            subgroupBroadcast(own3, 2u),
        ));
        sums3 += block * transpose(mat4x4<f32>(
            subgroupBroadcast(own0, 3u),
            subgroupBroadcast(own1, 3u),
            subgroupBroadcast(own2, 3u),
            subgroupBroadcast(own3, 3u),
        ));
        sums4 += block * transpose(mat4x4<f32>(
            subgroupBroadcast(own0, 4u),
            subgroupBroadcast(own1, 4u),
            subgroupBroadcast(own2, 4u),
            subgroupBroadcast(own3, 4u),
        ));
        sums5 += block * transpose(mat4x4<f32>(
            subgroupBroadcast(own0, 5u),
            subgroupBroadcast(own1, 5u),
            subgroupBroadcast(own2, 5u),
            subgroupBroadcast(own3, 5u),
        ));
        sums6 += block * transpose(mat4x4<f32>(
            subgroupBroadcast(own0, 6u),
            subgroupBroadcast(own1, 6u),
            subgroupBroadcast(own2, 6u),
            subgroupBroadcast(own3, 6u),
        ));
        sums7 += block * transpose(mat4x4<f32>(
            subgroupBroadcast(own0, 7u),
            subgroupBroadcast(own1, 7u),
            subgroupBroadcast(own2, 7u),
            subgroupBroadcast(own3, 7u),
        ));
    }

    // One store in a loop, with the sums shifted along, because code for a store takes long to compile there.
    let blocks = select(0u, 8u, input_column < depth);
    for (var block = 0u; block < blocks; block++) {
        store(input_column + block, depth, column, width, sums0);
        sums0 = sums1;
        sums1 = sums2;
        sums2 = sums3;
        sums3 = sums4;
        sums4 = sums5;
        sums5 = sums6;
        sums6 = sums7;
    }
    if input_column == 0u {
        store_bias(column, width, bias_sums);
    }
}

// Four inputs x four units. Paddings come out as zero by themselves, their inputs and gradients being zero.
fn store(input_column: u32, depth: u32, column: u32, width: u32, sums: mat4x4<f32>) {
    if input_column < depth && column < width {
        let at = 4u * input_column * width + column;
        weight_gradient[at] = sums[0];
        weight_gradient[at + width] = sums[1];
        weight_gradient[at + 2u * width] = sums[2];
        weight_gradient[at + 3u * width] = sums[3];
    }
}

fn store_bias(column: u32, width: u32, sums: vec4<f32>) {
    if column < width {
        bias_gradient[column] = sums;
    }
}
