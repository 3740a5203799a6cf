// What the kernels that take one row of units an invocation share.

// The most negative f32: no literal infinity exists in WGSL.
const LOWEST: f32 = -3.4028234e38;

// Replaces what lies beyond the last unit: the padding of the row.
fn live_or(values: vec4<f32>, quad: u32, replacement: f32) -> vec4<f32> {
    let unit = vec4<u32>(quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
    return select(vec4<f32>(replacement), values, unit < vec4<u32>(shape.units));
}
