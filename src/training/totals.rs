//! The totals of the epoch or evaluation at hand, which live on the device until they are asked
//! for.

use super::model::Model;
use crate::error::Result;
use crate::program::Metrics;

/// What the steps of one epoch or evaluation add up to.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// What was read already; the rest is still on the device.
    read: Metrics,
    pub(super) on_device: bool,
}

impl Model {
    /// Begins new totals, and returns those of the call around this one: a callback may evaluate
    /// in the midst of an epoch.
    pub(super) async fn begin_totals(&mut self) -> Result<Totals> {
        self.keep_totals().await?;
        self.settle_recorded();
        self.executor.clear_metrics()?;
        self.running += 1;
        Ok(std::mem::take(&mut self.totals))
    }

    /// What was gathered since `begin_totals`.
    pub(super) async fn read_totals(&mut self) -> Result<Metrics> {
        Ok(match self.totals.on_device {
            true => self.totals.read.plus(&self.executor.read_metrics().await?),
            false => self.totals.read.clone(),
        })
    }

    /// Goes back to the totals around; also after an error, whose part must not be added to later
    /// scores.
    pub(super) fn end_totals(&mut self, outer: Totals) -> Result<()> {
        self.totals = outer;
        self.running = self.running.saturating_sub(1);
        self.executor.clear_metrics()
    }

    /// Takes what was gathered so far off the device, for calls that clear it or use it for scores
    /// of their own.
    pub(super) async fn keep_totals(&mut self) -> Result<()> {
        self.keep_recorded().await?;
        if self.totals.on_device {
            self.totals.read = self.read_totals().await?;
            self.totals.on_device = false;
            self.executor.clear_metrics()?;
        }
        Ok(())
    }
}
