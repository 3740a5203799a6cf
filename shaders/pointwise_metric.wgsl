// A metric of each of predictions[B,U] against a target of its own, the mean over the units. One row
// an invocation, and sums of its own: sums[B,2] += (weight * mean, weight).
// METRIC: 0 squared error, 1 absolute error, 2 binary accuracy.
@group(0) @binding(2) var<storage, read> predictions: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> targets: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> sums: array<vec2<f32>>;

override METRIC: u32 = 0u;

fn metric_of(prediction: vec4<f32>, expected: vec4<f32>) -> vec4<f32> {
    let error = prediction - expected;
    switch METRIC {
        case 0u: {
            return error * error;
        }
        case 1u: {
            return abs(error);
        }
        default: {
            let positive = prediction > vec4<f32>(shape.threshold);
            let predicted = select(vec4<f32>(0.0), vec4<f32>(1.0), positive);
            return select(vec4<f32>(0.0), vec4<f32>(1.0), predicted == expected);
        }
    }
}

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if (row >= step.live_rows) {
        return;
    }
    let quads = (shape.units + 3u) / 4u;
    let first = row * quads;
    var totals = vec4<f32>(0.0);
    for (var quad = 0u; quad < quads; quad += 1u) {
        totals += live_or(metric_of(predictions[first + quad], targets[first + quad]), quad, 0.0);
    }
    let mean = ((totals.x + totals.y) + (totals.z + totals.w)) / f32(shape.units);
    let weight = row_weight(row);
    sums[row] += vec2<f32>(mean * weight, weight);
}
