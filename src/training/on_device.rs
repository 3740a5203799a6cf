//! What a model holds on its device, for shaders of the host's.

use super::executor::Executor;
use super::model::Model;
use super::session::Session;
use crate::error::{Error, Result};
use crate::gpu::{DeviceRegion, GpuExecutor, NetworkShader, NetworkWgsl};
use crate::program::BufferId;

impl Model {
    /// Where a value lies on the device, by its name: a parameter (`dense_1.weight`, `dense_1.bias`),
    /// a moving statistic, a layer's result (`dense_1.output`), a prediction (the name of its output),
    /// a metric's sums; see [`Program::buffers`](crate::program::Program::buffers) for the names. Its
    /// layout is told at [`DeviceRegion`].
    ///
    /// The buffer of what outlasts a step is the same as long as the model lives on its device, so a bind
    /// group made once shows every later step's values; it is another one after a fit that had to run
    /// its batches [in parts](Self::micro_batch_size). What belongs to a batch, predictions among them, moves
    /// when room is made for larger batches: take it after
    /// [`prepare_steps`](Self::prepare_steps), or another call, for the largest one.
    ///
    /// # Errors
    /// [`Error::Argument`] if the model is on the CPU, if there is none of that name, if nothing uses
    /// it, or if the last step did not keep it, as [`read`](Self::read) says, and no prediction computes
    /// it. A later step that is fused leaves in the region what was there.
    pub fn binding(&self, name: &str) -> Result<DeviceRegion> {
        let id = self.session.find_value(name)?;
        self.session.on_gpu()?.region(id)
    }

    /// The network as a function of WGSL, `fn network(x: array<f32, N>) -> array<f32, M>`, to be pasted
    /// into any shader of the host's, with the buffers that it reads: the live parameters, so that after
    /// one more step, without new bindings, it computes what the new network predicts.
    ///
    /// `x` is one sample as the data has it: where the model takes pixels
    /// ([`Input::pixels`](crate::Input::pixels)), bytes as numbers from 0 to 255, which the function
    /// scales. It computes in f32, also where the model stores what its layers make as f16. Layers that do something in training
    /// alone, such as dropout, do nothing here, and a normalization takes its moving statistics.
    ///
    /// Each invocation holds a layer's values in an array of its own, which it indexes by numbers that
    /// are not known before. GPUs that have no registers for that keep it in slower memory: the
    /// narrower the layers, the better.
    ///
    /// # Errors
    /// [`Error::Argument`] if the model is on the CPU; if it has several inputs or outputs; if it has
    /// more than 256 inputs, or layers so wide that their values take more than the 8,192 bytes that a
    /// function of WGSL has for variables; if it takes sparse rows; if the name is no name of WGSL.
    pub fn network_wgsl(&self, settings: NetworkWgsl) -> Result<NetworkShader> {
        self.session.on_gpu()?.network(&settings)
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
