// input_gradient[M, K] = (gradient[M, N] * weights[K, N]^T) * activation_derivative(activated[M, K]),
// where activated is what the previous layer put out.
//
// For CPU-type adapters whose subgroup is exactly eight lanes (lavapipe). A load there visits the lanes one after
// another, so the fewest loads win: each lane loads what no other lane has, and the eight lanes hand it round by
// broadcast. A subgroup owns a 32x32 tile of the output, each lane one vec4 column of it, and eight loads feed
// 512 multiply-adds a lane. Blocks are mat4x4, with a row of the output in each matrix column.
// The workgroup is one subgroup; with any other subgroup size the result is wrong.
// Groups are numbered along the shorter of rows and inputs first: those that run one after another then share a strip
// of the larger operand, and it is the smaller one, which a cache may hold, that is read again and again.
@group(0) @binding(2) var<storage, read> gradient: array<Rows>;
@group(0) @binding(3) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> activated: array<Rows>;
@group(0) @binding(5) var<storage, read_write> input_gradient: array<Rows>;

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
    let down_first = step.live_rows < shape.inputs;
    let line = select((depth + 7u) / 8u, (step.live_rows + 31u) / 32u, down_first);
    let down = select(tile / line, tile % line, down_first);
    let across = select(tile % line, tile / line, down_first);
    let row = down * 32u;
    let column = across * 8u + lane;

    // A tile at the edge repeats the last row or column instead of leaving the buffer; store drops what is extra.
    let last = step.live_rows - 1u;
    let weight_rows = 4u * min(column, depth - 1u) * width;
    let rows0 = min(row + lane, last) * width;
    let rows1 = min(row + 8u + lane, last) * width;
    let rows2 = min(row + 16u + lane, last) * width;
    let rows3 = min(row + 24u + lane, last) * width;

    var sums0 = mat4x4<f32>();
    var sums1 = mat4x4<f32>();
    var sums2 = mat4x4<f32>();
    var sums3 = mat4x4<f32>();
    var sums4 = mat4x4<f32>();
    var sums5 = mat4x4<f32>();
    var sums6 = mat4x4<f32>();
    var sums7 = mat4x4<f32>();
    for (var n = 0u; n < width; n++) {
        let at = weight_rows + n;
        let block = transpose(mat4x4<f32>(
            weights[at],
            weights[at + width],
            weights[at + 2u * width],
            weights[at + 3u * width],
        ));
        let own0 = vec4<f32>(gradient[rows0 + n]);
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
        let own1 = vec4<f32>(gradient[rows1 + n]);
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
        let own2 = vec4<f32>(gradient[rows2 + n]);
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
        let own3 = vec4<f32>(gradient[rows3 + n]);
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

    // One store in a loop, with the sums shifted along, because code for a store takes long to compile there.
    let blocks = select(0u, 8u, row < step.live_rows);
    for (var block = 0u; block < blocks; block++) {
        store(row + 4u * block, column, depth, sums0);
        sums0 = sums1;
        sums1 = sums2;
        sums2 = sums3;
        sums3 = sums4;
        sums4 = sums5;
        sums5 = sums6;
        sums6 = sums7;
    }
}

// Four rows of one vec4 of inputs. Past the live inputs the weights are zero, and so is the result.
fn store(row: u32, column: u32, depth: u32, sums: mat4x4<f32>) {
    if column >= depth {
        return;
    }
    let at = row * depth + column;
    if row < step.live_rows {
        input_gradient[at] = Rows(sums[0] * activation_derivative(vec4<f32>(activated[at])));
    }
    if row + 1u < step.live_rows {
        input_gradient[at + depth] = Rows(sums[1] * activation_derivative(vec4<f32>(activated[at + depth])));
    }
    if row + 2u < step.live_rows {
        input_gradient[at + 2u * depth] = Rows(sums[2] * activation_derivative(vec4<f32>(activated[at + 2u * depth])));
    }
    if row + 3u < step.live_rows {
        input_gradient[at + 3u * depth] = Rows(sums[3] * activation_derivative(vec4<f32>(activated[at + 3u * depth])));
    }
}
