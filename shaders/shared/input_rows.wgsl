// The layer's input as rows of reals. `index` counts vec4s: row * round_up(inputs, 4) / 4 + column / 4.
@group(0) @binding(2) var<storage, read> input: array<Rows>;

fn load_input(index: u32) -> vec4<f32> {
    return vec4<f32>(input[index]);
}
