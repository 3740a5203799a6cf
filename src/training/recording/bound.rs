//! Steps on rows of the host's buffers.

use std::ops::Range;

use super::columns::DeviceColumns;
use crate::error::{Error, Result};
use crate::gpu::{BoundRows, CommandEncoder, DeviceRows, RowStep};
use crate::program::{BufferId, Pass, Role};
use crate::training::arguments::check_batch_size;
use crate::training::model::Model;
use crate::training::session::Session;

impl Model {
    /// Binds samples that lie in the host's buffers, so that steps of up to `batch_size` of them can be
    /// recorded: allocates and compiles all that these take. The rows are read when a step runs, so
    /// what the host's passes write there before it is what it finds.
    ///
    /// # Errors
    /// [`Error::Argument`], with names and numbers, if the model is on the CPU, a column is missing or
    /// is none of the model's, or if rows cannot be bound or are too many for the device;
    /// [`Error::Shape`] for values of a type that the column cannot have; [`Error::Device`] if the
    /// device fails.
    pub async fn bind_rows(
        &mut self,
        columns: DeviceColumns,
        batch_size: usize,
    ) -> Result<BoundRows> {
        check_batch_size("batch_size", batch_size)?;
        let session = &mut self.session;
        session.recording()?;
        session.check_whole("batch_size", batch_size)?;
        let named = session.named(&columns)?;
        session.forget_cancelled()?;
        session.flush_totals().await?;
        session.recording()?.bind_rows(&named, columns.indices.as_ref(), batch_size).await
    }

    /// Records one training step on `rows` of `bound` into the caller's encoder, to be submitted by the
    /// caller: rows that follow each other or, where an index buffer is bound, those that so many of its
    /// numbers name. Only some scalars are uploaded; nothing is submitted, waited for, allocated on the
    /// device or copied from it.
    ///
    /// It counts as a step that [`record_step`](Self::record_step) has recorded.
    ///
    /// # Errors
    /// [`Error::Busy`] if no upload slot is free; [`Error::Argument`] if `rows` are none of `bound`'s or
    /// more than its batch size, or if `bound` is of another model, lacks targets, or is of before room
    /// was made for larger batches; [`Error::Device`] if the device fails. The step does not count then,
    /// and nothing is recorded.
    pub fn record_step_on(
        &mut self,
        encoder: &mut CommandEncoder,
        bound: &BoundRows,
        rows: Range<u32>,
    ) -> Result<()> {
        self.record_steps(encoder, bound, &[rows])
    }

    /// Records several training steps, one on each of `batches`, into the caller's encoder, as one
    /// compute pass and by one upload slot; at most 128. They are the steps that as many calls of
    /// [`record_step_on`](Self::record_step_on) would be, and end in the same bits.
    ///
    /// # Errors
    /// As `record_step_on`; [`Error::Argument`] if there is no batch or more than 128.
    pub fn record_steps(
        &mut self,
        encoder: &mut CommandEncoder,
        bound: &BoundRows,
        batches: &[Range<u32>],
    ) -> Result<()> {
        self.session.record_rows(encoder, Pass::Train, bound, batches, false)
    }

    /// Records the evaluation of `rows` of `bound` into the caller's encoder, as
    /// [`record_step_on`](Self::record_step_on) records a step. What it adds up to comes by
    /// [`take_evaluation_scores`](Self::take_evaluation_scores), apart from that of the steps around it.
    ///
    /// # Errors
    /// As `record_step_on`.
    pub fn record_evaluation_on(
        &mut self,
        encoder: &mut CommandEncoder,
        bound: &BoundRows,
        rows: Range<u32>,
    ) -> Result<()> {
        self.session.record_rows(encoder, Pass::Evaluate, bound, &[rows], false)
    }

    /// Records the prediction of `rows` of `bound` into the caller's encoder, as
    /// [`record_step_on`](Self::record_step_on) records a step. The predictions stay on the device, one
    /// row for each of `rows`, where [`binding`](Self::binding) says for the name of an output, until
    /// another batch runs. Targets need not be bound.
    ///
    /// # Errors
    /// As `record_step_on`.
    pub fn record_prediction_on(
        &mut self,
        encoder: &mut CommandEncoder,
        bound: &BoundRows,
        rows: Range<u32>,
    ) -> Result<()> {
        self.session.record_rows(encoder, Pass::Predict, bound, &[rows], false)
    }
}

impl Session {
    /// Records `pass` on each of `batches`; where they are `timed`, the executor learns how long they
    /// take.
    pub(super) fn record_rows(
        &mut self,
        encoder: &mut CommandEncoder,
        pass: Pass,
        bound: &BoundRows,
        batches: &[Range<u32>],
        timed: bool,
    ) -> Result<()> {
        self.recording()?;
        self.forget_cancelled()?;
        self.settle_recorded();
        let mut steps = std::mem::take(&mut self.recorded.steps);
        steps.clear();
        steps.extend((0..).zip(batches).map(|(before, rows)| RowStep {
            step: self.step_after(before, pass, rows.len()),
            first: rows.start,
        }));
        let recorded = self.recording()?.record_rows(encoder, pass, bound, &steps, timed);
        self.recorded.steps = steps;
        recorded?;
        batches.iter().for_each(|_| self.count_step(pass));
        self.last_rows = batches.last().map_or(0, Range::len);
        Ok(())
    }

    /// The program's buffers that columns are for.
    ///
    /// # Errors
    /// [`Error::Argument`] for a name that the model has not.
    fn named(&self, columns: &DeviceColumns) -> Result<Vec<(BufferId, DeviceRows)>> {
        let inputs: Vec<&str> = self.compiled.architecture.inputs().map(|(name, _)| name).collect();
        let outputs: Vec<&str> =
            self.report.outputs.iter().map(|output| output.name.as_str()).collect();
        let of = [
            (&columns.inputs, inputs, Role::Input, "inputs"),
            (&columns.targets, outputs.clone(), Role::Target, "outputs"),
            (&columns.weights, outputs, Role::SampleWeight, "outputs"),
        ];
        let mut named = Vec::new();
        for (given, names, role, kind) in of {
            for (name, rows) in given {
                let place = match names.len() {
                    1 => Some(0),
                    _ => names.iter().position(|known| known == name),
                };
                let id = place.and_then(|place| self.program.of_role(role).nth(place));
                let Some((id, _)) = id else {
                    let names = names.join(", ");
                    let problem = format!("are for {name:?}; the model has the {kind} {names}");
                    return Err(Error::argument("rows", problem));
                };
                named.push((id, rows.clone()));
            }
        }
        Ok(named)
    }
}
