// What the update kernels share: they run over the whole flat parameter buffer, four parameters an
// invocation, and all arenas are of its length.
@group(0) @binding(2) var<storage, read> gradients: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> parameters: array<vec4<f32>>;

// Weight decay comes first, then the update.
fn update(index: u32, change: vec4<f32>) {
    let w = parameters[index];
    parameters[index] = (w - w * step.decay) - change;
}
