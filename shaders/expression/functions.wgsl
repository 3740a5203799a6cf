// What generated expressions call. Where a function is not defined, or its result is beyond f32, WGSL
// leaves the result open and may assume that it does not occur; so NaN and infinity are made of bits.
fn undefined(x: vec4<f32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(x) | vec4<u32>(0x7fc00000u));
}

// With the sign of x.
fn infinite(x: vec4<f32>) -> vec4<f32> {
    let sign = bitcast<vec4<u32>>(x) & vec4<u32>(0x80000000u);
    return bitcast<vec4<f32>>(sign | vec4<u32>(EXPONENT));
}

fn power_of_e(x: vec4<f32>) -> vec4<f32> {
    // The largest x whose power is within f32.
    let most = vec4<f32>(88.72283);
    let power = exp(clamp(x, vec4<f32>(-200.0), most));
    return keep_nan(x, select(power, infinite(abs(x)), x > most));
}

fn logarithm(x: vec4<f32>) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    let least = infinite(-abs(x) - 1.0);
    let defined = select(log(x), least, x == zero);
    return keep_nan(x, select(defined, undefined(x), x < zero));
}

fn root(x: vec4<f32>) -> vec4<f32> {
    return keep_nan(x, select(sqrt(x), undefined(x), x < vec4<f32>(0.0)));
}

fn hyperbolic_tangent(x: vec4<f32>) -> vec4<f32> {
    // Beyond 15 the result is 1 in f32; the clamp keeps a driver's exp-based tanh finite.
    return keep_nan(x, tanh(clamp(x, vec4<f32>(-15.0), vec4<f32>(15.0))));
}

fn sign_of(x: vec4<f32>) -> vec4<f32> {
    return keep_nan(x, sign(x));
}

fn power(x: vec4<f32>, exponent: f32) -> vec4<f32> {
    let positive = power_of_e(logarithm(x) * exponent);
    let at_zero = select(infinite(abs(x)), vec4<f32>(0.0), exponent > 0.0);
    return select(positive, at_zero, x == vec4<f32>(0.0));
}

fn minimum(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return keep_nan(a, keep_nan(b, min(a, b)));
}

fn maximum(a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return keep_nan(a, keep_nan(b, max(a, b)));
}

fn if_positive(x: vec4<f32>, positive: vec4<f32>, other: vec4<f32>) -> vec4<f32> {
    return keep_nan(x, select(other, positive, x > vec4<f32>(0.0)));
}
