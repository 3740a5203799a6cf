// SELU_SCALE * x above 0, else SELU_ALPHA * (exp(x) - 1). In the derivative y is the result of the function.
const SELU_SCALE: f32 = 1.0507010;
const SELU_ALPHA: f32 = 1.7580993;

fn activate(x: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    let below = SELU_ALPHA * (exp(min(x, zero)) - 1.0);
    return keep_nan(x, select(below, SELU_SCALE * x, x > zero));
}

fn activation_derivative(y: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    return select(y + SELU_ALPHA, vec4<f32>(SELU_SCALE), y > zero);
}
