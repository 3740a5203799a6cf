// output[B,U] = activate(bias[U] + the sum over a row's values of value * weights[its column, U]), four units
// an invocation. The invocations of a row read the same columns, and rows of weights side by side.
@group(0) @binding(3) var<storage, read> weights: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> output: array<Rows>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    let width = row_quads();
    if index >= step.live_rows * width {
        return;
    }
    let quad = index % width;
    let begin = row_begin(index / width);
    var sum = bias[quad];
    for (var place = begin; place < begin + shape.most; place++) {
        let column = input[place];
        if column >= shape.inputs {
            break;
        }
        sum += value_at(place) * weights[column * width + quad];
    }
    let live = vec4<u32>(4u * quad) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(shape.units);
    output[index] = Rows(select(vec4<f32>(), activate(sum), live));
}
