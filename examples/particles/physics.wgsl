// The world: a square whose opposite sides are joined, its sides 1 long. A state is a place and a
// velocity: x, y, and both per second.

const TAU = 6.2831853;
const FRAME_SECONDS = 1.0 / 60.0;
const STEPS_PER_FRAME = 4u;

// What is usual: a velocity, and how much a frame changes a state.
const SPEED = 0.3;
const CHANGE = vec4<f32>(0.005, 0.005, 0.02, 0.02);

// A flow without sources: the rotated slopes of four waves.
fn flow(place: vec2<f32>) -> vec2<f32> {
    var velocity = vec2<f32>(0.0);
    velocity += 0.22 * cos(TAU * (place.x + place.y) + 0.3) * vec2<f32>(1.0, -1.0);
    velocity += 0.16 * cos(TAU * (2.0 * place.x - place.y) + 1.7) * vec2<f32>(-1.0, -2.0);
    velocity += 0.12 * cos(TAU * 2.0 * place.y + 4.1) * vec2<f32>(2.0, 0.0);
    velocity += 0.10 * cos(TAU * (place.x - 3.0 * place.y) + 2.6) * vec2<f32>(-3.0, -1.0);
    return velocity;
}

// The flow drags a particle along, and a field that is upright turns it, to either side.
fn acceleration(place: vec2<f32>, velocity: vec2<f32>) -> vec2<f32> {
    let turn = 6.0 * sin(TAU * place.x) * sin(TAU * place.y);
    return (flow(place) - velocity) * 4.0 + turn * vec2<f32>(-velocity.y, velocity.x);
}

// The state a frame later, which may lie beyond a side: Euler's method, velocity first.
fn next(state: vec4<f32>) -> vec4<f32> {
    let seconds = FRAME_SECONDS / f32(STEPS_PER_FRAME);
    var place = state.xy;
    var velocity = state.zw;
    for (var i = 0u; i < STEPS_PER_FRAME; i += 1u) {
        velocity += acceleration(place, velocity) * seconds;
        place += velocity * seconds;
    }
    return vec4<f32>(place, velocity);
}

// Back into the square.
fn joined(state: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(fract(state.xy), state.zw);
}

// A state as the network is given it, numbers around -1 to 1.
fn as_input(state: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(state.xy * 2.0 - 1.0, state.zw / SPEED);
}
