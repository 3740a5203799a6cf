//! The layers, one file each.

mod activation;
mod batch_normalization;
mod contract;
mod custom;
mod dense;
mod dropout;
mod flatten;
mod gaussian_noise;
mod layer_normalization;
mod list;
mod normalization;
mod rescaling;

pub use activation::ActivationLayer;
pub use batch_normalization::BatchNormalization;
pub use custom::CustomLayer;
pub(crate) use custom::Function as LayerClosure;
pub use dense::Dense;
pub use dropout::Dropout;
pub use flatten::Flatten;
pub use gaussian_noise::GaussianNoise;
pub use layer_normalization::LayerNormalization;
pub use list::Layer;
pub use normalization::Normalization;
pub use rescaling::Rescaling;
