//! Plans with metrics of their own: recorded evaluations and the training steps that are recorded between them
//! take nothing from each other, and neither do the shards of a batch.

use super::plans::{BindTo, Plans};
use super::table::Table;
use crate::error::Result;
use crate::program::Pass;

/// What dispatches are bound to that add to metrics of their own.
pub(super) struct OwnMetrics {
    /// The executor's buffers, but for the metrics.
    pub table: Table,
    pub plans: Plans,
}

impl OwnMetrics {
    /// Without any plan, and with metrics that are 0.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device fails.
    pub(super) async fn new(to: BindTo<'_>) -> Result<Self> {
        let table = to.table.with_own_metrics(to.gpu).await?;
        Ok(OwnMetrics { table, plans: Plans::default() })
    }

    /// The same bound to other buffers, with new metrics.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(super) async fn bound_to(&self, to: BindTo<'_>) -> Result<Self> {
        let table = to.table.with_own_metrics(to.gpu).await?;
        let plans = self.plans.bound_to(BindTo { table: &table, ..to }).await?;
        Ok(OwnMetrics { table, plans })
    }
}

/// The plans of `pass` where a host records it.
pub(super) fn recorded_plans<'a>(
    plans: &'a Plans,
    evaluations: Option<&'a OwnMetrics>,
    pass: Pass,
) -> &'a Plans {
    match evaluations {
        Some(evaluations) if pass == Pass::Evaluate => &evaluations.plans,
        Some(_) | None => plans,
    }
}
