// output[M, N] = activate(input[M, K] * weights[K, N] + bias[N]), for GPUs: a group of 16x16 threads computes
// a tile of 64 rows x 64 units, walking K in steps of 16 that it copies to workgroup memory, where each value
// is read by 16 threads. A thread computes 4 rows x one vec4 of units, kept in registers.
// Groups go over rows in x, which may be many, and over units in y.
@group(0) @binding(3) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> output: array<Rows>;

// 64 rows x 4 vec4s along K. The stride is 5, not 4, so that rows 4 apart lie in different banks.
var<workgroup> left: array<vec4<f32>, 320>;
// 16 steps along K x 16 vec4s of units.
var<workgroup> right: array<vec4<f32>, 256>;

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    // Strides in vec4s.
    let depth = (shape.inputs + 3u) / 4u;
    let width = (shape.units + 3u) / 4u;
    let thread = local.y * 16u + local.x;

    // What this thread copies each step: one vec4 of input and one of weights, neighbours side by side.
    // Past the end it repeats the last row or column, so that every load is in bounds; the store drops the results.
    let left_k = thread % 4u;
    let left_row = thread / 4u;
    let left_source = min(group.x * 64u + left_row, step.live_rows - 1u) * depth;
    let left_place = left_row * 5u + left_k;
    let right_source = min(group.y * 16u + local.x, width - 1u);

    let row = group.x * 64u + local.y * 4u;
    let column = group.y * 16u + local.x;
    let zero = vec4<f32>();
    var sums = mat4x4<f32>();
    for (var start = 0u; start < depth; start += 4u) {
        // Past the end of K both sides are zero.
        let k = start + left_k;
        left[left_place] = select(zero, load_input(left_source + min(k, depth - 1u)), k < depth);
        let weight_row = 4u * start + local.y;
        let weight = weights[min(weight_row, 4u * depth - 1u) * width + right_source];
        right[thread] = select(zero, weight, weight_row < 4u * depth);
        workgroupBarrier();

        for (var block = 0u; block < 4u; block++) {
            let at = local.y * 20u + block;
            let a = mat4x4<f32>(left[at], left[at + 5u], left[at + 10u], left[at + 15u]);
            let across = block * 64u + local.x;
            let b = mat4x4<f32>(right[across], right[across + 16u], right[across + 32u], right[across + 48u]);
            sums += b * a;
        }
        workgroupBarrier();
    }

    if column >= width {
        return;
    }
    let offset = bias[column];
    let live = vec4<u32>(4u * column) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(shape.units);
    if row + 0u < step.live_rows {
        output[(row + 0u) * width + column] = Rows(select(zero, activate(sums[0] + offset), live));
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
