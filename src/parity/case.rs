//! One operation at one shape, run on both executors.

use std::sync::Arc;

use crate::cpu::CpuExecutor;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuExecutor, Kernel};
use crate::operation;
pub(super) use crate::operation::case::Values;
use crate::program::{
    Buffer, BufferId, Element, Pass, Placement, Program, ProgramBuilder, Role, Rows,
};

/// A NaN that no computation makes: what outputs hold before, and what must be left where nothing
/// is to be written. Each allocation has one of its own, as a sum or a copy of one is that one.
pub(super) fn poison_of(id: BufferId, buffer: &Buffer) -> u32 {
    let owner = match buffer.placement {
        Placement::Own => id,
        Placement::Slice { arena, .. } => arena,
    };
    match buffer.role {
        // What is added to would leave a NaN as it is.
        Role::Metric => 0x3dea_dead,
        _ => 0x7fc0_de00 + owner.index() as u32,
    }
}
/// Rows beyond the live ones, in every buffer of the batch.
pub(super) const GUARD_ROWS: usize = 3;

/// How an operation fared.
pub(super) struct Outcome {
    /// Largest error over its bound; above 1 is a failure.
    pub worst: Worst,
    /// What was written where nothing must be, or was not zero where it must be.
    pub stray: Option<String>,
    pub kernels: Vec<Kernel>,
}

/// The element that came closest to its bound, or went beyond.
#[derive(Debug, Clone, Default)]
pub struct Worst {
    /// Distance from the oracle's value.
    pub error: f64,
    /// What it may be.
    pub bound: f64,
    /// Where it was.
    pub place: String,
}

impl Worst {
    /// Error over bound; infinite for a result that is no number, or a bound that bounds nothing.
    pub fn ratio(&self) -> f64 {
        match (self.error, self.bound) {
            (_, bound) if !bound.is_finite() => f64::INFINITY,
            (0.0, _) => 0.0,
            (error, _) if error.is_nan() => f64::INFINITY,
            (error, bound) => error / bound,
        }
    }

    /// Keeps the worse of the two.
    pub fn or(self, other: Worst) -> Worst {
        if other.ratio() > self.ratio() { other } else { self }
    }
}

/// Runs the case on `gpu` and on the f64 oracle.
pub(super) async fn run(case: &operation::case::Case, gpu: &Gpu) -> Result<Outcome> {
    let mut builder = ProgramBuilder::from_table(case.table.clone());
    for &op in &case.ops {
        builder.push(Pass::Predict, op)?;
    }
    let program = Arc::new(builder.build());
    let rows = case.step.live_rows;
    let mut oracle = CpuExecutor::<f64>::new(Arc::clone(&program));
    let mut device = GpuExecutor::new(gpu, Arc::clone(&program)).await?;
    oracle.reserve(rows);
    device.reserve(rows + GUARD_ROWS).await?;
    // What the operation does not read begins as poison, guards and padding included.
    let given = |id: BufferId| case.inputs.iter().any(|(input, _)| *input == id);
    for (id, buffer) in program.buffers() {
        let whole_arena_given = program.slices(id).all(|(slice, _)| given(slice));
        let poisoned = buffer.placement == Placement::Own
            && !(buffer.role == Role::Arena && whole_arena_given);
        if poisoned && device.is_allocated(id) {
            poison(&mut device, id, buffer, rows)?;
        }
    }
    for (id, values) in &case.inputs {
        device.write(*id, values).await?;
        oracle.write(*id, values)?;
    }
    for op in program.ops(Pass::Predict) {
        oracle.execute(op, &case.step);
    }
    device.execute(Pass::Predict, &case.step).await?;

    let mut outcome = Outcome {
        worst: Worst::default(),
        stray: None,
        kernels: device.kernels(Pass::Predict, rows),
    };
    let expected = |id| oracle.read(id, rows);
    let mut written = Vec::new();
    for (id, bound) in &case.outputs {
        let buffer = program.buffer(*id);
        let bounds = bound(&expected);
        let actual = device.read(*id, rows).await?;
        let counts = [bounds.len(), actual.len()];
        if counts != [expected(*id).len(); 2] {
            return Err(Error::Shape {
                what: format!("{} in parity", buffer.name),
                actual: format!("{counts:?} bounds and results"),
                expected: format!("{} of both", expected(*id).len()),
            });
        }
        let compared = expected(*id).into_iter().zip(actual).zip(bounds);
        for (i, ((expected, actual), bound)) in compared.enumerate() {
            let error = match (expected - actual).abs() {
                error if error.is_nan() => f64::INFINITY,
                error => error,
            };
            let columns = buffer.columns;
            let place = || {
                format!(
                    "{}[{}, {}] is {actual:e}, expected {expected:e}, at {:?}",
                    buffer.name,
                    i / columns,
                    i % columns,
                    case.shape
                )
            };
            let worst = Worst { error, bound, place: String::new() };
            if worst.ratio() > outcome.worst.ratio() {
                outcome.worst = Worst { place: place(), ..worst };
            }
        }
        written.push(*id);
    }
    outcome.stray = find_stray(case, &program, &mut device, &written).await?;
    Ok(outcome)
}

/// Padding that is not zero, or a guard that was overwritten.
async fn find_stray(
    case: &operation::case::Case,
    program: &Program,
    device: &mut GpuExecutor,
    written: &[BufferId],
) -> Result<Option<String>> {
    let rows = case.step.live_rows;
    for (id, buffer) in program.buffers() {
        let in_batch = buffer.rows == Rows::Batch;
        let guard = buffer.name.starts_with("guard");
        if buffer.role == Role::Arena || buffer.element == Element::U8 {
            continue;
        }
        if !(written.contains(&id) || guard) {
            continue;
        }
        let raw = device.read_raw(id, rows + GUARD_ROWS).await?;
        let words = raw.chunks_exact(4).map(bytemuck::pod_read_unaligned::<u32>);
        let stride = buffer.stride();
        let poison = poison_of(id, buffer);
        for (i, word) in words.enumerate() {
            let (row, column) = (i / stride, i % stride);
            let live = row < buffer.live_rows(rows) && column < buffer.columns;
            let expected = match (guard, live) {
                (true, _) => poison,
                (false, true) => continue,
                // Rows of the batch beyond the live ones must be left alone; padding of what
                // was written must be zero.
                (false, false) if in_batch && row >= rows => poison,
                (false, false) => 0,
            };
            if word != expected {
                return Ok(Some(format!(
                    "{}[{row}, {column}] holds {word:#010x}, expected {expected:#010x}, at {:?}",
                    buffer.name, case.shape
                )));
            }
        }
    }
    Ok(None)
}

pub(super) fn poison(
    device: &mut GpuExecutor,
    id: BufferId,
    buffer: &Buffer,
    rows: usize,
) -> Result<()> {
    let elements = buffer.allocated(rows + GUARD_ROWS);
    let bytes = match buffer.element {
        Element::U8 => vec![0xaa; elements],
        Element::Real | Element::U32 | Element::Sparse { .. } => {
            std::iter::repeat_n(poison_of(id, buffer).to_ne_bytes(), elements).flatten().collect()
        }
    };
    device.write_raw(id, &bytes)
}
