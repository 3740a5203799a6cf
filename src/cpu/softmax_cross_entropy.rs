//! CPU twin of `softmax_cross_entropy.wgsl`.

use super::real::Real;
use super::softmax::softmax_row;

/// What [`softmax_cross_entropy`] adds to and writes.
pub struct Outputs<'a, T> {
    /// `[B]`, the samples' losses are added here.
    pub loss: &'a mut [T],
    /// `[B,2]`: right predictions so far; number of the first step with a non-finite loss or 0.
    pub counts: &'a mut [u32],
    /// `[B,U]`, `(softmax - onehot) / rows`.
    pub gradient: &'a mut [T],
}

/// Loss, metrics and gradient of each of the `rows` rows of `units` logits, `stride` apart.
pub fn softmax_cross_entropy<T: Real>(
    logits: &[T],
    labels: &[u32],
    outputs: Outputs<'_, T>,
    [rows, units, stride]: [usize; 3],
    step_number: u32,
) {
    let inverse_rows = T::ONE / T::from_f64(rows as f64);
    let Outputs { loss, counts, gradient } = outputs;
    let logits = logits.chunks_exact(stride).zip(labels).take(rows);
    let outputs = loss.iter_mut().zip(counts.chunks_exact_mut(2));
    for (((logits, &label), gradient), (loss, counts)) in
        logits.zip(gradient.chunks_exact_mut(stride)).zip(outputs)
    {
        // A label that is no class makes the row non-finite; it reaches nothing else.
        let (logits, known) = (&logits[..units], (label as usize) < units);
        let label = (label as usize).min(units - 1);
        let (largest, log_sum) = softmax_row(logits, &mut gradient[..units]);
        let sample_loss = log_sum + (largest - logits[label]);
        *loss += sample_loss;
        let finite = known && logits.iter().all(|logit| logit.is_finite());
        // The first of several largest values is the prediction, as in numpy's argmax.
        let right = logits[..label].iter().all(|&logit| logit < logits[label])
            && logits[label..].iter().all(|&logit| logit <= logits[label]);
        counts[0] += u32::from(right && finite);
        if !(finite && sample_loss.is_finite()) && counts[1] == 0 {
            counts[1] = step_number;
        }
        gradient[label] = gradient[label] - T::ONE;
        for gradient in &mut gradient[..units] {
            *gradient = (*gradient * inverse_rows).flushed();
        }
    }
}
