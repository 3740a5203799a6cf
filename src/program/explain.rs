//! What a step is on a GPU, told without one: its dispatches with what each does and how long it
//! takes by a model of the device, what else could run, and the buffers.

use super::builder::Program;
use super::pass::Pass;
use super::plan::{self, Choice, all_dispatches, used};
use crate::error::Result;
use crate::operation::kernel::size;
use crate::operation::{Access, Adapter, Dispatch, MatrixForm, Total, Work};
use crate::table::{BufferId, Placement};

/// What a step is.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The ways in which it could run; never empty.
    pub ways: Vec<ExplainedWay>,
    /// Which of them runs.
    pub chosen: usize,
    /// All allocations on the device but for those that steps are uploaded through.
    pub buffers: Vec<ExplainedBuffer>,
}

/// A way in which a step could run.
#[derive(Debug, Clone)]
pub struct ExplainedWay {
    /// What it is called.
    pub name: &'static str,
    /// The dispatches in their order.
    pub dispatches: Vec<ExplainedDispatch>,
    /// What they add up to.
    pub total: Total,
}

impl Explanation {
    /// The way in which it runs.
    pub fn chosen(&self) -> &ExplainedWay {
        // It is a place among the ways.
        &self.ways[self.chosen]
    }
}

/// A dispatch of a step.
#[derive(Debug, Clone)]
pub struct ExplainedDispatch {
    /// What runs, and what could run in its place.
    pub candidates: Vec<Candidate>,
    /// Which of these runs.
    pub chosen: usize,
}

/// What could run in one place of a step.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The name of the operation.
    pub kernel: &'static str,
    /// How its matrix kernel is built, if it has one.
    pub form: Option<MatrixForm>,
    /// What it does.
    pub work: Work,
    /// Microseconds that it takes by the model.
    pub us: f64,
    /// What it only reads.
    pub reads: Vec<BufferId>,
    /// What it writes.
    pub writes: Vec<BufferId>,
}

/// An allocation on the device.
#[derive(Debug, Clone)]
pub struct ExplainedBuffer {
    /// The buffer.
    pub id: BufferId,
    /// What it takes.
    pub bytes: u64,
    /// The first and the last dispatch of the step that use it, from 0; `None` if none does.
    pub used: Option<[usize; 2]>,
}

impl ExplainedDispatch {
    /// What runs.
    pub fn chosen(&self) -> &Candidate {
        // It is a place among the candidates.
        &self.candidates[self.chosen]
    }
}

/// What a step that runs `lists` on `rows` rows is on `adapter`, with room for as many rows.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) if a size does not fit the kernels' 32-bit counts.
pub fn explain(
    program: &Program,
    lists: &[Pass],
    rows: usize,
    adapter: Adapter,
) -> Result<Explanation> {
    let live_rows = size(rows)?;
    let candidate = |dispatch: &Dispatch| {
        let work = dispatch.work(program.table(), live_rows);
        let bindings = || dispatch.kernel.bindings.iter().zip(&dispatch.buffers);
        let those = |wanted: fn(Access) -> bool| {
            bindings().filter(|(access, _)| wanted(**access)).map(|(_, &id)| id).collect()
        };
        Candidate {
            kernel: dispatch.kernel.name,
            form: dispatch.arithmetic.form(),
            us: adapter.model.us(&work),
            work,
            reads: those(Access::is_read),
            writes: those(|access| !access.is_read()),
        }
    };
    let explained = |choice: &Choice| {
        let (all, runs): (Vec<_>, Vec<_>) = choice.candidates().unzip();
        let chosen = runs.iter().position(|&runs| runs).unwrap_or_default();
        ExplainedDispatch { candidates: all.into_iter().map(candidate).collect(), chosen }
    };
    let (mut ways, mut chosen) = (Vec::new(), 0);
    for (way, runs) in plan::ways(program, lists, rows, adapter)?.all() {
        let dispatches: Vec<_> = way.choices.iter().map(explained).collect();
        let mut total = Total::default();
        for dispatch in &dispatches {
            total += (dispatch.chosen().work, dispatch.chosen().us);
        }
        if runs {
            chosen = ways.len();
        }
        ways.push(ExplainedWay { name: way.name, dispatches, total });
    }
    let runs = ways.get(chosen).map(|way| &way.dispatches[..]).unwrap_or_default();
    let used = used(program, &all_dispatches(program, rows, adapter)?);
    let buffers = program.buffers();
    let buffers =
        buffers.filter(|(id, buffer)| buffer.placement == Placement::Own && used[id.index()]);
    let buffers = buffers.map(|(id, buffer)| ExplainedBuffer {
        id,
        bytes: buffer.bytes(rows),
        used: lifetime(program, id, runs),
    });
    let buffers = buffers.collect();
    Ok(Explanation { ways, chosen, buffers })
}

/// The first and the last of `dispatches` that use `id` or a slice of it.
fn lifetime(
    program: &Program,
    id: BufferId,
    dispatches: &[ExplainedDispatch],
) -> Option<[usize; 2]> {
    let owner = |other: BufferId| match program.buffer(other).placement {
        Placement::Own => other,
        Placement::Slice { arena, .. } => arena,
    };
    let uses = |dispatch: &ExplainedDispatch| {
        let Candidate { reads, writes, .. } = dispatch.chosen();
        reads.iter().chain(writes).any(|&other| owner(other) == id)
    };
    let first = dispatches.iter().position(uses)?;
    let last = dispatches.iter().rposition(uses)?;
    Some([first, last])
}
