//! As many steps as a frame has the time for.

use std::ops::Range;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::gpu::{BoundRows, CommandEncoder};
use crate::program::Pass;
use crate::training::executor::Executor;
use crate::training::model::Model;

impl Model {
    /// Records the first of `batches`, as many as take the device no longer than `budget`, as
    /// [`record_steps`](Self::record_steps) does; at most 128. Returns how many these are: a host goes
    /// on with the rest in the next frame.
    ///
    /// How long a step takes is learned from the calls before. On a device with the feature
    /// [`TIMESTAMP_QUERY`](wgpu::Features::TIMESTAMP_QUERY) the device itself tells, exactly. Else it
    /// is told by the clock, from the recording or the end of the steps before to the end of these, as
    /// the host's polls see it; since what the host draws is part of that time, the steps are tried in
    /// twos, fours and so on for some frames now and then, until the time grows with them. The first
    /// call records one step; four calls are timed at once.
    ///
    /// It returns 0 if `batches` is empty or `budget` zero, and while all upload slots are on their way
    /// to the device, which is behind then. If a single step takes longer than the budget, it is
    /// recorded once in as many calls as have the time for it all together, and the other calls return
    /// 0.
    ///
    /// # Errors
    /// As `record_steps`, but for [`Error::Busy`].
    pub fn record_steps_within(
        &mut self,
        encoder: &mut CommandEncoder,
        bound: &BoundRows,
        batches: &[Range<u32>],
        budget: Duration,
    ) -> Result<usize> {
        let session = &mut self.session;
        let rows = batches.iter().map(Range::len).max().unwrap_or(0);
        let steps = session.recording()?.steps_within(rows, batches.len(), budget);
        let batches = batches.get(..steps).unwrap_or_default();
        if batches.is_empty() {
            return Ok(0);
        }
        match session.record_rows(encoder, Pass::Train, bound, batches, true) {
            Ok(()) => Ok(steps),
            Err(Error::Busy { .. }) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// How long a training step takes the device, as
    /// [`record_steps_within`](Self::record_steps_within) has learned it; `None` before any of its steps
    /// has come back.
    pub fn step_time(&mut self) -> Option<Duration> {
        match &mut self.session.executor {
            Executor::Gpu(gpu) => gpu.step_time(),
            Executor::Cpu(_) | Executor::CpuInF64(_) => None,
        }
    }
}
