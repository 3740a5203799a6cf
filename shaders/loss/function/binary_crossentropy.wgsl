// Binary cross-entropy of a logit y. shape.parameter is the label smoothing.
fn smoothed(expected: vec4<f32>) -> vec4<f32> {
    return expected * (1.0 - shape.parameter) + 0.5 * shape.parameter;
}

fn loss_of(y: vec4<f32>, expected: vec4<f32>) -> vec4<f32> {
    // log(1 + exp(y)) - y * expected, without an exp that could overflow.
    let positive = max(y, vec4<f32>(0.0));
    return positive - y * smoothed(expected) + log(1.0 + exp(-abs(y)));
}

fn slope_of(y: vec4<f32>, expected: vec4<f32>) -> vec4<f32> {
    return sigmoid(y) - smoothed(expected);
}

fn right_of(y: vec4<f32>, expected: vec4<f32>) -> vec4<f32> {
    // A logit above 0 is a probability above 1/2.
    let predicted = select(vec4<f32>(0.0), vec4<f32>(1.0), y > vec4<f32>(0.0));
    return select(vec4<f32>(0.0), vec4<f32>(1.0), predicted == expected);
}
