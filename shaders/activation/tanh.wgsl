// Hyperbolic tangent. In the derivative y is the result of the function.
fn activate(x: vec4<f32>) -> vec4<f32> {
    // Beyond 15 the result is 1 in f32; the clamp keeps a driver's exp-based tanh finite.
    return keep_nan(x, tanh(clamp(x, vec4<f32>(-15.0), vec4<f32>(15.0))));
}

fn activation_derivative(y: vec4<f32>) -> vec4<f32> {
    return (1.0 - y) * (1.0 + y);
}
