//! The lists of operations that a program has.

use crate::table::Step;

/// Which of a program's lists of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pass {
    /// Forward, loss and backward: the gradients of a batch, or of a part of it.
    Train,
    /// Adds the gradients of a part to those of the parts before it. Empty in a program whose
    /// batches run as a whole.
    AddPart,
    /// Puts the sum over the parts in the place of the gradients, and leaves zeros.
    TakeParts,
    /// Operation `l` keeps the gradients of 2^l shards of the batch, until those of the 2^l shards that
    /// follow are there. Empty in a program whose batches have no shards.
    KeepShards,
    /// Operation `l` adds what operation `l` of [`KeepShards`](Self::KeepShards) has kept to the
    /// gradients.
    AddShards,
    /// Adds the gradients of a batch to those of the steps before it. Empty where each step
    /// updates.
    Accumulate,
    /// The update: the mean of accumulated gradients, penalties, clipping, the optimizer.
    Update,
    /// Forward, loss and backward, and nothing that outlasts the step: no metric of its own and no
    /// moving statistic. The gradients of a batch for those who look at them.
    Gradients,
    /// Forward, loss and metrics.
    Evaluate,
    /// Forward to the outputs.
    Predict,
}

impl Pass {
    /// Each list.
    pub const ALL: [Pass; 10] = [
        Pass::Train,
        Pass::AddPart,
        Pass::TakeParts,
        Pass::KeepShards,
        Pass::AddShards,
        Pass::Accumulate,
        Pass::Update,
        Pass::Gradients,
        Pass::Evaluate,
        Pass::Predict,
    ];

    /// The lists that run for `step` when this one is asked for.
    ///
    /// A training step has two halves. Gradients come first, of the whole batch or of one part
    /// after the other; the update follows once they are complete. Those of a shard stay alone: who runs
    /// the shards adds them up, and asks for [`Accumulate`](Self::Accumulate), which then is the whole second
    /// half.
    pub fn lists(self, step: &Step) -> &'static [Pass] {
        use Pass::{Accumulate, AddPart, TakeParts, Train, Update};
        match self {
            Train if step.shard => &[Train],
            Train => {
                let begins = step.first_row == 0;
                let ends = step.first_row + step.live_rows >= step.batch_rows;
                match (begins, ends, step.updates) {
                    (true, true, true) => &[Train, Accumulate, Update],
                    (true, true, false) => &[Train, Accumulate],
                    // What parts of a step that was broken off have left is taken away.
                    (true, false, _) => &[TakeParts, Train, AddPart],
                    (false, false, _) => &[Train, AddPart],
                    (false, true, true) => &[Train, AddPart, TakeParts, Accumulate, Update],
                    (false, true, false) => &[Train, AddPart, TakeParts, Accumulate],
                }
            }
            AddPart => &[AddPart],
            TakeParts => &[TakeParts],
            Pass::KeepShards => &[Pass::KeepShards],
            Pass::AddShards => &[Pass::AddShards],
            Accumulate if step.shard && step.updates => &[Accumulate, Update],
            Accumulate => &[Accumulate],
            Update => &[Update],
            Pass::Gradients => &[Pass::Gradients],
            Pass::Evaluate => &[Pass::Evaluate],
            Pass::Predict => &[Pass::Predict],
        }
    }

    /// The lists that run for a whole batch when this one is asked for, with the update that completes
    /// a training step.
    pub fn of_whole_batch(self) -> &'static [Pass] {
        self.lists(&Step { updates: true, ..Step::forward(1) })
    }
}
