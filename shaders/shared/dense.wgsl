// The sizes of one dense layer, made once. `inputs` and `units` are the live sizes; every row in memory
// is padded with zeros to a multiple of four floats. `scale` is what a byte of a u8 input counts, or
// what the loss counts beside others; `parameter` a constant of the loss: its label smoothing, or
// Huber's delta.
struct Shape {
    inputs: u32,
    units: u32,
    scale: f32,
    parameter: f32,
}

@group(0) @binding(1) var<uniform> shape: Shape;
