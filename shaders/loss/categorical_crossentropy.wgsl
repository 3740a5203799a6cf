// Loss, right predictions and gradient of softmax cross-entropy, logits[B,U] against a target for each class,
// smoothed by shape.parameter. One row an invocation, as in softmax_crossentropy.wgsl.
@group(0) @binding(3) var<storage, read> targets: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> sample_weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> loss: array<f32>;
@group(0) @binding(6) var<storage, read_write> counts: array<vec2<u32>>;

fn smoothed(expected: vec4<f32>) -> vec4<f32> {
    return expected * (1.0 - shape.parameter) + shape.parameter / f32(shape.units);
}

fn judge(row: u32, first: u32) {
    let quads = (shape.units + 3u) / 4u;
    let sample_weight = sample_weights[row];

    // The first of several largest is the prediction, and the class.
    var largest = LOWEST;
    var prediction = 0u;
    var largest_target = LOWEST;
    var label = 0u;
    var nonfinite = false;
    for (var quad = 0u; quad < quads; quad += 1u) {
        let x = live_or(output_at(first + quad), quad, LOWEST);
        let expected = live_or(targets[row * quads + quad], quad, LOWEST);
        nonfinite = nonfinite || any_nonfinite(x);
        for (var i = 0u; i < 4u; i += 1u) {
            if (x[i] > largest) {
                largest = x[i];
                prediction = quad * 4u + i;
            }
            if (expected[i] > largest_target) {
                largest_target = expected[i];
                label = quad * 4u + i;
            }
        }
    }

    // Subtracting the largest logit keeps exp from overflowing.
    var sums = vec4<f32>(0.0);
    for (var quad = 0u; quad < quads; quad += 1u) {
        sums += live_or(exp(output_at(first + quad) - largest), quad, 0.0);
    }
    let sum = (sums.x + sums.y) + (sums.z + sums.w);
    let log_sum = log(sum);
    var losses = vec4<f32>(0.0);
    var totals = vec4<f32>(0.0);
    for (var quad = 0u; quad < quads; quad += 1u) {
        let expected = live_or(smoothed(targets[row * quads + quad]), quad, 0.0);
        losses += expected * live_or(log_sum + (largest - output_at(first + quad)), quad, 0.0);
        totals += expected;
    }
    let row_loss = (losses.x + losses.y) + (losses.z + losses.w);
    let total = (totals.x + totals.y) + (totals.z + totals.w);
    nonfinite = nonfinite || any_nonfinite(vec4<f32>(row_loss * sample_weight));

    loss[row] += row_loss * sample_weight;
    counts[row] = counted(counts[row], select(0u, 1u, prediction == label), nonfinite);

    let scale = sample_weight * shape.scale * step.inverse_rows;
    for (var quad = 0u; quad < quads; quad += 1u) {
        let probability = exp(output_at(first + quad) - largest) / sum;
        let slope = probability * total - smoothed(targets[row * quads + quad]);
        set_gradient(first + quad, live_or(slope * scale, quad, 0.0));
    }
}
