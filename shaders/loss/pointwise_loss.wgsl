// Loss, right outputs and gradient of a loss that compares each of outputs[B,U] with a target of its
// own and takes the mean over the units. One row an invocation, as in softmax_crossentropy.wgsl. The
// gradient is with respect to what the last layer's activation was applied to. The file of the loss
// says, of four outputs at once, what each costs (loss_of), the slope of that (slope_of), and 1 where
// an output is right (right_of).
@group(0) @binding(3) var<storage, read> targets: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> sample_weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> loss: array<f32>;
@group(0) @binding(6) var<storage, read_write> counts: array<vec2<u32>>;

fn judge(row: u32, first: u32) {
    let quads = (shape.units + 3u) / 4u;
    let sample_weight = sample_weights[row];
    let scale = sample_weight * shape.scale * step.inverse_rows / f32(shape.units);

    var losses = vec4<f32>(0.0);
    var right = 0u;
    var nonfinite = false;
    for (var quad = 0u; quad < quads; quad += 1u) {
        let y = live_or(output_at(first + quad), quad, 0.0);
        let expected = live_or(targets[row * quads + quad], quad, 0.0);
        nonfinite = nonfinite || any_nonfinite(y);
        losses += live_or(loss_of(y, expected), quad, 0.0);
        let hits = live_or(right_of(y, expected), quad, 0.0);
        right += u32((hits.x + hits.y) + (hits.z + hits.w));
        let slope = slope_of(y, expected) * activation_derivative(y);
        set_gradient(first + quad, live_or(slope * scale, quad, 0.0));
    }
    let row_loss = ((losses.x + losses.y) + (losses.z + losses.w)) / f32(shape.units);
    nonfinite = nonfinite || any_nonfinite(vec4<f32>(row_loss * sample_weight));
    loss[row] += row_loss * sample_weight;
    counts[row] = counted(counts[row], right, nonfinite);
}
