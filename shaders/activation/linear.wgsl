// The identity.
fn activate(x: vec4<f32>) -> vec4<f32> {
    return x;
}

fn activation_derivative(y: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(1.0);
}
