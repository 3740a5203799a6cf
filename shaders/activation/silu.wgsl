// x * sigmoid(x). In the derivative y is the input of the function, which its result does not tell.
fn activate(x: vec4<f32>) -> vec4<f32> {
    return x * sigmoid(x);
}

fn activation_derivative(y: vec4<f32>) -> vec4<f32> {
    let s = sigmoid(y);
    return s * (1.0 + y * (1.0 - s));
}
