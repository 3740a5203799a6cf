//! Reads batches, and fills with them what an executor lends.

use std::ops::Range;
use std::sync::{Arc, MutexGuard};

use super::arrangement::{Arrangement, Reading};
use super::cursor::PartRows;
use super::own_rows::OwnRows;
use super::stream::{Pulled, SharedStream, StreamState};
use crate::data::{Batch, BatchOrder, Samples, Visit};
use crate::error::{Error, Result};
use crate::profile::Profile;
use crate::program::{Feed, Pass, Program};
use crate::training::executor::{Fill, Lent};
use crate::training::feed::FromDataset;

/// What threads need to know in order to read the batches of an epoch.
pub(super) struct Reader {
    pub reading: Reading,
    /// `None` for a stream.
    pub order: Option<BatchOrder>,
    /// `None` unless it is a stream.
    pub stream: Option<SharedStream>,
    pub program: Arc<Program>,
    pub pass: Pass,
    pub visit: Visit,
    /// Samples in a batch of a stream.
    pub batch_size: usize,
    pub own: OwnRows,
    pub profile: Profile,
}

/// Something to read.
pub(super) struct Job {
    pub rows: Rows,
    /// What to fill with it; `None` if only the samples are wanted.
    pub feed: Option<Lent>,
}

/// Which samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    /// Some of those of a batch of the order.
    OfBatch(PartRows),
    /// The next batch of the stream.
    Next,
}

/// What was read.
pub(super) struct Loaded {
    /// It is filled.
    pub feed: Option<Lent>,
    pub content: Content,
}

/// The samples that a feed was filled with, or is to be.
pub(super) enum Content {
    /// Those of the order.
    OfBatch(PartRows),
    /// Those of the stream.
    OfStream(OfStream),
    /// None: the pass is over.
    End,
}

/// The own rows of a batch of a stream.
pub(super) struct OfStream {
    pub samples: Samples,
    /// The number of the first of them in the stream's pass.
    number: usize,
    /// Rows of the batch that come before them.
    pub first: usize,
    /// Rows of the whole batch.
    pub batch_rows: usize,
}

/// Memory that a thread uses again and again.
#[derive(Default)]
pub(super) struct Scratch {
    indices: Vec<u32>,
    wide: Vec<usize>,
    samples: Option<Samples>,
}

impl Reader {
    /// Asks the source to stop waiting.
    pub(super) fn cancel(&self) {
        self.visit.cancel();
    }

    /// The right to read the stream's next batch; `None` unless it is a stream.
    pub(super) fn stream(&self) -> Option<MutexGuard<'_, StreamState>> {
        self.stream.as_ref().map(SharedStream::lock)
    }

    /// Reads what a job asks for.
    ///
    /// # Errors
    /// Those of the source.
    pub(super) fn load(
        &self,
        job: Job,
        stream: Option<MutexGuard<'_, StreamState>>,
        scratch: &mut Scratch,
    ) -> Result<Loaded> {
        let _span = self.profile.span("load batch");
        let Job { rows, mut feed } = job;
        let content = match rows {
            Rows::OfBatch(part) => {
                let content = Content::OfBatch(part);
                if let Some(feed) = &mut feed {
                    self.fill(feed, &content, 0..part.rows, scratch)?;
                }
                return Ok(Loaded { feed, content });
            }
            Rows::Next => match stream {
                Some(mut state) => {
                    let pulled = state.pull(self.batch_size, &self.own)?;
                    drop(state);
                    self.finish(pulled)?
                }
                None => Content::End,
            },
        };
        if let (Content::OfStream(read), Some(lent)) = (&content, &mut feed) {
            match read.samples.len() {
                0 => feed = None,
                rows => {
                    lent.truncate(rows);
                    self.fill(lent, &content, 0..rows, scratch)?;
                }
            }
        }
        Ok(Loaded { feed, content })
    }

    fn finish(&self, pulled: Option<Pulled>) -> Result<Content> {
        let (Some(pulled), Reading::Stream(stream, _)) = (pulled, &self.reading) else {
            return Ok(Content::End);
        };
        let Pulled { mut samples, mut rows, mut batch_rows, first, visit } = pulled;
        if !rows.is_empty() {
            samples = stream.finish(samples, first + rows.start, &visit)?;
        }
        if stream.finishes_whole() || self.own.is_everything() {
            if !self.own.is_everything() && samples.len() != batch_rows {
                let place = format!("samples {first} to {} of the pass", first + batch_rows);
                let problem = format!(
                    "became {} when they were finished; a batch that is cut into shards keeps its size",
                    samples.len()
                );
                return Err(Error::data(place, problem));
            }
            batch_rows = samples.len();
            rows = self.own.of(batch_rows);
            samples.keep(rows.clone());
        } else if samples.len() != rows.len() {
            let place =
                format!("samples {} to {} of the pass", first + rows.start, first + rows.end);
            let problem = format!("became {} when they were finished", samples.len());
            return Err(Error::data(place, problem));
        }
        let number = first + rows.start;
        Ok(Content::OfStream(OfStream { samples, number, first: rows.start, batch_rows }))
    }

    /// Fills `feed` with the samples `part` of `content`.
    ///
    /// # Errors
    /// Those of the source; [`Error::Data`](crate::Error::Data) for a sample that does not fit the
    /// model.
    pub(super) fn fill(
        &self,
        feed: &mut Lent,
        content: &Content,
        part: Range<usize>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let _span = self.profile.span("fill upload memory");
        let (program, pass) = (&*self.program, self.pass);
        match (content, &self.reading) {
            (&Content::OfBatch(PartRows { batch, first, .. }), Reading::Dataset(data)) => {
                let rows = first + part.start..first + part.end;
                scratch.indices.clear();
                if let Some(order) = &self.order {
                    order.rows_into(None, batch, rows, &mut scratch.indices);
                }
                let batch = Batch { data, indices: &scratch.indices };
                feed.fill(&FromDataset { program, pass, batch })
            }
            (
                &Content::OfBatch(PartRows { batch, first, .. }),
                Reading::RandomAccess(access, arrangement),
            ) => {
                scratch.wide.clear();
                let rows = first + part.start..first + part.end;
                if let Some(order) = &self.order {
                    scratch.wide.extend(order.rows(batch, rows));
                }
                let samples = scratch
                    .samples
                    .get_or_insert_with(|| Samples::new(Arc::clone(access.fields())));
                samples.clear();
                access.read_all(&scratch.wide, &self.visit, samples)?;
                let indices = &scratch.wide;
                let place =
                    |place: usize| access.place(indices.get(place).copied().unwrap_or_default());
                let places = 0..samples.len();
                let place_of = &place;
                feed.fill(&FromSamples { arrangement, program, pass, samples, places, place_of })
            }
            (
                Content::OfStream(OfStream { samples, number, .. }),
                Reading::Stream(_, arrangement),
            ) => {
                let place = |place: usize| format!("sample {} of the pass", number + place);
                let (places, place_of) = (part, &place);
                feed.fill(&FromSamples { arrangement, program, pass, samples, places, place_of })
            }
            _ => Ok(()),
        }
    }
}

struct FromSamples<'a> {
    arrangement: &'a Arrangement,
    program: &'a Program,
    pass: Pass,
    samples: &'a Samples,
    places: Range<usize>,
    place_of: &'a dyn Fn(usize) -> String,
}

impl Fill for FromSamples<'_> {
    fn fill(&self, feed: &mut impl Feed) -> Result<()> {
        let Self { program, pass, samples, .. } = *self;
        self.arrangement.fill(feed, program, pass, samples, self.places.clone(), self.place_of)
    }
}
