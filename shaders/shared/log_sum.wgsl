// The logarithm of a sum of powers, for the kernels that watch a softmax cross-entropy.
@group(0) @binding(2) var<storage, read> logits: array<Rows>;

// x: the largest logit of a row; y: the logarithm of the sum of exp(logit - largest).
fn log_sum(row: u32) -> vec2<f32> {
    let quads = (shape.units + 3u) / 4u;
    let first = row * quads;
    var most = vec4<f32>(LOWEST);
    for (var quad = 0u; quad < quads; quad += 1u) {
        most = max(most, live_or(vec4<f32>(logits[first + quad]), quad, LOWEST));
    }
    // Subtracting the largest logit keeps exp from overflowing.
    let largest = max(max(most.x, most.y), max(most.z, most.w));
    var sums = vec4<f32>(0.0);
    for (var quad = 0u; quad < quads; quad += 1u) {
        sums += live_or(exp(vec4<f32>(logits[first + quad]) - largest), quad, 0.0);
    }
    return vec2<f32>(largest, log((sums.x + sums.y) + (sums.z + sums.w)));
}
