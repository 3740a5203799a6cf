// 1 where a prediction above the threshold is expected to be 1, or another one to be 0; else 0.
fn metric_of(prediction: vec4<f32>, expected: vec4<f32>) -> vec4<f32> {
    let positive = prediction > vec4<f32>(shape.parameter);
    let predicted = select(vec4<f32>(0.0), vec4<f32>(1.0), positive);
    return select(vec4<f32>(0.0), vec4<f32>(1.0), predicted == expected);
}
