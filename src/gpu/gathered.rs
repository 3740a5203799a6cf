//! Steps on rows that lie on the device, several in a submission.

use super::dispatches::{compute_pass, record_dispatches};
use super::executor::GpuExecutor;
use super::gather::{Gather, Pending};
use super::gather_feed::GatherFeed;
use super::labels::encoder;
use super::pace::Kind;
use super::resident::Resident;
use crate::error::{Error, Result};
use crate::operation::kernel::size;
use crate::program::{BufferId, Pass, Step};

impl GpuExecutor {
    /// Lets steps take rows that lie on the device: each column is for a buffer that the host fills,
    /// an input above all, and all are of the same samples. They replace those of a call before.
    /// Other steps go on being [fed](Self::feed) by the host.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no column, one is for a buffer that the host does not fill,
    /// or does not fit it; [`Error::Device`] if the device fails. All stays as it was then.
    pub async fn attach(&mut self, columns: Vec<(BufferId, Resident)>) -> Result<()> {
        self.submit_gathered().await?;
        let Self { gpu, program, table, upload, steps_per_submit, .. } = self;
        let gather = Gather::new(gpu, program, table, upload, columns, *steps_per_submit);
        self.gather = Some(gather.await?);
        Ok(())
    }

    /// Lets so many steps on rows that are [attached](Self::attach) from now on be one submission, if
    /// they are not too long for [`Gpu::submit_time`](crate::Gpu::submit_time); more than 128 mean
    /// 128. It changes no bit.
    ///
    /// # Errors
    /// [`Error::Argument`] if it is 0.
    pub fn set_steps_per_submit(&mut self, steps: usize) -> Result<()> {
        if steps == 0 {
            return Err(Error::argument("steps_per_submit", "is 0; give at least 1"));
        }
        self.steps_per_submit = steps;
        Ok(())
    }

    /// Frees the rows that [`attach`](Self::attach) was given, unless somebody else holds them.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails. They stay attached then, as steps wait for them.
    pub fn detach(&mut self) -> Result<()> {
        self.submit_gathered_now()?;
        self.gather = None;
        Ok(())
    }

    /// Memory for the numbers of `rows` of the rows that were [attached](Self::attach), to be
    /// filled for one step. Makes room if there is less, which loses what the rows have gathered.
    ///
    /// # Errors
    /// As [`feed`](Self::feed), but for [`Error::Busy`]; [`Error::Argument`] if no rows are attached.
    pub async fn gather_feed(&mut self, rows: usize) -> Result<GatherFeed> {
        if rows == 0 {
            return Err(Error::argument("rows", "are 0; give at least 1"));
        }
        self.reserve(rows).await?;
        self.gather.as_mut().map(|gather| gather.feed(rows)).ok_or_else(nothing_attached)
    }

    /// Runs `pass` on rows that lie on the device. It is submitted together with the steps of this
    /// kind before and after it, [so many](Self::set_steps_per_submit) at a time; at the latest when
    /// anything else is asked of the executor that depends on it. Waits only if the device is behind
    /// by several submissions.
    ///
    /// # Errors
    /// As [`run`](Self::run), also of the steps before it; nothing runs of a step that is refused.
    pub async fn run_gathered(&mut self, pass: Pass, feed: GatherFeed, step: &Step) -> Result<()> {
        let kind = Kind::of(pass, step);
        let gather = self.gather.as_ref().ok_or_else(nothing_attached)?;
        gather.check(pass, &feed, step)?;
        if !gather.is_announced(kind) || step.shard {
            self.prepare_step(pass, step).await?;
        }
        let gather = self.gather.as_mut().ok_or_else(nothing_attached)?;
        if !gather.is_announced(kind) {
            gather.announce(kind, &self.pace);
        }
        if gather.is_almost_full() {
            gather.ready(&self.gpu).await?;
        }
        // Nothing is awaited from here on.
        self.push_checked(pass, feed, step)
    }

    /// [`gather_feed`](Self::gather_feed) for `step` of `pass`, if it is like the one before it and of
    /// the same submission, which [`push_gathered`](Self::push_gathered) takes; `None` if there is more
    /// to be done first, or to be waited for.
    pub(crate) fn try_gather_feed(&mut self, pass: Pass, step: &Step) -> Option<GatherFeed> {
        let gather = self.gather.as_mut()?;
        let kind = Kind::of(pass, step);
        let goes_on = gather.is_announced(kind) && (!gather.is_almost_full() || gather.is_ready());
        goes_on.then(|| gather.feed(step.live_rows))
    }

    /// [`run_gathered`](Self::run_gathered) without any wait.
    ///
    /// # Errors
    /// As `run_gathered`.
    pub(crate) fn push_gathered(
        &mut self,
        pass: Pass,
        feed: GatherFeed,
        step: &Step,
    ) -> Result<()> {
        self.gather.as_ref().ok_or_else(nothing_attached)?.check(pass, &feed, step)?;
        self.push_checked(pass, feed, step)
    }

    fn push_checked(&mut self, pass: Pass, feed: GatherFeed, step: &Step) -> Result<()> {
        let full = self.gather.as_mut().is_some_and(|gather| gather.push(pass, feed, step));
        if !full {
            return Ok(());
        }
        let submitted = self.submit_gathered_now();
        if let (Err(_), Some(gather)) = (&submitted, &mut self.gather) {
            // Those before it were taken, and wait for the next submission; this one is refused.
            gather.forget_last();
        }
        submitted
    }

    /// Submits the steps on resident rows that wait for others.
    pub(super) async fn submit_gathered(&mut self) -> Result<()> {
        if let Some(gather) = self.gather.as_ref().filter(|gather| gather.is_pending()) {
            gather.ready(&self.gpu).await?;
            self.submit_gathered_now()?;
        }
        Ok(())
    }

    /// The same without waiting. If it fails, they go on waiting.
    pub(super) fn submit_gathered_now(&mut self) -> Result<()> {
        let Self { gpu, upload, plans, gather, pace, shards, .. } = self;
        let plans = shards.current(plans);
        let Some(gather) = gather.as_mut().filter(|gather| gather.is_pending()) else {
            return Ok(());
        };
        let steps = gather.take();
        let submitted = gpu.guarded(|| {
            let mut dispatched = 0;
            let mut encoder = encoder(gpu, "minibatch.steps");
            let slot = gather.record_upload(gpu, upload, &mut encoder, &steps, pace)?;
            let mut compute = compute_pass(gpu, &mut encoder, None);
            // Steps that follow each other mostly dispatch the same.
            let (mut bound, mut like) = (Vec::new(), None);
            for (number, Pending { pass, step, .. }) in steps.iter().enumerate() {
                let (rows, offset) = (size(step.live_rows)?, upload.gathered_offset(number));
                dispatched += gather.dispatch(&mut compute, rows, offset);
                let kind = Some(Kind::of(*pass, step));
                if like != kind {
                    like = kind;
                    bound.clear();
                    bound.extend(plans.step(*pass, step));
                }
                dispatched += record_dispatches(&mut compute, bound.iter().copied(), rows, offset);
            }
            drop(compute);
            let submission = gpu.queue.submit([encoder.finish()]);
            gather.submitted(&slot, submission, &steps);
            Ok(dispatched)
        });
        match submitted {
            Ok(dispatched) => self.dispatched += dispatched,
            Err(error) => {
                gather.put_back(steps);
                return Err(error);
            }
        }
        gather.give_back(steps);
        self.submits += 1;
        self.gpu.check()
    }
}

fn nothing_attached() -> Error {
    Error::argument("resident", "rows are not attached to this executor; call attach")
}
