//! Several processes that train one model: what they exchange, and in which order it is added up.
//!
//! A batch is cut into *shards*, a fixed number of equal parts. A process owns several of them that
//! follow each other, computes their gradients, and adds them up along a tree whose shape depends on the
//! shards alone, not on how many processes there are. So any number of processes makes the same bits.
//! What carries the numbers from process to process is a [`Transport`].

mod agreement;
mod blocks;
pub mod cost;
mod group;
mod halving;
mod in_process;
mod messages;
#[cfg(feature = "mpi")]
mod mpi;
mod owners;
mod ranges;
mod schedule;
mod step;
#[cfg(test)]
mod testing;
mod transport;
pub(crate) mod tree;

pub(crate) use group::Group;
pub use in_process::InProcess;
#[cfg(feature = "mpi")]
pub use mpi::Mpi;
pub use transport::{Process, Transport};
