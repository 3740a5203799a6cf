//! What the losses do alike: each row by itself adds to a loss and to counts of its own.

use crate::error::Result;
use crate::number::Real;
use crate::operation::kernel::{RowConstants, Target};
use crate::operation::loss_scale::LossScale;
use crate::operation::run::Run;
use crate::operation::shapes::Shapes;
use crate::operation::softmax::row::WORK;
use crate::table::{BufferId, Element, Rows};

/// The buffers that every loss has beside its targets, and its factor.
#[derive(Debug, Clone, Copy)]
pub(super) struct LossRows {
    /// `[B,U]`: logits, or outputs.
    pub outputs: BufferId,
    /// `[B]`: loss and gradient of each sample are multiplied by it.
    pub sample_weights: BufferId,
    /// `[B]`: the weighted loss of each sample is added here.
    pub loss: BufferId,
    /// `[B,2]`: right predictions so far; number of the first step with a non-finite loss, or 0.
    pub counts: BufferId,
    /// `[B,U]`: the gradient is written here.
    pub gradient: BufferId,
    /// The gradient is multiplied by what stands there, too.
    pub loss_scale: Option<BufferId>,
    /// The gradient is multiplied by it.
    pub scale: f64,
}

/// What a loss finds out of one row.
pub(super) struct RowLoss<T> {
    /// Before the sample's weight.
    pub loss: T,
    /// Right predictions.
    pub right: u32,
    /// Whether outputs and targets were of use.
    pub finite: bool,
}

impl LossRows {
    pub(super) fn check(self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.activations([self.outputs, self.gradient], shapes.columns(self.outputs))?;
        shapes.loss_scale(self.loss_scale)?;
        shapes.rows([self.sample_weights, self.loss], 1)?;
        shapes.expect(self.counts, Element::U32, Rows::Batch, 2)
    }

    /// The kernel's constants: U, the factor, and a constant of the loss' own.
    pub(super) fn constants(self, target: &Target<'_>, constant: f64) -> Result<RowConstants> {
        Ok(RowConstants::new(target.columns(self.outputs)?).with(self.scale, constant))
    }

    /// Runs `each` on every live row and adds up what it returns. It takes the row's number, its
    /// outputs, and its gradient to write, before weight and mean.
    pub(super) fn each<T: Real>(
        self,
        on: &Run<'_, T>,
        each: impl Fn(usize, &[T], &mut [T]) -> RowLoss<T> + Sync,
    ) {
        let shape = on.shape(self.outputs);
        let inverse_rows = T::ONE / T::from_f64(on.step.batch_rows as f64);
        let loss_scale = on.loss_scale(self.loss_scale, LossScale::Scale, T::ONE);
        let scale = T::from_f64(self.scale) * loss_scale;
        let step = on.step.number as u32;
        let (outputs, sample_weights) = (on.real(self.outputs), on.real(self.sample_weights));
        let (mut loss, mut gradient) = (on.real_mut(self.loss), on.real_mut(self.gradient));
        let mut counts = on.u32_mut(self.counts);
        let (live, part) = (shape.live(), on.part(shape, WORK));
        let rows = part / shape.stride;
        let read = outputs[..live].chunks(part).zip(sample_weights.chunks(rows));
        let sums = loss.chunks_mut(rows).zip(counts.chunks_mut(2 * rows));
        let written = sums.zip(gradient[..live].chunks_mut(part));
        on.threads.each(read.zip(written).enumerate(), |(number, part)| {
            let ((outputs, sample_weights), ((loss, counts), gradient)) = part;
            let read = outputs.chunks_exact(shape.stride).zip(sample_weights);
            let sums = loss.iter_mut().zip(counts.chunks_exact_mut(2));
            let written = sums.zip(gradient.chunks_exact_mut(shape.stride));
            for (row, ((outputs, &weight), ((loss, counts), gradient))) in
                (number * rows..).zip(read.zip(written))
            {
                let gradient = &mut gradient[..shape.columns];
                let found = each(row, &outputs[..shape.columns], gradient);
                let weighted = found.loss * weight;
                *loss += weighted;
                if found.finite && weighted.is_finite() {
                    counts[0] += found.right;
                } else if counts[1] == 0 {
                    counts[1] = step;
                }
                let scale = weight * scale * inverse_rows;
                for gradient in gradient {
                    *gradient = (*gradient * scale).flushed();
                }
            }
        });
    }
}
