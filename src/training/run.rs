//! One call of fit, evaluate or predict at work, as its callbacks see it.

use super::arguments::{Evaluate, Predict};
use super::callback::{Callback, Resume};
use super::control::{Answer, Control, Request};
use super::send::BoxFuture;
use super::session::Session;
use super::verbose::Verbose;
use crate::data::Batch;
use crate::distributed::Process;
use crate::error::Result;
use crate::model::Source;

/// A call at work: what its callbacks control.
pub(super) struct Run<'s> {
    pub session: &'s mut Session,
    requests: Vec<Request>,
    /// Whether a callback has asked for the end of training.
    pub stopped: bool,
    /// When the next snapshot is taken; never if `None`.
    pub snapshots: Option<SnapshotsDue>,
}

/// When a fit takes its snapshots.
pub(super) struct SnapshotsDue {
    every: usize,
    /// Steps until the next one.
    left: usize,
}

impl SnapshotsDue {
    /// One now and after every so many steps.
    pub(super) fn every(steps: usize) -> Self {
        SnapshotsDue { every: steps, left: 0 }
    }
}

impl Control for Run<'_> {
    fn steps(&self) -> u64 {
        self.session.steps()
    }

    fn submits(&self) -> u64 {
        self.session.executor.submits()
    }

    fn process(&self) -> Process {
        self.session.process()
    }

    fn learning_rate(&self) -> f64 {
        self.session.learning_rate()
    }

    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        self.session.set_learning_rate(learning_rate)
    }

    fn stop(&mut self) {
        self.stopped = true;
    }

    fn stopped(&self) -> bool {
        self.stopped
    }

    fn request(&mut self, request: Request) {
        self.requests.push(request);
    }
}

impl<'s> Run<'s> {
    pub(super) fn new(session: &'s mut Session) -> Self {
        Run { session, requests: Vec::new(), stopped: false, snapshots: None }
    }

    /// Says that a training step was made.
    pub(super) fn count_for_snapshot(&mut self) {
        if let Some(due) = &mut self.snapshots {
            due.left = due.left.saturating_sub(1);
        }
    }

    /// Takes a snapshot if one is due; `place` is how far the fit is.
    pub(super) async fn snapshot_if_due(&mut self, place: Resume) -> Result<()> {
        if let Some(due) = self.snapshots.as_mut().filter(|due| due.left == 0) {
            due.left = due.every;
            self.session.take_snapshot(Some(place)).await?;
        }
        Ok(())
    }

    /// Calls a hook of each callback, and does what it asks for.
    pub(super) async fn each(
        &mut self,
        callbacks: &mut [&mut dyn Callback],
        mut hook: impl FnMut(&mut dyn Callback, &mut Self) -> Result<()>,
    ) -> Result<()> {
        if callbacks.is_empty() {
            return Ok(());
        }
        let _span = self.session.profile.span("callbacks");
        for callback in callbacks {
            hook(&mut **callback, self)?;
            self.answer(&mut **callback).await?;
        }
        Ok(())
    }

    /// Does what a hook of `callback` has asked for.
    pub(super) async fn answer(&mut self, callback: &mut dyn Callback) -> Result<()> {
        while !self.requests.is_empty() {
            for request in std::mem::take(&mut self.requests) {
                if let Some(answer) = carry_out(self.session, request).await? {
                    callback.answer(self, answer)?;
                }
            }
        }
        Ok(())
    }
}

/// On the heap, as an evaluation within a run is a run again. All processes hold the same model, so the
/// first one alone writes it to files; the others answer as if they had.
fn carry_out(session: &mut Session, request: Request) -> BoxFuture<'_, Result<Option<Answer>>> {
    Box::pin(async move {
        Ok(Some(match request {
            Request::Weights => Answer::Weights(session.weights().await?),
            Request::SetWeights(weights) => {
                session.set_weights(&weights).await?;
                return Ok(None);
            }
            Request::Read(name) => {
                let values = session.read(&name).await?;
                Answer::Buffer(name, values)
            }
            Request::Evaluate { data, batch_size } => {
                let arguments = Evaluate::new().batch_size(batch_size);
                Answer::Scores(session.evaluate(data, arguments).await?)
            }
            Request::Predict { data, batch_size } => {
                let arguments = Predict::new().batch_size(batch_size);
                Answer::Predictions(session.predict(data, arguments).await?)
            }
            Request::Gradients { data, indices, part } => {
                let batch = Batch { data: &data, indices: &indices };
                Answer::Gradients(session.gradients(batch, part).await?)
            }
            Request::SaveBytes => Answer::Bytes(session.save_bytes().await?),
            #[cfg(not(target_arch = "wasm32"))]
            Request::Save(path) => {
                if session.process().is_first() {
                    session.save(&path).await?;
                }
                Answer::Saved(path)
            }
            #[cfg(not(target_arch = "wasm32"))]
            Request::SaveWithNote { path, note } => {
                if session.process().is_first() {
                    session.save_with_note(&path, note).await?;
                }
                Answer::Saved(path)
            }
            Request::RestoreBytes(bytes) => {
                session.restore(Source::Bytes(&bytes)).await?;
                return Ok(None);
            }
            #[cfg(not(target_arch = "wasm32"))]
            Request::Restore(path) => {
                session.restore(Source::File(&path)).await?;
                return Ok(None);
            }
        }))
    })
}

/// The callbacks, and after them, as in Keras, the one that shows the progress, which is kept in
/// `progress`. It shows nothing in a browser, which has no standard output.
pub(super) fn with_progress<'b>(
    callbacks: &'b mut [&mut dyn Callback],
    verbose: Verbose,
    progress: &'b mut Option<Box<dyn Callback>>,
) -> Vec<&'b mut dyn Callback> {
    match verbose {
        #[cfg(not(target_arch = "wasm32"))]
        Verbose::Auto | Verbose::Bar | Verbose::Line => {
            *progress = Some(Box::new(super::callbacks::ProgressBar::new(verbose)));
        }
        _ => {}
    }
    let callbacks = callbacks.iter_mut().map(|callback| &mut **callback as &mut dyn Callback);
    callbacks.chain(progress.iter_mut().map(|progress| &mut **progress as _)).collect()
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::distributed::{Group, InProcess};
    use crate::training::blocking::block_on;
    use crate::training::executor::Backend;
    use crate::training::sharing::Sharing;
    use crate::{Activation, Adam, Cpu, Loss, Sequential, model::Input};

    #[test]
    fn files_are_written_by_the_first_process_and_answered_to_all() -> Result<()> {
        let directory = tempfile::tempdir().unwrap();
        let compiled = Sequential::new(Input::floats(&[3])).dense(2, Activation::Linear).compile(
            Adam::default(),
            Loss::MeanSquaredError,
            [],
        );
        let mut session = block_on(Session::new(compiled, Backend::from(&Cpu::new())))?;
        for (rank, transport) in InProcess::group(2).into_iter().enumerate().rev() {
            let group = Group::new(Arc::new(transport), 2)?;
            session.sharing = Sharing::with(group);
            for named in ["saved", "noted"] {
                let path = directory.path().join(named);
                let request = match named {
                    "saved" => Request::Save(path.clone()),
                    _ => Request::SaveWithNote { path: path.clone(), note: "note".into() },
                };
                let answer = block_on(carry_out(&mut session, request))?;
                assert!(matches!(answer, Some(Answer::Saved(saved)) if saved == path));
                assert_eq!(path.exists(), rank == 0, "{named} in process {rank}");
            }
        }
        Ok(())
    }
}
