// Adagrad.
struct Constants {
    length: u32,
    epsilon: f32,
}

@group(0) @binding(1) var<uniform> constants: Constants;
@group(0) @binding(4) var<storage, read_write> accumulator: array<vec4<f32>>;

fn learn(index: u32, g: vec4<f32>) {
    let sum = accumulator[index] + g * g;
    accumulator[index] = sum;
    update(index, step.step_size * g / sqrt(sum + vec4<f32>(constants.epsilon)));
}
