// Binary cross-entropy of a logit. shape.parameter is the label smoothing.
fn metric_of(logit: vec4<f32>, expected: vec4<f32>) -> vec4<f32> {
    let smoothed = expected * (1.0 - shape.parameter) + 0.5 * shape.parameter;
    // log(1 + exp(logit)) - logit * smoothed, without an exp that could overflow.
    let positive = max(logit, vec4<f32>(0.0));
    return positive - logit * smoothed + log(1.0 + exp(-abs(logit)));
}
