//! A stream that is read over several epochs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::data::{Samples, StreamPass, Streaming, Visit};
use crate::error::Result;

/// A stream and the pass over it that is under way, shared by the threads that read it in turn.
#[derive(Clone)]
pub(in crate::training) struct SharedStream(Arc<Mutex<StreamState>>);

/// The pass under way.
pub(super) struct StreamState {
    stream: Arc<dyn Streaming>,
    pass: Option<Box<dyn StreamPass>>,
    /// Samples of this pass that were read.
    read: usize,
    /// What the pass was begun for.
    visit: Visit,
    /// What a pass is begun for if this one has ended.
    next_visit: Visit,
    /// Whether nothing was read since the epoch began.
    at_start: bool,
}

/// Samples as a pass gives them.
pub(super) struct Pulled {
    pub samples: Samples,
    /// The number of the first of them in its pass.
    pub first: usize,
    /// What the pass was begun for.
    pub visit: Visit,
}

impl SharedStream {
    pub(in crate::training) fn new(stream: Arc<dyn Streaming>) -> Self {
        SharedStream(Arc::new(Mutex::new(StreamState {
            stream,
            pass: None,
            read: 0,
            visit: Visit::default(),
            next_visit: Visit::default(),
            at_start: true,
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, StreamState> {
        // A thread that panicked while it read is an error of its batch.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an epoch: a new pass, or, if the stream `goes_on`, the one under way.
    ///
    /// # Errors
    /// Those of [`Streaming::start`].
    pub(in crate::training) fn begin_epoch(&self, visit: &Visit, goes_on: bool) -> Result<()> {
        let mut state = self.lock();
        state.next_visit = visit.clone();
        state.at_start = true;
        if !goes_on || state.pass.is_none() {
            state.start()?;
        }
        Ok(())
    }

    /// Reads `batches` batches and forgets them.
    ///
    /// # Errors
    /// Those of [`StreamPass::next`].
    pub(in crate::training) fn skip(&self, batches: usize, batch_size: usize) -> Result<()> {
        let mut state = self.lock();
        for _ in 0..batches {
            if state.pull(batch_size)?.is_none() {
                break;
            }
        }
        Ok(())
    }
}

impl StreamState {
    fn start(&mut self) -> Result<()> {
        self.pass = None;
        self.pass = Some(self.stream.start(&self.next_visit)?);
        (self.read, self.visit) = (0, self.next_visit.clone());
        Ok(())
    }

    /// The next batch of up to `most` samples; `None` at the end of the pass. A pass that ended
    /// where an epoch begins is followed by the next one.
    ///
    /// # Errors
    /// Those of [`StreamPass::next`] and [`Streaming::start`].
    pub(super) fn pull(&mut self, most: usize) -> Result<Option<Pulled>> {
        let at_start = std::mem::take(&mut self.at_start);
        let pulled = self.pull_from_pass(most)?;
        if pulled.is_none() && at_start && self.read > 0 {
            self.start()?;
            return self.pull_from_pass(most);
        }
        Ok(pulled)
    }

    fn pull_from_pass(&mut self, most: usize) -> Result<Option<Pulled>> {
        let Some(pass) = &mut self.pass else { return Ok(None) };
        let mut samples = Samples::new(Arc::clone(self.stream.raw_fields()));
        let result = pass.next(most, &mut samples);
        if result.is_err() || samples.is_empty() {
            self.pass = None;
        }
        result?;
        if samples.is_empty() {
            return Ok(None);
        }
        let first = self.read;
        self.read += samples.len();
        Ok(Some(Pulled { samples, first, visit: self.visit.clone() }))
    }
}
