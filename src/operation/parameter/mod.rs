//! Operations on parameters and their gradients: regularizers, clipping, and gradients of several
//! batches, or of the shards of one, added up.

mod accumulate;
mod add_shards;
mod cases;
mod clip_by_norm;
mod clip_by_value;
mod gradient;
mod keep_shards;
mod penalty;
mod penalty_gradient;
mod sample;
mod squared_norm;
mod take_mean;

pub use accumulate::Accumulate;
pub use add_shards::AddShards;
pub use clip_by_norm::ClipByNorm;
pub use clip_by_value::ClipByValue;
pub use keep_shards::KeepShards;
pub use penalty::Penalty;
pub use penalty_gradient::PenaltyGradient;
pub use squared_norm::SquaredNorm;
pub use take_mean::TakeMean;
