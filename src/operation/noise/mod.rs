//! Operations that draw random numbers. Each number is a pure function of the step's noise, the layer
//! and the place of the value.

mod cases;
mod dropout;
mod dropout_backward;
mod gaussian_noise;
mod gradient;
mod mask;
mod normal;
mod sample;

pub use dropout::Dropout;
pub use dropout_backward::DropoutBackward;
pub use gaussian_noise::GaussianNoise;
pub use mask::dropout_threshold;
