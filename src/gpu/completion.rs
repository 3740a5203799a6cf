//! What comes back from the device, and can be awaited.
//!
//! All that a completion needs (its buffer above all) belongs to the callback that wgpu calls. The
//! future only listens, so it may be dropped at any time, and nothing is left mapped.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use futures_intrusive::channel::shared::{OneshotReceiver, OneshotSender, oneshot_channel};
use wgpu::SubmissionIndex;

use super::device::Gpu;
use crate::error::{DeviceError, Error, Result};

/// A value that the device will have made when a submission has run.
pub(super) struct Completion<T: Send + 'static> {
    gpu: Gpu,
    submission: SubmissionIndex,
    receiver: OneshotReceiver<Result<T>>,
}

/// The end of a completion that the callback holds.
pub(super) struct Completer<T: Send + 'static>(OneshotSender<Result<T>>);

impl<T: Send + 'static> Completer<T> {
    pub(super) fn complete(self, result: Result<T>) {
        // A listener that is gone wants no answer.
        let _ = self.0.send(result);
    }
}

impl<T: Send + 'static> Completion<T> {
    /// Starts work that completes the value.
    ///
    /// # Errors
    /// Those of `start`.
    pub(super) fn start(
        gpu: &Gpu,
        start: impl FnOnce(Completer<T>) -> Result<SubmissionIndex>,
    ) -> Result<Self> {
        let (sender, receiver) = oneshot_channel();
        let submission = start(Completer(sender))?;
        Ok(Completion { gpu: gpu.clone(), submission, receiver })
    }

    /// Waits for the value, which comes once. The future may be dropped: the value waits.
    ///
    /// # Errors
    /// What the callback has found, [`Error::Device`] above all.
    pub(super) async fn wait(&self) -> Result<T> {
        let received = polled(&self.gpu, Some(&self.submission), self.receiver.receive()).await;
        received.unwrap_or_else(|| Err(unanswered()))
    }

    /// The value if it is there; polls nothing.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub(super) fn try_wait(&self) -> Result<Option<T>> {
        let mut context = Context::from_waker(Waker::noop());
        match pin!(self.receiver.receive()).poll(&mut context) {
            Poll::Ready(received) => received.unwrap_or_else(|| Err(unanswered())).map(Some),
            Poll::Pending => Ok(None),
        }
    }
}

fn unanswered() -> Error {
    DeviceError::Lost { reason: "it has not answered".into() }.into()
}

/// Awaits `future`, which a callback of the device ends, and sees to it that the device is polled.
pub(super) async fn polled<F: Future>(
    gpu: &Gpu,
    submission: Option<&SubmissionIndex>,
    future: F,
) -> F::Output {
    let mut future = pin!(future);
    #[cfg(not(target_arch = "wasm32"))]
    let mut ticket = None;
    poll_fn(|context| {
        let result = future.as_mut().poll(context);
        #[cfg(not(target_arch = "wasm32"))]
        if result.is_pending() {
            let poller = gpu.poller.as_ref();
            super::polling::announce(&gpu.device, poller, submission, &mut ticket, context.waker());
        }
        #[cfg(target_arch = "wasm32")]
        let _ = (gpu, submission);
        result
    })
    .await
}
