//! Callbacks of a native device run only while somebody polls it. Who does is said in
//! [`device`](super::device); this file has the thread and the blocking wrapper.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use wgpu::{Device, PollError, PollStatus, PollType, SubmissionIndex};

/// The longest pause between two polls of a host's device.
const PAUSE: Duration = Duration::from_micros(100);

thread_local! {
    /// Set while [`block_on`] polls a future on this thread: what that future waits for.
    static AWAITED: RefCell<Option<Vec<Awaited>>> = const { RefCell::new(None) };
}

/// Work of a device that somebody waits for; without a submission, all that was submitted.
struct Awaited {
    device: Device,
    /// Whether the device is ours.
    ours: bool,
    submission: Option<SubmissionIndex>,
}

impl Awaited {
    /// Polls once. Whether the device is lost is told by what the callbacks are given.
    fn poll(&self) {
        let _ = match self.ours {
            true => wait(&self.device, self.submission.clone()),
            // A wait would hold up the host's next frame.
            false => self.device.poll(PollType::Poll),
        };
    }
}

/// Waits for a submission; without one, for all. It has no timeout: after one, wgpu-core 30 panics if
/// another thread polls the device at the same moment (<https://github.com/gfx-rs/wgpu/pull/9958>).
fn wait(
    device: &Device,
    submission_index: Option<SubmissionIndex>,
) -> Result<PollStatus, PollError> {
    device.poll(PollType::Wait { submission_index, timeout: None })
}

/// Runs a future to its end on this thread, and polls the devices that it waits for meanwhile.
///
/// It is what `fit` is around `fit_async`. A host that lets nobody else poll its device needs it
/// too: elsewhere a future on a host's device gets on only when the host polls.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let signal = Arc::new(Signal { woken: AtomicBool::new(false), thread: std::thread::current() });
    let waker = Waker::from(Arc::clone(&signal));
    let mut context = Context::from_waker(&waker);
    let mut pause = Duration::ZERO;
    loop {
        let scope = Scope::enter();
        let result = future.as_mut().poll(&mut context);
        let awaited = scope.leave();
        if let Poll::Ready(output) = result {
            return output;
        }
        if awaited.is_empty() {
            while !signal.woken.swap(false, Ordering::AcqRel) {
                std::thread::park();
            }
            continue;
        }
        awaited.iter().for_each(Awaited::poll);
        if signal.woken.swap(false, Ordering::AcqRel) {
            pause = Duration::ZERO;
        } else {
            pause = (pause + Duration::from_micros(10)).min(PAUSE);
            std::thread::park_timeout(pause);
            signal.woken.store(false, Ordering::Release);
        }
    }
}

/// Wakes the thread of [`block_on`].
struct Signal {
    woken: AtomicBool,
    thread: Thread,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// While it lives, this thread gathers what its future waits for. One may be within another, as a
/// callback may call a blocking function.
struct Scope(Option<Vec<Awaited>>);

impl Scope {
    fn enter() -> Self {
        Scope(AWAITED.replace(Some(Vec::new())))
    }

    fn leave(self) -> Vec<Awaited> {
        AWAITED.take().unwrap_or_default()
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        AWAITED.replace(self.0.take());
    }
}

/// Sees to it that `device` is polled until `ticket` is dropped, or, within [`block_on`], once.
/// `poller` is that of a device of ours.
pub(super) fn announce(
    device: &Device,
    poller: Option<&Arc<Poller>>,
    submission: Option<&SubmissionIndex>,
    ticket: &mut Option<Ticket>,
    waker: &Waker,
) {
    let blocked = AWAITED.with_borrow_mut(|awaited| {
        let awaited = awaited.as_mut()?;
        let (device, ours) = (device.clone(), poller.is_some());
        awaited.push(Awaited { device, ours, submission: submission.cloned() });
        Some(())
    });
    if let (None, None, Some(poller)) = (blocked, &ticket, poller) {
        *ticket = Some(poller.register(submission.cloned()));
        if !poller.is_running() {
            // There is no thread to be had, so the waiter polls.
            let _ = device.poll(PollType::Poll);
            waker.wake_by_ref();
            *ticket = None;
        }
    }
}

/// Polls a device of ours on a thread of its own while somebody waits for it.
pub(super) struct Poller {
    device: Device,
    waiters: Mutex<Waiters>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiters {
    /// First come, first: each with its number.
    waiting: Vec<(u64, Option<SubmissionIndex>)>,
    next: u64,
    running: bool,
}

/// The place of one waiter; the thread ends when the last is dropped.
pub(super) struct Ticket {
    poller: Arc<Poller>,
    number: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.poller.lock().waiting.retain(|(number, _)| *number != self.number);
        self.poller.changed.notify_all();
    }
}

impl Poller {
    pub(super) fn new(device: Device) -> Arc<Self> {
        Arc::new(Poller { device, waiters: Mutex::default(), changed: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_running(&self) -> bool {
        self.lock().running
    }

    fn register(self: &Arc<Self>, submission: Option<SubmissionIndex>) -> Ticket {
        let mut waiters = self.lock();
        let number = waiters.next;
        waiters.next += 1;
        waiters.waiting.push((number, submission));
        if !waiters.running {
            let poller = Arc::clone(self);
            let thread = std::thread::Builder::new().name("minibatch.poll".into());
            waiters.running = thread.spawn(move || poller.run()).is_ok();
        }
        Ticket { poller: Arc::clone(self), number }
    }

    fn run(&self) {
        loop {
            let mut waiters = self.lock();
            let Some((first, submission_index)) = waiters.waiting.first().cloned() else {
                waiters.running = false;
                return;
            };
            drop(waiters);
            // Whether the device is lost is told by what the callbacks are given.
            let _ = wait(&self.device, submission_index);
            let waiters = self.lock();
            if waiters.waiting.first().is_some_and(|(number, _)| *number == first) {
                // Its callback has run, or is about to on another thread; its task will see.
                let _ = self.changed.wait_timeout(waiters, PAUSE);
            }
        }
    }
}
