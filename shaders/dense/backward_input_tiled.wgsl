// input_gradient[M, K] = (gradient[M, N] * weights[K, N]^T) * activation_derivative(activated[M, K]),
// where activated is what the previous layer put out, for GPUs: a group of 16x16 threads computes a tile of
// 64 rows x 64 inputs, walking N in steps of 16 that it copies to workgroup memory. A thread computes
// 4 rows x one vec4 of inputs, kept in registers.
// Groups go over rows in x, which may be many, and over inputs in y.
@group(0) @binding(2) var<storage, read> gradient: array<Rows>;
@group(0) @binding(3) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> activated: array<Rows>;
@group(0) @binding(5) var<storage, read_write> input_gradient: array<Rows>;

// 64 rows, of the batch and of weights, x 4 vec4s along N.
// Row r lies at r % 4 * 84 + r / 4 * 5: threads side by side, which read rows 4 apart, then meet different banks.
var<workgroup> left: array<vec4<f32>, 332>;
var<workgroup> right: array<vec4<f32>, 332>;

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    // Strides in vec4s.
    let depth = (shape.inputs + 3u) / 4u;
    let width = (shape.units + 3u) / 4u;
    let thread = local.y * 16u + local.x;

    // What this thread copies each step: one vec4 of gradient and one of weights, neighbours side by side.
    // Past the end it repeats the last row, so that every load is in bounds; the store drops the results.
    let copied = thread % 4u;
    let left_source = min(group.x * 64u + thread / 4u, step.live_rows - 1u) * width;
    let right_source = min(group.y * 64u + thread / 4u, 4u * depth - 1u) * width;
    let place = thread / 4u % 4u * 84u + thread / 16u * 5u + copied;

    let row = group.x * 64u + local.y * 4u;
    let column = group.y * 16u + local.x;
    let zero = vec4<f32>();
    var sums = mat4x4<f32>();
    for (var start = 0u; start < width; start += 4u) {
        // Past the end of N both sides are zero.
        let n = start + copied;
        let safe = min(n, width - 1u);
        left[place] = select(zero, vec4<f32>(gradient[left_source + safe]), n < width);
        right[place] = select(zero, weights[right_source + safe], n < width);
        workgroupBarrier();

        for (var block = 0u; block < 4u; block++) {
            let down = local.y * 5u + block;
            let a = mat4x4<f32>(left[down], left[down + 84u], left[down + 168u], left[down + 252u]);
            let across = local.x * 5u + block;
            let b = mat4x4<f32>(right[across], right[across + 84u], right[across + 168u], right[across + 252u]);
            sums += transpose(b) * a;
        }
        workgroupBarrier();
    }

    if column >= depth {
        return;
    }
    // Past the live inputs the weights are zero, and so is the result.
    let at = row * depth + column;
    if row + 0u < step.live_rows {
        input_gradient[at + 0u * depth] = Rows(sums[0] * activation_derivative(vec4<f32>(activated[at + 0u * depth])));
    }
    if row + 1u < step.live_rows {
        input_gradient[at + 1u * depth] = Rows(sums[1] * activation_derivative(vec4<f32>(activated[at + 1u * depth])));
    }
    if row + 2u < step.live_rows {
        input_gradient[at + 2u * depth] = Rows(sums[2] * activation_derivative(vec4<f32>(activated[at + 2u * depth])));
    }
    if row + 3u < step.live_rows {
        input_gradient[at + 3u * depth] = Rows(sums[3] * activation_derivative(vec4<f32>(activated[at + 3u * depth])));
    }
}
