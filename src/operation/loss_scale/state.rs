//! What is known of the loss scale, and how operations use it.

use std::borrow::Cow;

use crate::error::Result;
use crate::number::Real;
use crate::operation::kernel::{Dispatch, shader};
use crate::operation::run::Run;
use crate::operation::shapes::Shapes;
use crate::table::BufferId;

/// The columns of the buffer that dynamic loss scaling is kept in, `[1, 10]`. All counts are exact up
/// to 2^24.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossScale {
    /// What the gradient of the loss is multiplied by; a power of two.
    Scale,
    /// Steps in a row whose gradients were finite, since the scale was last changed.
    FiniteSteps,
    /// 1 if the gradients of the last step were not finite, so that it updated nothing; else 0.
    IsSkipped,
    /// What the step size of this update is multiplied by: the host's bias corrections are those of
    /// an Adam that skips no step.
    StepSize,
    /// The same for what the root of the second moment is multiplied by.
    RootScale,
    /// `1 - beta_1^t`, where `t` counts the updates that were made.
    Correction1,
    /// `1 - beta_2^t` of these.
    Correction2,
    /// `1 - beta_1^t`, where `t` counts all steps, as the host does.
    CountedCorrection1,
    /// `1 - beta_2^t` of these.
    CountedCorrection2,
    /// Steps that updated nothing, ever.
    SkippedSteps,
}

impl LossScale {
    /// Columns of the buffer.
    pub const COLUMNS: usize = 10;

    /// Its name in a program that has one. No input or layer can be called so.
    pub const NAME: &'static str = "optimizer.loss_scale";

    /// What the scale begins with, as in Keras: 2^15.
    pub const INITIAL: f64 = 32_768.0;

    /// What the buffer holds before the first step.
    pub fn initial() -> Vec<f64> {
        let mut values = vec![0.0; Self::COLUMNS];
        let begin = [(Self::Scale, Self::INITIAL), (Self::StepSize, 1.0), (Self::RootScale, 1.0)];
        for (column, value) in begin {
            if let Some(place) = values.get_mut(column as usize) {
                *place = value;
            }
        }
        values
    }
}

impl Shapes<'_> {
    /// Demands that `id` is the buffer of a loss scale, if it is given.
    ///
    /// # Errors
    /// As [`expect`](Self::expect).
    pub(in crate::operation) fn loss_scale(&self, id: Option<BufferId>) -> Result<()> {
        id.map_or(Ok(()), |id| self.vectors([id], LossScale::COLUMNS))
    }
}

impl<T: Real> Run<'_, T> {
    /// What stands in a column of the loss scale, or `otherwise` where nothing is scaled.
    pub(in crate::operation) fn loss_scale(
        &self,
        id: Option<BufferId>,
        column: LossScale,
        otherwise: T,
    ) -> T {
        let value = |id| self.real(id).get(column as usize).copied();
        id.and_then(value).unwrap_or(otherwise)
    }

    /// Whether the update changes nothing, as gradients were not finite.
    pub(in crate::operation) fn is_skipped(&self, loss_scale: Option<BufferId>) -> bool {
        self.loss_scale(loss_scale, LossScale::IsSkipped, T::ZERO) > T::ZERO
    }

    /// The learning rate, bias-corrected for the updates that were made.
    pub(in crate::operation) fn step_size(&self, loss_scale: Option<BufferId>) -> T {
        let step_size = T::from_f64(self.step.step_size);
        step_size * self.loss_scale(loss_scale, LossScale::StepSize, T::ONE)
    }
}

impl Dispatch {
    /// Gives the kernel the functions that `shared/loss_scale.wgsl` declares. The loss scale is the
    /// last of its buffers.
    pub(in crate::operation) fn with_loss_scale(self, loss_scale: Option<BufferId>) -> Self {
        if loss_scale.is_none() {
            return self.with_text([shader!("shared/no_loss_scale")]);
        }
        let binding = 1 + self.buffers.len();
        let binding = Cow::Owned(format!("const LOSS_SCALE: u32 = {binding}u;"));
        self.with_text([binding, shader!("shared/loss_scale")])
    }
}
