// weight_gradient[K, N] = input[M, K]^T * gradient[M, N] and bias_gradient[N] = the column sums of
// gradient[M, N], for GPUs: a group of 16x16 threads computes a tile of 64 inputs x 64 units, walking the rows
// in steps of 16 that it copies to workgroup memory. A thread computes 4 inputs x one vec4 of units, kept in
// registers. The groups of the first inputs sum the bias gradient from the same copies.
// Rows are summed in order, so the result depends on the shape only.
// Groups go over inputs in x and over units in y.
@group(0) @binding(3) var<storage, read> gradient: array<Rows>;
@group(0) @binding(4) var<storage, read_write> weight_gradient: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> bias_gradient: array<vec4<f32>>;

// 16 rows x 16 vec4s, of inputs and of units.
var<workgroup> left: array<vec4<f32>, 256>;
var<workgroup> right: array<vec4<f32>, 256>;

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    // Strides in vec4s.
    let depth = (shape.inputs + 3u) / 4u;
    let width = (shape.units + 3u) / 4u;
    let thread = local.y * 16u + local.x;

    // Columns past the end repeat the last one, so that every load is in bounds; the store drops the results.
    let left_source = min(group.x * 16u + local.x, depth - 1u);
    let right_source = min(group.y * 16u + local.x, width - 1u);

    let input_column = group.x * 16u + local.y;
    let column = group.y * 16u + local.x;
    let zero = vec4<f32>();
    var sums = mat4x4<f32>();
    var bias_sums = vec4<f32>();
    for (var start = 0u; start < step.live_rows; start += 16u) {
        // Rows past the live ones hold garbage: zero takes its place.
        let row = start + local.y;
        let safe = min(row, step.live_rows - 1u);
        let live = row < step.live_rows;
        left[thread] = select(zero, load_input(safe * depth + left_source), live);
        right[thread] = select(zero, vec4<f32>(gradient[safe * width + right_source]), live);
        workgroupBarrier();

        for (var block = 0u; block < 256u; block += 64u) {
            let down = block + local.y;
            let a = transpose(mat4x4<f32>(left[down], left[down + 16u], left[down + 32u], left[down + 48u]));
            let across = block + local.x;
            let b = mat4x4<f32>(right[across], right[across + 16u], right[across + 32u], right[across + 48u]);
            sums += b * a;
            bias_sums += b * vec4<f32>(1.0);
        }
        workgroupBarrier();
    }

    if input_column < depth && column < width {
        // Paddings come out as zero by themselves, their inputs and gradients being zero.
        let at = 4u * input_column * width + column;
        weight_gradient[at] = sums[0];
        weight_gradient[at + width] = sums[1];
        weight_gradient[at + 2u * width] = sums[2];
        weight_gradient[at + 3u * width] = sums[3];
        if input_column == 0u {
            bias_gradient[column] = bias_sums;
        }
    }
}
