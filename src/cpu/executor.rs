//! The memory of a program on the CPU, and what goes in and out of it.

use std::cell::{Ref, RefCell, RefMut};
use std::sync::Arc;

use super::feed::{CpuFeed, Rows as FedRows};
use super::real::Real;
use crate::error::{Error, Result};
use crate::program::{Buffer, BufferId, Element, Metrics, Pass, Program, Role, Rows, Step};

/// The memory of one buffer. Arenas have none: their slices are allocated one by one.
#[derive(Debug, Clone)]
pub(super) enum Storage<T> {
    Arena,
    Real(Vec<T>),
    U8(Vec<u8>),
    U32(Vec<u32>),
}

/// Runs a program, computing in `T`.
pub struct CpuExecutor<T> {
    pub(super) program: Arc<Program>,
    batch_capacity: usize,
    // Operations borrow several buffers of the table at once, some of them mutably; the program's
    // builder has checked that no operation reads what it writes.
    storage: Vec<RefCell<Storage<T>>>,
    /// Feeds to be lent again.
    spare: Vec<CpuFeed<T>>,
}

impl<T: Real> Storage<T> {
    /// Makes room for so many elements; what is new is 0.
    fn resize(&mut self, elements: usize) {
        match self {
            Storage::Arena => {}
            Storage::Real(values) => values.resize(elements, T::ZERO),
            Storage::U8(values) => values.resize(elements, 0),
            Storage::U32(values) => values.resize(elements, 0),
        }
    }
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
        let storage = program.buffers().map(|(_, buffer)| RefCell::new(allocate(buffer, 0)));
        CpuExecutor { storage: storage.collect(), batch_capacity: 0, spare: Vec::new(), program }
    }

    /// Makes room for batches of up to `rows` samples.
    pub fn reserve(&mut self, rows: usize) {
        if rows <= self.batch_capacity {
            return;
        }
        self.batch_capacity = rows;
        for ((_, buffer), storage) in self.program.buffers().zip(&mut self.storage) {
            storage.get_mut().resize(buffer.allocated(rows));
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
            let column = |(id, buffer)| FedRows { id, storage: allocate(buffer, 0), filled: 0 };
            CpuFeed { program: Arc::clone(program), rows, columns: fed.map(column).collect() }
        });
        feed.rows = rows;
        for column in &mut feed.columns {
            column.storage.resize(program.buffer(column.id).allocated(self.batch_capacity));
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
        let program = Arc::clone(&self.program);
        for op in step.passes(pass).iter().flat_map(|&pass| program.ops(pass)) {
            self.execute(op, step);
        }
        Ok(())
    }

    /// Runs `pass` on `feed`, and looks at what each operation writes before the next one runs.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`Error::NonFiniteValue`] for the first value that is NaN or
    /// infinite.
    pub fn run_eagerly(&mut self, pass: Pass, feed: CpuFeed<T>, step: &Step) -> Result<()> {
        self.load(pass, feed, step)?;
        let program = Arc::clone(&self.program);
        for op in step.passes(pass).iter().flat_map(|&pass| program.ops(pass)) {
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
        for column in feed.columns.iter_mut().filter(|column| reads(column)) {
            // Room may have been made since it was lent.
            let room = self.program.buffer(column.id).allocated(self.batch_capacity);
            column.storage.resize(room);
            std::mem::swap(self.storage[column.id.index()].get_mut(), &mut column.storage);
        }
        self.spare.push(feed);
        Ok(())
    }

    pub(super) fn real(&self, id: BufferId) -> Ref<'_, [T]> {
        Ref::map(self.storage[id.index()].borrow(), |storage| match storage {
            Storage::Real(values) => values.as_slice(),
            _ => &[],
        })
    }

    pub(super) fn real_mut(&self, id: BufferId) -> RefMut<'_, [T]> {
        RefMut::map(self.storage[id.index()].borrow_mut(), |storage| match storage {
            Storage::Real(values) => values.as_mut_slice(),
            _ => &mut [],
        })
    }

    pub(super) fn u8(&self, id: BufferId) -> Ref<'_, [u8]> {
        Ref::map(self.storage[id.index()].borrow(), |storage| match storage {
            Storage::U8(values) => values.as_slice(),
            _ => &[],
        })
    }

    pub(super) fn u32(&self, id: BufferId) -> Ref<'_, [u32]> {
        Ref::map(self.storage[id.index()].borrow(), |storage| match storage {
            Storage::U32(values) => values.as_slice(),
            _ => &[],
        })
    }

    pub(super) fn u32_mut(&self, id: BufferId) -> RefMut<'_, [u32]> {
        RefMut::map(self.storage[id.index()].borrow_mut(), |storage| match storage {
            Storage::U32(values) => values.as_mut_slice(),
            _ => &mut [],
        })
    }

    /// The values of `id`, `[rows, columns]` without padding; `live_rows` rows of a batch.
    pub fn read(&self, id: BufferId, live_rows: usize) -> Vec<f64> {
        let buffer = self.program.buffer(id);
        let rows = buffer.live_rows(live_rows);
        let to_f64: Vec<f64> = match &*self.storage[id.index()].borrow() {
            Storage::Arena => Vec::new(),
            Storage::Real(values) => values.iter().map(|x| x.to_f64()).collect(),
            Storage::U8(values) => values.iter().map(|&x| f64::from(x)).collect(),
            Storage::U32(values) => values.iter().map(|&x| f64::from(x)).collect(),
        };
        to_f64
            .chunks(buffer.stride())
            .take(rows)
            .flat_map(|r| &r[..buffer.columns])
            .copied()
            .collect()
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
        let buffer = self.program.buffer(id);
        let (columns, stride) = (buffer.columns, buffer.stride());
        let from = values.chunks_exact(columns);
        match self.storage[id.index()].get_mut() {
            Storage::Arena => {}
            Storage::Real(to) => fill_rows(to.chunks_exact_mut(stride).zip(from), T::from_f64),
            Storage::U8(to) => fill_rows(to.chunks_exact_mut(stride).zip(from), |x| x as u8),
            Storage::U32(to) => fill_rows(to.chunks_exact_mut(stride).zip(from), |x| x as u32),
        }
        Ok(())
    }

    /// What the steps since the last [`clear_metrics`](Self::clear_metrics) have added up to.
    pub fn read_metrics(&self) -> Metrics {
        let gathered = Metrics::gather(&self.program, |id, _| {
            Ok::<_, std::convert::Infallible>(match &*self.storage[id.index()].borrow() {
                Storage::Real(values) => values.iter().map(|x| x.to_f64()).collect(),
                Storage::U32(values) => values.iter().map(|&x| f64::from(x)).collect(),
                Storage::Arena | Storage::U8(_) => Vec::new(),
            })
        });
        gathered.unwrap_or_default()
    }

    /// Sets all metrics to 0.
    pub fn clear_metrics(&mut self) {
        for (id, _) in self.program.of_role(Role::Metric) {
            match self.storage[id.index()].get_mut() {
                Storage::Real(values) => values.fill(T::ZERO),
                Storage::U32(values) => values.fill(0),
                Storage::Arena | Storage::U8(_) => {}
            }
        }
    }
}

fn fill_rows<'a, E: 'a>(
    rows: impl Iterator<Item = (&'a mut [E], &'a [f64])>,
    convert: impl Fn(f64) -> E,
) {
    for (to, from) in rows {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = convert(from);
        }
    }
}

fn allocate<T: Real>(buffer: &Buffer, batch: usize) -> Storage<T> {
    let elements = buffer.allocated(batch);
    match (buffer.role, buffer.element) {
        (Role::Arena, _) => Storage::Arena,
        (_, Element::Real) => Storage::Real(vec![T::ZERO; elements]),
        (_, Element::U8) => Storage::U8(vec![0; elements]),
        (_, Element::U32) => Storage::U32(vec![0; elements]),
    }
}
