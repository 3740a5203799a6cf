//! What changes from step to step.

/// The scalars of one step, computed by the host in f64.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Samples in this batch.
    pub live_rows: usize,
    /// The number of this update, from 1; 0 outside training.
    pub number: u64,
    /// Step size of the optimizer.
    pub learning_rate: f64,
    /// [`Adam::bias_correction`](crate::Adam::bias_correction) of this step.
    pub bias_correction: f64,
}

impl Step {
    /// A step outside training.
    pub fn forward(live_rows: usize) -> Self {
        Step { live_rows, number: 0, learning_rate: 0.0, bias_correction: 1.0 }
    }
}
