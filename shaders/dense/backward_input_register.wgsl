// input_gradient[M, K] = (gradient[M, N] * weights[K, N]^T) * activation_derivative(activated[M, K]),
// where activated is what the previous layer put out, for adapters that run on the CPU: each thread keeps
// a tile of 8 rows x 8 inputs in registers, loads only vec4s, and shares nothing with its group
// (see dense_forward_register.wgsl).
// Threads are numbered along the inputs first; 8 threads a group, the tiles cut into groups in that order.
@group(0) @binding(2) var<storage, read> gradient: array<Rows>;
@group(0) @binding(3) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> activated: array<Rows>;
@group(0) @binding(5) var<storage, read_write> input_gradient: array<Rows>;

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // Strides in vec4s.
    let depth = (shape.inputs + 3u) / 4u;
    let width = (shape.units + 3u) / 4u;
    let tiles_across = (depth + 1u) / 2u;
    let tile = (group.y * groups.x + group.x) * 8u + lane;
    let row = tile / tiles_across * 8u;
    let column = tile % tiles_across * 2u;

    // Rows and columns past the end repeat the last one, so that every load is in bounds; the store drops them.
    let last = step.live_rows - 1u;
    let d0 = min(row, last) * width;
    let d1 = min(row + 1u, last) * width;
    let d2 = min(row + 2u, last) * width;
    let d3 = min(row + 3u, last) * width;
    let d4 = min(row + 4u, last) * width;
    let d5 = min(row + 5u, last) * width;
    let d6 = min(row + 6u, last) * width;
    let d7 = min(row + 7u, last) * width;
    let w0 = 4u * min(column, depth - 1u) * width;
    let w1 = 4u * min(column + 1u, depth - 1u) * width;

    var sum00 = mat4x4<f32>();
    var sum01 = mat4x4<f32>();
    var sum10 = mat4x4<f32>();
    var sum11 = mat4x4<f32>();
    // A thread past the last row has nothing to sum.
    let end = select(0u, width, row < step.live_rows);
    for (var n = 0u; n < end; n++) {
        let b0 = transpose(mat4x4<f32>(
            weights[w0 + n],
            weights[w0 + width + n],
            weights[w0 + 2u * width + n],
            weights[w0 + 3u * width + n],
        ));
        let b1 = transpose(mat4x4<f32>(
            weights[w1 + n],
            weights[w1 + width + n],
            weights[w1 + 2u * width + n],
            weights[w1 + 3u * width + n],
        ));
        let a0 = mat4x4<f32>(
            vec4<f32>(gradient[d0 + n]),
            vec4<f32>(gradient[d1 + n]),
            vec4<f32>(gradient[d2 + n]),
            vec4<f32>(gradient[d3 + n]),
        );
        sum00 += b0 * a0;
        sum01 += b1 * a0;
        let a1 = mat4x4<f32>(
            vec4<f32>(gradient[d4 + n]),
            vec4<f32>(gradient[d5 + n]),
            vec4<f32>(gradient[d6 + n]),
            vec4<f32>(gradient[d7 + n]),
        );
        sum10 += b0 * a1;
        sum11 += b1 * a1;
    }
    // One store in a loop, with the sums shifted along, because code for a store takes long to compile there.
    let blocks = select(0u, 4u, row < step.live_rows);
    for (var block = 0u; block < blocks; block++) {
        store(row + block / 2u * 4u, column + block % 2u, depth, sum00);
        sum00 = sum01;
        sum01 = sum10;
        sum10 = sum11;
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
