// Particles as streaks, and arrows below them.

@group(0) @binding(0) var<storage, read> particles: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> arrows: array<vec2<f32>>;

struct Corner {
    @builtin(position) position: vec4<f32>,
    @location(0) colour: vec4<f32>,
    // From the middle of a streak, which ends at 1.
    @location(1) across: vec2<f32>,
}

// The square on the viewport.
fn seen_at(place: vec2<f32>) -> vec4<f32> {
    return vec4<f32>(place.x * 2.0 - 1.0, 1.0 - place.y * 2.0, 0.0, 1.0);
}

// A colour for each direction.
fn hue(direction: vec2<f32>) -> vec3<f32> {
    let angle = atan2(direction.y, direction.x);
    return 0.58 + 0.42 * cos(angle - vec3<f32>(0.0, TAU / 3.0, TAU * 2.0 / 3.0));
}

@vertex
fn streak(@builtin(vertex_index) vertex: u32, @builtin(instance_index) i: u32) -> Corner {
    var corners = array<vec2<f32>, 6>(
        vec2<f32>(-1.0, -1.0), vec2<f32>(1.0, -1.0), vec2<f32>(-1.0, 1.0),
        vec2<f32>(-1.0, 1.0), vec2<f32>(1.0, -1.0), vec2<f32>(1.0, 1.0),
    );
    let corner = corners[vertex];
    let velocity = particles[i].zw;
    let speed = length(velocity);
    let along = select(vec2<f32>(1.0, 0.0), velocity / speed, speed > 1e-6);
    let side = vec2<f32>(-along.y, along.x);
    let half_length = 0.0030 + 0.018 * min(speed, 1.0);
    let place = particles[i].xy + along * half_length * (corner.x - 1.0) + side * 0.0030 * corner.y;
    return Corner(seen_at(place), vec4<f32>(hue(velocity), 0.75), corner);
}

@fragment
fn streak_colour(corner: Corner) -> @location(0) vec4<f32> {
    // Bright at its head, fading to its tail and its sides.
    let fade = (0.5 + 0.5 * corner.across.x) * (1.0 - corner.across.y * corner.across.y);
    return vec4<f32>(corner.colour.rgb, corner.colour.a * fade);
}

@vertex
fn arrow(@builtin(vertex_index) vertex: u32, @builtin(instance_index) i: u32) -> Corner {
    // A shaft and a head, from tail to tip along x.
    var corners = array<vec2<f32>, 9>(
        vec2<f32>(-1.0, -0.10), vec2<f32>(0.3, -0.10), vec2<f32>(-1.0, 0.10),
        vec2<f32>(-1.0, 0.10), vec2<f32>(0.3, -0.10), vec2<f32>(0.3, 0.10),
        vec2<f32>(0.3, -0.35), vec2<f32>(1.0, 0.0), vec2<f32>(0.3, 0.35),
    );
    let force = arrows[i];
    let size = length(force);
    let along = select(vec2<f32>(1.0, 0.0), force / size, size > 1e-6);
    let corner = corners[vertex] * 0.45 / f32(GRID) * min(size / 1.5, 1.0);
    let place = resting(i).xy + along * corner.x + vec2<f32>(-along.y, along.x) * corner.y;
    return Corner(seen_at(place), vec4<f32>(hue(force) * 0.9, 0.45), vec2<f32>(0.0));
}

@fragment
fn arrow_colour(corner: Corner) -> @location(0) vec4<f32> {
    return corner.colour;
}
