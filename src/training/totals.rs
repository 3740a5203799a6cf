//! The totals of the current epoch or evaluation, which stay on the device until they are read.

use super::session::{Session, Totals};
use crate::error::Result;
use crate::program::Metrics;

impl Session {
    /// Begins new totals, and returns those of the call around this one: a fit validates, and its
    /// callbacks may ask for an evaluation.
    pub(super) async fn begin_totals(&mut self) -> Result<Totals> {
        self.flush_totals().await?;
        self.settle_recorded();
        self.executor.clear_metrics()?;
        self.running += 1;
        Ok(std::mem::take(&mut self.totals))
    }

    /// The totals since `begin_totals`, of all shards in their order, whichever process runs them. Where
    /// there are several processes, each must call it.
    pub(super) async fn read_totals(&mut self) -> Result<Metrics> {
        let own = self.read_own_totals().await?;
        let all = self.of_all_processes(own)?;
        Ok(all.into_iter().reduce(|sum, shard| sum.plus(&shard)).unwrap_or_default())
    }

    /// The same of the shards that this process runs, of each by itself; of all steps if batches have no
    /// shards.
    async fn read_own_totals(&mut self) -> Result<Vec<Metrics>> {
        let _span = self.profile.span("wait for scores");
        if !self.totals.on_device {
            return Ok(self.totals.read.clone());
        }
        let added = self.executor.read_metrics().await?;
        Ok(match self.totals.read.as_slice() {
            [] => added,
            read => read.iter().zip(added).map(|(read, added)| read.plus(&added)).collect(),
        })
    }

    /// Ends the totals and goes back to those of the call around. An error ends them too, so that
    /// they are not added to later scores.
    pub(super) fn end_totals(&mut self, outer: Totals) -> Result<()> {
        self.totals = outer;
        // If this fails, the next call finds one that has not ended, and clears them.
        self.executor.clear_metrics()?;
        self.running = self.running.saturating_sub(1);
        Ok(())
    }

    /// Moves the totals so far from the device to the host, before another call clears the device's
    /// or adds to them.
    pub(super) async fn flush_totals(&mut self) -> Result<()> {
        self.flush_recorded().await?;
        if self.totals.on_device {
            self.totals.read = self.read_own_totals().await?;
            self.totals.on_device = false;
            self.executor.clear_metrics()?;
        }
        Ok(())
    }
}
