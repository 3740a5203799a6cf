// Loss, right predictions and gradient of softmax cross-entropy, logits[B,U] against class indices, one row
// an invocation. Each row adds to a loss and to counts of its own, which the host sums up when it
// reads them: no reduction over the batch, no atomics, the same bits always. The kernel that this is a
// part of says where four outputs lie (output_at) and where their gradient goes (set_gradient); those of
// this row begin at `first`.
@group(0) @binding(3) var<storage, read> labels: array<u32>;
@group(0) @binding(4) var<storage, read> sample_weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> loss: array<f32>;
@group(0) @binding(6) var<storage, read_write> counts: array<vec2<u32>>;

fn judge(row: u32, first: u32) {
    let quads = (shape.units + 3u) / 4u;
    // A label that is no class makes the row non-finite; it reaches nothing else.
    let label = min(labels[row], shape.units - 1u);
    let sample_weight = sample_weights[row];

    // The first of several largest logits is the prediction.
    var largest = LOWEST;
    var prediction = 0u;
    var nonfinite = label != labels[row];
    for (var quad = 0u; quad < quads; quad += 1u) {
        let x = live_or(output_at(first + quad), quad, LOWEST);
        nonfinite = nonfinite || any_nonfinite(x);
        for (var i = 0u; i < 4u; i += 1u) {
            if (x[i] > largest) {
                largest = x[i];
                prediction = quad * 4u + i;
            }
        }
    }

    // Subtracting the largest logit keeps exp from overflowing.
    var sums = vec4<f32>(0.0);
    for (var quad = 0u; quad < quads; quad += 1u) {
        sums += live_or(exp(output_at(first + quad) - largest), quad, 0.0);
    }
    let sum = (sums.x + sums.y) + (sums.z + sums.w);
    let row_loss = log(sum) + (largest - output_at(first + label / 4u)[label % 4u]);
    nonfinite = nonfinite || any_nonfinite(vec4<f32>(row_loss * sample_weight));

    loss[row] += row_loss * sample_weight;
    counts[row] = counted(counts[row], select(0u, 1u, prediction == label), nonfinite);

    let scale = sample_weight * shape.scale * step.inverse_rows;
    for (var quad = 0u; quad < quads; quad += 1u) {
        let unit = vec4<u32>(quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u);
        let one_hot = select(vec4<f32>(0.0), vec4<f32>(1.0), unit == vec4<u32>(label));
        let probability = exp(output_at(first + quad) - largest) / sum;
        set_gradient(first + quad, live_or((probability - one_hot) * scale, quad, 0.0));
    }
}
