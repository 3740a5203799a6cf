// The sizes and constants of a dropout. scale is 1 / (1 - rate).
struct Dropout {
    units: u32,
    scale: f32,
    layer: u32,
    threshold: u32,
}

@group(0) @binding(1) var<uniform> shape: Dropout;

// What dropout multiplies the four values of a quad by: scale for a value that is kept, else 0.
fn factors(quad: u32) -> vec4<f32> {
    var kept = vec4<f32>(0.0);
    for (var i = 0u; i < 4u; i += 1u) {
        if (noise(shape.layer, place_in_batch(quad) + i) >= shape.threshold) {
            kept[i] = shape.scale;
        }
    }
    return kept;
}
