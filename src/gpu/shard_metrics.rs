//! What the shards of a batch add up to, of each by itself.

use super::own_metrics::OwnMetrics;
use super::plans::{BindTo, Plans};
use super::table::Table;
use crate::error::Result;

/// The metrics of shards. Those of the first are the executor's own.
#[derive(Default)]
pub(super) struct Shards {
    pub others: Vec<OwnMetrics>,
    /// The shard that runs.
    pub current: usize,
}

impl Shards {
    /// Metrics other than the executor's own.
    pub(super) fn others(&self) -> impl Iterator<Item = &OwnMetrics> {
        self.others.iter()
    }

    /// The plans of the shard that runs; those of the first are `first`.
    pub(super) fn current<'a>(&'a self, first: &'a Plans) -> &'a Plans {
        let other = self.current.checked_sub(1).and_then(|place| self.others.get(place));
        other.map_or(first, |own| &own.plans)
    }

    /// The same with what they are bound to.
    pub(super) fn current_mut<'a>(
        &'a mut self,
        table: &'a Table,
        first: &'a mut Plans,
    ) -> (&'a Table, &'a mut Plans) {
        let other = self.current.checked_sub(1).and_then(|place| self.others.get_mut(place));
        match other {
            Some(OwnMetrics { table, plans }) => (table, plans),
            None => (table, first),
        }
    }

    /// The same bound to other buffers, with new metrics.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device fails.
    pub(super) async fn bound_to(&self, to: BindTo<'_>) -> Result<Self> {
        let mut others = Vec::with_capacity(self.others.len());
        for own in &self.others {
            others.push(own.bound_to(to).await?);
        }
        Ok(Shards { others, current: self.current })
    }

    /// The same with the same metrics, for steps that are uploaded otherwise.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device fails.
    pub(super) async fn uploading_by(&self, to: BindTo<'_>) -> Result<Self> {
        let mut others = Vec::with_capacity(self.others.len());
        for OwnMetrics { table, plans } in &self.others {
            let plans = plans.bound_to(BindTo { table, ..to }).await?;
            others.push(OwnMetrics { table: table.clone(), plans });
        }
        Ok(Shards { others, current: self.current })
    }
}
