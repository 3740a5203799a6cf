//! Steps recorded into an encoder of the host's, which submits it, or drops it.

use wgpu::CommandEncoder;

use super::dispatches::record_pass;
use super::executor::{GpuExecutor, up_to};
use super::feed::GpuFeed;
use super::own_metrics::{OwnMetrics, recorded_plans};
use super::plans::BindTo;
use super::staging::Scored;
use crate::error::{Error, Result};
use crate::program::{Pass, Step};

impl GpuExecutor {
    /// Compiles and binds what evaluations of up to `rows` rows dispatch that are
    /// [recorded](Self::record).
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device refuses a kernel.
    pub async fn prepare_evaluations(&mut self, rows: usize) -> Result<()> {
        let steps = up_to(&self.program, Pass::Evaluate, rows);
        if self.evaluations.is_none() {
            let made = OwnMetrics::new(self.bind_to(&self.table, &self.upload)).await?;
            self.evaluations = Some(made);
        }
        let Self { gpu, program, upload, evaluations, .. } = self;
        match evaluations {
            Some(OwnMetrics { table, plans }) => {
                plans.prepare(BindTo { gpu, program, table, upload }, steps).await
            }
            None => Ok(()),
        }
    }

    /// Whether `step` of `pass` can be recorded without preparing anything.
    pub(super) fn is_prepared(&self, pass: Pass, step: &Step) -> bool {
        if pass == Pass::Evaluate && self.evaluations.is_none() {
            return false;
        }
        let plans = recorded_plans(&self.plans, self.evaluations.as_ref(), pass);
        plans.has(pass.lists(step), step.live_rows)
    }

    /// Records one step into the caller's `encoder`: the copy of what `pass` reads of `feed`, then
    /// `pass` as one compute pass. Never submits and never waits. The caller submits its encoder on
    /// the same queue and keeps polling the device, as any wgpu application does.
    ///
    /// [`prepare`](Self::prepare) must have been called for this pass and so many rows, or
    /// [`prepare_up_to`](Self::prepare_up_to), so that nothing is allocated here; for evaluations
    /// [`prepare_evaluations`](Self::prepare_evaluations), as what they add up to is apart from what
    /// steps do.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`Error::Argument`] if the pass is not prepared. Nothing is recorded
    /// then.
    pub fn record(
        &mut self,
        encoder: &mut CommandEncoder,
        pass: Pass,
        feed: GpuFeed,
        step: &Step,
    ) -> Result<()> {
        self.upload.check(pass, &feed, step)?;
        if !self.is_prepared(pass, step) {
            let rows = step.live_rows;
            let problem = format!("{pass:?} is not prepared for {rows} rows; call prepare");
            return Err(Error::argument("pass", problem));
        }
        self.submit_gathered_now()?;
        let Self { gpu, table, upload, plans, evaluations, .. } = self;
        let plans = recorded_plans(plans, evaluations.as_ref(), pass);
        self.dispatched += gpu.guarded(|| {
            let recorded = upload.record(table, encoder, pass, feed, step)?;
            upload.left_to_host(pass, &recorded);
            let bound = plans.step(pass, step);
            record_pass(gpu, encoder, bound, step.live_rows, recorded.offset)
        })?;
        let lists = pass.lists(step);
        self.kept.step(&self.program, lists, plans.is_fused(lists, step.live_rows));
        Ok(())
    }

    /// Whether a recorded step has run since the metrics were cleared, or may still run.
    pub fn has_recorded(&self) -> bool {
        self.upload.slots().has_recorded(Scored::Training)
    }

    /// Recorded steps, ever, whose encoder was dropped, so that they never run.
    pub fn dropped_steps(&self) -> u64 {
        self.upload.slots().dropped()
    }

    /// No longer counts steps recorded so far in [`dropped_steps`](Self::dropped_steps) when their
    /// encoders are dropped.
    pub fn forget_dropped(&mut self) {
        self.upload.ring().forget_dropped();
    }
}
