//! Probes: small checks, each with a name, of what drivers are known to get wrong. `mnist-gpu verify` runs
//! them; a program of your own can, too:
//!
//! ```no_run
//! use minibatch::Gpu;
//! use minibatch::gpu::block_on;
//! use minibatch::parity::probe::{Attempt, ruled_out};
//!
//! let gpu = Gpu::new()?;
//! let attempts = Attempt::all(&gpu);
//! let outcomes = attempts.iter().map(|attempt| block_on(attempt.run(&gpu)));
//! let outcomes = outcomes.collect::<Result<Vec<_>, _>>()?;
//! let ruled_out = ruled_out(attempts.iter().zip(&outcomes));
//! let gpu = gpu.without_forms(ruled_out.forms.iter());
//! # Ok::<(), minibatch::Error>(())
//! ```

mod attempt;
mod binding_offsets;
mod byte_loads;
mod contract;
mod dynamic_barrier;
mod f16_division;
mod f16_storage;
mod fused_steps;
mod integer_atomics;
mod list;
mod long_loops;
mod many_workgroups;
mod nan_bits;
mod outcome;
mod rows_257;
mod ruled_out;
mod small_matrices;
mod subgroup_broadcast;
mod workgroup_barrier;
mod zeroed_workgroup;

pub use attempt::{Attempt, kernels};
pub use contract::{Need, Probe, RulesOut};
pub use list::ALL;
pub use outcome::Outcome;
pub use ruled_out::{RuledOut, ruled_out};
