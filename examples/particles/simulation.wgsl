// Moves the particles, and writes down what became of each: a sample.

@group(0) @binding(0) var<storage, read_write> particles: array<vec4<f32>>;
// Those that the network moves.
@group(0) @binding(1) var<storage, read_write> followers: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> inputs: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> changes: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> frame: u32;
@group(0) @binding(5) var<storage, read_write> arrows: array<vec2<f32>>;

// PCG's output function: O'Neill, 2014.
fn random_bits(seed: u32) -> u32 {
    let state = seed * 747796405u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return (word >> 22u) ^ word;
}

// Somewhere in the square, in any direction.
fn random_state(seed: u32) -> vec4<f32> {
    var numbers: array<f32, 4>;
    for (var i = 0u; i < 4u; i += 1u) {
        numbers[i] = f32(random_bits(seed + i) >> 8u) / 16777216.0;
    }
    let velocity = (vec2<f32>(numbers[2], numbers[3]) * 2.0 - 1.0) * 2.0 * SPEED;
    return vec4<f32>(numbers[0], numbers[1], velocity);
}

@compute @workgroup_size(64)
fn simulate(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    let seed = random_bits(random_bits(frame) + i);
    var state = particles[i];
    if frame == 0u {
        state = random_state(seed);
    }
    let after = next(state);
    inputs[i] = as_input(state);
    changes[i] = (after - state) / CHANGE;
    particles[i] = joined(after);
    // Some begin anew, so that no place is left empty for long.
    if seed % LIFE == 0u {
        particles[i] = random_state(seed);
    }
    // Those that follow the network begin where these are.
    if seed % LIFE == 0u || frame % RESTART == 0u {
        followers[i] = particles[i];
    }
}

// How a particle at rest is accelerated, at each place of a grid.
@compute @workgroup_size(64)
fn draw_arrows(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < GRID * GRID {
        let state = resting(id.x);
        arrows[id.x] = (next(state) - state).zw / CHANGE.zw;
    }
}

@compute @workgroup_size(1)
fn count() {
    frame += 1u;
}
