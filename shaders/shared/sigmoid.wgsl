fn sigmoid(x: vec4<f32>) -> vec4<f32> {
    // Only exp of a non-positive number is taken, so nothing can overflow.
    let e = exp(-abs(x));
    return select(e, vec4<f32>(1.0), x >= vec4<f32>(0.0)) / (1.0 + e);
}
