//! What the twins of the loss kernels share.

use crate::number::Real;

/// What a loss reads of each row beside its targets.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a, T> {
    /// `[B,U]`: logits, or outputs.
    pub outputs: &'a [T],
    /// `[B]`, by which loss and gradient are multiplied.
    pub sample_weights: &'a [T],
    /// Live rows.
    pub rows: usize,
    /// U.
    pub units: usize,
    /// Elements from one row to the next.
    pub stride: usize,
    /// Noted where a loss is not finite.
    pub step_number: u32,
    /// By which the gradient is multiplied.
    pub scale: T,
}

/// What a loss adds to and writes.
pub struct Outputs<'a, T> {
    /// `[B]`, the samples' weighted losses are added here.
    pub loss: &'a mut [T],
    /// `[B,2]`: right predictions so far; number of the first step with a non-finite loss or 0.
    pub counts: &'a mut [u32],
    /// `[B,U]`, by the logits or by the outputs before their activation.
    pub gradient: &'a mut [T],
}

/// A row's loss before its weight, and its right predictions.
pub struct RowLoss<T> {
    pub loss: T,
    pub right: u32,
    pub finite: bool,
}

/// Runs `each` on every live row: its number, its outputs, its gradient to write (before weight and
/// mean), and adds up what it returns.
pub fn each_row<T: Real>(
    input: Rows<'_, T>,
    outputs: Outputs<'_, T>,
    mut each: impl FnMut(usize, &[T], &mut [T]) -> RowLoss<T>,
) {
    let Rows { rows, units, stride, step_number, .. } = input;
    let inverse_rows = T::ONE / T::from_f64(rows as f64);
    let Outputs { loss, counts, gradient } = outputs;
    let read = input.outputs.chunks_exact(stride).zip(input.sample_weights).take(rows);
    let written = loss.iter_mut().zip(counts.chunks_exact_mut(2));
    let written = written.zip(gradient.chunks_exact_mut(stride));
    for (row, ((values, &weight), ((loss, counts), gradient))) in read.zip(written).enumerate() {
        let gradient = &mut gradient[..units];
        let of_row = each(row, &values[..units], gradient);
        let weighted = of_row.loss * weight;
        *loss += weighted;
        let finite = of_row.finite && weighted.is_finite();
        if finite {
            counts[0] += of_row.right;
        } else if counts[1] == 0 {
            counts[1] = step_number;
        }
        let scale = weight * input.scale * inverse_rows;
        for gradient in gradient {
            *gradient = (*gradient * scale).flushed();
        }
    }
}

/// The place of the largest value, the first one on a tie, as in numpy's argmax; but NaN is passed
/// over, and only if there is nothing else the place is 0.
pub fn largest<T: Real>(values: &[T]) -> usize {
    let mut place = values.iter().position(|value| !value.to_f64().is_nan()).unwrap_or(0);
    for (i, value) in values.iter().enumerate() {
        if *value > values[place] {
            place = i;
        }
    }
    place
}
