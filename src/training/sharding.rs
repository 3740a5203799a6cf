//! Batches that are cut into shards, and the processes that share the shards.

use std::ops::Range;
use std::time::Duration;

use super::history::Exchange;
use super::predictions::{Predictions, unfilled};
use super::session::Session;
use crate::distributed::tree::{Then, after_shard};
use crate::distributed::{Group, Process};
use crate::error::{Error, Result};
use crate::program::{Metrics, Pass, Step};

impl Session {
    /// Which process this is.
    pub(super) fn process(&self) -> Process {
        self.sharing.group.as_ref().map_or(Process::ALONE, Group::process)
    }

    /// The shards of each batch that this process runs. Where batches have none, all of their parts.
    pub(super) fn own_shards(&self) -> Range<usize> {
        match (self.compiled.shards, &self.sharing.group) {
            (None, _) => 0..usize::MAX,
            (Some(shards), None) => 0..shards,
            (Some(_), Some(group)) => group.own(),
        }
    }

    /// Lets the next part of a batch, which `step` is for, run as a shard if it is one, and returns its
    /// number if it has gradients to be added up.
    pub(super) async fn begin_shard(
        &mut self,
        pass: Pass,
        step: &mut Step,
        rows_at_once: usize,
    ) -> Result<Option<usize>> {
        let trains = pass == Pass::Train;
        if self.compiled.shards.is_none() {
            return Ok(None);
        }
        if !trains && pass != Pass::Evaluate {
            // What adds to no metrics runs with those of the first shard.
            self.executor.begin_shard(0, 1).await?;
            return Ok(None);
        }
        let (own, shard) = (self.own_shards(), step.first_row / rows_at_once.max(1));
        if step.first_row == 0 || shard == own.start {
            // What a batch that was broken off has left is taken away.
            self.sharing.partials.clear();
        }
        self.executor.begin_shard(shard.saturating_sub(own.start), own.len()).await?;
        if trains {
            *step = step.as_shard();
        }
        Ok(trains.then_some(shard))
    }

    /// Adds the gradients of `shard` to those before it, as far as the tree says.
    pub(super) async fn add_up(
        &mut self,
        shard: usize,
        step: &Step,
        rows_at_once: usize,
    ) -> Result<()> {
        let present = step.batch_rows.div_ceil(rows_at_once.max(1));
        let after = after_shard(shard, present, &self.own_shards());
        let keep = match after.then {
            Then::Keep(level) => Some(level),
            Then::Emit => None,
        };
        self.executor.add_up_shards(&after.joins, keep, step).await?;
        if after.then == Then::Emit && self.process().count > 1 {
            self.sharing.partials.push(self.executor.read_gradients()?);
        }
        Ok(())
    }

    /// Ends a batch of shards. In training the gradients of all of them are brought together, and the
    /// parameters updated. Returns whether any process `asks` for the scores after it.
    pub(super) async fn end_shards(
        &mut self,
        pass: Pass,
        step: &Step,
        rows_at_once: usize,
        asks: bool,
    ) -> Result<bool> {
        if self.compiled.shards.is_none() || pass != Pass::Train {
            return Ok(false);
        }
        let mut asked = asks;
        let mut partials: Vec<Vec<f32>> = Vec::with_capacity(self.sharing.partials.len());
        for partial in std::mem::take(&mut self.sharing.partials) {
            let mut gradients = partial.wait().await?;
            // One more number is added up: how many processes ask for the scores.
            let asks = asks && partials.is_empty();
            gradients.push(f32::from(u8::from(asks)));
            partials.push(gradients);
        }
        if let Some(group) = self.sharing.group.as_mut().filter(|group| group.process().count > 1) {
            let present = step.batch_rows.div_ceil(rows_at_once.max(1));
            let _span = self.profile.span("exchange gradients");
            let mut sum = group.sum(partials, present, self.executor.gradients_len()? + 1)?;
            // Whoever has no row of the batch has no say.
            asked = sum.pop().is_some_and(|count| count > 0.0);
            self.executor.write_gradients(&sum)?;
        }
        // What follows works on parameters, whose number is not that of the rows.
        let (step, eagerly) = (step.part(0, 1).as_shard(), self.compiled.run_eagerly);
        self.executor.finish_shards(&step, eagerly).await?;
        Ok(asked)
    }

    /// The metrics of the shards of all processes, in the order of the shards; `own` are those of this
    /// one's.
    pub(super) fn of_all_processes(&self, mut own: Vec<Metrics>) -> Result<Vec<Metrics>> {
        let Some(group) = self.several() else { return Ok(own) };
        let blank = Metrics::blank(&self.program);
        own.resize(group.own().len(), blank.clone());
        let values: Vec<f64> = own.iter().flat_map(Metrics::values).collect();
        let length = blank.values().len();
        let mut all = Vec::new();
        for bytes in group.gather(bytemuck::cast_slice(&values))? {
            let values = bytemuck::pod_collect_to_vec::<u8, f64>(&bytes);
            for values in values.chunks(length) {
                let metrics = blank.with_values(values);
                all.push(metrics.ok_or_else(|| {
                    Error::distributed("a process", "has sent metrics of another model")
                })?);
            }
        }
        Ok(all)
    }

    /// The outputs for a batch, of which this process has made `own`.
    pub(super) fn outputs_of_all_processes(&self, own: Predictions) -> Result<Predictions> {
        let Some(group) = self.several() else { return Ok(own) };
        let mut all: Predictions = own.iter().map(unfilled).collect();
        for (place, (_, own)) in own.iter().enumerate() {
            for bytes in group.gather(bytemuck::cast_slice(own))? {
                let values = bytemuck::pod_collect_to_vec::<u8, f32>(&bytes);
                if let Some((_, all)) = all.get_mut(place) {
                    all.extend(values);
                }
            }
        }
        Ok(all)
    }

    /// How long this process has waited for others in this call.
    pub(super) fn waited_for_exchange(&self) -> Duration {
        self.sharing.group.as_ref().map_or(Duration::ZERO, Group::waited)
    }

    /// What share of `time` it has waited since it had waited `before`.
    pub(super) fn exchange_share(&self, before: Duration, time: Duration) -> f64 {
        let waited = self.waited_for_exchange().saturating_sub(before).as_secs_f64();
        if waited > 0.0 { (waited / time.as_secs_f64()).min(1.0) } else { 0.0 }
    }

    /// What has been exchanged in this call; `None` if it is not distributed.
    pub(super) fn exchanged(&self) -> Option<Exchange> {
        let group = self.sharing.group.as_ref()?;
        Some(Exchange {
            processes: group.process().count,
            bytes_sent: group.sent(),
            steps: group.sums(),
            gradient_bytes: self.executor.gradients_len().unwrap_or_default() as u64 * 4,
        })
    }

    /// The processes, if there are several.
    fn several(&self) -> Option<&Group> {
        self.sharing.group.as_ref().filter(|group| group.process().count > 1)
    }
}
