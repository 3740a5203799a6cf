// weight_gradient[I,U] and bias_gradient[U] of a dense layer over sparse rows, for GPUs. A workgroup owns 16
// columns of the input x 64 units; an invocation 4 columns x one vec4 of units, in registers. For 16 rows at a
// time the workgroup finds where the values of its columns lie, one search an invocation, and each invocation
// adds those of its own columns. Rows are added in order, so the result does not depend on the device.
// One tile more than there are columns sums the bias gradient.
@group(0) @binding(3) var<storage, read> gradient: array<Rows>;
@group(0) @binding(4) var<storage, read_write> weight_gradient: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> bias_gradient: array<vec4<f32>>;

// Of 16 rows x 4 times 4 columns, where the values of these columns begin and end.
var<workgroup> ranges: array<vec2<u32>, 64>;
// Of 4 parts of the rows x 16 vec4s of units.
var<workgroup> parts: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) thread: u32,
) {
    let width = row_quads();
    let across = (width + 15u) / 16u;
    let tile = group.y * groups.x + group.x;
    let slices = (shape.inputs + 15u) / 16u;
    let slice = tile / across;
    if slice > slices {
        return;
    }
    // Units past the end repeat the last ones, so that every load is in bounds; the store drops the results.
    let quad = tile % across * 16u + thread % 16u;
    let source = min(quad, width - 1u);
    if slice == slices {
        var part = vec4<f32>();
        for (var row = thread / 16u; row < step.live_rows; row += 4u) {
            part += vec4<f32>(gradient[row * width + source]);
        }
        parts[thread] = part;
        workgroupBarrier();
        if thread < 16u && quad < width {
            let sums = (parts[thread] + parts[thread + 16u]) + (parts[thread + 32u] + parts[thread + 48u]);
            bias_gradient[quad] = sums;
        }
        return;
    }

    // What it searches for, and what it adds up.
    let searched = slice * 16u + thread % 4u * 4u;
    let searched_end = min(searched + 4u, shape.inputs);
    let own = slice * 16u + thread / 16u * 4u;
    var sums = mat4x4<f32>();
    for (var start = 0u; start < step.live_rows; start += 16u) {
        let row = start + thread / 4u;
        var range = vec2<u32>();
        if row < step.live_rows {
            let begin = row_begin(row);
            let before = columns_before(begin, searched);
            var after = before;
            while after < shape.most && input[begin + after] < searched_end {
                after++;
            }
            range = vec2<u32>(begin + before, begin + after);
        }
        ranges[thread] = range;
        workgroupBarrier();

        let rows = min(16u, step.live_rows - start);
        for (var i = 0u; i < rows; i++) {
            let values = ranges[i * 4u + thread / 16u];
            if values.x == values.y {
                continue;
            }
            let factor = vec4<f32>(gradient[(start + i) * width + source]);
            for (var place = values.x; place < values.y; place++) {
                let column = input[place] - own;
                let product = value_at(place) * factor;
                // No product with zero in the place of a choice: the gradient may be infinite.
                sums[0] = select(sums[0], sums[0] + product, column == 0u);
                sums[1] = select(sums[1], sums[1] + product, column == 1u);
                sums[2] = select(sums[2], sums[2] + product, column == 2u);
                sums[3] = select(sums[3], sums[3] + product, column == 3u);
            }
        }
        workgroupBarrier();
    }

    // The weight has rows of zeros up to a multiple of four.
    if own < shape.inputs && quad < width {
        let at = own * width + quad;
        weight_gradient[at] = sums[0];
        weight_gradient[at + width] = sums[1];
        weight_gradient[at + 2u * width] = sums[2];
        weight_gradient[at + 3u * width] = sums[3];
    }
}
