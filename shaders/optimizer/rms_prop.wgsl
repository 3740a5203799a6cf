// RMSprop, plain or centered, with momentum.
struct Constants {
    length: u32,
    one_minus_rho: f32,
    momentum: f32,
    epsilon: f32,
}

override CENTERED: bool = false;

@group(0) @binding(1) var<uniform> constants: Constants;
@group(0) @binding(4) var<storage, read_write> mean_square: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> mean_gradient: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> velocity: array<vec4<f32>>;

fn learn(index: u32, g: vec4<f32>) {
    let square_before = mean_square[index];
    let square = square_before + (g * g - square_before) * constants.one_minus_rho;
    mean_square[index] = square;
    var variance = square;
    if (CENTERED) {
        let mean_before = mean_gradient[index];
        let mean = mean_before + (g - mean_before) * constants.one_minus_rho;
        mean_gradient[index] = mean;
        // Rounding may take it below zero, where it has no root.
        variance = max(square - mean * mean, vec4<f32>(0.0));
    }
    let root = sqrt(variance + vec4<f32>(constants.epsilon));
    let after = constants.momentum * velocity[index] + step.step_size * g / root;
    velocity[index] = after;
    update(index, after);
}
