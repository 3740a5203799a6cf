// weight_gradient[K, N] = input[M, K]^T * gradient[M, N] and bias_gradient[N] = the column sums of
// gradient[M, N], for adapters that run on the CPU: each thread keeps a tile of 8 inputs x 8 units in registers,
// loads only vec4s, and shares nothing with its group (see dense_forward_register.wgsl).
// Four rows an iteration: lavapipe ends any loop after 65,535 iterations, which here is 262,140 rows.
// Threads are numbered along the units first; 8 threads a group, the tiles cut into groups in that order.
@group(0) @binding(3) var<storage, read> gradient: array<Rows>;
@group(0) @binding(4) var<storage, read_write> weight_gradient: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> bias_gradient: array<vec4<f32>>;

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // Strides in vec4s.
    let depth = (shape.inputs + 3u) / 4u;
    let width = (shape.units + 3u) / 4u;
    let tiles_across = (width + 1u) / 2u;
    let tile = (group.y * groups.x + group.x) * 8u + lane;
    let input_column = tile / tiles_across * 2u;
    let column = tile % tiles_across * 2u;

    // Columns past the end repeat the last one, so that every load is in bounds; the store drops them.
    let x0 = min(input_column, depth - 1u);
    let x1 = min(input_column + 1u, depth - 1u);
    let d0 = min(column, width - 1u);
    let d1 = min(column + 1u, width - 1u);
    let last = step.live_rows - 1u;
    let zero = vec4<f32>();

    var sum00 = mat4x4<f32>();
    var sum01 = mat4x4<f32>();
    var sum10 = mat4x4<f32>();
    var sum11 = mat4x4<f32>();
    var bias0 = vec4<f32>();
    var bias1 = vec4<f32>();
    // A thread past the last input has nothing to sum.
    let end = select(0u, step.live_rows, input_column < depth);
    for (var row = 0u; row < end; row += 4u) {
        // Rows past the live ones hold garbage: zero takes its place.
        let row1 = min(row + 1u, last);
        let row2 = min(row + 2u, last);
        let row3 = min(row + 3u, last);
        let live1 = row + 1u < step.live_rows;
        let live2 = row + 2u < step.live_rows;
        let live3 = row + 3u < step.live_rows;
        let b0 = mat4x4<f32>(
            vec4<f32>(gradient[row * width + d0]),
            select(zero, vec4<f32>(gradient[row1 * width + d0]), live1),
            select(zero, vec4<f32>(gradient[row2 * width + d0]), live2),
            select(zero, vec4<f32>(gradient[row3 * width + d0]), live3),
        );
        bias0 += b0 * vec4<f32>(1.0);
        let b1 = mat4x4<f32>(
            vec4<f32>(gradient[row * width + d1]),
            select(zero, vec4<f32>(gradient[row1 * width + d1]), live1),
            select(zero, vec4<f32>(gradient[row2 * width + d1]), live2),
            select(zero, vec4<f32>(gradient[row3 * width + d1]), live3),
        );
        bias1 += b1 * vec4<f32>(1.0);
        let a0 = transpose(mat4x4<f32>(
            load_input(row * depth + x0),
            select(zero, load_input(row1 * depth + x0), live1),
            select(zero, load_input(row2 * depth + x0), live2),
            select(zero, load_input(row3 * depth + x0), live3),
        ));
        sum00 += b0 * a0;
        sum01 += b1 * a0;
        let a1 = transpose(mat4x4<f32>(
            load_input(row * depth + x1),
            select(zero, load_input(row1 * depth + x1), live1),
            select(zero, load_input(row2 * depth + x1), live2),
            select(zero, load_input(row3 * depth + x1), live3),
        ));
        sum10 += b0 * a1;
        sum11 += b1 * a1;
    }
    // One store in a loop, with the sums shifted along, because code for a store takes long to compile there.
    let blocks = select(0u, 4u, input_column < depth);
    for (var block = 0u; block < blocks; block++) {
        store(input_column + block / 2u, depth, column + block % 2u, width, sum00);
        sum00 = sum01;
        sum01 = sum10;
        sum10 = sum11;
    }
    if input_column == 0u {
        store_bias(column, width, bias0);
        store_bias(column + 1u, width, bias1);
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
