// input_gradient[B,U] = (l1 * sign(value) + 2 * l2 * value) * activation'(value[B,U]) / live rows, where
// the activation is the one that made the value.
@group(0) @binding(2) var<storage, read> value: array<Rows>;
@group(0) @binding(3) var<storage, read_write> input_gradient: array<Rows>;

@compute @workgroup_size(64)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let index = folded_index(id, groups);
    if (index >= step.live_rows * row_quads()) {
        return;
    }
    let x = vec4<f32>(value[index]);
    let slope = (shape.l1 * sign(x) + 2.0 * shape.l2 * x) * (gradient_scale() * step.inverse_rows);
    let gradient = keep_nan(x, slope * activation_derivative(x));
    input_gradient[index] = Rows(live_or(gradient, index % row_quads(), 0.0));
}
