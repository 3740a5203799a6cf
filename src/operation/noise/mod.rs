//! noise

mod dropout;
mod dropout_backward;
mod gaussian_noise;
mod gradient;

pub use dropout::{Dropout, dropout_threshold};
pub use dropout_backward::DropoutBackward;
pub use gaussian_noise::GaussianNoise;
