//! The memory of a program on the CPU, and what goes in and out of it.

use std::sync::Arc;

use crate::data::{Batch, Sample};
use crate::error::Result;
use crate::number::Real;
use crate::operation::{Op, Run};
use crate::program::{BufferId, Metrics, Pass, Program, Role, Rows, Step};
use crate::table::Memory;

/// Runs a program, computing in `T`.
pub struct CpuExecutor<T> {
    program: Arc<Program>,
    batch_capacity: usize,
    memory: Memory<T>,
}

impl<T> std::fmt::Debug for CpuExecutor<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CpuExecutor")
            .field("capacity", &self.batch_capacity)
            .finish_non_exhaustive()
    }
}

impl<T: Real> CpuExecutor<T> {
    /// Allocates what does not depend on the batch; all zeros.
    pub fn new(program: Arc<Program>) -> Self {
        let memory = Memory::new(program.table(), 0);
        CpuExecutor { memory, batch_capacity: 0, program }
    }

    /// Makes room for batches of up to `rows` samples.
    pub fn reserve(&mut self, rows: usize) {
        if rows <= self.batch_capacity {
            return;
        }
        self.batch_capacity = rows;
        self.memory.reserve(self.program.table(), rows);
    }

    /// Runs one operation on what its buffers hold.
    pub fn execute(&self, op: &Op, step: &Step) {
        op.run(&Run { table: self.program.table(), memory: &self.memory, step });
    }

    /// Runs `pass` on `batch`.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if a sample does not exist,
    /// [`Error::Shape`](crate::Error::Shape) if it or its target does not fit.
    pub fn run(&mut self, pass: Pass, batch: Batch<'_>, step: &Step) -> Result<()> {
        self.reserve(batch.len());
        self.load(pass, batch)?;
        let program = Arc::clone(&self.program);
        for op in pass.lists(step).iter().flat_map(|&pass| program.ops(pass)) {
            self.execute(op, step);
        }
        Ok(())
    }

    /// Runs `pass` on `batch`, and looks at what each operation writes before the next one runs.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`Error::NonFiniteValue`](crate::Error::NonFiniteValue) for the first
    /// value that is NaN or infinite.
    pub fn run_eagerly(&mut self, pass: Pass, batch: Batch<'_>, step: &Step) -> Result<()> {
        self.reserve(batch.len());
        self.load(pass, batch)?;
        let program = Arc::clone(&self.program);
        for op in pass.lists(step).iter().flat_map(|&pass| program.ops(pass)) {
            self.execute(op, step);
            for id in program.parts(&op.writes()) {
                let values = self.read(id, batch.len());
                program.buffer(id).check_finite(op.name(), step.number, &values)?;
            }
        }
        Ok(())
    }

    fn load(&mut self, pass: Pass, batch: Batch<'_>) -> Result<()> {
        let program = Arc::clone(&self.program);
        for (column, (id, buffer)) in program.of_role(Role::Input).enumerate() {
            buffer.check_input(batch.data, column)?;
            self.fill(id, batch, |sample| sample.input(column))?;
        }
        // Predictions look at no target.
        if pass == Pass::Predict {
            return Ok(());
        }
        for (column, (id, buffer)) in program.of_role(Role::Target).enumerate() {
            buffer.check_target(batch.data, column)?;
            self.fill(id, batch, |sample| sample.target(column))?;
        }
        for (column, (id, _)) in program.of_role(Role::SampleWeight).enumerate() {
            let mut weights = self.memory.real_mut(id);
            for (to, sample) in weights.iter_mut().zip(batch.samples()) {
                *to = T::from_f32(sample?.weight(column));
            }
        }
        Ok(())
    }

    /// Fills the rows of `id` with the bytes that `part` takes of each sample.
    fn fill(
        &mut self,
        id: BufferId,
        batch: Batch<'_>,
        part: impl for<'a> Fn(Sample<'a>) -> &'a [u8],
    ) -> Result<()> {
        for (row, sample) in batch.samples().enumerate() {
            self.memory.fill_row(self.program.table(), id, row, part(sample?));
        }
        Ok(())
    }

    /// The values of `id`, `[rows, columns]` without padding; `live_rows` rows of a batch.
    pub fn read(&self, id: BufferId, live_rows: usize) -> Vec<f64> {
        self.memory.read(self.program.table(), id, live_rows)
    }

    /// Sets the values of `id`, `[rows, columns]` without padding.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the number of values is not that of whole rows, or of all of them if
    /// the number of rows is fixed.
    pub fn write(&mut self, id: BufferId, values: &[f64]) -> Result<()> {
        let rows = self.program.buffer(id).check_values(values.len())?;
        if self.program.buffer(id).rows == Rows::Batch {
            self.reserve(rows);
        }
        self.memory.write(self.program.table(), id, values)
    }

    /// What the steps since the last [`clear_metrics`](Self::clear_metrics) have added up to.
    pub fn read_metrics(&self) -> Metrics {
        let gathered = Metrics::gather(&self.program, |id, _| {
            Ok::<_, std::convert::Infallible>(self.memory.elements(id))
        });
        gathered.unwrap_or_default()
    }

    /// Sets all metrics to 0.
    pub fn clear_metrics(&mut self) {
        for (id, _) in self.program.of_role(Role::Metric) {
            self.memory.clear(id);
        }
    }
}
