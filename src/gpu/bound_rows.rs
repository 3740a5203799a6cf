//! Steps on rows of the host's buffers, recorded into the host's encoder.

use std::time::Duration;

use wgpu::CommandEncoder;

use super::device_element::DeviceElement;
use super::device_rows::DeviceRows;
use super::dispatches::{compute_pass, record_dispatches};
use super::executor::GpuExecutor;
use super::own_metrics::recorded_plans;
use super::pace::Kind;
use super::placing::{PlaceIn, Placings};
use super::step_times::StepTimes;
use super::upload::{RowStep, Stamp};
use crate::error::{Error, Result};
use crate::operation::kernel::size;
use crate::program::{BufferId, Pass, Role};

/// Rows of the host's buffers that steps of one model can be recorded on, with all that this takes on
/// the device. It keeps the buffers alive.
///
/// It is of no use any more once the model has made room for larger batches than any before, or for
/// more upload slots: bind the rows anew then.
pub struct BoundRows {
    /// What tells the buffers of the executor that it is bound to.
    stamp: Stamp,
    /// Rows of a step at most.
    most: u32,
    /// Rows that a step may take some of, or so many numbers of them.
    rows: u32,
    /// What a prediction reads.
    inputs: Placings,
    /// What all other steps read; `None` where there are no targets.
    all: Option<Placings>,
}

impl std::fmt::Debug for BoundRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BoundRows")
            .field("rows", &self.rows)
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

impl BoundRows {
    /// The rows from which a step takes some: those in the buffers or, where an index buffer says which
    /// they are, its numbers.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// The rows that a step has at most.
    pub fn batch_size(&self) -> u32 {
        self.most
    }

    fn placings(&self, pass: Pass) -> Result<&Placings> {
        match pass {
            Pass::Predict => Ok(&self.inputs),
            Pass::Train
            | Pass::AddPart
            | Pass::TakeParts
            | Pass::KeepShards
            | Pass::AddShards
            | Pass::Accumulate
            | Pass::Update
            | Pass::Gradients
            | Pass::Evaluate => self.all.as_ref().ok_or_else(|| {
                let problem = "were bound without targets, so they can only be predicted on; bind \
                               the targets too";
                Error::argument("rows", problem)
            }),
        }
    }
}

impl GpuExecutor {
    /// Binds rows of the host's buffers for steps of up to `most` rows, and compiles what these
    /// dispatch: `columns` are for buffers that the host fills, all inputs, and all targets or none.
    /// What is not among them of the weights of samples is 1. `indices` are numbers of rows: a step
    /// takes the rows that some of them name, and the last row where one is too large.
    ///
    /// # Errors
    /// [`Error::Argument`] with the numbers if something is missing, does not fit, or is beyond the
    /// device's limits, [`Error::Shape`] if values are of a type that does not fit their column,
    /// [`Error::Device`] if the device fails.
    pub async fn bind_rows(
        &mut self,
        columns: &[(BufferId, DeviceRows)],
        indices: Option<&DeviceRows>,
        most: usize,
    ) -> Result<BoundRows> {
        let refused = |problem: String| Err(Error::argument("rows", problem));
        if most == 0 {
            return Err(Error::argument("batch_size", "is 0; give at least 1"));
        }
        let Some((_, first)) = columns.first() else {
            return refused("are not given for any input; give those of each".into());
        };
        let rows = first.rows();
        for (place, (id, source)) in columns.iter().enumerate() {
            let buffer = self.program.buffer(*id);
            let name = &buffer.name;
            if !matches!(buffer.role, Role::Input | Role::Target | Role::SampleWeight) {
                return refused(format!("are for {name}, which the host does not fill"));
            }
            if columns.iter().skip(place + 1).any(|(other, _)| other == id) {
                return refused(format!("are given for {name} twice"));
            }
            if source.rows() != rows {
                let other = source.rows();
                return refused(format!(
                    "of {name} are {other}, and {rows} of what is given first"
                ));
            }
            let places =
                self.program.buffers().filter(|(_, buffer)| Pass::Train.reads(buffer.role));
            for (other, buffer) in places {
                if self.table.locate(other).is_ok_and(|(own, _)| *own == source.buffer) {
                    let place = &buffer.name;
                    return refused(format!(
                        "of {name} lie where the model places those of {place}; give a buffer of \
                         your own"
                    ));
                }
            }
        }
        if let Some(indices) = indices {
            let refused = |problem: String| Err(Error::argument("indices", problem));
            if indices.element != DeviceElement::U32 {
                return refused(format!(
                    "are {:?}; give U32, the numbers of rows",
                    indices.element
                ));
            }
            if indices.stride == Some(0) {
                return refused("have stride 0; give a multiple of 4".into());
            }
        }
        let given =
            |id: BufferId| columns.iter().find(|(other, _)| *other == id).map(|(_, rows)| rows);
        let missing = |role: Role| -> Vec<&str> {
            let all = self.program.of_role(role);
            all.filter(|(id, _)| given(*id).is_none()).map(|(_, b)| b.name.as_str()).collect()
        };
        let missing_inputs = missing(Role::Input);
        if !missing_inputs.is_empty() {
            let names = missing_inputs.join(", ");
            return refused(format!("are missing for {names}; give those of every input"));
        }
        let targets = self.program.of_role(Role::Target).count();
        let missing_targets = missing(Role::Target);
        let judged = missing_targets.len() < targets;
        if judged && !missing_targets.is_empty() {
            let names = missing_targets.join(", ");
            return refused(format!(
                "are missing for {names}; give those of every target or of none"
            ));
        }
        self.reserve(most).await?;
        if judged {
            self.prepare_up_to(Pass::Train, most).await?;
            self.prepare_evaluations(most).await?;
        }
        self.prepare_up_to(Pass::Predict, most).await?;
        let of_role = |role: Role| self.program.of_role(role).map(|(id, _)| (id, given(id)));
        let inputs: Vec<_> = of_role(Role::Input).collect();
        let judging = of_role(Role::Target).chain(of_role(Role::SampleWeight));
        let all: Vec<_> = inputs.iter().copied().chain(judging).collect();
        if self.step_times.is_none() {
            self.step_times = Some(StepTimes::new(&self.gpu).await?);
        }
        let to = PlaceIn { gpu: &self.gpu, table: &self.table, upload: &self.upload };
        Ok(BoundRows {
            stamp: self.upload.stamp(),
            most: size(most)?,
            rows: indices.map_or(rows, DeviceRows::rows),
            inputs: Placings::new(to, &inputs, indices, rows).await?,
            all: match judged {
                true => Some(Placings::new(to, &all, indices, rows).await?),
                false => None,
            },
        })
    }

    /// Records `pass` on some rows of `bound`, once for each of `steps`, as one compute pass of the
    /// caller's `encoder`; all their scalars take one upload slot. Never submits, never waits, and
    /// allocates nothing on the device. Where they are `timed`, [`steps_within`](Self::steps_within)
    /// learns how long they take.
    ///
    /// # Errors
    /// [`Error::Busy`] if no upload slot is free; [`Error::Argument`] if there are no steps or more
    /// than 128, if a step has no row, more than `bound` was made for, or some that are not there, or
    /// if `bound` is of another model or of before room was made for larger batches;
    /// [`Error::Device`] if the device fails. Nothing is recorded then.
    pub(crate) fn record_rows(
        &mut self,
        encoder: &mut CommandEncoder,
        pass: Pass,
        bound: &BoundRows,
        steps: &[RowStep],
        timed: bool,
    ) -> Result<()> {
        let placings = self.check_rows(pass, bound, steps)?;
        self.submit_gathered_now()?;
        let Self { gpu, upload, plans, evaluations, step_times, .. } = self;
        let plans = recorded_plans(plans, evaluations.as_ref(), pass);
        self.dispatched += gpu.guarded(|| {
            let recorded = upload.record_headers(gpu, encoder, steps)?;
            upload.left_to_host(pass, &recorded);
            let times = step_times.as_mut().filter(|_| timed);
            let rows = steps.iter().map(|step| step.step.live_rows).max().unwrap_or(0);
            let kind = Kind::of_recorded(rows);
            let lane = times.and_then(|times| times.begin(kind, steps.len()));
            let writes = step_times.as_ref().and_then(|times| times.writes(lane));
            let mut compute = compute_pass(gpu, encoder, writes);
            let mut dispatched = 0;
            for (number, RowStep { step, .. }) in steps.iter().enumerate() {
                let (rows, offset) =
                    (size(step.live_rows)?, upload.header_offset(&recorded, number));
                dispatched += placings.dispatch(&mut compute, rows, offset);
                let dispatches = plans.step(pass, step);
                dispatched += record_dispatches(&mut compute, dispatches, rows, offset);
            }
            drop(compute);
            if let (Some(times), Some(lane)) = (step_times.as_ref(), lane) {
                times.end(gpu, encoder, lane);
            }
            Ok(dispatched)
        })?;
        for RowStep { step, .. } in steps {
            let lists = pass.lists(step);
            self.kept.step(&self.program, lists, plans.is_fused(lists, step.live_rows));
        }
        Ok(())
    }

    /// How many training steps of up to `rows` rows, at most `most`, take the device no longer than
    /// `time`, by how long those before have taken that were recorded to be timed.
    pub(crate) fn steps_within(&mut self, rows: usize, most: usize, time: Duration) -> usize {
        let most = most.min(self.upload.most_headers());
        let times = self.step_times.as_mut();
        times.map_or(0, |times| times.steps(Kind::of_recorded(rows), time, most))
    }

    /// The time on the device of a training step that was recorded to be timed, of the most rows
    /// that there were; `None` if none was.
    pub(crate) fn step_time(&mut self) -> Option<Duration> {
        self.step_times.as_mut()?.step_time()
    }

    fn check_rows<'a>(
        &self,
        pass: Pass,
        bound: &'a BoundRows,
        steps: &[RowStep],
    ) -> Result<&'a Placings> {
        let refused = |problem: String| Err(Error::argument("rows", problem));
        if !self.upload.is_of(&bound.stamp) {
            return refused(
                "were bound to another model, or before room was made for larger batches or more \
                 upload slots; call bind_rows again"
                    .into(),
            );
        }
        let most = self.upload.most_headers();
        if steps.is_empty() || steps.len() > most {
            let problem = format!("are {}; give 1 to {most}", steps.len());
            return Err(Error::argument("steps", problem));
        }
        for RowStep { step, first } in steps {
            let (rows, first) = (step.live_rows, *first as usize);
            if rows == 0 || rows > bound.most as usize {
                let most = bound.most;
                return refused(format!("of a step are {rows}; they were bound for 1 to {most}"));
            }
            let end = first.saturating_add(rows);
            if end > bound.rows as usize {
                let there = bound.rows;
                return refused(format!("{first} to {end} are asked for; there are {there}"));
            }
            if !self.is_prepared(pass, step) {
                return refused(format!("are not bound for {pass:?} in steps of {rows}"));
            }
        }
        bound.placings(pass)
    }
}
