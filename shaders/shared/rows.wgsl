// What the kernels that take one row of units an invocation share.

// The most negative f32: no literal infinity exists in WGSL.
const LOWEST: f32 = -3.4028234e38;

// Replaces what lies beyond the last unit: the padding of the row.
fn live_or(values: vec4<f32>, quad: u32, replacement: f32) -> vec4<f32> {
    let unit = vec4<u32>(quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    return select(vec4<f32>(replacement), values, unit < vec4<u32>(shape.units));
}

const EXPONENT: u32 = 0x7f800000u;

// WGSL may assume that there is no NaN, so only the bits tell.
fn any_nonfinite(x: vec4<f32>) -> bool {
    let exponent = bitcast<vec4<u32>>(x) & vec4<u32>(EXPONENT);
    return any(exponent == vec4<u32>(EXPONENT));
}

// What a row has counted so far, and this step. x: right predictions; y: number of the first step
// whose loss was not finite, or 0.
fn counted(before: vec2<u32>, right: u32, nonfinite: bool) -> vec2<u32> {
    let first = select(before.y, step.number, nonfinite && before.y == 0u);
    return vec2<u32>(before.x + select(right, 0u, nonfinite), first);
}
