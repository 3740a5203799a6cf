// Loss, metrics and gradient of losses that compare each of outputs[B,U] with a target of its own
// and take the mean over the units. One row an invocation, as in softmax_cross_entropy.wgsl. The
// gradient is that by the last layer's output before its activation.
// LOSS: 0 binary cross-entropy of logits, 1 squared error, 2 absolute error, 3 Huber.
@group(0) @binding(2) var<storage, read> outputs: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> targets: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> sample_weights: array<f32>;
@group(0) @binding(5) var<storage, read_write> loss: array<f32>;
@group(0) @binding(6) var<storage, read_write> counts: array<vec2<u32>>;
@group(0) @binding(7) var<storage, read_write> gradient: array<vec4<f32>>;

override LOSS: u32 = 0u;

fn smoothed(expected: vec4<f32>) -> vec4<f32> {
    return expected * (1.0 - shape.parameter) + 0.5 * shape.parameter;
}

fn loss_of(y: vec4<f32>, expected: vec4<f32>) -> vec4<f32> {
    let error = y - expected;
    let size = abs(error);
    switch LOSS {
        case 0u: {
            // log(1 + exp(y)) - y * expected, without an exp that could overflow.
            let positive = max(y, vec4<f32>(0.0));
            return positive - y * smoothed(expected) + log(1.0 + exp(-abs(y)));
        }
        case 1u: {
            return error * error;
        }
        case 2u: {
            return size;
        }
        default: {
            let linear = shape.parameter * (size - 0.5 * shape.parameter);
            let within = size <= vec4<f32>(shape.parameter);
            return select(linear, 0.5 * error * error, within);
        }
    }
}

fn slope_of(y: vec4<f32>, expected: vec4<f32>) -> vec4<f32> {
    let error = y - expected;
    switch LOSS {
        case 0u: {
            let e = exp(-abs(y));
            let sigmoid = select(e, vec4<f32>(1.0), y >= vec4<f32>(0.0)) / (1.0 + e);
            return sigmoid - smoothed(expected);
        }
        case 1u: {
            return 2.0 * error;
        }
        case 2u: {
            return sign(error);
        }
        default: {
            let delta = vec4<f32>(shape.parameter);
            return keep_nan(error, clamp(error, -delta, delta));
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
    let sample_weight = sample_weights[row];
    let scale = sample_weight * shape.scale * step.inverse_rows / f32(shape.units);

    var losses = vec4<f32>(0.0);
    var right = 0u;
    var nonfinite = false;
    for (var quad = 0u; quad < quads; quad += 1u) {
        let y = live_or(outputs[first + quad], quad, 0.0);
        let expected = live_or(targets[first + quad], quad, 0.0);
        nonfinite = nonfinite || any_nonfinite(y);
        losses += live_or(loss_of(y, expected), quad, 0.0);
        if (LOSS == 0u) {
            // A logit above 0 is a probability above 1/2.
            let predicted = select(vec4<f32>(0.0), vec4<f32>(1.0), y > vec4<f32>(0.0));
            let hits = live_or(select(vec4<f32>(0.0), vec4<f32>(1.0), predicted == expected), quad, 0.0);
            right += u32((hits.x + hits.y) + (hits.z + hits.w));
        }
        let slope = slope_of(y, expected) * activation_derivative(y);
        gradient[first + quad] = live_or(slope * scale, quad, 0.0);
    }
    let row_loss = ((losses.x + losses.y) + (losses.z + losses.w)) / f32(shape.units);
    nonfinite = nonfinite || any_nonfinite(vec4<f32>(row_loss * sample_weight));
    loss[row] += row_loss * sample_weight;
    counts[row] = counted(counts[row], right, nonfinite);
}
