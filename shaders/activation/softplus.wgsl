// log(1 + exp(x)). In the derivative y is the result of the function.
fn activate(x: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    return keep_nan(x, max(x, zero) + log(1.0 + exp(-abs(x))));
}

fn activation_derivative(y: vec4<f32>) -> vec4<f32> {
    return 1.0 - exp(-y);
}
