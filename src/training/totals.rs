//! The totals of the epoch or evaluation at hand, which live on the device until they are asked
//! for.

use super::session::{Session, Totals};
use crate::error::Result;
use crate::program::Metrics;

impl Session {
    /// Begins new totals, and returns those of the call around this one: a fit validates, and its
    /// callbacks may ask for an evaluation.
    pub async fn begin_totals(&mut self) -> Result<Totals> {
        self.flush_totals().await?;
        self.executor.clear_metrics()?;
        self.running += 1;
        Ok(std::mem::take(&mut self.totals))
    }

    /// What was gathered since `begin_totals`.
    pub async fn read_totals(&mut self) -> Result<Metrics> {
        Ok(match self.totals.on_device {
            true => self.totals.read.plus(&self.executor.read_metrics().await?),
            false => self.totals.read.clone(),
        })
    }

    /// Goes back to the totals around; also after an error, whose part must not be added to later
    /// scores.
    pub fn end_totals(&mut self, outer: Totals) -> Result<()> {
        self.totals = outer;
        self.running = self.running.saturating_sub(1);
        self.executor.clear_metrics()
    }

    /// Takes what was gathered so far off the device, for calls that clear it or use it for scores
    /// of their own.
    pub async fn flush_totals(&mut self) -> Result<()> {
        self.flush_recorded().await?;
        if self.totals.on_device {
            self.totals.read = self.read_totals().await?;
            self.totals.on_device = false;
            self.executor.clear_metrics()?;
        }
        Ok(())
    }
}
