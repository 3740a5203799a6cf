//! Activation functions of one value: their formulas on the CPU, their WGSL text, and how exact they
//! must be.

mod function;
mod list;

pub use function::{Function, Told};
pub use list::{Activation, Elementwise};
