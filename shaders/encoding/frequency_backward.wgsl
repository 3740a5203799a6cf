// input_gradient[B,I] = the sum over the waves of a column of their gradients times their derivatives, which
// are 2^k pi times the cosine for the sine, and -2^k pi times the sine for the cosine; and the gradient of the
// input itself where it is a part of the output.
override WAVES: u32;
const PI: f32 = 3.141592653589793;

struct Columns {
    units: u32,
    outputs: u32,
    first: u32,
}

@group(0) @binding(1) var<uniform> shape: Columns;
@group(0) @binding(2) var<storage, read> output_gradient: array<RowValue>;
@group(0) @binding(3) var<storage, read> output: array<RowValue>;
@group(0) @binding(4) var<storage, read_write> input_gradient: array<Rows>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    if (index >= step.live_rows * row_quads()) {
        return;
    }
    let begin = index / row_quads() * ((shape.outputs + 3u) / 4u * 4u);
    var sums = vec4<f32>();
    for (var i = 0u; i < 4u; i += 1u) {
        let column = index % row_quads() * 4u + i;
        if (column >= shape.units) {
            continue;
        }
        var sum = 0.0;
        if (column < shape.first) {
            sum = f32(output_gradient[begin + column]);
        }
        let waves = begin + shape.first + column * WAVES;
        var slope = PI;
        for (var place = waves; place < waves + WAVES; place += 2u) {
            let of_sine = f32(output_gradient[place]) * f32(output[place + 1u]);
            let of_cosine = f32(output_gradient[place + 1u]) * f32(output[place]);
            sum += slope * (of_sine - of_cosine);
            slope *= 2.0;
        }
        sums[i] = sum;
    }
    input_gradient[index] = Rows(sums);
}
