//! A training step of a small network in two dispatches. The first kernel goes along the rows: all layers
//! forward, the loss, and the gradients of what the layers put out. The second one goes along the weights:
//! it sums up their gradients over the batch and lets the optimizer move them. No workgroup waits for
//! another one within a dispatch, and nothing but one buffer of rows passes between the two. Müller and
//! others ("Real-time Neural Radiance Caching for Path Tracing", 2021) fuse networks of up to 128 units so.
//!
//! Each workgroup of the first kernel reads all weights. Where the first layer has most of them, that layer
//! can go forward in a dispatch of its own, by a matrix kernel, and the first kernel begins with what it puts
//! out: three dispatches.
//!
//! It is told from the operations of a step, which the CPU executor and the unfused kernels run.

mod chain;
mod dispatches;
mod sizes;
mod text;

pub use chain::Chain;
