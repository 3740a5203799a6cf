//! The lists of operations that a program has.

use crate::table::Step;

/// Which of a program's lists of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Forward, backward, and the update unless gradients are accumulated.
    Train,
    /// After a [`Pass::Train`] that completes an accumulation: the update. Empty without one.
    Update,
    /// Forward, loss and metrics.
    Evaluate,
    /// Forward to the outputs.
    Predict,
}

impl Pass {
    /// The lists that run for `step` when this one is asked for.
    pub fn lists(self, step: &Step) -> &'static [Pass] {
        match self {
            Pass::Train if step.updates => &[Pass::Train, Pass::Update],
            Pass::Train => &[Pass::Train],
            Pass::Evaluate => &[Pass::Evaluate],
            Pass::Predict => &[Pass::Predict],
            Pass::Update => &[Pass::Update],
        }
    }
}
