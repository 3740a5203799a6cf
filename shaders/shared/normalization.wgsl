// The sizes and constants of a normalization. gamma_offset is 1 where zeros stand in the place of gamma.
struct Normalization {
    inputs: u32,
    units: u32,
    epsilon: f32,
    gamma_offset: f32,
}

@group(0) @binding(1) var<uniform> shape: Normalization;
