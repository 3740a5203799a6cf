// (y - expected)^2.
fn loss_of(y: vec4<f32>, expected: vec4<f32>) -> vec4<f32> {
    let error = y - expected;
    return error * error;
}

fn slope_of(y: vec4<f32>, expected: vec4<f32>) -> vec4<f32> {
    let error = y - expected;
    return 2.0 * error;
}

// Nothing is right or wrong.
fn right_of(y: vec4<f32>, expected: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(0.0);
}
