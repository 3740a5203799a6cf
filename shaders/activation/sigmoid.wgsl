// 1 / (1 + exp(-x)). In the derivative y is the result of the function.
fn activate(x: vec4<f32>) -> vec4<f32> {
    return sigmoid(x);
}

fn activation_derivative(y: vec4<f32>) -> vec4<f32> {
    return y * (1.0 - y);
}
