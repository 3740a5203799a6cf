//! From a program's operations to the dispatches of one compute pass.

use std::collections::HashMap;

use crate::error::Result;
use crate::operation::kernel::Target;
use crate::operation::{self, Access, Adapter, Dispatch, Op};
use crate::program::Program;
use crate::table::BufferId;

/// The dispatches of `ops`. A conversion that only operations read which load bytes by themselves,
/// and that is no output, is none of its own.
///
/// # Errors
/// [`Error::Argument`] if a size does not fit the kernels' 32-bit counts.
pub(crate) fn plan(program: &Program, ops: &[Op], adapter: Adapter) -> Result<Vec<Dispatch>> {
    let mut conversions = conversions(ops);
    conversions.retain(|id, _| program.outputs().iter().all(|(_, output)| output != id));
    let target = Target { table: program.table(), adapter, conversions: &conversions };
    let absorbed =
        |op: &Op| matches!(op, Op::Convert(convert) if conversions.contains_key(&convert.output));
    ops.iter().filter(|op| !absorbed(op)).map(|op| op.dispatch(&target)).collect()
}

/// TEMPORARY until plans are made of steps.
pub(crate) fn fused(
    program: &Program,
    rows: usize,
    adapter: Adapter,
) -> Result<Option<[Dispatch; 2]>> {
    if adapter.fused_steps != operation::FusedSteps::Always {
        return Ok(None);
    }
    let Some((chain, handover)) = program.fused_step() else { return Ok(None) };
    let mut conversions = conversions(program.ops(crate::program::Pass::Train));
    conversions.retain(|id, _| program.outputs().iter().all(|(_, output)| output != id));
    let target = Target { table: program.table(), adapter, conversions: &conversions };
    chain.dispatches(&target, handover, operation::kernel::size(rows)?)
}

/// Conversions that need no dispatch, by their output: `(input, scale)`.
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
