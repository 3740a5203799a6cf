//! What Adam and AMSGrad share.

use crate::number::Real;
use crate::operation::loss_scale::LossScale;
use crate::operation::run::Run;
use crate::table::BufferId;

/// The constants of [`AdamUpdate`](super::AdamUpdate) and [`AmsGradUpdate`](super::AmsGradUpdate);
/// those that change from step to step are in [`Step`](crate::table::Step).
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "the fields are those of Adam")]
pub struct AdamRule {
    pub beta_1: f64,
    pub beta_2: f64,
    pub epsilon: f64,
}

impl AdamRule {
    /// The constants as kernels have them: `1 - beta_1`, `1 - beta_2`, `epsilon`.
    pub(super) fn constants(&self) -> [f64; 3] {
        [1.0 - self.beta_1, 1.0 - self.beta_2, self.epsilon]
    }

    /// The scalars of one update.
    pub(super) fn scalars<T: Real>(
        &self,
        on: &Run<'_, T>,
        loss_scale: Option<BufferId>,
    ) -> AdamScalars<T> {
        let root_scale = T::from_f64(on.step.root_scale);
        let [one_minus_beta_1, one_minus_beta_2, epsilon] = self.constants().map(T::from_f64);
        AdamScalars {
            step_size: on.step_size(loss_scale),
            root_scale: root_scale * on.loss_scale(loss_scale, LossScale::RootScale, T::ONE),
            one_minus_beta_1,
            one_minus_beta_2,
            epsilon,
            decay: T::from_f64(on.step.decay),
        }
    }
}

/// What the update of an element costs, as [`Threads`](crate::cpu::Threads) count it: a root and a
/// division.
pub(super) const WORK: usize = 4;

/// The scalars of one update.
#[derive(Debug, Clone, Copy)]
pub(super) struct AdamScalars<T> {
    /// The learning rate, bias-corrected.
    pub step_size: T,
    /// What the root of the second moment is multiplied by.
    pub root_scale: T,
    pub one_minus_beta_1: T,
    pub one_minus_beta_2: T,
    /// Added to the root of the second moment.
    pub epsilon: T,
    /// Share of each parameter that decays.
    pub decay: T,
}

impl<T: Real> AdamScalars<T> {
    /// Moves both moments towards the gradient and its square.
    pub(super) fn decay_moments(&self, g: T, m: &mut T, v: &mut T) {
        *m = (*m + (g - *m) * self.one_minus_beta_1).flushed();
        *v = (*v + (g.flushed_square() - *v) * self.one_minus_beta_2).flushed();
    }

    /// The parameter after its decay and its update.
    pub(super) fn updated(&self, w: T, m: T, v: T) -> T {
        let root = v.sqrt() * self.root_scale + self.epsilon;
        (w - w * self.decay) - self.step_size * m / root
    }
}
