// A metric that is given for each sample, value[B,1], summed up for each row of the batch by itself:
// sums[B,2] += (weight * value, weight).
struct Shape {
    units: u32,
    // 1 if a row counts its sample weight, 0 if it counts 1.
    weighted: u32,
    unused_0: u32,
    unused_1: u32,
}

@group(0) @binding(1) var<uniform> shape: Shape;
@group(0) @binding(2) var<storage, read> value: array<Rows>;
@group(0) @binding(3) var<storage, read> sample_weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> sums: array<vec2<f32>>;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if (row >= step.live_rows) {
        return;
    }
    let weight = select(1.0, sample_weights[row], shape.weighted == 1u);
    sums[row] += vec2<f32>(f32(value[row].x) * weight, weight);
}
