// What the update kernels share: they run over the whole flat parameter buffer, four parameters an
// invocation, and all arenas are of its length.
@group(0) @binding(2) var<storage, read> gradients: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> parameters: array<vec4<f32>>;

// One dimension of workgroups may hold 65535 of them, so the index runs on over y.
fn parameter_index(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    return id.y * groups.x * 64u + id.x;
}

// Weight decay comes first, then the update.
fn update(index: u32, change: vec4<f32>) {
    let w = parameters[index];
    parameters[index] = (w - w * step.decay) - change;
}
