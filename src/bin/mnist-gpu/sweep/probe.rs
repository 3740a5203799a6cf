//! How far the gradient of a batch is off, at one and the same weights for all batch sizes.

use minibatch::data::{Batch, BatchOrder, Dataset, Shuffle};
use minibatch::training::PartGradients;
use minibatch::{Model, Result};
use serde::Serialize;

/// Batches that are drawn of each size. Few samples have most of the gradient, so that it takes many
/// small batches to meet them.
const MOST_DRAWS: usize = 2048;
const FEWEST_DRAWS: usize = 8;
/// In between, as many as have so many samples together.
const SAMPLES: usize = 4096;

/// Samples in each part of the gradient over all of them, at most.
const PART: usize = 1000;
/// Parts that the noise is told from, at least, if there are as many samples.
const PARTS: usize = 50;

/// A model whose weights stay, and its gradient over all samples.
pub(super) struct Probe {
    model: Model,
    gradient: Vec<f64>,
    norm: f64,
    /// The variance of one sample's gradient.
    variance: f64,
}

/// The distance of a batch's gradient from that of all samples, relative to its length.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Uncertainty {
    /// The root of the mean square over batches that were drawn; 0 of all samples.
    pub measured: f64,
    /// What the variance of single samples lets expect: it falls with the root of the batch size.
    pub expected: f64,
}

impl Probe {
    /// # Errors
    /// If the device fails.
    pub(super) fn new(mut model: Model, data: &Dataset) -> Result<Self> {
        let rows = (data.len() / PARTS).clamp(1, PART);
        // Its order is none that training has.
        let order = BatchOrder::new(data.len(), rows, Shuffle::Full, u64::MAX, 0);
        let mut parts = PartGradients::new(rows);
        let mut sum: Vec<f64> = Vec::new();
        for index in 0..order.len() {
            let indices = order.batch(index);
            let gradient = gradient(&mut model, data, &indices)?;
            let share = indices.len() as f64 / data.len() as f64;
            sum.resize(gradient.len(), 0.0);
            sum.iter_mut().zip(&gradient).for_each(|(sum, value)| *sum += share * value);
            // The last part may have fewer samples, and tells of another noise.
            if indices.len() == rows {
                parts.add(gradient);
            }
        }
        let norm = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
        let variance = parts.noise().map_or(0.0, |noise| noise.variance);
        Ok(Probe { model, gradient: sum, norm, variance })
    }

    /// Of batches of so many samples.
    ///
    /// # Errors
    /// If the device fails.
    pub(super) fn uncertainty(&mut self, data: &Dataset, batch_size: usize) -> Result<Uncertainty> {
        let relative = |square: f64| square.sqrt() / self.norm.max(f64::MIN_POSITIVE);
        let expected = relative(self.variance / batch_size as f64);
        if batch_size >= data.len() {
            return Ok(Uncertainty { measured: 0.0, expected });
        }
        let draws = (SAMPLES / batch_size).clamp(FEWEST_DRAWS, MOST_DRAWS);
        let whole = (data.len() / batch_size).max(1);
        let mut squares = 0.0;
        for draw in 0..draws {
            let epoch = u32::try_from(draw / whole).unwrap_or(u32::MAX);
            let order = BatchOrder::new(data.len(), batch_size, Shuffle::Full, u64::MAX - 1, epoch);
            let drawn = gradient(&mut self.model, data, &order.batch(draw % whole))?;
            let apart = drawn.iter().zip(&self.gradient).map(|(a, b)| (a - b).powi(2));
            squares += apart.sum::<f64>();
        }
        Ok(Uncertainty { measured: relative(squares / draws as f64), expected })
    }
}

/// The gradient of a batch by all parameters, one after the other.
fn gradient(model: &mut Model, data: &Dataset, indices: &[u32]) -> Result<Vec<f64>> {
    let gradients = model.gradients(Batch { data, indices })?;
    Ok(gradients.into_iter().flat_map(|(.., values)| values).map(f64::from).collect())
}
