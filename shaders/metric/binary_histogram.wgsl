// How many of predictions[B,U] lie between thresholds, those with a positive target and the others
// apart: sums[B, 2 * bucket + positive] += weight. One row an invocation, and sums of its own.
@group(0) @binding(2) var<storage, read> predictions: array<Rows>;
@group(0) @binding(3) var<storage, read> targets: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> sums: array<f32>;

// Whether the buckets are of equal width from 0 to 1; otherwise a threshold parts two of them.
override EVEN: bool = false;

fn bucket_of(prediction: f32) -> u32 {
    // A NaN is in the first bucket. A compiler may assume that there is none, so only the bits tell.
    if ((bitcast<u32>(prediction) & 0x7fffffffu) > EXPONENT) {
        return 0u;
    }
    if (!EVEN) {
        return select(0u, 1u, prediction > shape.parameter);
    }
    // A prediction on a threshold is not above it.
    let above = u32(ceil(clamp(prediction, 0.0, 1.0) * f32(shape.count)));
    return min(max(above, 1u), shape.count) - 1u;
}

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if (row >= step.live_rows) {
        return;
    }
    let quads = (shape.units + 3u) / 4u;
    let first = row * quads;
    let first_sum = row * 2u * shape.count;
    let weight = row_weight(row);
    for (var unit = 0u; unit < shape.units; unit += 1u) {
        let bucket = bucket_of(f32(predictions[first + unit / 4u][unit % 4u]));
        let positive = select(0u, 1u, targets[first + unit / 4u][unit % 4u] != 0.0);
        sums[first_sum + 2u * bucket + positive] += weight;
    }
}
