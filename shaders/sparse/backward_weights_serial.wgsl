// weight_gradient[I,U] and bias_gradient[U] of a dense layer over sparse rows, for adapters that run on the
// CPU. An invocation owns the rows of the weight for a slice of the columns, one vec4 of units wide: it sets
// them to zero and adds the values of these columns, row after row. It shares nothing, so that nothing waits.
// Slices are wide, as each is searched for in each row. One slice more than there are columns sums the bias
// gradient.
@group(0) @binding(3) var<storage, read> gradient: array<Rows>;
@group(0) @binding(4) var<storage, read_write> weight_gradient: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> bias_gradient: array<vec4<f32>>;

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = (group.y * groups.x + group.x) * 8u + lane;
    let width = row_quads();
    let quad = index % width;
    let slice = index / width;
    let slices = (shape.inputs + shape.slice - 1u) / shape.slice;
    if slice > slices {
        return;
    }
    if slice == slices {
        var sums = vec4<f32>();
        for (var row = 0u; row < step.live_rows; row++) {
            sums += vec4<f32>(gradient[row * width + quad]);
        }
        bias_gradient[quad] = sums;
        return;
    }

    // The weight has rows of zeros up to a multiple of four, and so has a slice.
    let first = slice * shape.slice;
    let padded = min(first + shape.slice, (shape.inputs + 3u) / 4u * 4u);
    for (var column = first; column < padded; column += 4u) {
        let at = column * width + quad;
        weight_gradient[at] = vec4<f32>();
        weight_gradient[at + width] = vec4<f32>();
        weight_gradient[at + 2u * width] = vec4<f32>();
        weight_gradient[at + 3u * width] = vec4<f32>();
    }
    let end = min(first + shape.slice, shape.inputs);
    for (var row = 0u; row < step.live_rows; row++) {
        let begin = row_begin(row);
        let row_end = begin + shape.most;
        let factor = vec4<f32>(gradient[row * width + quad]);
        var place = begin + columns_before(begin, first);
        // Eight at a time where there are many, as such an adapter ends loops after so many iterations.
        while place + 8u <= row_end && input[place + 7u] < end {
            add(place, factor, width, quad);
            add(place + 1u, factor, width, quad);
            add(place + 2u, factor, width, quad);
            add(place + 3u, factor, width, quad);
            add(place + 4u, factor, width, quad);
            add(place + 5u, factor, width, quad);
            add(place + 6u, factor, width, quad);
            add(place + 7u, factor, width, quad);
            place += 8u;
        }
        while place < row_end && input[place] < end {
            add(place, factor, width, quad);
            place += 1u;
        }
    }
}

// Adds the value at `place`.
fn add(place: u32, factor: vec4<f32>, width: u32, quad: u32) {
    weight_gradient[input[place] * width + quad] += value_at(place) * factor;
}
