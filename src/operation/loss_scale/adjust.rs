//! The loss scale of the next step, and the bias corrections of this one.

use bytemuck::{Pod, Zeroable};

use super::state::LossScale;
use crate::operation::prelude::*;
use crate::table::{Element, Rows};

operation! {
    /// What Keras' [`LossScaleOptimizer`](https://keras.io/api/mixed_precision/loss_scale_optimizer/)
    /// does at the end of a step. If all gradients were finite, the step counts; after
    /// `growth_steps` such steps in a row the scale is doubled. If not, the scale is halved and the
    /// update is skipped. It stays within 2^-100 and 2^100.
    ///
    /// A skipped step is none for Adam's bias corrections, but the host, which computes them,
    /// counts it. So the columns of [`LossScale`] hold the corrections of both counts, and what
    /// takes the one to the other. Each is `c += (1 - c) · (1 - beta)`, which loses no digits to a
    /// difference. Clears `nonfinite[1]`.
    pub struct AdjustLossScale("adjust_loss_scale") {
        write loss_scale, write nonfinite;
        /// Steps until the scale is doubled.
        growth_steps: u32,
        /// Adam's decays; 0 for other optimizers, which correct nothing.
        betas: [f64; 2],
        /// Whether the root of the second moment has a correction of its own
        /// ([`EpsilonRule::PyTorch`](crate::EpsilonRule)).
        corrects_root: bool,
    }
}

/// `Constants` in `loss_scale/adjust_loss_scale.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Constants {
    growth_steps: f32,
    one_minus_beta_1: f32,
    one_minus_beta_2: f32,
    corrects_root: u32,
}

impl AdjustLossScale {
    /// Steps until the scale is doubled, as in Keras.
    pub const GROWTH_STEPS: u32 = 2_000;
}

impl Operation for AdjustLossScale {
    const IN_PARTS: InParts = InParts::NoRows;
    const FLOPS: u32 = 2;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.loss_scale(Some(self.loss_scale))?;
        shapes.expect(self.nonfinite, Element::U32, Rows::One, 1)
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let mut nonfinite = on.u32_mut(self.nonfinite);
        let Some(nonfinite) = nonfinite.first_mut() else { return };
        let finite = std::mem::take(nonfinite) == 0;
        let mut state = on.real_mut(self.loss_scale);
        let Some(state) = state.get_mut(..LossScale::COLUMNS) else { return };
        let [
            scale,
            finite_steps,
            is_skipped,
            step_size,
            root_scale,
            first,
            second,
            counted_first,
            counted_second,
            skipped_steps,
        ] = state
        else {
            return;
        };
        let [step_1, step_2] = self.betas.map(|beta| T::from_f64(1.0 - beta));
        let advance = |c: &mut T, step: T| *c += (T::ONE - *c) * step;
        advance(counted_first, step_1);
        advance(counted_second, step_2);
        *is_skipped = if finite { T::ZERO } else { T::ONE };
        if !finite {
            *skipped_steps += T::ONE;
            *finite_steps = T::ZERO;
            let half = *scale * T::from_f64(0.5);
            *scale = if half < T::from_f64(LEAST) { T::from_f64(LEAST) } else { half };
            return;
        }
        advance(first, step_1);
        advance(second, step_2);
        if *skipped_steps > T::ZERO {
            let root = (*counted_second / *second).sqrt();
            let of_first = *counted_first / *first;
            [*step_size, *root_scale] =
                if self.corrects_root { [of_first, root] } else { [of_first / root, T::ONE] };
        }
        *finite_steps += T::ONE;
        if *finite_steps >= T::from_f64(f64::from(self.growth_steps)) {
            *finite_steps = T::ZERO;
            let twice = *scale + *scale;
            *scale = if twice > T::from_f64(MOST) { T::from_f64(MOST) } else { twice };
        }
    }

    fn dispatch(&self, _: &Target<'_>) -> Result<Dispatch> {
        let [one_minus_beta_1, one_minus_beta_2] = self.betas.map(|beta| (1.0 - beta) as f32);
        let constants = Constants {
            growth_steps: self.growth_steps as f32,
            one_minus_beta_1,
            one_minus_beta_2,
            corrects_root: u32::from(self.corrects_root),
        };
        let text = wgsl!["loss_scale/adjust_loss_scale"];
        Ok(Dispatch::new(self, text, constants, Grid::parameters(1)))
    }
}

/// 2^-100 and 2^100: their inverses, too, are far from the ends of f32.
const LEAST: f64 = f64::from_bits((1023 - 100) << 52);
const MOST: f64 = f64::from_bits((1023 + 100) << 52);
