// What of each value dropout keeps: 1 / (1 - rate) or 0.
struct Dropout {
    inputs: u32,
    units: u32,
    scale: f32,
    parameter: f32,
    layer: u32,
    threshold: u32,
    pad_0: u32,
    pad_1: u32,
}

@group(0) @binding(1) var<uniform> shape: Dropout;

fn factors(quad: u32) -> vec4<f32> {
    var kept = vec4<f32>(0.0);
    for (var i = 0u; i < 4u; i += 1u) {
        if (noise(shape.layer, quad * 4u + i) >= shape.threshold) {
            kept[i] = shape.scale;
        }
    }
    return kept;
}
