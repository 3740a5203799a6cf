// A metric of each of predictions[B,U] against a target of its own, the mean over the units. One row
// an invocation, and sums of its own: sums[B,2] += (weight * mean, weight). The file of the metric says
// what it is of four predictions (metric_of).
@group(0) @binding(2) var<storage, read> predictions: array<Rows>;
@group(0) @binding(3) var<storage, read> targets: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> sums: array<vec2<f32>>;

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
        totals += live_or(metric_of(vec4<f32>(predictions[first + quad]), targets[first + quad]), quad, 0.0);
    }
    let mean = ((totals.x + totals.y) + (totals.z + totals.w)) / f32(shape.units);
    let weight = row_weight(row);
    sums[row] += vec2<f32>(mean * weight, weight);
}
