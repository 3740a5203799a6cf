//! The numbers that operations compute with on the CPU: f32, and f64 as the oracle. And how far a
//! kernel's f32 may lie from the oracle's.

pub mod approximate;
pub mod bounds;
pub mod expression;
mod matrix;
mod normal_sum;
mod real;

pub use matrix::{Block, Matrix, block_size};
pub use normal_sum::add_normal;
pub use real::Real;
