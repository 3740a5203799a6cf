// output[B,N] = input[B, offset .. offset + N].
@group(0) @binding(2) var<storage, read> input: array<RowValue>;
@group(0) @binding(3) var<storage, read_write> output: array<Rows>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    if (index >= step.live_rows * row_quads()) {
        return;
    }
    let first = (index / row_quads()) * stride_of(shape.inputs) + shape.offset;
    var values = vec4<f32>(0.0);
    for (var i = 0u; i < 4u; i += 1u) {
        let column = (index % row_quads()) * 4u + i;
        if (column < shape.units) {
            values[i] = f32(input[first + column]);
        }
    }
    output[index] = Rows(values);
}
