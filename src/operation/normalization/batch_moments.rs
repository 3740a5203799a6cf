//! Mean and variance of each column over the batch.

use crate::operation::prelude::*;

operation! {
    /// `mean[U] = sum over B of input[B,U] / B`, `variance[U] = sum over B of (input - mean)² / B`,
    /// over the live rows.
    pub struct BatchMoments("batch_moments") {
        read input, write mean, write variance;
    }
}

impl Operation for BatchMoments {
    const IN_PARTS: InParts = InParts::Whole;
    const FLOPS: u32 = 4;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        let columns = shapes.columns(self.input);
        shapes.activations([self.input], columns)?;
        shapes.vectors([self.mean, self.variance], columns)
    }

    // The mean comes first: a sum of squares from which the mean is subtracted only afterwards would
    // lose the digits in which the values differ.
    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let shape = on.shape(self.input);
        let count = T::from_f64(shape.rows as f64);
        let input = on.real(self.input);
        let (mut mean, mut variance) = (on.real_mut(self.mean), on.real_mut(self.variance));
        let (mean, variance) = (&mut mean[..shape.columns], &mut variance[..shape.columns]);
        let rows = || input.chunks_exact(shape.stride).take(shape.rows);
        mean.fill(T::ZERO);
        for row in rows() {
            for (mean, &x) in mean.iter_mut().zip(row) {
                *mean += x;
            }
        }
        mean.iter_mut().for_each(|mean| *mean = *mean / count);
        variance.fill(T::ZERO);
        for row in rows() {
            for ((variance, &mean), &x) in variance.iter_mut().zip(&*mean).zip(row) {
                *variance += (x - mean) * (x - mean);
            }
        }
        variance.iter_mut().for_each(|variance| *variance = *variance / count);
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let units = target.columns(self.input)?;
        let text = wgsl![
            "shared/normalization",
            "shared/fold",
            "shared/elements",
            "shared/column_sum",
            "normalization/batch_moments"
        ];
        let grid = Grid::folded_columns(units, 16);
        Ok(Dispatch::new(self, text, RowConstants::new(units), grid))
    }
}
