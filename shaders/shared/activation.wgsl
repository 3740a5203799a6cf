// The activation functions. ACTIVATION: 0 linear, 1 relu, 2 sigmoid, 3 tanh, 4 leaky relu, 5 elu,
// 6 selu, 7 softplus, 8 silu, 9 gelu, 10 gelu by tanh. SLOPE is leaky relu's slope or elu's alpha.
// The branches are on an override constant, so a pipeline holds only the one that it uses.
override ACTIVATION: u32 = 0u;
override SLOPE: f32 = 0.0;

const SELU_SCALE: f32 = 1.0507010;
const SELU_ALPHA: f32 = 1.7580993;
const GELU_SCALE: f32 = 0.7978846;
const GELU_CUBE: f32 = 0.044715;

fn activate(x: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    switch ACTIVATION {
        case 1u: {
            return keep_nan(x, max(x, vec4<f32>(0.0)));
        }
        case 2u: {
            return sigmoid(x);
        }
        case 3u: {
            // Beyond 15 the result is 1 in f32; the clamp keeps a driver's exp-based tanh finite.
            return keep_nan(x, tanh(clamp(x, vec4<f32>(-15.0), vec4<f32>(15.0))));
        }
        case 4u: {
            return select(x * SLOPE, x, x > zero);
        }
        case 5u: {
            return keep_nan(x, select(SLOPE * (exp(min(x, zero)) - 1.0), x, x > zero));
        }
        case 6u: {
            let below = SELU_ALPHA * (exp(min(x, zero)) - 1.0);
            return keep_nan(x, select(below, SELU_SCALE * x, x > zero));
        }
        case 7u: {
            return keep_nan(x, max(x, zero) + log(1.0 + exp(-abs(x))));
        }
        case 8u: {
            return x * sigmoid(x);
        }
        case 9u: {
            return x * normal_distribution(x);
        }
        case 10u: {
            return x * 0.5 * (1.0 + gelu_tanh(x));
        }
        default: {
            return x;
        }
    }
}

fn sigmoid(x: vec4<f32>) -> vec4<f32> {
    // Only exp of a non-positive number is taken, so nothing can overflow.
    let e = exp(-abs(x));
    return select(e, vec4<f32>(1.0), x >= vec4<f32>(0.0)) / (1.0 + e);
}

// (1 + erf(x / sqrt(2))) / 2, with erf by Abramowitz and Stegun 7.1.26: off by 1.5e-7 at most.
fn normal_distribution(x: vec4<f32>) -> vec4<f32> {
    let z = abs(x) * 0.70710678;
    let t = 1.0 / (1.0 + 0.3275911 * z);
    let polynomial = t * (0.254829592 + t * (-0.284496736
        + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
    let erfc = polynomial * exp(-z * z);
    return select(0.5 * erfc, 1.0 - 0.5 * erfc, x >= vec4<f32>(0.0));
}

fn gelu_tanh(x: vec4<f32>) -> vec4<f32> {
    let argument = GELU_SCALE * (x + GELU_CUBE * x * x * x);
    return keep_nan(x, tanh(clamp(argument, vec4<f32>(-15.0), vec4<f32>(15.0))));
}

// The derivative, from the activated output y, so that the backward pass needs no pre-activations;
// for silu and gelu, which do not tell it by their output, y is their input.
fn activation_derivative(y: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    let one = vec4<f32>(1.0);
    switch ACTIVATION {
        case 1u: {
            return select(vec4<f32>(0.0), vec4<f32>(1.0), y > vec4<f32>(0.0));
        }
        case 2u: {
            return y * (1.0 - y);
        }
        case 3u: {
            return (1.0 - y) * (1.0 + y);
        }
        case 4u: {
            return select(vec4<f32>(SLOPE), one, y > zero);
        }
        case 5u: {
            return select(y + SLOPE, one, y > zero);
        }
        case 6u: {
            return select(y + SELU_ALPHA, vec4<f32>(SELU_SCALE), y > zero);
        }
        case 7u: {
            return 1.0 - exp(-y);
        }
        case 8u: {
            let s = sigmoid(y);
            return s * (1.0 + y * (1.0 - s));
        }
        case 9u: {
            return normal_distribution(y) + y * 0.39894228 * exp(-0.5 * y * y);
        }
        case 10u: {
            let t = gelu_tanh(y);
            let slope = GELU_SCALE * (1.0 + 3.0 * GELU_CUBE * y * y);
            let inside = 0.5 * (1.0 + t) + 0.5 * y * (1.0 - t) * (1.0 + t) * slope;
            // Beyond, it is 0 or 1, and the slope would make a large number of t's rounding.
            return keep_nan(y, select(inside, select(zero, one, y > zero), abs(y) > vec4<f32>(10.0)));
        }
        default: {
            return vec4<f32>(1.0);
        }
    }
}
