//! Evaluations that a host records: their metrics are their own, so that they and the training steps
//! that are recorded between them take nothing from each other.

use super::plans::{BindTo, Plans};
use super::table::Table;
use crate::error::Result;
use crate::program::Pass;

/// What recorded evaluations dispatch, and what they add to.
pub(super) struct Evaluations {
    /// The executor's buffers, but for the metrics.
    pub table: Table,
    pub plans: Plans,
}

impl Evaluations {
    /// Without any plan, and with metrics that are 0.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device fails.
    pub(super) async fn new(to: BindTo<'_>) -> Result<Self> {
        let table = to.table.with_own_metrics(to.gpu).await?;
        Ok(Evaluations { table, plans: Plans::default() })
    }

    /// The same bound to other buffers, with new metrics.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(super) async fn bound_to(&self, to: BindTo<'_>) -> Result<Self> {
        let table = to.table.with_own_metrics(to.gpu).await?;
        let plans = self.plans.bound_to(BindTo { table: &table, ..to }).await?;
        Ok(Evaluations { table, plans })
    }
}

/// The plans of `pass` where a host records it.
pub(super) fn recorded_plans<'a>(
    plans: &'a Plans,
    evaluations: Option<&'a Evaluations>,
    pass: Pass,
) -> &'a Plans {
    match (pass, evaluations) {
        (Pass::Evaluate, Some(evaluations)) => &evaluations.plans,
        _ => plans,
    }
}
