//! Runs a [`Program`] on a device: everything is allocated once, and a step is one encoder with
//! one compute pass.

use std::sync::Arc;

use super::device::Gpu;
use super::dispatches::{Bound, record_pass, record_timed};
use super::feed::GpuFeed;
use super::gather::Gather;
use super::kept::Kept;
use super::labels::encoder;
use super::limits::{check_halves, check_room, most_rows};
use super::own_metrics::OwnMetrics;
use super::pace::Pace;
use super::plans::{BindTo, Plans};
use super::readback::Readback;
use super::shard_metrics::Shards;
use super::slots::Slots;
use super::step_times::StepTimes;
use super::table::Table;
use super::taking::Taking;
use super::timestamps::Timestamps;
use super::upload::Upload;
use crate::error::{Error, Result};
use crate::operation::Kernel;
use crate::profile::Profile;
use crate::program::{BufferId, Pass, Program, Step};

/// Runs a program on a [`Gpu`].
pub struct GpuExecutor {
    pub(super) gpu: Gpu,
    pub(super) program: Arc<Program>,
    pub(super) table: Table,
    pub(super) upload: Upload,
    // Bound to the buffers of `table` and `upload`.
    pub(super) plans: Plans,
    /// What recorded evaluations run; `None` until they are prepared.
    pub(super) evaluations: Option<OwnMetrics>,
    /// What recorded steps have added up to and is on its way to the host.
    pub(super) taking_steps: Option<Taking>,
    /// The same of recorded evaluations.
    pub(super) taking_evaluations: Option<Taking>,
    /// The metrics of shards.
    pub(super) shards: Shards,
    /// How long the steps of a host's encoders take; `None` until rows are bound.
    pub(super) step_times: Option<StepTimes>,
    pub(super) kept: Kept,
    pub(super) readback: Readback,
    // Bound to the buffers of both, too.
    pub(super) gather: Option<Gather>,
    /// Steps on resident rows that may be one submission.
    pub(super) steps_per_submit: usize,
    pub(super) pace: Pace,
    pub(super) submits: u64,
    pub(super) dispatched: u64,
    pub(super) profile: Profile,
    pub(super) timestamps: Option<Timestamps>,
    /// Upload slots that were asked for.
    pub(super) slots: Slots,
}

impl std::fmt::Debug for GpuExecutor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GpuExecutor")
            .field("gpu", &self.gpu)
            .field("capacity", &self.table.capacity())
            .finish_non_exhaustive()
    }
}

impl GpuExecutor {
    /// Allocates for batches of one sample; all zeros.
    ///
    /// # Errors
    /// [`Error::Argument`] if a buffer is beyond the device's limits, [`Error::Device`] if it
    /// cannot be made.
    pub async fn new(gpu: &Gpu, program: Arc<Program>) -> Result<Self> {
        check_halves(gpu, &program)?;
        check_room(gpu, &program, 1)?;
        Ok(GpuExecutor {
            gpu: gpu.clone(),
            table: Table::new(gpu, Arc::clone(&program), 1).await?,
            upload: Upload::new(gpu, &program, 1, gpu.upload_slots()).await?,
            slots: gpu.upload_slots(),
            program,
            plans: Plans::default(),
            evaluations: None,
            taking_steps: None,
            taking_evaluations: None,
            shards: Shards::default(),
            step_times: None,
            kept: Kept::default(),
            readback: Readback::default(),
            gather: None,
            steps_per_submit: gpu.steps_per_submit(),
            pace: Pace::new(gpu.submit_time()),
            submits: 0,
            dispatched: 0,
            profile: Profile::default(),
            timestamps: None,
        })
    }

    /// The device it runs on.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// Samples for which there is room.
    pub fn capacity(&self) -> usize {
        self.table.capacity()
    }

    /// The most rows, up to `rows`, of a batch of `program` that fits the device: its buffers are
    /// each within the device's limits and, all together with the memory for uploads, within
    /// [`Gpu::memory_budget`]. At least 1. A pure function of program, limits and budget.
    ///
    /// # Errors
    /// [`Error::Argument`] if a size does not fit the kernels' 32-bit counts.
    pub fn most_rows(gpu: &Gpu, program: &Arc<Program>, rows: usize) -> Result<usize> {
        most_rows(gpu, program, rows)
    }

    /// Makes room for batches of up to `rows` samples. Where there was less, what the rows have
    /// gathered is lost; read the metrics first.
    ///
    /// # Errors
    /// [`Error::Argument`] if a buffer would be beyond the device's limits, with the numbers;
    /// [`Error::Device`] if it cannot be made. All stays as it was then.
    pub async fn reserve(&mut self, rows: usize) -> Result<()> {
        if rows <= self.table.capacity() {
            return Ok(());
        }
        self.submit_gathered().await?;
        check_room(&self.gpu, &self.program, rows)?;
        let table = self.table.with_capacity(&self.gpu, rows).await?;
        let upload = Upload::new(&self.gpu, &self.program, rows, self.slots).await?;
        let plans = self.plans.bound_to(self.bind_to(&table, &upload)).await?;
        let evaluations = self.bound_evaluations(&table, &upload).await?;
        let shards = self.shards.bound_to(self.bind_to(&table, &upload)).await?;
        self.gather = self.bound_gather(&table, &upload).await?;
        self.table = table;
        self.shards = shards;
        self.evaluations = evaluations;
        self.replace_upload(upload, plans);
        Ok(())
    }

    /// Makes so many upload slots, if there are fewer: feeds that can be filled, or be on their way
    /// to the device, at the same time. Fewer are made where they would take more than 256 MiB, but
    /// no fewer than [`Gpu::with_upload_slots`] says. Feeds that are lent at this moment are of no
    /// use any more.
    ///
    /// # Errors
    /// [`Error::Device`] if they cannot be made; all stays as it was then.
    pub async fn reserve_slots(&mut self, slots: usize) -> Result<()> {
        let slots = self.slots.at_least(slots);
        if slots == self.slots {
            return Ok(());
        }
        self.submit_gathered().await?;
        let capacity = self.table.capacity();
        let upload = Upload::new(&self.gpu, &self.program, capacity, slots).await?;
        let plans = self.plans.bound_to(self.bind_to(&self.table, &upload)).await?;
        let evaluations = self.bound_evaluations(&self.table, &upload).await?;
        let shards = self.shards.uploading_by(self.bind_to(&self.table, &upload)).await?;
        self.gather = self.bound_gather(&self.table, &upload).await?;
        self.evaluations = evaluations;
        self.shards = shards;
        self.slots = slots;
        self.replace_upload(upload, plans);
        Ok(())
    }

    async fn bound_evaluations(
        &self,
        table: &Table,
        upload: &Upload,
    ) -> Result<Option<OwnMetrics>> {
        match &self.evaluations {
            Some(evaluations) => Ok(Some(evaluations.bound_to(self.bind_to(table, upload)).await?)),
            None => Ok(None),
        }
    }

    pub(super) fn bind_to<'a>(&'a self, table: &'a Table, upload: &'a Upload) -> BindTo<'a> {
        BindTo { gpu: &self.gpu, program: &self.program, table, upload }
    }

    async fn bound_gather(&self, table: &Table, upload: &Upload) -> Result<Option<Gather>> {
        Ok(match &self.gather {
            Some(gather) => {
                let columns = gather.columns().to_vec();
                Some(
                    Gather::new(
                        &self.gpu,
                        &self.program,
                        table,
                        upload,
                        columns,
                        self.steps_per_submit,
                    )
                    .await?,
                )
            }
            None => None,
        })
    }

    fn replace_upload(&mut self, mut upload: Upload, plans: Plans) {
        std::mem::swap(&mut self.upload, &mut upload);
        self.upload.replace(upload);
        self.plans = plans;
    }

    /// Compiles and binds what steps of `pass` dispatch for `rows` rows: a whole batch, or a part of
    /// one. Which kernels run is a pure function of the rows, so that it does not matter for what
    /// else there is room.
    ///
    /// # Errors
    /// [`Error::Device`] if the device refuses a kernel.
    pub async fn prepare(&mut self, pass: Pass, rows: usize) -> Result<()> {
        let steps = self.program.steps(pass).into_iter().map(|lists| (lists, rows));
        self.prepare_all(steps).await
    }

    /// The same for every number of rows up to `rows`.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub async fn prepare_up_to(&mut self, pass: Pass, rows: usize) -> Result<()> {
        let steps = up_to(&self.program, pass, rows);
        self.prepare_all(steps).await
    }

    /// Compiles and binds what `step` dispatches.
    pub(super) async fn prepare_step(&mut self, pass: Pass, step: &Step) -> Result<()> {
        let (lists, rows) = (pass.lists(step), step.live_rows);
        self.prepare_all([(lists, rows)]).await?;
        self.kept.step(&self.program, lists, self.plans.is_fused(lists, rows));
        Ok(())
    }

    pub(super) async fn prepare_all(
        &mut self,
        steps: impl IntoIterator<Item = (&'static [Pass], usize)>,
    ) -> Result<()> {
        let Self { gpu, program, table, upload, plans, shards, .. } = self;
        let (table, plans) = shards.current_mut(table, plans);
        plans.prepare(BindTo { gpu, program, table, upload }, steps).await
    }

    /// Records into `profile` what [`run`](Self::run) does from now on: what the calling thread
    /// does, and when each kernel begins and ends, if the device was made with
    /// [`TIMESTAMP_QUERY`](wgpu::Features::TIMESTAMP_QUERY), as by
    /// [`Gpu::with_timestamps`]. Each kernel has a compute pass of its own then, and its times are
    /// read back after each step, without waiting for them.
    ///
    /// # Errors
    /// [`Error::Device`] if the device refuses the queries.
    pub fn set_profile(&mut self, profile: &Profile) -> Result<()> {
        self.timestamps = Timestamps::new(&self.gpu, profile)?;
        self.profile = profile.clone();
        Ok(())
    }

    /// Its buffers and operations.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Memory for `rows` rows, to be filled for one step. Waits only if every upload slot is in
    /// flight, and makes room if there is less, which loses what the rows have gathered.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve); [`Error::Argument`] if `rows` is 0, [`Error::Busy`] if every
    /// slot is lent or in an encoder of the host's.
    pub async fn feed(&mut self, rows: usize) -> Result<GpuFeed> {
        self.reserve(rows).await?;
        let waiting = self.profile.span("wait for upload memory");
        self.upload.ready(&self.gpu).await?;
        drop(waiting);
        self.try_feed(rows)
    }

    /// [`feed`](Self::feed) without waiting and without making room.
    ///
    /// # Errors
    /// [`Error::Busy`] if no upload slot is free, [`Error::Argument`] if `rows` is 0 or more than
    /// there is room for, [`Error::Device`] if the device is lost.
    pub fn try_feed(&mut self, rows: usize) -> Result<GpuFeed> {
        let busy = match self.feed_if_free(rows) {
            Err(busy @ Error::Busy { .. }) => busy,
            feed => return feed,
        };
        // No slot comes back from a device that is lost, so who waits for one has to be told.
        self.gpu.check_alive()?;
        Err(busy)
    }

    /// The same, but that a device is lost may pass for one that is busy.
    pub(crate) fn feed_if_free(&mut self, rows: usize) -> Result<GpuFeed> {
        let capacity = self.table.capacity();
        if rows == 0 || rows > capacity {
            let problem = format!("are {rows}; give 1 to {capacity}, or prepare for more first");
            return Err(Error::argument("rows", problem));
        }
        self.upload.lend(&self.gpu, rows)
    }

    /// Whether a step can run on `feed`: not if it is of another executor, or if room was made for
    /// larger batches since it was lent.
    pub fn is_current(&self, feed: &GpuFeed) -> bool {
        self.upload.is_current(feed)
    }

    /// Runs `pass` on `feed` and submits, without waiting for the result.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is lost or out of memory; [`Error::Argument`] if the feed
    /// lacks rows that the pass reads, is of before room was made for larger batches, or has
    /// others than `step.live_rows`.
    pub async fn run(&mut self, pass: Pass, feed: GpuFeed, step: &Step) -> Result<()> {
        self.upload.check(pass, &feed, step)?;
        self.prepare_step(pass, step).await?;
        self.submit_gathered_now()?;
        let Self { gpu, table, upload, plans, profile, timestamps, shards, .. } = self;
        let plans = shards.current(plans);
        self.dispatched += gpu.guarded(|| {
            let encoding = profile.span("encode");
            let mut encoder = encoder(gpu, "minibatch.step");
            let recorded = upload.record(table, &mut encoder, pass, feed, step)?;
            let bound = plans.step(pass, step);
            let (count, names) = match timestamps {
                None => {
                    let rows = step.live_rows;
                    (record_pass(gpu, &mut encoder, bound, rows, recorded.offset)?, Vec::new())
                }
                Some(times) => {
                    let rows = step.live_rows;
                    let names =
                        record_timed(gpu, &mut encoder, bound, rows, recorded.offset, times)?;
                    (names.len() as u64, names)
                }
            };
            let commands = encoder.finish();
            drop(encoding);
            let _submitting = profile.span("submit");
            upload.ring().submitted(recorded.place, gpu.queue.submit([commands]));
            timestamps.as_ref().map_or(Ok(()), |times| times.read(gpu, names))?;
            Ok(count)
        })?;
        self.submits += 1;
        self.gpu.check()
    }

    /// The same one dispatch at a time, each submitted alone, waited for, and looked at.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`Error::NonFiniteValue`] for the first value that is NaN or
    /// infinite.
    pub async fn run_eagerly(&mut self, pass: Pass, feed: GpuFeed, step: &Step) -> Result<()> {
        self.upload.check(pass, &feed, step)?;
        // Each list by itself, so that nothing is fused across their seam.
        let lists = pass.lists(step).chunks(1);
        self.prepare_all(lists.clone().map(|list| (list, step.live_rows))).await?;
        self.kept.step(&self.program, pass.lists(step), false);
        self.submit_gathered_now()?;
        let Self { gpu, table, upload, .. } = self;
        let offset = gpu.guarded(|| {
            let mut encoder = encoder(gpu, "minibatch.upload");
            let recorded = upload.record(table, &mut encoder, pass, feed, step)?;
            upload.ring().submitted(recorded.place, gpu.queue.submit([encoder.finish()]));
            Ok(recorded.offset)
        })?;
        self.submits += 1;
        self.run_each(pass, step, offset).await
    }

    /// Runs one dispatch of `step` after the other, whose scalars lie at `offset`, and looks at what each
    /// has written.
    async fn run_each(&mut self, pass: Pass, step: &Step, offset: u32) -> Result<()> {
        let lists = pass.lists(step).chunks(1);
        let rows = step.live_rows;
        let count = |list| self.shards.current(&self.plans).dispatches(list, rows).count();
        let each = lists.flat_map(|list| (0..count(list)).map(move |number| (list, number)));
        for (list, number) in each.collect::<Vec<_>>() {
            let Self { gpu, plans, shards, .. } = self;
            let plans = shards.current(plans);
            let mut written = Vec::new();
            let mut name = "";
            gpu.guarded(|| {
                let mut encoder = encoder(gpu, "minibatch.eager");
                let one = plans.dispatches(list, rows).skip(number).take(1);
                for Bound { dispatch, .. } in one.clone() {
                    name = dispatch.kernel.name;
                    let bindings = dispatch.kernel.bindings.iter().zip(&dispatch.buffers);
                    written.extend(
                        bindings.filter(|(access, _)| !access.is_read()).map(|(_, &id)| id),
                    );
                }
                record_pass(gpu, &mut encoder, one, rows, offset)?;
                gpu.queue.submit([encoder.finish()]);
                Ok(())
            })?;
            self.submits += 1;
            self.dispatched += 1;
            for id in self.program.parts(&written) {
                let values = self.read(id, rows).await?;
                self.program.buffer(id).check_finite(name, step.number, &values)?;
            }
        }
        self.gpu.check()
    }

    /// [`execute`](Self::execute) one dispatch at a time, each submitted alone, waited for, and looked at.
    ///
    /// # Errors
    /// As [`execute`](Self::execute); [`Error::NonFiniteValue`] for the first value that is NaN or
    /// infinite.
    pub async fn execute_eagerly(&mut self, pass: Pass, step: &Step) -> Result<()> {
        let lists = pass.lists(step).chunks(1);
        self.prepare_all(lists.map(|list| (list, step.live_rows))).await?;
        self.submit_gathered_now()?;
        let offset = self.gpu.guarded(|| self.upload.write_step(&self.gpu, step))?;
        self.run_each(pass, step, offset).await
    }

    /// Runs `pass` on what the buffers hold, without a feed, and submits.
    ///
    /// # Errors
    /// [`Error::Argument`] if no room for the step's rows was reserved, [`Error::Device`] if the
    /// device fails.
    pub async fn execute(&mut self, pass: Pass, step: &Step) -> Result<()> {
        let capacity = self.table.capacity();
        if step.live_rows > capacity {
            let problem = format!("{} with room for {capacity}", step.live_rows);
            return Err(Error::argument("live_rows", problem));
        }
        self.prepare_step(pass, step).await?;
        self.submit_gathered_now()?;
        self.dispatched += self.gpu.guarded(|| {
            let offset = self.upload.write_step(&self.gpu, step)?;
            let mut encoder = encoder(&self.gpu, "minibatch.step");
            let bound = self.shards.current(&self.plans).step(pass, step);
            let count = record_pass(&self.gpu, &mut encoder, bound, step.live_rows, offset)?;
            self.gpu.queue.submit([encoder.finish()]);
            Ok(count)
        })?;
        self.submits += 1;
        self.gpu.check()
    }

    /// False for what no dispatch uses, such as the result of a conversion that is part of the
    /// operation that reads it.
    pub fn is_allocated(&self, id: BufferId) -> bool {
        self.table.locate(id).is_ok()
    }

    /// The kernels that one step of `pass` dispatches for a whole batch of `rows` rows, its update
    /// included, in order, once it is [prepared](Self::prepare).
    pub fn kernels(&self, pass: Pass, rows: usize) -> Vec<Kernel> {
        let bound = self.plans.dispatches(pass.of_whole_batch(), rows);
        bound.map(|bound| bound.dispatch.kernel.clone()).collect()
    }

    /// How many they are.
    pub fn dispatches(&self, pass: Pass, rows: usize) -> usize {
        self.plans.dispatches(pass.of_whole_batch(), rows).count()
    }

    /// Dispatches of all steps recorded so far, those that gather their rows included.
    pub fn dispatched(&self) -> u64 {
        self.dispatched
    }

    /// Submissions made so far by [`run`](Self::run) and [`run_gathered`](Self::run_gathered).
    pub fn submits(&self) -> u64 {
        self.submits
    }
}

/// The steps of `pass` of each number of rows up to `rows`.
pub(super) fn up_to(program: &Program, pass: Pass, rows: usize) -> Vec<(&'static [Pass], usize)> {
    let powers = (0..usize::BITS).map(|power| 1 << power);
    let rows: Vec<usize> = powers.take_while(|&planned| planned < rows).chain([rows]).collect();
    let steps = program.steps(pass).into_iter();
    steps.flat_map(|lists| rows.iter().map(move |&rows| (lists, rows))).collect()
}
