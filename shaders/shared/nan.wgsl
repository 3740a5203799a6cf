// max and clamp may turn NaN into a number, which would hide that training has gone astray. A compiler may assume
// that there is no NaN, so only the bits tell.
fn keep_nan(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    let magnitude = bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu);
    return select(y, x, magnitude > vec4<u32>(0x7f800000u));
}
