//! Which values a fused step has left out: they never were in the device's memory.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::program::{BufferId, Pass, Program, Role};

/// Buffers whose values are older than the last step, which would have written them if it had not been
/// fused.
#[derive(Default)]
pub(super) struct Kept {
    out_of_date: HashSet<BufferId>,
    /// Whether that is all that a fused step leaves out.
    after_fused: bool,
}

impl Kept {
    /// Notes that a step of `lists` runs, fused or not.
    pub(super) fn step(&mut self, program: &Program, lists: &[Pass], fused: bool) {
        if fused {
            if !self.after_fused {
                self.after_fused = true;
                self.out_of_date.extend(written(program, &[Pass::Train]).filter(|&id| {
                    let role = program.buffer(id).role;
                    matches!(role, Role::Activation | Role::ParameterGradient | Role::Scratch)
                }));
            }
        } else if !self.out_of_date.is_empty() {
            self.after_fused = false;
            for id in written(program, lists) {
                self.out_of_date.remove(&id);
            }
        }
    }

    /// Whether `id` is what the last step made it.
    ///
    /// # Errors
    /// [`Error::Argument`] if it is older.
    pub(super) fn check(&self, program: &Program, id: BufferId) -> Result<()> {
        if !self.out_of_date.contains(&id) {
            return Ok(());
        }
        let problem = format!(
            "{} was not kept: the training step was fused, which keeps no gradients and not all values \
             between layers; compile the model with fusion(false), or run_eagerly(true), to read it",
            program.buffer(id).name
        );
        Err(Error::argument("buffer", problem))
    }
}

/// What the operations of `lists` write, arenas by their slices.
fn written<'a>(program: &'a Program, lists: &'a [Pass]) -> impl Iterator<Item = BufferId> + 'a {
    let ops = lists.iter().flat_map(|&pass| program.ops(pass));
    ops.flat_map(|op| program.parts(&op.writes()))
}
