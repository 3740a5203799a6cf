//! The layers, one file each.

mod activation;
mod batch_normalization;
mod contract;
mod custom;
mod dense;
mod dropout;
mod flatten;
mod frequency_encoding;
mod gaussian_noise;
mod hash_grid;
mod layer_normalization;
mod list;
mod normalization;
mod rescaling;

pub(crate) use custom::Function as LayerClosure;
pub use list::*;
