//! The moving average of a statistic over the steps.

use crate::operation::prelude::*;

use bytemuck::{Pod, Zeroable};

operation! {
    /// `average[U] = average · momentum + value[U] · (1 - momentum)`.
    pub struct MovingAverage("moving_average") {
        read value, write average;
        /// The share of the average that stays.
        momentum: f64,
    }
}

/// `Constants` in `normalization/moving_average.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Constants {
    length: u32,
    momentum: f32,
    one_minus_momentum: f32,
}

impl Operation for MovingAverage {
    const IN_PARTS: InParts = InParts::NoRows;
    const FLOPS: u32 = 3;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        shapes.vectors([self.value, self.average], shapes.columns(self.value))
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let [kept, added] = [self.momentum, 1.0 - self.momentum].map(T::from_f64);
        let (value, mut average) = (on.real(self.value), on.real_mut(self.average));
        for (average, &value) in average.iter_mut().zip(&*value) {
            *average = (*average * kept + value * added).flushed();
        }
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let length = target.elements(self.value)?;
        let constants = Constants {
            length,
            momentum: self.momentum as f32,
            one_minus_momentum: (1.0 - self.momentum) as f32,
        };
        let text = wgsl!["shared/fold", "normalization/moving_average"];
        Ok(Dispatch::new(self, text, constants, Grid::parameters(length)))
    }
}
