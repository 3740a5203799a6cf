//! A stream that is read over several epochs.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::own_rows::OwnRows;
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

/// Samples of a batch as a pass gives them.
pub(super) struct Pulled {
    /// Those of the rows `rows` of the batch, which are the own ones, or all.
    pub samples: Samples,
    pub rows: Range<usize>,
    /// Rows of the whole batch.
    pub batch_rows: usize,
    /// The number of the batch's first sample in its pass.
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

    /// Goes past `batches` batches.
    ///
    /// # Errors
    /// Those of [`StreamPass::skip`].
    pub(in crate::training) fn skip(&self, batches: usize, batch_size: usize) -> Result<()> {
        let mut state = self.lock();
        for _ in 0..batches {
            if !state.skip(batch_size)? {
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

    /// The own rows of the next batch of up to `most` samples; `None` at the end of the pass. A pass
    /// that ended where an epoch begins is followed by the next one.
    ///
    /// # Errors
    /// Those of [`StreamPass::next`] and [`Streaming::start`].
    pub(super) fn pull(&mut self, most: usize, own: &OwnRows) -> Result<Option<Pulled>> {
        let at_start = std::mem::take(&mut self.at_start);
        let pulled = self.pull_from_pass(most, own)?;
        if pulled.is_none() && at_start && self.read > 0 {
            self.start()?;
            return self.pull_from_pass(most, own);
        }
        Ok(pulled)
    }

    fn pull_from_pass(&mut self, most: usize, own: &OwnRows) -> Result<Option<Pulled>> {
        let mut samples = Samples::new(Arc::clone(self.stream.raw_fields()));
        // How many rows a batch has that the stream makes itself is known when it was read.
        let whole = self.stream.batch_size().is_some() || self.stream.finishes_whole();
        let wanted = if whole { 0..most } else { own.of(most) };
        let batch_rows =
            self.advance(|pass| read_rows(pass, most, wanted.clone(), &mut samples))?;
        if batch_rows == 0 {
            return Ok(None);
        }
        let mut rows = wanted.start.min(batch_rows)..wanted.end.min(batch_rows);
        if whole {
            rows = 0..batch_rows;
            if !self.stream.finishes_whole() {
                rows = own.of(batch_rows);
                samples.keep(rows.clone());
            }
        }
        let first = self.read - batch_rows;
        Ok(Some(Pulled { samples, rows, batch_rows, first, visit: self.visit.clone() }))
    }

    /// Goes past the next batch of up to `most` samples, and returns whether there was one.
    ///
    /// # Errors
    /// As [`pull`](Self::pull).
    fn skip(&mut self, most: usize) -> Result<bool> {
        let mut scratch = Samples::new(Arc::clone(self.stream.raw_fields()));
        let at_start = std::mem::take(&mut self.at_start);
        let mut skipped = self.advance(|pass| pass.skip(most, &mut scratch))?;
        if skipped == 0 && at_start && self.read > 0 {
            self.start()?;
            skipped = self.advance(|pass| pass.skip(most, &mut scratch))?;
        }
        Ok(skipped > 0)
    }

    /// Goes on in the pass by `go`, which returns by how many samples; 0 if the pass is over.
    fn advance(&mut self, go: impl FnOnce(&mut dyn StreamPass) -> Result<usize>) -> Result<usize> {
        let Some(pass) = &mut self.pass else { return Ok(0) };
        let passed = go(&mut **pass);
        if !matches!(passed, Ok(1..)) {
            self.pass = None;
        }
        self.read += *passed.as_ref().unwrap_or(&0);
        passed
    }
}

/// Appends the rows `rows` of the next batch of up to `most` samples, and returns how many rows the
/// batch has.
fn read_rows(
    pass: &mut dyn StreamPass,
    most: usize,
    rows: Range<usize>,
    into: &mut Samples,
) -> Result<usize> {
    if rows.start > 0 {
        let before = pass.skip(rows.start, into)?;
        if before < rows.start {
            return Ok(before);
        }
    }
    if !rows.is_empty() {
        pass.next(rows.len(), into)?;
    }
    let passed = rows.start + into.len();
    if passed < rows.end || rows.end >= most {
        return Ok(passed);
    }
    Ok(passed + pass.skip(most - rows.end, into)?)
}
