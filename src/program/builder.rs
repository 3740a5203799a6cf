//! A program, and how it is built: each operation is checked as it is added.

use super::pass::Pass;
use crate::error::Result;
use crate::number::expression::Formula;
use crate::operation::Op;
use crate::operation::fused_step::Chain;
use crate::table::{Buffer, BufferId, Element, ExpressionId, Reals, Role, Rows, Step, Table};

/// The buffer table of a model, its lists of operations, and the buffers of its outputs.
///
/// The lists share the table: evaluation and prediction read the parameters that training writes.
#[derive(Debug, Clone, Default)]
pub struct Program {
    table: Table,
    lists: [Vec<Op>; Pass::ALL.len()],
    outputs: Vec<(String, BufferId)>,
    shard_gradients: Option<BufferId>,
}

impl Program {
    /// The operations of `pass`, in the order in which they run.
    pub fn ops(&self, pass: Pass) -> &[Op] {
        // The numbers of the passes are their places in the order of `Pass::ALL`.
        &self.lists[pass as usize]
    }

    /// The lists of each kind of step that may run when `pass` is asked for. Batches run in parts, or
    /// are accumulated, only where there are operations for that.
    pub fn steps(&self, pass: Pass) -> Vec<&'static [Pass]> {
        let whole = Step { updates: true, ..Step::forward(2) };
        match pass {
            Pass::Train if self.has_shards() => return vec![pass.lists(&whole.as_shard())],
            Pass::Train => {}
            Pass::Accumulate if self.has_shards() => {
                let updating = whole.as_shard();
                let accumulating = Step { updates: false, ..updating };
                let mut steps = vec![pass.lists(&updating), pass.lists(&accumulating)];
                // Only the first kind runs where each step updates.
                steps.truncate(1 + usize::from(!self.ops(Pass::Accumulate).is_empty()));
                return steps;
            }
            Pass::AddPart
            | Pass::TakeParts
            | Pass::KeepShards
            | Pass::AddShards
            | Pass::Accumulate
            | Pass::Update
            | Pass::Gradients
            | Pass::Evaluate
            | Pass::Predict => return vec![pass.lists(&whole)],
        }
        let mut parts = vec![whole];
        if !self.ops(Pass::AddPart).is_empty() {
            let within = Step { batch_rows: 3, ..Step::forward(1) };
            parts.extend((0..3).map(|first_row| Step { first_row, updates: true, ..within }));
        }
        let mut steps: Vec<_> = parts.iter().map(|step| pass.lists(step)).collect();
        if !self.ops(Pass::Accumulate).is_empty() {
            let accumulating = parts.iter().map(|&step| Step { updates: false, ..step });
            steps.extend(accumulating.map(|step| pass.lists(&step)));
        }
        steps.sort_unstable();
        steps.dedup();
        steps
    }

    /// Whether batches have shards, whose gradients are added up apart.
    pub fn has_shards(&self) -> bool {
        self.shard_gradients.is_some()
    }

    /// The arena of all gradients, if batches have shards.
    pub fn shard_gradients(&self) -> Option<BufferId> {
        self.shard_gradients
    }

    /// The buffers.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The buffer of `id`.
    pub fn buffer(&self, id: BufferId) -> &Buffer {
        self.table.buffer(id)
    }

    /// The whole table, in the order of the ids.
    pub fn buffers(&self) -> impl Iterator<Item = (BufferId, &Buffer)> {
        self.table.buffers()
    }

    /// The buffers of one role, in the order of the ids.
    pub fn of_role(&self, role: Role) -> impl Iterator<Item = (BufferId, &Buffer)> {
        self.table.of_role(role)
    }

    /// Name and result `[B, width]` of each output, as [`Pass::Predict`] computes them.
    pub fn outputs(&self) -> &[(String, BufferId)] {
        &self.outputs
    }

    /// The buffer called `name`.
    pub fn find(&self, name: &str) -> Option<BufferId> {
        self.table.find(name)
    }

    /// The same buffers, each arena replaced by its slices.
    pub fn parts(&self, ids: &[BufferId]) -> Vec<BufferId> {
        self.table.parts(ids)
    }

    /// Whether some of its buffers hold halves.
    pub fn has_halves(&self) -> bool {
        self.table.buffers().any(|(_, buffer)| buffer.reals == Reals::Half)
    }

    /// The chain that a training step of a whole batch is, from the gradients to the update; `None` if
    /// it is none.
    fn chain(&self) -> Option<Chain> {
        let between = [Pass::AddPart, Pass::TakeParts, Pass::Accumulate];
        let direct =
            !self.has_shards() && between.into_iter().all(|pass| self.ops(pass).is_empty());
        let chain = || Chain::of(&self.table, self.ops(Pass::Train), self.ops(Pass::Update));
        direct.then(chain).flatten()
    }

    /// That chain and the buffer between its kernels, if there is [one](ProgramBuilder::hand_over).
    pub(crate) fn fused_step(&self) -> Option<(Chain, BufferId)> {
        let (handover, _) = self.of_role(Role::Handover).next()?;
        self.chain().map(|chain| (chain, handover))
    }

    /// The buffers that are slices of `arena`, in the order of their offsets.
    pub fn slices(&self, arena: BufferId) -> impl Iterator<Item = (BufferId, &Buffer)> {
        self.table.slices(arena)
    }
}

/// Makes a [`Program`]. Each operation is checked when it is added.
#[derive(Debug, Default)]
pub struct ProgramBuilder {
    program: Program,
}

impl ProgramBuilder {
    /// An empty program.
    pub fn new() -> Self {
        Self::default()
    }

    /// A program over buffers that exist already.
    pub fn from_table(table: Table) -> Self {
        ProgramBuilder { program: Program { table, ..Program::default() } }
    }

    /// The number of an expression for [`Op::Map`].
    pub fn expression(&mut self, formula: Formula) -> ExpressionId {
        self.program.table.add_expression(formula)
    }

    /// Adds a buffer in an allocation of its own.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if the name is taken, a dimension is 0, or there are more than 2^30
    /// columns.
    pub fn buffer(
        &mut self,
        name: impl Into<String>,
        role: Role,
        element: Element,
        rows: Rows,
        columns: usize,
    ) -> Result<BufferId> {
        self.program.table.add(name, role, element, rows, columns)
    }

    /// A buffer that holds one row of `columns` reals a sample.
    ///
    /// # Errors
    /// As [`buffer`](Self::buffer).
    pub fn activation(&mut self, name: impl Into<String>, columns: usize) -> Result<BufferId> {
        self.program.table.activation(name, columns)
    }

    /// A flat allocation for the slices of [`slice`](Self::slice).
    ///
    /// # Errors
    /// As [`buffer`](Self::buffer).
    pub fn arena(&mut self, name: impl Into<String>) -> Result<BufferId> {
        self.program.table.arena(name)
    }

    /// Adds `[rows, columns]` reals at the end of `arena`.
    ///
    /// # Errors
    /// As [`buffer`](Self::buffer); also if the size overflows.
    pub fn slice(
        &mut self,
        arena: BufferId,
        name: impl Into<String>,
        role: Role,
        rows: Rows,
        columns: usize,
    ) -> Result<BufferId> {
        self.program.table.slice(arena, name, role, rows, columns)
    }

    /// Name, rows and columns of each slice of `arena`.
    pub fn slices_of(&self, arena: BufferId) -> Vec<(String, Rows, usize)> {
        let slices = self.program.table.slices(arena);
        slices.map(|(_, slice)| (slice.name.clone(), slice.rows, slice.columns)).collect()
    }

    /// Lets batches have shards, whose `gradients` are added up apart.
    pub fn shards(&mut self, gradients: BufferId) {
        self.program.shard_gradients = Some(gradients);
    }

    /// Adds the buffer between the two kernels of a [fused step](crate::operation::fused_step), if the
    /// training step that was pushed can be one. It is called last.
    ///
    /// # Errors
    /// As [`buffer`](Self::buffer).
    pub fn hand_over(&mut self) -> Result<()> {
        if let Some(chain) = self.program.chain() {
            let columns = chain.handover_columns(&self.program.table);
            self.buffer("all.handover", Role::Handover, Element::Real, Rows::Batch, columns)?;
        }
        Ok(())
    }

    /// Appends `op` to `pass`.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes or element types of its buffers do not fit each other, or
    /// if it would write what it also reads.
    pub fn push(&mut self, pass: Pass, op: impl Into<Op>) -> Result<()> {
        let op = op.into();
        op.check(&self.program.table)?;
        self.program.lists[pass as usize].push(op);
        Ok(())
    }

    /// Says that `result` is what [`Pass::Predict`] computes for the output called `name`.
    pub fn output(&mut self, name: impl Into<String>, result: BufferId) {
        self.program.outputs.push((name.into(), result));
    }

    /// The buffer of that name.
    pub fn find(&self, name: &str) -> Option<BufferId> {
        self.program.table.find(name)
    }

    /// The name of a buffer made before.
    pub fn name(&self, id: BufferId) -> &str {
        &self.program.buffer(id).name
    }

    /// The finished program.
    pub fn build(self) -> Program {
        self.program
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::activation::Elementwise;
    use crate::operation::{self, Op};
    use crate::program::Pass;

    /// A builder with rows `a` and `b` of 5, `c` of 3 and `d` of 8 columns, and a vector of 5.
    fn builder() -> (ProgramBuilder, [BufferId; 5]) {
        let mut builder = ProgramBuilder::new();
        let rows = [("a", 5), ("b", 5), ("c", 3), ("d", 8)];
        let [a, b, c, d] = rows.map(|(name, columns)| builder.activation(name, columns).unwrap());
        let vector = builder.buffer("vector", Role::Scratch, Element::Real, Rows::One, 5).unwrap();
        (builder, [a, b, c, d, vector])
    }

    #[track_caller]
    fn assert_refused(op: impl Fn([BufferId; 5]) -> Op, expected: &str) {
        let (mut builder, ids) = builder();
        let error = builder.push(Pass::Predict, op(ids)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
        assert!(builder.build().ops(Pass::Predict).is_empty());
    }

    #[test]
    fn rows_that_do_not_fit_beside_each_other_are_refused() {
        assert_refused(
            |[a, _, c, d, _]| Op::Add(operation::Add { first: a, second: c, output: d }),
            "c in add",
        );
        assert_refused(
            |[a, b, _, d, _]| {
                Op::Concatenate(operation::Concatenate { first: a, second: b, output: d })
            },
            "10]",
        );
        let (mut builder, [a, _, c, d, _]) = builder();
        builder
            .push(
                Pass::Predict,
                Op::Concatenate(operation::Concatenate { first: a, second: c, output: d }),
            )
            .unwrap();
    }

    #[test]
    fn a_slice_ends_within_its_input() {
        for offset in [3, usize::MAX] {
            assert_refused(
                |[a, _, c, ..]| Op::Slice(operation::Slice { input: a, output: c, offset }),
                "c in slice",
            );
        }
        let (mut builder, [a, _, c, ..]) = builder();
        builder
            .push(Pass::Predict, Op::Slice(operation::Slice { input: a, output: c, offset: 2 }))
            .unwrap();
    }

    #[test]
    fn a_normalization_takes_one_value_a_unit_and_writes_each_buffer_once() {
        assert_refused(
            |[a, _, c, _, vector]| {
                Op::BatchMoments(operation::BatchMoments { input: a, mean: vector, variance: c })
            },
            "c in batch_moments",
        );
        assert_refused(
            |[a, _, _, _, vector]| {
                Op::BatchMoments(operation::BatchMoments {
                    input: a,
                    mean: vector,
                    variance: vector,
                })
            },
            "writes vector twice",
        );
        assert_refused(
            |[a, b, c, _, vector]| {
                Op::LayerNormalize(operation::LayerNormalize {
                    input: a,
                    gamma: vector,
                    beta: vector,
                    output: b,
                    moments: c,
                    epsilon: 1e-3,
                    gamma_offset: 0.0,
                })
            },
            "c in layer_normalize",
        );
    }

    #[test]
    fn a_gradient_takes_along_no_activation_that_its_result_does_not_tell() {
        assert_refused(
            |[a, b, ..]| {
                Op::ActivityPenaltyGradient(operation::ActivityPenaltyGradient {
                    value: a,
                    input_gradient: b,
                    loss_scale: None,
                    activation: Elementwise::Gelu,
                    l1: 0.5,
                    l2: 0.5,
                })
            },
            "Gelu cannot be part of activity_penalty_gradient",
        );
    }
}
