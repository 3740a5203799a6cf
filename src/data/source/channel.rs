//! Samples that another thread sends.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::any::Source;
use super::contract::{StreamPass, Streaming, Visit};
use crate::data::fields::Fields;
use crate::data::samples::Samples;
use crate::error::{Error, Result};

/// How often whoever waits looks whether anybody still wants the samples.
const LOOK: Duration = Duration::from_millis(50);

impl Source {
    /// A stream of the samples that a [`Sender`] is given, from any thread, in the order in which
    /// they are sent. At most `bound` samples (at least 1) wait to be read; whoever sends more
    /// waits. The stream ends when the last sender was dropped and all samples were read. Each
    /// pass goes on where the one before it stopped, for what was read is gone.
    ///
    /// ```
    /// use minibatch::data::{Element, Field, Fields, Source, Values, Visit};
    ///
    /// # fn main() -> minibatch::Result<()> {
    /// let fields = Fields::new([Field::new("x", Element::F32, &[1])], [])?;
    /// let (sender, source) = Source::channel(fields, 100);
    /// let thread = std::thread::spawn(move || {
    ///     for x in 0..10 {
    ///         let mut sample = sender.samples();
    ///         if let [Values::F32(values)] = sample.columns_mut() {
    ///             values.push(x as f32);
    ///         }
    ///         sample.complete(1)?;
    ///         sender.send(&sample)?;
    ///     }
    ///     minibatch::Result::Ok(())
    /// });
    /// let sizes: minibatch::Result<Vec<usize>> =
    ///     source.batches(4, &Visit::default())?.map(|batch| Ok(batch?.len())).collect();
    /// assert_eq!(sizes?, [4, 4, 2]);
    /// # assert!(thread.join().is_ok_and(|sent| sent.is_ok()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn channel(fields: Arc<Fields>, bound: usize) -> (Sender, Source) {
        let shared = Arc::new(Shared {
            fields,
            bound: bound.max(1),
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                taken: 0,
                samples: 0,
                senders: 1,
                is_wanted: true,
            }),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        });
        let receiving = Arc::new(Receiving(Arc::clone(&shared)));
        (Sender(shared), Source::stream(Channel(receiving)))
    }
}

/// What both sides share.
struct Shared {
    fields: Arc<Fields>,
    bound: usize,
    state: Mutex<State>,
    /// Told when samples have come, or the last sender has gone.
    filled: Condvar,
    /// Told when samples were taken, or nobody wants any more.
    emptied: Condvar,
}

struct State {
    /// Samples in the order in which they came.
    waiting: VecDeque<Samples>,
    /// Of the first of them, how many were taken.
    taken: usize,
    /// How many wait.
    samples: usize,
    senders: usize,
    /// Whether the source, or a pass over it, is still there.
    is_wanted: bool,
}

impl Shared {
    /// A thread that panicked while it held the lock has changed nothing by halves.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits a while until `condition` is told.
    fn wait<'a>(
        &self,
        condition: &Condvar,
        state: MutexGuard<'a, State>,
    ) -> Result<MutexGuard<'a, State>> {
        if cfg!(target_arch = "wasm32") {
            let problem = "cannot wait here: there is only one thread";
            return Err(Error::data("channel", problem));
        }
        let (state, _) =
            condition.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner);
        Ok(state)
    }
}

/// Sends samples to the source that [`Source::channel`] made with it. Clones send to the same one.
pub struct Sender(Arc<Shared>);

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").field("bound", &self.0.bound).finish_non_exhaustive()
    }
}

impl Sender {
    /// No samples yet, of the fields that the source has.
    #[must_use]
    pub fn samples(&self) -> Samples {
        Samples::new(Arc::clone(&self.0.fields))
    }

    /// Sends samples, and waits while as many wait to be read as may.
    ///
    /// # Errors
    /// [`Error::Argument`] if their fields are others; [`Error::Data`] if nobody can read them any
    /// more, for the source and all passes over it were dropped. Some of the samples may have been
    /// sent.
    pub fn send(&self, samples: &Samples) -> Result<()> {
        if **samples.fields() != *self.0.fields {
            return Err(Error::argument("samples", "are not of the channel's fields"));
        }
        let mut sent = 0;
        let mut state = self.0.lock();
        while sent < samples.len() {
            if !state.is_wanted {
                let problem =
                    format!("nobody reads any more; {sent} of {} samples were sent", samples.len());
                return Err(Error::data("channel", problem));
            }
            let room = self.0.bound.saturating_sub(state.samples).min(samples.len() - sent);
            if room == 0 {
                state = self.0.wait(&self.0.emptied, state)?;
                continue;
            }
            let mut part = self.samples();
            (sent..sent + room).try_for_each(|place| part.push_from(samples, place))?;
            state.waiting.push_back(part);
            state.samples += room;
            sent += room;
            self.0.filled.notify_all();
        }
        Ok(())
    }
}

impl Clone for Sender {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Sender(Arc::clone(&self.0))
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.lock().senders -= 1;
        self.0.filled.notify_all();
    }
}

/// The side that reads: as long as there is one, samples are wanted.
struct Receiving(Arc<Shared>);

impl Drop for Receiving {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_wanted = false;
        state.waiting.clear();
        self.0.emptied.notify_all();
    }
}

struct Channel(Arc<Receiving>);

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("bound", &self.0.0.bound).finish_non_exhaustive()
    }
}

impl Streaming for Channel {
    fn fields(&self) -> &Arc<Fields> {
        &self.0.0.fields
    }

    fn start(&self, visit: &Visit) -> Result<Box<dyn StreamPass>> {
        let pass = ChannelPass { receiving: Arc::clone(&self.0), visit: visit.clone() };
        Ok(Box::new(pass))
    }
}

struct ChannelPass {
    receiving: Arc<Receiving>,
    visit: Visit,
}

impl StreamPass for ChannelPass {
    fn next(&mut self, most: usize, into: &mut Samples) -> Result<()> {
        let shared = &self.receiving.0;
        let mut taken = 0;
        let mut state = shared.lock();
        while taken < most {
            let start = state.taken;
            let Some(first) = state.waiting.front() else {
                // Nobody sends any more, or nobody wants the samples: what has come is given.
                if state.senders == 0 || self.visit.is_cancelled() {
                    break;
                }
                state = shared.wait(&shared.filled, state)?;
                continue;
            };
            let end = first.len().min(start + most - taken);
            (start..end).try_for_each(|place| into.push_from(first, place))?;
            let is_empty = end == first.len();
            if is_empty {
                state.waiting.pop_front();
            }
            state.taken = if is_empty { 0 } else { end };
            let count = end - start;
            state.samples -= count;
            taken += count;
            shared.emptied.notify_all();
        }
        Ok(())
    }
}
