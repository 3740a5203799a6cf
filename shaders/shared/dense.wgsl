// The sizes of one dense layer, made once. `inputs` and `units` are the live sizes; every row in memory
// is padded with zeros to a multiple of four floats. `scale` is what a byte of a u8 input counts.
struct Shape {
    inputs: u32,
    units: u32,
    scale: f32,
    pad: u32,
}

@group(0) @binding(1) var<uniform> shape: Shape;
