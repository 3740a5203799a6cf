// The layer's input as bytes, four to a u32, the first in the lowest bits; each becomes byte * scale.
// `index` counts groups of four, as in `input_rows.wgsl`, so that the kernels are the same for both.
@group(0) @binding(2) var<storage, read> input: array<u32>;

fn load_input(index: u32) -> vec4<f32> {
    let word = input[index];
    let bytes = (vec4<u32>(word) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
    // As if the converted values had been stored.
    return vec4<f32>(Rows(vec4<f32>(bytes) * shape.scale));
}
