// max(x, 0). In the derivative y is the result of the function.
fn activate(x: vec4<f32>) -> vec4<f32> {
    return keep_nan(x, max(x, vec4<f32>(0.0)));
}

fn activation_derivative(y: vec4<f32>) -> vec4<f32> {
    return select(vec4<f32>(0.0), vec4<f32>(1.0), y > vec4<f32>(0.0));
}
