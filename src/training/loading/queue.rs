//! Threads that read batches ahead of the device.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use super::reader::{Job, Loaded, Reader, Scratch};
use crate::clock::Instant;
use crate::error::{Error, Result};
use crate::panic::caught;

/// Jobs for the threads and what they have loaded. Dropped, it waits until every thread has ended.
pub(super) struct Queue {
    reader: Arc<Reader>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes a thread for a job, or for the end.
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Numbered>,
    /// By the number of the job.
    done: BTreeMap<u64, Result<Loaded>>,
    /// How long threads have waited for a job, added up.
    idle: Duration,
    given: u64,
    finished: u64,
    closed: bool,
    /// Who waits for a job to be done.
    waker: Option<Waker>,
}

struct Numbered {
    number: u64,
    job: Job,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job; `None` at the end.
    fn take(&self) -> Option<Numbered> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            let begun = Instant::now();
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle += begun.elapsed();
        }
    }

    fn put(&self, number: u64, loaded: Result<Loaded>) {
        let mut state = self.lock();
        state.done.insert(number, loaded);
        state.finished += 1;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Queue {
    /// # Errors
    /// [`Error::Argument`] if the system gives no thread, as in a browser.
    pub(super) fn new(reader: &Arc<Reader>, workers: usize) -> Result<Self> {
        let mut queue =
            Queue { reader: Arc::clone(reader), shared: Arc::default(), threads: Vec::new() };
        for worker in 0..workers {
            let thread = queue.spawn(worker).map_err(|error| {
                let problem = format!(
                    "are {workers}, and the system gives no thread for number {worker} ({error}); \
                     give fewer"
                );
                Error::argument("workers", problem)
            })?;
            queue.threads.push(thread);
        }
        Ok(queue)
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn spawn(&self, worker: usize) -> io::Result<JoinHandle<()>> {
        let (reader, shared) = (Arc::clone(&self.reader), Arc::clone(&self.shared));
        let thread = std::thread::Builder::new().name(format!("minibatch-loader-{worker}"));
        thread.spawn(move || work(&reader, &shared))
    }

    /// What wgpu lends in a browser belongs to one thread.
    #[cfg(target_arch = "wasm32")]
    fn spawn(&self, _: usize) -> io::Result<JoinHandle<()>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// How long the threads have waited for a job, added up.
    pub(super) fn idle(&self) -> Duration {
        self.shared.lock().idle
    }

    /// Number of threads.
    pub(super) fn workers(&self) -> usize {
        self.threads.len()
    }

    /// Hands a job to the threads; jobs are begun in the order of their numbers.
    pub(super) fn give(&self, number: u64, job: Job) {
        let mut state = self.shared.lock();
        state.jobs.push_back(Numbered { number, job });
        state.given += 1;
        drop(state);
        self.shared.work.notify_one();
    }

    /// What job `number` has loaded.
    pub(super) fn poll(&self, number: u64, context: &mut Context<'_>) -> Poll<Result<Loaded>> {
        let mut state = self.shared.lock();
        match state.done.remove(&number) {
            Some(loaded) => Poll::Ready(loaded),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let working = state.given > state.finished;
        drop(state);
        self.shared.work.notify_all();
        if working {
            // A source that waits for something ends then.
            self.reader.cancel();
        }
        for thread in self.threads.drain(..) {
            // A panic was an error of its batch.
            let _ = thread.join();
        }
    }
}

fn work(reader: &Reader, shared: &Shared) {
    let mut scratch = Scratch::default();
    loop {
        // Whoever holds the stream takes the next job, so that batches are read in the order of
        // their numbers.
        let stream = reader.stream();
        let Some(Numbered { number, job }) = shared.take() else { return };
        let loaded = caught(|| reader.load(job, stream, &mut scratch)).unwrap_or_else(|what| {
            let place = std::thread::current().name().unwrap_or("a worker").to_owned();
            Err(Error::data(place, format!("panicked while it read batch {number}: {what}")))
        });
        shared.put(number, loaded);
    }
}
