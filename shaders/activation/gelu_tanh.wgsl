// x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2. In the derivative y is the input of the function, which its result does not tell.
const GELU_SCALE: f32 = 0.7978846;
const GELU_CUBE: f32 = 0.044715;

fn activate(x: vec4<f32>) -> vec4<f32> {
    return x * 0.5 * (1.0 + gelu_tanh(x));
}

fn gelu_tanh(x: vec4<f32>) -> vec4<f32> {
    let argument = GELU_SCALE * (x + GELU_CUBE * x * x * x);
    return keep_nan(x, tanh(clamp(argument, vec4<f32>(-15.0), vec4<f32>(15.0))));
}

fn activation_derivative(y: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    let one = vec4<f32>(1.0);
    let t = gelu_tanh(y);
    let slope = GELU_SCALE * (1.0 + 3.0 * GELU_CUBE * y * y);
    let inside = 0.5 * (1.0 + t) + 0.5 * y * (1.0 - t) * (1.0 + t) * slope;
    // Beyond, it is 0 or 1, and the slope would make a large number of t's rounding.
    return keep_nan(y, select(inside, select(zero, one, y > zero), abs(y) > vec4<f32>(10.0)));
}
