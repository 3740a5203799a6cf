// x above 0, else CONSTANT * x. In the derivative y is the result of the function.
override CONSTANT: f32;

fn activate(x: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    return select(x * CONSTANT, x, x > zero);
}

fn activation_derivative(y: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    let one = vec4<f32>(1.0);
    return select(vec4<f32>(CONSTANT), one, y > zero);
}
