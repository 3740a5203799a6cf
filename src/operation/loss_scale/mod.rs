//! Dynamic loss scaling, which keeps small gradients from vanishing in f16.

mod adjust;
mod cases;
mod gradient;
mod sample;
mod state;
mod unscale;

pub use adjust::AdjustLossScale;
pub use state::LossScale;
pub use unscale::UnscaleGradients;
