// Random pixels of a picture of WIDTH x HEIGHT: where they are, and their colours.

@group(0) @binding(0) var<storage, read> pixels: array<u32>;
@group(0) @binding(1) var<storage, read_write> places: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> colours: array<vec4<f32>>;
// How many times pixels were drawn: the host need not say it.
@group(0) @binding(3) var<storage, read_write> step: u32;

// PCG's output function: O'Neill, 2014.
fn random(seed: u32) -> u32 {
    let state = seed * 747796405u + 2891336453u;
    let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
    return (word >> 22u) ^ word;
}

@compute @workgroup_size(64)
fn draw(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    let pixel = random(random(step) + row) % (WIDTH * HEIGHT);
    let centre = vec2<f32>(vec2<u32>(pixel % WIDTH, pixel / WIDTH)) + 0.5;
    places[row] = centre / vec2<f32>(vec2<u32>(WIDTH, HEIGHT));
    colours[row] = unpack4x8unorm(pixels[pixel]);
}

@compute @workgroup_size(1)
fn count() {
    step += 1u;
}
