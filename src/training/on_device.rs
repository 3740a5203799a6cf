//! What a model holds on its device, for shaders of the host's.

use super::executor::Executor;
use super::model::Model;
use super::session::Session;
use crate::error::{Error, Result};
use crate::gpu::{DeviceRegion, GpuExecutor};
use crate::program::BufferId;

impl Model {
    /// Where a value lies on the device, by its name: a parameter (`dense_1.weight`, `dense_1.bias`),
    /// a moving statistic, a layer's result (`dense_1.output`), a prediction (the name of its output),
    /// a metric's sums; see [`Program::buffers`](crate::program::Program::buffers) for the names. Its
    /// layout is told at [`DeviceRegion`].
    ///
    /// The buffer of what outlasts a step is the same as long as the model lives, so a bind group made
    /// once shows every later step's values. What belongs to a batch, predictions among them, moves
    /// when room is made for larger batches: take it after
    /// [`prepare_steps`](Self::prepare_steps), or another call, for the largest one.
    ///
    /// # Errors
    /// [`Error::Argument`] if the model is on the CPU, if there is none of that name, if nothing uses
    /// it, or if the last step did not keep it, as [`read`](Self::read) says. A later step that is
    /// fused leaves in the region what was there.
    pub fn binding(&self, name: &str) -> Result<DeviceRegion> {
        let id = self.session.find_value(name)?;
        self.session.on_gpu()?.region(id)
    }
}

impl Session {
    /// The buffer called `name`, or that of the output called so.
    fn find_value(&self, name: &str) -> Result<BufferId> {
        let output = self.program.outputs().iter().find(|(output, _)| output == name);
        match self.program.find(name) {
            Some(id) => Ok(id),
            None => output.map(|&(_, id)| id).map_or_else(|| self.find(name), Ok),
        }
    }

    fn on_gpu(&self) -> Result<&GpuExecutor> {
        match &self.executor {
            Executor::Gpu(gpu) => Ok(gpu),
            Executor::Cpu(_) | Executor::CpuInF64(_) => Err(Error::argument(
                "backend",
                "the model runs on the CPU; its values lie on a device if it is built on a Gpu",
            )),
        }
    }
}
