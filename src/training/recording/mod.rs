//! Training as a guest: steps recorded into the host's encoder, which the host submits.

mod bound;
mod budget;
mod columns;
mod scores;
mod steps;

pub use columns::DeviceColumns;

use super::executor::Executor;
use super::session::Session;
use crate::error::{Error, Result};
use crate::gpu::GpuExecutor;

impl Session {
    /// The GPU executor that steps are recorded of.
    ///
    /// # Errors
    /// [`Error::Argument`] if the model is on the CPU.
    fn recording(&mut self) -> Result<&mut GpuExecutor> {
        match &mut self.executor {
            Executor::Gpu(gpu) => Ok(gpu),
            Executor::Cpu(_) | Executor::CpuInF64(_) => Err(Error::argument(
                "backend",
                "the model runs on the CPU; to record its steps, build it on a Gpu",
            )),
        }
    }

    /// Whether a batch of `rows` samples, called `argument`, runs as a whole, as a recorded step does.
    ///
    /// # Errors
    /// [`Error::Argument`] if it is larger than `micro_batch_size`, or is cut into shards.
    fn check_whole(&self, argument: &'static str, rows: usize) -> Result<()> {
        if let Some(shards) = self.compiled.shards {
            let problem = format!(
                "of {rows} samples is cut into {shards} shards; recorded steps are whole batches, so \
                 compile the model without shards"
            );
            return Err(Error::argument(argument, problem));
        }
        match self.compiled.micro_batch_size {
            Some(most) if most < rows => {
                let problem = format!(
                    "of {rows} samples is larger than the {most} of micro_batch_size; recorded \
                     steps are whole batches"
                );
                Err(Error::argument(argument, problem))
            }
            _ => Ok(()),
        }
    }
}
