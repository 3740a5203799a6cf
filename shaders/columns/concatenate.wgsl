// output[B,M+N] = first[B,M] beside second[B,N].
@group(0) @binding(2) var<storage, read> first: array<RowValue>;
@group(0) @binding(3) var<storage, read> second: array<RowValue>;
@group(0) @binding(4) var<storage, read_write> output: array<Rows>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    if (index >= step.live_rows * row_quads()) {
        return;
    }
    let row = index / row_quads();
    let first_row = row * stride_of(shape.inputs);
    let second_row = row * stride_of(shape.units - shape.inputs);
    var values = vec4<f32>(0.0);
    for (var i = 0u; i < 4u; i += 1u) {
        let column = (index % row_quads()) * 4u + i;
        if (column < shape.inputs) {
            values[i] = f32(first[first_row + column]);
        } else if (column < shape.units) {
            values[i] = f32(second[second_row + column - shape.inputs]);
        }
    }
    output[index] = Rows(values);
}
