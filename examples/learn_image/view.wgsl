// A picture of WIDTH x HEIGHT, and what the network makes of its places.

@group(0) @binding(0) var<storage, read> pixels: array<u32>;

struct Corner {
    @builtin(position) position: vec4<f32>,
    // To the right and down, 0 to 1.
    @location(0) place: vec2<f32>,
}

// A triangle that covers the viewport.
@vertex
fn corner(@builtin(vertex_index) index: u32) -> Corner {
    let place = vec2<f32>(vec2<u32>(index & 1u, index >> 1u)) * 2.0;
    return Corner(vec4<f32>(place.x * 2.0 - 1.0, 1.0 - place.y * 2.0, 0.0, 1.0), place);
}

@fragment
fn learned(@location(0) place: vec2<f32>) -> @location(0) vec4<f32> {
    let colour = network(array<f32, 2>(place.x, place.y));
    return vec4<f32>(colour[0], colour[1], colour[2], 1.0);
}

@fragment
fn picture(@location(0) place: vec2<f32>) -> @location(0) vec4<f32> {
    let size = vec2<u32>(WIDTH, HEIGHT);
    let pixel = min(vec2<u32>(place * vec2<f32>(size)), size - 1u);
    return unpack4x8unorm(pixels[pixel.y * WIDTH + pixel.x]);
}
