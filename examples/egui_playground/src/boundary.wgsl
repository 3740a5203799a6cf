// The app's shader: colours each place by what the network says of it. `network` is generated from the
// model, and stands below.

struct Corner {
    @builtin(position) position: vec4<f32>,
    @location(0) place: vec2<f32>,
}

// One triangle that covers the picture.
@vertex
fn corner(@builtin(vertex_index) index: u32) -> Corner {
    let place = vec2<f32>(f32(index & 1u) * 4.0 - 1.0, f32(index >> 1u) * 4.0 - 1.0);
    return Corner(vec4<f32>(place, 0.0, 1.0), place);
}

// The probability of the second class.
fn second_class(place: vec2<f32>) -> f32 {
    return network(array<f32, 2>(place.x, place.y))[0];
}

@fragment
fn shade(corner: Corner) -> @location(0) vec4<f32> {
    let probability = second_class(corner.place);
    let sure = 2.0 * probability - 1.0;
    let blue = vec3<f32>(0.13, 0.30, 0.62);
    let orange = vec3<f32>(0.68, 0.37, 0.09);
    let undecided = vec3<f32>(0.11, 0.115, 0.13);
    let color = mix(undecided, select(blue, orange, sure > 0.0), sqrt(abs(sure)));
    // A light line where both classes are as likely, as wide wherever the network is steep or flat: how
    // far it is follows from differences. `fwidth` would be cheaper, and is wrong on Mesa 22's llvmpipe.
    let difference = vec2<f32>(
        second_class(corner.place + vec2<f32>(STEP, 0.0)),
        second_class(corner.place + vec2<f32>(0.0, STEP)),
    ) - probability;
    let distance = STEP * abs(probability - 0.5) / max(length(difference), 1e-7);
    let line = 1.0 - smoothstep(0.008, 0.018, distance);
    return vec4<f32>(mix(color, vec3<f32>(0.93, 0.93, 0.9), 0.85 * line), 1.0);
}

// From a place to the next one whose difference tells the slope.
const STEP = 0.004;
