// Gradient descent with momentum, plain or Nesterov's.
struct Constants {
    length: u32,
    momentum: f32,
}

override NESTEROV: bool = false;

@group(0) @binding(1) var<uniform> constants: Constants;
@group(0) @binding(4) var<storage, read_write> velocity: array<vec4<f32>>;

fn learn(index: u32, g: vec4<f32>) {
    let step_down = step.step_size * g;
    let after = constants.momentum * velocity[index] - step_down;
    velocity[index] = after;
    if (NESTEROV) {
        update(index, step_down - constants.momentum * after);
    } else {
        update(index, -after);
    }
}
