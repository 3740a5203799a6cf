// A loss that is given for each sample, value[B,1]: adds it, times its weight, to loss[B], and writes
// its gradient[B,1]. One row an invocation; the host sums up the rows when it reads them.
@group(0) @binding(2) var<storage, read> value: array<Rows>;
@group(0) @binding(3) var<storage, read> sample_weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> loss: array<f32>;
@group(0) @binding(5) var<storage, read_write> counts: array<vec2<u32>>;
@group(0) @binding(6) var<storage, read_write> gradient: array<Rows>;

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let row = id.x;
    if (row >= step.live_rows) {
        return;
    }
    let sample_weight = sample_weights[row];
    let row_loss = f32(value[row].x);
    let nonfinite = any_nonfinite(vec4<f32>(row_loss, row_loss * sample_weight, 0.0, 0.0));
    loss[row] += row_loss * sample_weight;
    counts[row] = counted(counts[row], 0u, nonfinite);
    gradient[row] = Rows(vec4<f32>(sample_weight * shape.scale * gradient_scale() * step.inverse_rows, 0.0, 0.0, 0.0));
}
