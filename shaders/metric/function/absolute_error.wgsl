// |prediction - expected|.
fn metric_of(prediction: vec4<f32>, expected: vec4<f32>) -> vec4<f32> {
    let error = prediction - expected;
    return abs(error);
}
