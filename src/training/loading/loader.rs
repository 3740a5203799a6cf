//! The batches of one epoch, evaluation or prediction, one part after the other.

use std::future::poll_fn;
use std::ops::Range;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::arrangement::Reading;
use super::cursor::{Cursor, PartRows};
use super::own_rows::OwnRows;
use super::queue::Queue;
use super::reader::{Content, Job, Loaded, OfStream, Reader, Rows, Scratch};
use super::resident::ResidentRows;
use super::stream::SharedStream;
use crate::clock::Instant;
use crate::data::{BatchOrder, Visit};
use crate::error::Result;
use crate::gpu::GatherFeed;
use crate::profile::Profile;
use crate::program::{Pass, Program};
use crate::training::executor::{Executor, Lent};
use crate::training::history::Waits;

/// Which batches to load, and how.
pub(in crate::training) struct Plan {
    pub reading: Reading,
    /// The order of the samples; `None` for a stream.
    pub order: Option<BatchOrder>,
    /// The stream; `None` if any sample can be read.
    pub stream: Option<SharedStream>,
    pub visit: Visit,
    pub pass: Pass,
    /// Which batches, from 0; without an end if a stream's length is not known. Beyond the last
    /// batch of an order, its first one follows.
    pub batches: Range<usize>,
    /// Samples in a batch at most.
    pub batch_size: usize,
    /// Rows that run at a time.
    pub rows_at_once: usize,
    /// Which parts of so many rows are loaded, of all into which a batch is cut.
    pub own: Range<usize>,
    /// Whether the inputs lie on the device.
    pub on_device: bool,
    /// Threads that read ahead.
    pub workers: usize,
    /// Batches that are read ahead at most.
    pub ahead: usize,
    pub profile: Profile,
}

/// A batch, or a part of one that runs by itself, ready for the executor.
pub(in crate::training) struct Part {
    /// `None` if it has no row: the batch has none for this process, and comes once all the same.
    pub feed: Option<Lent>,
    pub rows: usize,
    /// Rows of the batch that come before it.
    pub first_row: usize,
    /// Rows of the whole batch.
    pub batch_rows: usize,
    /// Whether the batch ends with it for this process.
    pub last: bool,
}

/// Loads batches: by itself when they are needed, or ahead of the device with threads.
pub(in crate::training) struct Loader {
    reader: Arc<Reader>,
    queue: Option<Queue>,
    scratch: Scratch,
    ahead: usize,
    /// Where it is in the batches that were not asked for yet.
    cursor: Cursor,
    /// Batches whose inputs lie on the device: all of them, or none.
    resident: Option<ResidentRows>,
    /// Jobs that were given, and how many of them were taken back.
    given: u64,
    taken: u64,
    /// What was read without a thread.
    inline: Option<Loaded>,
    /// What was taken and not used yet.
    ready: Option<Loaded>,
    /// A batch whose parts are filled one after the other, and how many of its own rows were.
    held: Option<(OfStream, usize)>,
    /// How long the device's side has waited for data.
    waited: Duration,
}

impl Loader {
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if the system gives no thread.
    pub(in crate::training) fn new(plan: Plan, program: &Arc<Program>) -> Result<Self> {
        let Plan { reading, order, stream, visit, pass, batches, batch_size, profile, .. } = plan;
        let own = OwnRows::new(plan.own, plan.rows_at_once);
        let cursor = || Cursor::new(batches.clone(), own.clone());
        let resident = match (&reading, &order) {
            (Reading::Dataset(data), Some(order)) if plan.on_device => {
                let (data, order, profile) = (data.clone(), order.clone(), profile.clone());
                Some(ResidentRows::new(data, order, cursor(), program, pass, profile))
            }
            _ => None,
        };
        let cursor = cursor();
        let program = Arc::clone(program);
        let reader = Arc::new(Reader {
            reading,
            order,
            stream,
            program,
            pass,
            visit,
            batch_size,
            own,
            profile,
        });
        let queue = match plan.workers {
            0 => None,
            workers => Some(Queue::new(&reader, workers)?),
        };
        Ok(Loader {
            reader,
            queue,
            scratch: Scratch::default(),
            ahead: plan.ahead.max(1),
            cursor,
            resident,
            given: 0,
            taken: 0,
            inline: None,
            ready: None,
            held: None,
            waited: Duration::ZERO,
        })
    }

    /// The shares of `time` that the two sides have waited for each other.
    pub(in crate::training) fn waits(&self, time: Duration) -> Waits {
        let share = |waited: Duration, threads: usize| {
            let all = time.as_secs_f64() * threads as f64;
            if all > 0.0 { (waited.as_secs_f64() / all).min(1.0) } else { 0.0 }
        };
        let idle = self.queue.as_ref().map_or(0.0, |queue| share(queue.idle(), queue.workers()));
        let mut waits = Waits::default();
        (waits.for_data, waits.for_device) = (share(self.waited, 1), idle);
        waits
    }

    /// Rows of the parts into which batches are cut.
    pub(in crate::training) fn rows_at_once(&self) -> usize {
        self.cursor.own.rows_at_once
    }

    /// The next part and the rows of its batch, where its inputs lie on the device, so that nothing
    /// has to be read.
    pub(in crate::training) fn next_resident(&self) -> Option<(PartRows, usize)> {
        self.resident.as_ref()?.next()
    }

    /// Fills `feed` with a part that [`next_resident`](Self::next_resident) has told.
    ///
    /// # Errors
    /// Those of the feed.
    pub(in crate::training) fn fill_resident(
        &mut self,
        part: PartRows,
        feed: &mut GatherFeed,
    ) -> Result<()> {
        self.resident.as_mut().map_or(Ok(()), |resident| resident.fill(part, feed))
    }

    /// Whether there is another part, if that is known without reading.
    pub(in crate::training) fn knows_next(&self) -> Option<bool> {
        if let Some(resident) = &self.resident {
            return Some(resident.next().is_some());
        }
        if self.held.is_some() {
            return Some(true);
        }
        // What an order or a promise says needs no reading.
        let ordered = self.ready.is_none() && self.reader.order.is_some();
        ordered.then_some(self.given > self.taken || !self.cursor.batches.is_empty())
    }

    /// Whether there is another part.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub(in crate::training) async fn has_next(&mut self, executor: &mut Executor) -> Result<bool> {
        if let Some(known) = self.knows_next() {
            return Ok(known);
        }
        if self.ready.is_none() {
            self.ask(executor).await?;
            self.ready = self.take().await?;
        }
        let ends = |loaded: &Loaded| matches!(loaded.content, Content::End);
        Ok(self.ready.as_ref().is_some_and(|ready| !ends(ready)))
    }

    /// The next part; `None` after the last one.
    ///
    /// # Errors
    /// Those of the source, and of the executor that lends the memory.
    pub(in crate::training) async fn next(
        &mut self,
        executor: &mut Executor,
    ) -> Result<Option<Part>> {
        if let Some(resident) = &mut self.resident {
            let Some((part, batch_rows)) = resident.next() else {
                return Ok(None);
            };
            let feed = match part.rows {
                0 => {
                    resident.pass(part);
                    None
                }
                rows => {
                    let mut feed = executor.lend_gathering(rows).await?;
                    resident.fill(part, &mut feed)?;
                    Some(Lent::Gathering(feed))
                }
            };
            return Ok(Some(of_order(part, batch_rows, feed)));
        }
        if let Some((read, filled)) = self.held.take() {
            return self.part_of_held(executor, read, filled).await.map(Some);
        }
        let loaded = match self.ready.take() {
            Some(loaded) => Some(loaded),
            None => {
                self.ask(executor).await?;
                self.take().await?
            }
        };
        let Some(Loaded { feed, content }) = loaded else {
            return Ok(None);
        };
        let rows = match &content {
            Content::End => return Ok(None),
            Content::OfBatch(part) => part.rows,
            Content::OfStream(read) => read.samples.len(),
        };
        let feed = match feed {
            // Room may have been made for a larger batch since it was lent.
            Some(feed) if !executor.is_current(&feed) => {
                let mut feed = executor.lend(rows).await?;
                self.reader.fill(&mut feed, &content, 0..rows, &mut self.scratch)?;
                Some(feed)
            }
            feed => feed,
        };
        Ok(match content {
            Content::End => None,
            Content::OfBatch(part) => Some(of_order(part, self.rows_of(part.batch), feed)),
            Content::OfStream(read) if feed.is_none() && rows > 0 => {
                Some(self.part_of_held(executor, read, 0).await?)
            }
            Content::OfStream(OfStream { first: first_row, batch_rows, .. }) => {
                Some(Part { feed, rows, first_row, batch_rows, last: true })
            }
        })
    }

    /// The next own rows of a batch that was read as a whole.
    async fn part_of_held(
        &mut self,
        executor: &mut Executor,
        read: OfStream,
        filled: usize,
    ) -> Result<Part> {
        let OfStream { first, batch_rows, .. } = read;
        let own = read.samples.len();
        let rows = self.cursor.own.rows_at_once.min(own - filled.min(own));
        let mut feed = executor.lend(rows).await?;
        let content = Content::OfStream(read);
        self.reader.fill(&mut feed, &content, filled..filled + rows, &mut self.scratch)?;
        let last = filled + rows >= own;
        if let Content::OfStream(read) = content
            && !last
        {
            self.held = Some((read, filled + rows));
        }
        Ok(Part { feed: Some(feed), rows, first_row: first + filled, batch_rows, last })
    }

    /// Rows of a batch of the order.
    fn rows_of(&self, batch: usize) -> usize {
        self.reader.order.as_ref().map_or(0, |order| order.batch_len(batch))
    }

    /// What to read next; `None` if all was asked for.
    fn next_rows(&mut self) -> Option<Rows> {
        let Some(order) = &self.reader.order else {
            return self.cursor.batches.next().map(|_| Rows::Next);
        };
        let part = self.cursor.peek(order)?;
        self.cursor.pass(part);
        Some(Rows::OfBatch(part))
    }

    /// Asks for as much as may be read ahead, of what the executor has memory for.
    async fn ask(&mut self, executor: &mut Executor) -> Result<()> {
        let ahead = if self.queue.is_some() { self.ahead as u64 } else { 1 };
        while self.given - self.taken < ahead && !self.cursor.batches.is_empty() {
            let at_once = self.cursor.own.rows_at_once;
            let size = match &self.reader.order {
                Some(order) => match self.cursor.peek(order) {
                    Some(PartRows { rows: 0, .. }) => None,
                    Some(_) | None => Some(at_once),
                },
                None => match self.cursor.own.of(self.reader.batch_size).len() {
                    0 => None,
                    rows if rows > at_once => None,
                    rows => Some(rows),
                },
            };
            let feed = match size {
                None => None,
                Some(size) if self.given == self.taken => Some(executor.lend(size).await?),
                Some(size) => match executor.try_lend(size)? {
                    Some(feed) => Some(feed),
                    None => break,
                },
            };
            let Some(rows) = self.next_rows() else { break };
            let mut job = Job { rows, feed };
            if let (Rows::OfBatch(part), Some(feed)) = (rows, &mut job.feed) {
                feed.truncate(part.rows);
            }
            match &self.queue {
                Some(queue) => queue.give(self.given, job),
                None => {
                    let begun = Instant::now();
                    let stream = self.reader.stream();
                    let loaded = self.reader.load(job, stream, &mut self.scratch)?;
                    self.waited += begun.elapsed();
                    self.inline = Some(loaded);
                }
            }
            self.given += 1;
        }
        Ok(())
    }

    /// The oldest that was asked for; `None` if nothing was.
    async fn take(&mut self) -> Result<Option<Loaded>> {
        if self.given == self.taken {
            return Ok(None);
        }
        let number = self.taken;
        self.taken += 1;
        let Some(queue) = &self.queue else {
            return Ok(self.inline.take());
        };
        let _span = self.reader.profile.span("wait for data");
        let begun = Instant::now();
        let mut waited = false;
        let loaded = poll_fn(|context| match queue.poll(number, context) {
            Poll::Ready(loaded) => Poll::Ready(loaded),
            Poll::Pending => {
                waited = true;
                Poll::Pending
            }
        })
        .await?;
        if waited {
            self.waited += begun.elapsed();
        }
        Ok(Some(loaded))
    }
}

/// A part of a batch of the order.
fn of_order(part: PartRows, batch_rows: usize, feed: Option<Lent>) -> Part {
    let PartRows { rows, first, last, .. } = part;
    Part { feed, rows, first_row: first, batch_rows, last }
}
