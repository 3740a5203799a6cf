// input_gradient[B,U] = output_gradient[B,U] * mask / (1 - rate) * activation'(input[B,U]), where the
// activation is the one that made the input.
@group(0) @binding(2) var<storage, read> output_gradient: array<Rows>;
@group(0) @binding(3) var<storage, read> input: array<Rows>;
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
    let slope = activation_derivative(vec4<f32>(input[index])) * factors(index);
    input_gradient[index] = Rows(live_or(vec4<f32>(output_gradient[index]) * slope, index % row_quads(), 0.0));
}
