// Softmax cross-entropy of logits[B,U] against a target for each class, smoothed by shape.parameter,
// watched. One row an invocation, as in softmax_crossentropy_metric.wgsl.
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
    let sum = log_sum(row);
    let spread = shape.parameter / f32(shape.units);
    var losses = vec4<f32>(0.0);
    for (var quad = 0u; quad < quads; quad += 1u) {
        let smoothed = targets[first + quad] * (1.0 - shape.parameter) + spread;
        losses += live_or(smoothed * (sum.y + (sum.x - vec4<f32>(logits[first + quad]))), quad, 0.0);
    }
    let row_loss = (losses.x + losses.y) + (losses.z + losses.w);
    let weight = row_weight(row);
    sums[row] += vec2<f32>(row_loss * weight, weight);
}
