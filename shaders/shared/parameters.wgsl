// What the updates share: parameters, gradients and what the optimizer keeps are flat buffers of one
// length. The file of the optimizer has `learn`, which moves four parameters, given their gradients.
@group(0) @binding(3) var<storage, read_write> parameters: array<vec4<f32>>;

// Weight decay comes first, then the update.
fn update(index: u32, change: vec4<f32>) {
    let w = parameters[index];
    parameters[index] = (w - w * step.decay) - change;
}
