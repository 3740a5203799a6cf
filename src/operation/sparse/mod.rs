//! Dense layers over sparse rows: what is not stored costs nothing.

mod backward_weights;
mod cases;
mod forward;
mod gradient;
mod sample;
mod shape;

pub use backward_weights::SparseBackwardWeights;
pub use forward::SparseForward;
