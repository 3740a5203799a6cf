// Half the square of the error up to delta, linear beyond. shape.parameter is delta.
fn loss_of(y: vec4<f32>, expected: vec4<f32>) -> vec4<f32> {
    let error = y - expected;
    let size = abs(error);
    let linear = shape.parameter * (size - 0.5 * shape.parameter);
    let within = size <= vec4<f32>(shape.parameter);
    return select(linear, 0.5 * error * error, within);
}

fn slope_of(y: vec4<f32>, expected: vec4<f32>) -> vec4<f32> {
    let error = y - expected;
    let delta = vec4<f32>(shape.parameter);
    return keep_nan(error, clamp(error, -delta, delta));
}

// Nothing is right or wrong.
fn right_of(y: vec4<f32>, expected: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(0.0);
}
