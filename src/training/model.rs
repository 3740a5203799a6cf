//! A model that can be trained.

#[cfg(not(target_arch = "wasm32"))]
use super::blocking::block_on;
use super::executor::{Backend, Executor};
use super::session::Session;
use crate::error::Result;
use crate::gpu::GpuExecutor;
use crate::model::{Compiled, Functional};
use crate::profile::Profile;
use crate::program::Program;

/// A model on a backend: fit, evaluate, predict.
///
/// Every method that uses the device has an async form: `fit_async` beside `fit`. Natively, the
/// futures are `Send`. The blocking methods wait on the caller's thread, and do not exist in a
/// browser.
///
/// The future of `fit_async` lets other tasks run before each step. A future can be dropped at any
/// time, which cancels the call: the model has then made whole steps only, [`steps`](Self::steps)
/// of them, and works as before.
///
/// Natively a model is `Send` and `Sync`: it can move to another thread between two calls, and lie in
/// what threads share. What changes it or uses its device takes `&mut self`, so that one thread at a
/// time does. Models on clones of one [`Gpu`](crate::Gpu) may run on as many threads at once.
#[derive(Debug)]
pub struct Model {
    pub(super) session: Session,
}

impl Compiled {
    /// Checks the shapes, allocates on `backend` (`&Gpu` or `&Cpu`) and sets the initial weights.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) or [`Error::Shape`](crate::Error::Shape) for a
    /// model that cannot be built, [`Error::Device`](crate::Error::Device) if the device cannot
    /// hold it.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn build(self, backend: impl Into<Backend>) -> Result<Model> {
        block_on(self.build_async(backend.into()))
    }

    /// [`build`](Self::build), awaited.
    ///
    /// # Errors
    /// As `build`.
    pub async fn build_async(self, backend: impl Into<Backend>) -> Result<Model> {
        Ok(Model { session: Session::new(self, backend.into()).await? })
    }
}

impl Model {
    /// Its layers.
    #[must_use]
    pub fn architecture(&self) -> &Functional {
        &self.session.compiled.architecture
    }

    /// Its buffers and operations.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.session.program
    }

    /// Training steps made so far. Where gradients are accumulated, steps without an update count
    /// too.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.session.steps()
    }

    /// The rate of the next step: that of the schedule if there is one, else the optimizer's.
    #[must_use]
    pub fn learning_rate(&self) -> f64 {
        self.session.learning_rate()
    }

    /// Sets the rate of the steps to come.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if building a model would refuse the rate, or if
    /// a schedule governs it (an error in Keras too).
    pub fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        self.session.set_learning_rate(learning_rate)
    }

    /// Records into `profile` what the calls of this model do from now on: epochs, steps, the
    /// loading of batches on each thread, what is waited for, and callbacks; on the CPU each
    /// operation; on a GPU the recording and submission of each step, and each kernel's time if the
    /// device was made with [`TIMESTAMP_QUERY`](wgpu::Features::TIMESTAMP_QUERY), as
    /// [`Gpu::with_timestamps`](crate::Gpu::with_timestamps) makes it. The results are the same.
    /// `&Profile::default()` ends it.
    ///
    /// Steps that are recorded into an encoder of the host's are not among it.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device refuses the queries.
    pub fn set_profile(&mut self, profile: &Profile) -> Result<()> {
        self.session.executor.set_profile(profile)?;
        self.session.profile = profile.clone();
        Ok(())
    }

    /// The GPU executor, to embed it: dispatch counts, the device, buffers read by name. `None`
    /// on the CPU.
    pub fn gpu(&mut self) -> Option<&mut GpuExecutor> {
        match &mut self.session.executor {
            Executor::Gpu(gpu) => Some(gpu),
            Executor::Cpu(_) | Executor::CpuInF64(_) => None,
        }
    }
}
