//! The memory of a program on the CPU, and what goes in and out of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::feed::{CpuFeed, Rows as FedRows};
use super::shard_metrics::Shards;
use crate::error::{Error, Result};
use crate::number::Real;
use crate::operation::{Op, Run};
use crate::profile::Profile;
use crate::program::{
    BufferId, Element, MemoryUse, Metrics, Pass, Program, Reals, Role, Rows, Step,
};
use crate::table::{Memory, Storage};
use crate::threads::Threads;

/// Runs a program, computing in `T`.
pub struct CpuExecutor<T> {
    pub(super) program: Arc<Program>,
    pub(super) batch_capacity: usize,
    /// Whether some buffers hold halves.
    halves: bool,
    /// Behind a lock only so that several threads may share a model: operations borrow from the
    /// memory as one thread does.
    pub(super) memory: Mutex<Memory<T>>,
    pub(super) shards: Shards<T>,
    threads: Threads,
    /// Feeds to be lent again.
    spare: Vec<CpuFeed<T>>,
    pub(super) profile: Profile,
}

impl<T> std::fmt::Debug for CpuExecutor<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CpuExecutor")
            .field("capacity", &self.batch_capacity)
            .finish_non_exhaustive()
    }
}

impl<T: Real> CpuExecutor<T> {
    /// Allocates what does not depend on the batch; all zeros. It computes on all cores.
    pub fn new(program: Arc<Program>) -> Self {
        let memory = Mutex::new(Memory::new(program.table(), 0));
        let profile = Profile::default();
        let threads = Threads::all();
        let halves = program.has_halves();
        CpuExecutor {
            memory,
            shards: Shards::default(),
            halves,
            threads,
            batch_capacity: 0,
            spare: Vec::new(),
            profile,
            program,
        }
    }

    /// Computes on these threads from now on; the results are the same bits with any.
    pub fn set_threads(&mut self, threads: &Threads) {
        self.threads = threads.clone();
    }

    /// What it computes on.
    pub fn threads(&self) -> &Threads {
        &self.threads
    }

    /// Records into `profile` each operation that [`run`](Self::run) runs from now on.
    pub fn set_profile(&mut self, profile: &Profile) {
        self.profile = profile.clone();
    }

    /// Makes room for batches of up to `rows` samples.
    pub fn reserve(&mut self, rows: usize) {
        if rows <= self.batch_capacity {
            return;
        }
        self.batch_capacity = rows;
        let memory = self.memory.get_mut().unwrap_or_else(PoisonError::into_inner);
        memory.reserve(self.program.table(), rows);
    }

    /// What its buffers take with room for batches of up to `rows` samples, with one feed.
    pub fn memory_use(&self, rows: usize) -> MemoryUse {
        let mut memory = MemoryUse::default();
        let has_memory = |role| !matches!(role, Role::Arena | Role::Handover);
        for (id, buffer) in self.program.buffers().filter(|(_, buffer)| has_memory(buffer.role)) {
            let element = match buffer.element {
                Element::Real => size_of::<T>(),
                Element::U32 | Element::Sparse { .. } => 4,
                Element::U8 => 1,
            };
            let bytes = (buffer.allocated(rows) as u64).saturating_mul(element as u64);
            memory.add(&self.program, id, bytes);
            // A feed has columns of its own, which it exchanges with the program's.
            if Pass::Train.reads(buffer.role) {
                memory.uploads = memory.uploads.saturating_add(bytes);
            }
            if buffer.role == Role::Metric {
                for _ in 1..self.shards.count() {
                    memory.add(&self.program, id, bytes);
                }
            }
        }
        memory
    }

    /// Samples for which there is room.
    pub fn capacity(&self) -> usize {
        self.batch_capacity
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory<T>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one operation on what its buffers hold.
    pub fn execute(&self, op: &Op, step: &Step) {
        let memory = &self.memory();
        let (table, threads) = (self.program.table(), &self.threads);
        op.run(&Run { table, memory, step, threads });
        if self.halves {
            let half = |id: &BufferId| table.buffer(*id).reals == Reals::Half;
            for id in op.writes().into_iter().filter(half) {
                memory.round_to_half(table, id, step.live_rows);
            }
        }
    }

    /// Its buffers and operations.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Memory for `rows` rows, to be filled for one step; makes room if there is less.
    ///
    /// # Errors
    /// [`Error::Argument`] if `rows` is 0.
    pub fn feed(&mut self, rows: usize) -> Result<CpuFeed<T>> {
        if rows == 0 {
            return Err(Error::argument("rows", "are 0; give at least 1"));
        }
        self.reserve(rows);
        let program = &self.program;
        let mut feed = self.spare.pop().unwrap_or_else(|| {
            let fed = program.buffers().filter(|(_, buffer)| Pass::Train.reads(buffer.role));
            let column = |(id, buffer)| FedRows { id, storage: Storage::new(buffer, 0), filled: 0 };
            CpuFeed { program: Arc::clone(program), rows, columns: fed.map(column).collect() }
        });
        feed.rows = rows;
        for column in &mut feed.columns {
            column.storage.reserve(program.buffer(column.id), self.batch_capacity);
            column.filled = 0;
        }
        Ok(feed)
    }

    /// Runs `pass` on `feed`.
    ///
    /// # Errors
    /// [`Error::Argument`] if the feed is of another executor, lacks rows that the pass reads, or
    /// has others than `step.live_rows`.
    pub fn run(&mut self, pass: Pass, feed: CpuFeed<T>, step: &Step) -> Result<()> {
        self.load(pass, feed, step)?;
        self.run_lists(pass, step);
        Ok(())
    }

    pub(super) fn run_lists(&self, pass: Pass, step: &Step) {
        for op in pass.lists(step).iter().flat_map(|&pass| self.program.ops(pass)) {
            let _span = self.profile.span(op.name());
            self.execute(op, step);
        }
    }

    /// Runs `pass` on `feed`, and looks at what each operation writes before the next one runs.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`Error::NonFiniteValue`] for the first value that is NaN or
    /// infinite.
    pub fn run_eagerly(&mut self, pass: Pass, feed: CpuFeed<T>, step: &Step) -> Result<()> {
        self.load(pass, feed, step)?;
        self.run_lists_eagerly(pass, step)
    }

    pub(super) fn run_lists_eagerly(&self, pass: Pass, step: &Step) -> Result<()> {
        let program = &self.program;
        for op in pass.lists(step).iter().flat_map(|&pass| program.ops(pass)) {
            self.execute(op, step);
            for id in program.parts(&op.writes()) {
                let values = self.read(id, step.live_rows);
                program.buffer(id).check_finite(op.name(), step.number, &values)?;
            }
        }
        Ok(())
    }

    /// Puts the memory of what `pass` reads of `feed` in the place of the program's own.
    fn load(&mut self, pass: Pass, mut feed: CpuFeed<T>, step: &Step) -> Result<()> {
        if !Arc::ptr_eq(&feed.program, &self.program) {
            return Err(Error::argument("feed", "is of another executor; take one from this"));
        }
        if feed.rows != step.live_rows {
            let problem = format!("has {} rows and the step {}", feed.rows, step.live_rows);
            return Err(Error::argument("feed", problem));
        }
        let reads = |column: &FedRows<T>| pass.reads(self.program.buffer(column.id).role);
        for column in feed.columns.iter().filter(|column| reads(column)) {
            self.program.buffer(column.id).check_filled(column.filled, feed.rows)?;
        }
        let memory = self.memory.get_mut().unwrap_or_else(PoisonError::into_inner);
        for column in feed.columns.iter_mut().filter(|column| reads(column)) {
            // Room may have been made since it was lent.
            column.storage.reserve(self.program.buffer(column.id), self.batch_capacity);
            memory.swap(column.id, &mut column.storage);
        }
        self.spare.push(feed);
        Ok(())
    }

    /// The values of `id`, `[rows, columns]` without padding; `live_rows` rows of a batch.
    pub fn read(&self, id: BufferId, live_rows: usize) -> Vec<f64> {
        self.memory().read(self.program.table(), id, live_rows)
    }

    /// Sets the values of `id`, `[rows, columns]` without padding.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of values is not that of whole rows, or of all of them if the
    /// number of rows is fixed.
    pub fn write(&mut self, id: BufferId, values: &[f64]) -> Result<()> {
        let rows = self.program.buffer(id).check_values(values.len())?;
        if self.program.buffer(id).rows == Rows::Batch {
            self.reserve(rows);
        }
        let memory = self.memory.get_mut().unwrap_or_else(PoisonError::into_inner);
        memory.write(self.program.table(), id, values)
    }

    /// What the steps since the last [`clear_metrics`](Self::clear_metrics) have added up to.
    pub fn read_metrics(&self) -> Metrics {
        let memory = self.memory();
        let gathered = Metrics::gather(&self.program, |id, _| {
            Ok::<_, std::convert::Infallible>(memory.elements(id))
        });
        gathered.unwrap_or_default()
    }

    /// Sets all metrics to 0.
    pub fn clear_metrics(&mut self) {
        let memory = self.memory.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (id, _) in self.program.of_role(Role::Metric) {
            memory.clear(id);
        }
        self.clear_shard_metrics();
    }
}
