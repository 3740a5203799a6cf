//! The state of a model in host memory, from which it is built anew when its device is lost.

use super::blocking::blocking;
use super::callback::Resume;
use super::executor::Backend;
use super::model::Model;
use super::session::{Session, Snapshot};
use crate::error::{Error, Result};

/// Where a model goes on that was [rebuilt](Model::rebuild).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rebuilt {
    /// Training steps that the model has behind it again: those of its last snapshot.
    pub steps: u64,
    /// Where the fit goes on that took the snapshot, for [`Fit::resume`](super::Fit::resume); `None` if
    /// [`Model::snapshot`] took it.
    pub resume: Option<Resume>,
}

impl Session {
    /// Copies the state to host memory. The snapshot before stays if that fails or is cancelled.
    pub(super) async fn take_snapshot(&mut self, in_fit: Option<Resume>) -> Result<u64> {
        let saved = self.saved().await?;
        let steps = saved.steps;
        self.snapshot = Some(Snapshot { saved, in_fit });
        Ok(steps)
    }
}

impl Model {
    blocking! {
        /// Copies all that the next step depends on to host memory, where the model keeps it until the
        /// next snapshot: parameters, moving statistics, the optimizer's state, learning rate, seed,
        /// the numbers of steps and epochs, and the [metadata](Self::set_metadata). It takes as many
        /// bytes as the parameters and the optimizer's state do. Returns the training steps that it
        /// has behind it.
        ///
        /// [Recorded](Self::record_step) steps that the host has not submitted yet are not in it.
        ///
        /// If the device is lost later, [`rebuild`](Self::rebuild) goes on from the snapshot.
        /// [`save_bytes`](Self::save_bytes) returns the same state as the bytes of a file.
        ///
        /// # Errors
        /// [`Error::Device`] if the device fails; the snapshot before stays.
        snapshot, snapshot_async(&mut self) -> Result<u64> {
            self.session.forget_cancelled()?;
            self.session.take_snapshot(None).await
        }

        /// Builds the model anew from its last [snapshot](Self::snapshot), on `backend`: on a new
        /// device after the old one was lost, or on the CPU. What was trained since the snapshot is
        /// gone, so that training goes on at the step that is returned: on a device of the same
        /// adapter, with the same bits as if nothing had happened. What was prepared is prepared
        /// again, by [`prepare_steps`](Self::prepare_steps) above all.
        ///
        /// If this fails, the model stays as it was, and it can be tried again: so a future that was
        /// dropped.
        ///
        /// ```
        /// # use minibatch::{Activation, Cpu, Fit, Loss, Sequential, Sgd};
        /// # fn main() -> minibatch::Result<()> {
        /// # let data = minibatch::data::synthetic_digits(64, 0)?;
        /// # let (gpu, another) = (Cpu::new(), || Ok::<_, minibatch::Error>(Cpu::new()));
        /// # let mut model = Sequential::new(minibatch::model::Input::pixels(data.sample_shape()))
        /// #     .dense(data.classes(), Activation::Softmax)
        /// #     .compile(Sgd::default(), Loss::SparseCategoricalCrossentropy, [])
        /// #     .build(&gpu)?;
        /// let mut resume = None;
        /// let history = loop {
        ///     let fit = Fit::new().epochs(3).snapshot_every(100).resume(resume);
        ///     match model.fit(&data, fit) {
        ///         Err(error) if error.is_lost() => resume = model.rebuild(&another()?)?.resume,
        ///         ended => break ended?,
        ///     }
        /// };
        /// # assert_eq!(history.epochs.len(), 3);
        /// # Ok(())
        /// # }
        /// ```
        ///
        /// # Errors
        /// [`Error::Argument`] if there is no snapshot; else as
        /// [`Compiled::build`](crate::Compiled::build).
        rebuild, rebuild_async(&mut self, backend: impl Into<Backend>) -> Result<Rebuilt> {
            let Some(Snapshot { saved, in_fit }) = &self.session.snapshot else {
                let problem = "there is none to rebuild the model from: call Model::snapshot, or give \
                               Fit::snapshot_every, while the device works; a model that was saved is \
                               loaded by Model::load";
                return Err(Error::argument("snapshot", problem));
            };
            let rebuilt = Rebuilt { steps: saved.steps, resume: *in_fit };
            let mut session = Session::from_saved(saved, backend.into()).await?;
            session.executor.set_profile(&self.session.profile)?;
            session.profile = self.session.profile.clone();
            session.snapshot = self.session.snapshot.take();
            self.session = session;
            Ok(rebuilt)
        }
    }

    /// The training steps that the last [snapshot](Self::snapshot) has behind it; `None` if there is
    /// none.
    #[must_use]
    pub fn snapshot_steps(&self) -> Option<u64> {
        self.session.snapshot.as_ref().map(|snapshot| snapshot.saved.steps)
    }

    /// Frees the memory of the last [snapshot](Self::snapshot).
    pub fn forget_snapshot(&mut self) {
        self.session.snapshot = None;
    }
}
