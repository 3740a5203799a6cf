//! Adam's update.

use super::rule::{AdamRule, AdamScalars, WORK};
use crate::operation::kernel::ParameterConstants;
use crate::operation::prelude::*;

operation! {
    /// The update of [`Adam`](crate::Adam), over whole flat arenas as all updates.
    pub struct AdamUpdate("adam") {
        read gradients, write parameters, write moment_1, write moment_2;
        rule: AdamRule,
    }
}

impl Operation for AdamUpdate {
    const IN_PARTS: InParts = InParts::NoRows;
    const FLOPS: u32 = 15;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let arenas = [self.gradients, self.parameters, self.moment_1, self.moment_2];
        shapes.vectors(arenas, shapes.columns(self.gradients))
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let scalars = self.rule.scalars(on.step);
        let changed = [self.parameters, self.moment_1, self.moment_2];
        on.each_slice(self.gradients, changed, WORK, |gradients, changed| {
            adam(gradients, changed, scalars);
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let length = target.elements(self.gradients)?;
        let text =
            wgsl!["shared/fold", "shared/parameters", "optimizer/adam", "optimizer/each_parameter"];
        let constants = ParameterConstants::new(length, self.rule.constants());
        Ok(Dispatch::new(self, text, constants, Grid::parameters(length)))
    }
}

fn adam<T: Real>(
    gradients: &[T],
    [parameters, moment_1, moment_2]: [&mut [T]; 3],
    scalars: AdamScalars<T>,
) {
    let state = moment_1.iter_mut().zip(moment_2);
    for ((&g, w), (m, v)) in gradients.iter().zip(parameters).zip(state) {
        scalars.decay_moments(g, m, v);
        *w = scalars.updated(*w, *m, *v);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_what_no_longer_learns_decay_to_zero_and_are_never_subnormal() {
        let scalars = AdamScalars {
            step_size: 1e-3,
            root_scale: 1.0,
            one_minus_beta_1: 0.1,
            one_minus_beta_2: 1e-3,
            epsilon: 1e-7,
            decay: 0.0,
        };
        // Gradients that vanish, that shrink, and that stay so small that their square does not
        // fit.
        let mut gradients: [f32; 3] = [0.0, 1e-5, 1e-20];
        let (mut w, mut m, mut v) = ([0.5; 3], [1e-3f32; 3], [1e-6f32; 3]);
        for _ in 0..100_000 {
            gradients[1] = (gradients[1] * 0.99).flushed();
            adam(&gradients, [&mut w, &mut m, &mut v], scalars);
            assert!(m.iter().chain(&v).all(|value| !value.is_subnormal()), "{m:?} {v:?}");
        }
        assert_eq!((m[0], v), (0.0, [0.0; 3]));
        assert!((0.0..1e-18).contains(&m[2]), "{m:?}");
    }
}
