//! From the operations of a step to the dispatches that a GPU runs for it. Nothing here knows a GPU:
//! what is known of an adapter are plain numbers.

use std::collections::HashMap;

use super::builder::Program;
use super::pass::Pass;
use crate::error::Result;
use crate::operation::kernel::{Target, size};
use crate::operation::{
    self, Access, Adapter, AdapterClass, Dispatch, FusedFrom, FusedSteps, KernelForm, MatrixForm,
    Op,
};
use crate::table::{BufferId, Role};

/// Rows that the plan of a step of `rows` rows is made for: the next power of two. So the kernels that
/// run depend on nothing but the rows of the step, and batches of all sizes need few plans.
#[must_use]
pub fn planned_rows(rows: usize) -> usize {
    rows.max(1).checked_next_power_of_two().unwrap_or(rows)
}

/// The dispatches of a step of `rows` rows on `adapter`, which runs `lists` one after the other: of
/// all that could run, those that the model of the adapter says end first. A pure function of the
/// program, the [rows](planned_rows) and the adapter.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) if a size does not fit the kernels' 32-bit counts.
pub fn plan(
    program: &Program,
    lists: &[Pass],
    rows: usize,
    adapter: Adapter,
) -> Result<Vec<Dispatch>> {
    let mut ways = ways(program, lists, rows, adapter)?;
    let way = ways.all.swap_remove(ways.chosen);
    Ok(way.choices.into_iter().map(Choice::into_chosen).collect())
}

/// The ways in which a step could run.
#[derive(Debug, Clone)]
pub struct Ways {
    /// All of them; never empty.
    all: Vec<Way>,
    /// Which of them runs.
    chosen: usize,
}

/// One way in which a step could run.
#[derive(Debug, Clone)]
pub struct Way {
    /// What it is called in tables.
    pub name: &'static str,
    /// The dispatches, one after the other.
    pub choices: Vec<Choice>,
}

impl Ways {
    /// All of them, and whether it is the one that runs.
    pub fn all(&self) -> impl ExactSizeIterator<Item = (&Way, bool)> {
        self.all.iter().enumerate().map(|(place, way)| (way, place == self.chosen))
    }
}

/// In which ways a step could run, as [`plan`] takes one.
///
/// # Errors
/// As `plan`.
pub fn ways(program: &Program, lists: &[Pass], rows: usize, adapter: Adapter) -> Result<Ways> {
    let choices = choices(program, lists, rows, adapter)?;
    let mut all = vec![Way { name: "a dispatch for each operation", choices }];
    let rows = size(planned_rows(rows))?;
    all.extend(fused_steps(program, lists, rows, adapter)?);
    let us = |way: &Way| {
        let dispatches = way.choices.iter().map(Choice::chosen);
        dispatches.map(|one| adapter.model.us(&one.work(program.table(), rows))).sum()
    };
    let chosen = match adapter.fused_steps {
        FusedSteps::WhereFaster => least(all.iter().map(us)),
        // If there is a fused step, it is the last one.
        FusedSteps::Always(_) | FusedSteps::Never => all.len() - 1,
    };
    Ok(Ways { all, chosen })
}

/// The ways in which a whole training step runs fused, where it can and may. What computes on the CPU is
/// not given them: there a barrier costs more than a dispatch.
fn fused_steps(program: &Program, lists: &[Pass], rows: u32, adapter: Adapter) -> Result<Vec<Way>> {
    let may = |from: FusedFrom| match adapter.fused_steps {
        FusedSteps::Always(only) => from == only,
        FusedSteps::WhereFaster => adapter.class == AdapterClass::Hardware,
        FusedSteps::Never => false,
    };
    let mut ways = Vec::new();
    let ruled_out = !adapter.may_use(KernelForm::FusedSteps);
    if ruled_out || lists != Pass::Train.of_whole_batch() {
        return Ok(ways);
    }
    let Some((chain, handover)) = program.fused_step() else { return Ok(ways) };
    let conversions = absorbed_conversions(program, program.ops(Pass::Train));
    let target = Target { table: program.table(), adapter, conversions: &conversions };
    for from in FusedFrom::ALL.into_iter().filter(|&from| may(from)) {
        let Some(fused) = chain.dispatches(&target, handover, rows, from)? else { continue };
        let name = match from {
            FusedFrom::FirstLayer => "a fused step",
            FusedFrom::SecondLayer => "the first layer, then a fused step",
        };
        let before = chain.before(from).map(|op| choice(&op, target, rows));
        let fused = fused.map(|dispatch| Ok(Choice { candidates: vec![dispatch], chosen: 0 }));
        ways.push(Way { name, choices: before.chain(fused).collect::<Result<_>>()? });
    }
    Ok(ways)
}

/// The place of the least of `times`; the first one among equals.
fn least(times: impl Iterator<Item = f64>) -> usize {
    let mut least = (0, f64::INFINITY);
    for (place, us) in times.enumerate() {
        if us < least.1 {
            least = (place, us);
        }
    }
    least.0
}

/// The kernels that could run in one place of a step.
#[derive(Debug, Clone)]
pub struct Choice {
    /// All of them; never empty.
    candidates: Vec<Dispatch>,
    /// Which of them runs.
    chosen: usize,
}

impl Choice {
    /// All of them, and whether it is the one that runs.
    pub fn candidates(&self) -> impl ExactSizeIterator<Item = (&Dispatch, bool)> {
        let chosen = self.chosen;
        self.candidates.iter().enumerate().map(move |(place, one)| (one, place == chosen))
    }

    /// The one that runs.
    pub fn chosen(&self) -> &Dispatch {
        // It is a place among the candidates.
        &self.candidates[self.chosen]
    }

    fn into_chosen(mut self) -> Dispatch {
        self.candidates.swap_remove(self.chosen)
    }
}

/// What could run where each operation has a dispatch. A conversion that only operations read which
/// load bytes by themselves, and that is no output, is part of these.
fn choices(
    program: &Program,
    lists: &[Pass],
    rows: usize,
    adapter: Adapter,
) -> Result<Vec<Choice>> {
    let rows = size(planned_rows(rows))?;
    let mut all = Vec::new();
    for &list in lists {
        let ops = program.ops(list);
        let conversions = absorbed_conversions(program, ops);
        let target = Target { table: program.table(), adapter, conversions: &conversions };
        let absorbed = |op: &Op| matches!(op, Op::Convert(convert) if conversions.contains_key(&convert.output));
        for op in ops.iter().filter(|op| !absorbed(op)) {
            all.push(choice(op, target, rows)?);
        }
    }
    Ok(all)
}

/// The kernels that could run `op` on `rows` rows.
fn choice(op: &Op, target: Target<'_>, rows: u32) -> Result<Choice> {
    let candidates = candidates(op, target)?;
    let us = |one: &Dispatch| target.adapter.model.us(&one.work(target.table, rows));
    let chosen = least(candidates.iter().map(us));
    Ok(Choice { candidates, chosen })
}

/// The dispatches that compute `op`. Matrix kernels come in forms, of which a GPU may be given any that
/// is not ruled out; a software adapter has the one that was measured to be the best there.
fn candidates(op: &Op, target: Target<'_>) -> Result<Vec<Dispatch>> {
    let usual = op.dispatch(&target)?;
    let given = target.adapter.form.is_some() || target.adapter.class != AdapterClass::Hardware;
    if given || usual.arithmetic.form().is_none() {
        return Ok(vec![usual]);
    }
    let forms = MatrixForm::ALL.into_iter().filter(|&form| {
        form.class() == AdapterClass::Hardware && target.adapter.may_use(KernelForm::Matrix(form))
    });
    let with = |form| {
        let adapter = Adapter { form: Some(form), ..target.adapter };
        op.dispatch(&Target { adapter, ..target })
    };
    let all: Vec<Dispatch> = forms.map(with).collect::<Result<_>>()?;
    Ok(if all.is_empty() { vec![usual] } else { all })
}

/// The dispatches of all that may run on batches of `rows` rows: of each list, and of fused steps.
///
/// # Errors
/// As [`plan`].
pub(crate) fn all_dispatches(
    program: &Program,
    rows: usize,
    adapter: Adapter,
) -> Result<Vec<Dispatch>> {
    let mut all = plan(program, &Pass::ALL, rows, adapter)?;
    let rows = size(planned_rows(rows))?;
    let fused = fused_steps(program, Pass::Train.of_whole_batch(), rows, adapter)?;
    all.extend(fused.into_iter().flat_map(|way| way.choices).map(Choice::into_chosen));
    Ok(all)
}

/// Which buffers some dispatch binds, or the host fills or reads; by `BufferId::index`.
pub(crate) fn used(program: &Program, dispatches: &[Dispatch]) -> Vec<bool> {
    let mut used: Vec<bool> = program
        .buffers()
        .map(|(_, buffer)| !matches!(buffer.role, Role::Activation | Role::Handover))
        .collect();
    for id in dispatches.iter().flat_map(|dispatch| &dispatch.buffers) {
        used[id.index()] = true;
    }
    used
}

/// Conversions among `ops` that need no dispatch, by their output: `(input, scale)`.
fn absorbed_conversions(program: &Program, ops: &[Op]) -> HashMap<BufferId, (BufferId, f64)> {
    let mut conversions = conversions(ops);
    conversions.retain(|id, _| program.outputs().iter().all(|(_, output)| output != id));
    conversions
}

/// The same, whatever else needs their results.
fn conversions(ops: &[Op]) -> HashMap<BufferId, (BufferId, f64)> {
    let mut found = HashMap::new();
    for op in ops {
        if let &Op::Convert(operation::Convert { input, output, scale }) = op {
            let mut uses = Vec::new();
            for op in ops {
                op.each(&mut |access, id| {
                    uses.extend((id == output && access != Access::Write).then_some(access));
                });
            }
            if !uses.is_empty() && uses.iter().all(|&access| access == Access::Load) {
                found.insert(output, (input, scale));
            }
        }
    }
    found
}
