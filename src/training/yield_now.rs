//! Letting other tasks run.

use std::future::poll_fn;
use std::task::Poll;

/// Waits once, and asks at once to be called again: an executor runs its other tasks in between.
/// Without it, a fit on the CPU, which never waits for anything, would keep them all waiting.
pub(super) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
