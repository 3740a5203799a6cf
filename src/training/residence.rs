//! Where the data of a training live: on the host, or on the device.

use super::batch_source::BatchSource;
use super::executor::Executor;
use super::feed::{check_input, input_kind};
use super::session::Session;
use crate::data::{Dataset, Features};
use crate::error::{DeviceError, Error, Result};
use crate::gpu::{GpuExecutor, Resident};
use crate::program::{Program, Role};

/// Where the inputs of the training data live while [`fit`](super::Model::fit) runs. It changes no
/// bit of what is learned. On the CPU there is no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DataOn {
    /// On the device if they take at most a quarter of
    /// [its memory budget](crate::Gpu::memory_budget), make more than eight batches, and the run sees
    /// each sample once at least; else on the host, as for a software adapter, whose memory is the
    /// host's.
    #[default]
    Auto,
    /// On the host: each batch is uploaded with its step.
    Host,
    /// On the device: uploaded once, as they are (bytes stay bytes), at the beginning of the run, and
    /// freed at its end. A step gathers its rows there by their numbers, and uploads only these, the
    /// targets and the weights.
    Device,
}

/// The part of a device's memory budget that data may take by themselves: one in so many.
const SHARE: u64 = 4;

/// Data of fewer batches stay on the host.
const LEAST_BATCHES: usize = 8;

impl Session {
    /// Puts the inputs of `data` on the device, if `data_on` says so, for a run of so many epochs.
    ///
    /// # Errors
    /// [`Error::Argument`] if the data are no arrays in memory, and were to be on the device.
    pub(super) async fn put_on_device(
        &mut self,
        source: &BatchSource,
        data_on: DataOn,
        epochs: u32,
    ) -> Result<()> {
        let Some(data) = source.dataset() else {
            return match data_on {
                DataOn::Auto | DataOn::Host => Ok(()),
                DataOn::Device => Err(Error::argument(
                    "data_on",
                    "is the device, which takes arrays in memory (a Dataset); this is another \
                     source, which is read batch by batch",
                )),
            };
        };
        let batch_size = source.batch_size;
        let steps = source.steps.unwrap_or_default().saturating_mul(epochs as usize);
        let eagerly = self.compiled.run_eagerly;
        let Executor::Gpu(gpu) = &mut self.executor else {
            return Ok(());
        };
        let wanted = match data_on {
            DataOn::Host => false,
            DataOn::Device => true,
            DataOn::Auto => {
                let inputs = gpu.program().of_role(Role::Input);
                let bytes: u64 =
                    inputs.map(|(_, buffer)| Resident::bytes_of(buffer, data.len())).sum();
                !gpu.gpu().is_software()
                    && bytes <= gpu.gpu().memory_budget() / SHARE
                    && data.len().div_ceil(batch_size) > LEAST_BATCHES
                    && steps.saturating_mul(batch_size) >= data.len()
            }
        };
        // What runs operation by operation is fed as a whole.
        if !wanted || eagerly || !lie_as_they_are(data) {
            return Ok(());
        }
        match (attach(gpu, data).await, data_on) {
            (Err(Error::Device(DeviceError::OutOfMemory(_))), DataOn::Auto) => Ok(()),
            (attached, _) => {
                attached?;
                self.on_device = true;
                Ok(())
            }
        }
    }

    /// Frees the data on the device.
    pub(super) fn free_data(&mut self) -> Result<()> {
        // If this fails, the next call tries again.
        match &mut self.executor {
            Executor::Gpu(gpu) => gpu.detach()?,
            Executor::Cpu(_) | Executor::CpuInF64(_) => {}
        }
        self.on_device = false;
        Ok(())
    }
}

/// Whether the device takes the inputs as they lie in memory.
fn lie_as_they_are(data: &Dataset) -> bool {
    let as_they_are = |features: &Features| match features {
        Features::U8(_) | Features::F32(_) => true,
        Features::F16(_) | Features::U32(_) | Features::Sparse(_) => false,
    };
    data.inputs().iter().all(|input| as_they_are(&input.features))
}

/// Uploads the inputs of `data`; its samples are the rows, in their order.
async fn attach(gpu: &mut GpuExecutor, data: &Dataset) -> Result<()> {
    let program: &Program = &gpu.program().clone();
    let mut columns = Vec::new();
    for (number, (id, buffer)) in program.of_role(Role::Input).enumerate() {
        check_input(buffer, input_kind(data, number))?;
        let rows = (0..data.len()).map(|index| Ok(data.sample(index)?.input(number)));
        columns.push((id, Resident::upload(gpu.gpu(), buffer, data.len(), rows).await?));
    }
    gpu.attach(columns).await
}
