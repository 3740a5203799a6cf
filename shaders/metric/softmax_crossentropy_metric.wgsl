// Softmax cross-entropy of logits[B,U] against class indices, watched. One row an invocation, and sums
// of its own: sums[B,2] += (weight * loss, weight).
@group(0) @binding(3) var<storage, read> labels: array<u32>;
@group(0) @binding(5) var<storage, read_write> sums: array<vec2<f32>>;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if (row >= step.live_rows) {
        return;
    }
    let quads = (shape.units + 3u) / 4u;
    // A label that is no class reads nothing outside its row.
    let label = min(labels[row], shape.units - 1u);
    let sum = log_sum(row);
    let row_loss = sum.y + (sum.x - f32(logits[row * quads + label / 4u][label % 4u]));
    let weight = row_weight(row);
    sums[row] += vec2<f32>(row_loss * weight, weight);
}
