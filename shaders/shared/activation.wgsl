// The activation fused into a dense layer: 0 linear, 1 relu, 2 sigmoid, 3 tanh.
// The branches are on an override constant, so a pipeline holds only the one that it uses.
override ACTIVATION: u32 = 0u;

fn activate(x: vec4<f32>) -> vec4<f32> {
    switch ACTIVATION {
        case 1u: {
            return keep_nan(x, max(x, vec4<f32>(0.0)));
        }
        case 2u: {
            // Only exp of a non-positive number is taken, so nothing can overflow.
            let e = exp(-abs(x));
            return select(e, vec4<f32>(1.0), x >= vec4<f32>(0.0)) / (1.0 + e);
        }
        case 3u: {
            // Beyond 15 the result is 1 in f32; the clamp keeps a driver's exp-based tanh finite.
            return keep_nan(x, tanh(clamp(x, vec4<f32>(-15.0), vec4<f32>(15.0))));
        }
        default: {
            return x;
        }
    }
}

// max and clamp may turn NaN into a number, which would hide that training has gone astray. A compiler may assume
// that there is no NaN, so only the bits tell.
fn keep_nan(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    let magnitude = bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu);
    return select(y, x, magnitude > vec4<u32>(0x7f800000u));
}

// The derivative, from the activated output y, so that the backward pass needs no pre-activations.
fn activation_derivative(y: vec4<f32>) -> vec4<f32> {
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
        default: {
            return vec4<f32>(1.0);
        }
    }
}
