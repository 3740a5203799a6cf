// input_gradient[B,U] = output_gradient[B,U] * activation', told from value[B,U]: the activation's
// result where it is one that dense kernels have within themselves, else its input.
@group(0) @binding(2) var<storage, read> output_gradient: array<Rows>;
@group(0) @binding(3) var<storage, read> value: array<Rows>;
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
    let gradient = vec4<f32>(output_gradient[index]) * activation_derivative(vec4<f32>(value[index]));
    input_gradient[index] = Rows(live_or(gradient, index % row_quads(), 0.0));
}
