//! What a model computes, forward only: values, parameters and the operations between them.

use std::collections::{HashMap, HashSet};

use super::initializer::Initializer;
use crate::error::{Error, Result};
use crate::operation::{self, Derivative, LossScale, Op};
use crate::table::{BufferId, Element, Reals, Role, Rows, Table};

/// A value of a [`Graph`]: for each sample reals, bytes or integers of one shape.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    pub(super) buffer: BufferId,
    pub(super) shape: Vec<usize>,
    pub(super) element: Element,
}

impl Value {
    /// The buffer `[B, columns]` that holds it.
    pub fn buffer(&self) -> BufferId {
        self.buffer
    }

    /// Its shape for each sample.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Elements for each sample: the product of the shape.
    pub fn columns(&self) -> usize {
        self.shape.iter().fold(1, |product, &length| product.saturating_mul(length))
    }

    /// How its elements are stored.
    pub fn element(&self) -> Element {
        self.element
    }
}

/// A matrix or a vector that does not depend on the samples: a trained or frozen parameter, a
/// statistic, or a constant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameter {
    pub(super) buffer: BufferId,
    pub(super) rows: Rows,
    pub(super) columns: usize,
}

impl Parameter {
    /// The buffer that holds it.
    pub fn buffer(&self) -> BufferId {
        self.buffer
    }

    /// `[rows, columns]` for a matrix, `[columns]` for a vector.
    pub fn shape(&self) -> Vec<usize> {
        match self.rows {
            Rows::Fixed(rows) | Rows::Packed(rows) => vec![rows, self.columns],
            Rows::One | Rows::Batch => vec![self.columns],
        }
    }
}

/// How a parameter begins.
#[derive(Debug, Clone, PartialEq)]
pub enum Initial {
    /// By its initializer: the random stream, rows (0 for a vector) and columns.
    Drawn(Initializer, u32, usize, usize),
    /// With these values.
    Values(Vec<f64>),
    /// With so many times the same value.
    Same(f64, usize),
}

impl Initial {
    /// Its values in a model of that seed.
    pub fn values(self, seed: u64) -> Vec<f64> {
        match self {
            Initial::Drawn(initializer, stream, rows, units) => {
                initializer.values(seed, stream, rows, units)
            }
            Initial::Values(values) => values,
            Initial::Same(value, count) => vec![value; count],
        }
    }
}

/// Scale and offset after a normalization: `value * gamma + beta`; without gamma or beta as if they
/// were 1 and 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Affine {
    /// Scales, `[columns]`.
    pub gamma: Option<Parameter>,
    /// Offsets, `[columns]`.
    pub beta: Option<Parameter>,
}

/// What an operation is outside training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Outside {
    /// The same.
    Same,
    /// Nothing: what it reads first stands for what it writes.
    Identity,
    /// Another one, which writes the same buffers.
    Other(Op),
    /// Nothing, and nothing needs what it writes.
    Absent,
}

/// An operation in training, and what it is outside training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Node {
    pub op: Op,
    pub outside: Outside,
}

impl Node {
    /// Its forms.
    pub(super) fn forms(&self) -> impl Iterator<Item = &Op> {
        let other = match &self.outside {
            Outside::Other(op) => Some(op),
            Outside::Same | Outside::Identity | Outside::Absent => None,
        };
        std::iter::once(&self.op).chain(other)
    }

    /// The same, to change them.
    pub(super) fn forms_mut(&mut self) -> impl Iterator<Item = &mut Op> {
        let other = match &mut self.outside {
            Outside::Other(op) => Some(op),
            Outside::Same | Outside::Identity | Outside::Absent => None,
        };
        std::iter::once(&mut self.op).chain(other)
    }
}

/// What a model computes, forward only. Each method adds an operation and returns its result; the
/// way back, the lists of operations for training, evaluation and prediction, and the memory are
/// derived from it.
///
/// Names of buffers begin with the [name](Self::name) of the layer, `dense_1` say: a parameter is
/// `dense_1.weight`, a result `dense_1.output`, the next one `dense_1.output_2`.
#[derive(Debug, Default)]
pub struct Graph {
    pub(super) table: Table,
    pub(super) nodes: Vec<Node>,
    /// The parameters that are trained.
    pub(super) trained: Vec<BufferId>,
    pub(super) initial: Vec<(BufferId, Initial)>,
    pub(super) outputs: Vec<(String, BufferId)>,
    /// What the buffers of gradients hold.
    pub(super) derivatives: HashMap<BufferId, Derivative>,
    /// Values that fusion put others in the place of: the old one, then the new one.
    pub(super) merged: Vec<(BufferId, BufferId)>,
    activity_penalties: Vec<(BufferId, f64, f64)>,
    pub(super) penalties: Vec<(BufferId, f64, f64)>,
    scope: String,
    /// Whether parameters of the scope exist already and are used once more.
    shared: bool,
    pub(super) random: u32,
    matrices: u32,
    paired: u32,
    vectors: u32,
}

/// Random streams of vectors that follow no matrix begin here.
const OTHER_STREAMS: u32 = 1 << 31;

impl Graph {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what the names of the following buffers begin with, and returns what it was.
    pub(crate) fn scope(&mut self, name: &str) -> String {
        std::mem::replace(&mut self.scope, name.to_owned())
    }

    /// The name of the layer whose operations are added.
    pub fn name(&self) -> &str {
        &self.scope
    }

    /// Runs `inner` with `name` after the scope: its results are `dense_1.activation.output`.
    ///
    /// # Errors
    /// Those of `inner`.
    pub fn within<R>(
        &mut self,
        name: &str,
        inner: impl FnOnce(&mut Self) -> Result<R>,
    ) -> Result<R> {
        let scope = self.scope.clone();
        self.scope = if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") };
        let result = inner(self);
        self.scope = scope;
        result
    }

    /// Says how the values are stored that the following calls make, inputs of reals included, and
    /// returns how they were so far. The gradient of a value is stored as the value is.
    pub(crate) fn store_activations(&mut self, reals: Reals) -> Reals {
        self.table.store_activations(reals)
    }

    /// How `value` is stored, if it is one of reals.
    pub(crate) fn stored(&self, value: &Value) -> Reals {
        self.table.buffer(value.buffer).reals
    }

    /// Adds what dynamic loss scaling keeps from step to step: [`LossScale`].
    ///
    /// # Errors
    /// [`Error::Argument`] if there is one already.
    pub(crate) fn add_loss_scale(&mut self) -> Result<()> {
        let role = Role::OptimizerState;
        let id =
            self.table.add(LossScale::NAME, role, Element::Real, Rows::One, LossScale::COLUMNS)?;
        self.initial.push((id, Initial::Values(LossScale::initial())));
        Ok(())
    }

    /// The buffer of [`add_loss_scale`](Self::add_loss_scale), which losses multiply their gradient
    /// by.
    pub(crate) fn loss_scale(&self) -> Option<BufferId> {
        self.table.find(LossScale::NAME)
    }

    /// Says whether the parameters and statistics that the following calls name are those that
    /// exist under these names: a layer in two places.
    pub(crate) fn share(&mut self, shared: bool) {
        self.shared = shared;
    }

    /// Reals from the data, of that shape for each sample.
    ///
    /// # Errors
    /// [`Error::Argument`] if a dimension is 0 or there are too many values, or the name is taken.
    pub(crate) fn input(&mut self, name: &str, shape: &[usize]) -> Result<Value> {
        let value = self.column(name, shape, Element::Real)?;
        self.table.store(value.buffer, self.table.stored_activations());
        Ok(value)
    }

    /// Bytes from the data, each multiplied by `scale`.
    ///
    /// # Errors
    /// As [`input`](Self::input); also if the scale is 0 or not finite.
    pub(crate) fn bytes(&mut self, name: &str, shape: &[usize], scale: f64) -> Result<Value> {
        let input = self.column(name, shape, Element::U8)?;
        if !scale.is_finite() || scale == 0.0 {
            let problem = format!("is {scale}; give a finite number other than 0");
            return Err(Error::argument("scale", problem));
        }
        let buffer = self.table.activation(format!("{name}.scaled"), input.columns())?;
        self.push(operation::Convert { input: input.buffer, output: buffer, scale })?;
        Ok(Value { buffer, element: Element::Real, ..input })
    }

    /// Sparse rows from the data, of `width` reals for each sample, of which at most `most` are not
    /// 0. Only a dense layer reads them.
    ///
    /// # Errors
    /// As [`input`](Self::input); also if there can be no value in a row.
    pub(crate) fn sparse(&mut self, name: &str, width: usize, most: usize) -> Result<Value> {
        if width == 0 || u32::try_from(width).map_or(true, |width| width == Element::NO_COLUMN) {
            let problem = format!("has {width} sparse values; give 1 to 2^32 - 2");
            return Err(Error::argument("input", problem));
        }
        if most == 0 {
            let problem = "has room for 0 values a sparse row; give at least 1";
            return Err(Error::argument("input", problem));
        }
        let (most, element) = (most.min(width), Element::Sparse { width });
        let words = most.saturating_mul(2);
        let buffer = self.table.add(name, Role::Input, element, Rows::Batch, words)?;
        Ok(Value { buffer, shape: vec![width], element })
    }

    fn column(&mut self, name: &str, shape: &[usize], element: Element) -> Result<Value> {
        let width = shape.iter().try_fold(1usize, |product, &d| product.checked_mul(d));
        let Some(width) = width.filter(|&width| width > 0) else {
            let problem = format!("has shape {shape:?}; every dimension must be at least 1");
            return Err(Error::argument("input", problem));
        };
        let buffer = self.table.add(name, Role::Input, element, Rows::Batch, width)?;
        Ok(Value { buffer, shape: shape.to_vec(), element })
    }

    /// A matrix of parameters, `[rows, columns]`, trained unless it is frozen.
    ///
    /// # Errors
    /// [`Error::Argument`] if the name is taken, a dimension is 0 or too large, or a constant of
    /// the initializer is not finite.
    pub fn matrix(
        &mut self,
        name: &str,
        [rows, columns]: [usize; 2],
        initializer: Initializer,
        trainable: bool,
    ) -> Result<Parameter> {
        let drawn = self.drawn([rows, columns], initializer)?;
        self.parameter(name, Rows::Fixed(rows), columns, drawn, trainable)
    }

    /// A [matrix](Self::matrix) whose rows lie one directly after the other, for operations that take
    /// such: one that has many short rows.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix).
    pub(super) fn packed_matrix(
        &mut self,
        name: &str,
        [rows, columns]: [usize; 2],
        initializer: Initializer,
        trainable: bool,
    ) -> Result<Parameter> {
        let drawn = self.drawn([rows, columns], initializer)?;
        self.parameter(name, Rows::Packed(rows), columns, drawn, trainable)
    }

    /// How the next matrix begins.
    fn drawn(&mut self, [rows, columns]: [usize; 2], initializer: Initializer) -> Result<Initial> {
        let stream = self.matrices;
        self.matrices += u32::from(!self.shared);
        initializer.check()?;
        Ok(Initial::Drawn(initializer, stream, rows, columns))
    }

    /// A vector of parameters, `[columns]`, trained unless it is frozen.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix).
    pub fn vector(
        &mut self,
        name: &str,
        columns: usize,
        initializer: Initializer,
        trainable: bool,
    ) -> Result<Parameter> {
        // The first vector after a matrix is its bias and draws from a stream of the same number,
        // counted from the other end.
        let stream = if self.shared {
            0
        } else if self.paired < self.matrices {
            self.paired = self.matrices;
            u32::MAX - (self.matrices - 1)
        } else {
            self.vectors += 1;
            OTHER_STREAMS + self.vectors
        };
        let drawn = Initial::Drawn(initializer, stream, 0, columns);
        initializer.check()?;
        self.parameter(name, Rows::One, columns, drawn, trainable)
    }

    fn parameter(
        &mut self,
        name: &str,
        rows: Rows,
        columns: usize,
        initial: Initial,
        trainable: bool,
    ) -> Result<Parameter> {
        let name = format!("{}.{name}", self.scope);
        if let Some(buffer) = self.existing(&name, rows, columns)? {
            return Ok(Parameter { buffer, rows, columns });
        }
        // In an arena, so that a model that is too large is refused here, with this name.
        let arena = if trainable { "all.parameters" } else { "all.frozen_parameters" };
        let arena = match self.table.find(arena) {
            Some(arena) => arena,
            None => self.table.arena(arena)?,
        };
        let buffer = self.table.slice(arena, name, Role::Parameter, rows, columns)?;
        self.initial.push((buffer, initial));
        if trainable {
            self.trained.push(buffer);
        }
        Ok(Parameter { buffer, rows, columns })
    }

    /// The buffer of that name if parameters are shared.
    fn existing(&self, name: &str, rows: Rows, columns: usize) -> Result<Option<BufferId>> {
        let Some(id) = self.table.find(name).filter(|_| self.shared) else { return Ok(None) };
        let buffer = self.table.buffer(id);
        match (buffer.rows, buffer.columns) == (rows, columns) {
            true => Ok(Some(id)),
            false => Err(Error::Shape {
                what: format!("{name} where it is used again"),
                actual: format!("[{:?}, {}]", buffer.rows, buffer.columns),
                expected: format!("[{rows:?}, {columns}]"),
            }),
        }
    }

    /// A vector that is saved with the model but not trained, `[values]`.
    ///
    /// # Errors
    /// [`Error::Argument`] if the name is taken or there is no value.
    pub fn state(&mut self, name: &str, initial: Initial) -> Result<Parameter> {
        self.kept(name, Role::State, initial)
    }

    /// A vector that never changes, `[columns]` times the same value.
    ///
    /// # Errors
    /// As [`state`](Self::state).
    pub fn constant(&mut self, name: &str, columns: usize, value: f64) -> Result<Parameter> {
        self.kept(name, Role::Scratch, Initial::Same(value, columns))
    }

    fn kept(&mut self, name: &str, role: Role, initial: Initial) -> Result<Parameter> {
        let columns = match &initial {
            Initial::Drawn(_, _, _, columns) | Initial::Same(_, columns) => *columns,
            Initial::Values(values) => values.len(),
        };
        let name = format!("{}.{name}", self.scope);
        if let Some(buffer) = self.existing(&name, Rows::One, columns)? {
            return Ok(Parameter { buffer, rows: Rows::One, columns });
        }
        let buffer = self.table.add(name, role, Element::Real, Rows::One, columns)?;
        // Memory begins with zeros.
        if role != Role::Scratch || initial != Initial::Same(0.0, columns) {
            self.initial.push((buffer, initial));
        }
        Ok(Parameter { buffer, rows: Rows::One, columns })
    }

    /// Adds `l1 · sum |value| + l2 · sum value²` of each sample to its loss, if an output needs the
    /// value.
    ///
    /// # Errors
    /// [`Error::Argument`] if a rate is negative or not finite.
    pub fn penalize_activity(&mut self, value: &Value, l1: f64, l2: f64) -> Result<()> {
        check_rates(l1, l2)?;
        if (l1, l2) != (0.0, 0.0) {
            self.activity_penalties.push((value.buffer, l1, l2));
        }
        Ok(())
    }

    /// Adds `l1 · sum |parameter| + l2 · sum parameter²` to the loss, if the parameter is trained
    /// and an output needs it.
    ///
    /// # Errors
    /// As [`penalize_activity`](Self::penalize_activity).
    pub fn penalize(&mut self, parameter: &Parameter, l1: f64, l2: f64) -> Result<()> {
        if !self.trained.contains(&parameter.buffer) {
            return Ok(());
        }
        check_rates(l1, l2)?;
        if (l1, l2) != (0.0, 0.0) && !self.shared {
            self.penalties.push((parameter.buffer, l1, l2));
        }
        Ok(())
    }

    /// Makes `value` an output, which prediction computes.
    pub(crate) fn output(&mut self, name: &str, value: &Value) {
        self.outputs.push((name.to_owned(), value.buffer));
    }

    /// Drops what leads to no output, and what it costs.
    pub(crate) fn drop_unused(&mut self) {
        let mut used: HashSet<BufferId> = self.outputs.iter().map(|&(_, id)| id).collect();
        let writes = |node: &Node, used: &HashSet<BufferId>| {
            node.op.writes().iter().any(|id| used.contains(id))
        };
        for node in self.nodes.iter().rev() {
            if writes(node, &used) {
                used.extend(node.forms().flat_map(Op::reads));
            }
        }
        self.nodes.retain(|node| writes(node, &used));
        self.trained.retain(|id| used.contains(id));
        self.penalties.retain(|(id, ..)| used.contains(id));
        self.activity_penalties.retain(|(id, ..)| used.contains(id));
    }

    /// Pushes what values and parameters cost; returns the metrics in which that adds up.
    pub(crate) fn push_penalties(&mut self) -> Result<Vec<BufferId>> {
        let mut sums = Vec::new();
        if !self.activity_penalties.is_empty() {
            let loss = self.metric("metrics.activities".into(), Element::Real, Rows::Batch, 1)?;
            for (value, l1, l2) in std::mem::take(&mut self.activity_penalties) {
                self.push(operation::ActivityPenalty { value, loss, l1, l2 })?;
            }
            sums.push(loss);
        }
        if !self.penalties.is_empty() {
            let slots = operation::Penalty::SLOTS + 1;
            let penalty = self.metric("metrics.penalty".into(), Element::Real, Rows::One, slots)?;
            for (weight, l1, l2) in self.penalties.clone() {
                self.push(operation::Penalty { weight, penalty, l1, l2 })?;
            }
            sums.push(penalty);
        }
        Ok(sums)
    }

    /// A buffer in which a metric adds up.
    pub(crate) fn metric(
        &mut self,
        name: String,
        element: Element,
        rows: Rows,
        columns: usize,
    ) -> Result<BufferId> {
        self.table.add(name, Role::Metric, element, rows, columns)
    }

    /// A buffer with one row for each sample.
    pub(crate) fn rows(
        &mut self,
        name: String,
        role: Role,
        element: Element,
        columns: usize,
    ) -> Result<BufferId> {
        self.table.add(name, role, element, Rows::Batch, columns)
    }

    /// The value that a buffer of reals holds, of that shape for each sample.
    pub(crate) fn value_of(&self, buffer: BufferId, shape: &[usize]) -> Value {
        Value { buffer, shape: shape.to_vec(), element: Element::Real }
    }

    /// A buffer for the gradient of `value` that a loss writes.
    pub(crate) fn gradient(&mut self, value: &Value) -> Result<BufferId> {
        // It gets its name with its place.
        let name = format!("loss {}", self.table.buffers().count());
        let gradient = self.table.activation(name, value.columns())?;
        self.table.store(gradient, self.table.buffer(value.buffer).reals);
        self.derivatives.insert(gradient, Derivative::Of(value.buffer));
        Ok(gradient)
    }

    /// The operation that writes `id`; `None` for an input.
    pub(crate) fn made_by(&self, id: BufferId) -> Option<&Op> {
        self.nodes.iter().map(|node| &node.op).find(|op| op.writes().contains(&id))
    }

    /// Appends an operation that is the same in and outside training.
    ///
    /// # Errors
    /// Those of [`Op::check`].
    pub(crate) fn push(&mut self, op: impl Into<Op>) -> Result<()> {
        self.push_node(Node { op: op.into(), outside: Outside::Same })
    }

    pub(super) fn push_node(&mut self, node: Node) -> Result<()> {
        node.forms().try_for_each(|op| self.check_sparse(op))?;
        node.forms().try_for_each(|op| op.check(&self.table))?;
        self.nodes.push(node);
        Ok(())
    }

    /// Refuses an operation that cannot read sparse rows and is given some.
    fn check_sparse(&self, op: &Op) -> Result<()> {
        if let Op::SparseForward(_) = op {
            return Ok(());
        }
        let buffers = op.reads().into_iter().map(|id| self.table.buffer(id));
        let mut sparse = buffers.filter(|buffer| matches!(buffer.element, Element::Sparse { .. }));
        match sparse.next() {
            Some(buffer) => Err(not_dense(&self.scope, &buffer.name)),
            None => Ok(()),
        }
    }

    /// A new value of the scope.
    pub(super) fn result(&mut self, shape: &[usize]) -> Result<Value> {
        let columns = shape.iter().fold(1usize, |product, &length| product.saturating_mul(length));
        let name = self.fresh_name("output");
        let buffer = self.table.activation(name, columns)?;
        Ok(Value { buffer, shape: shape.to_vec(), element: Element::Real })
    }

    /// The first of `scope.output`, `scope.output_2`, ... that is free.
    pub(super) fn fresh_name(&self, suffix: &str) -> String {
        let name = format!("{}.{suffix}", self.scope);
        let numbered = (2..).map(|number| format!("{name}_{number}"));
        let mut names = std::iter::once(name.clone()).chain(numbered);
        names.find(|name| self.table.find(name).is_none()).unwrap_or(name)
    }
}

/// The error of a sparse input where only values that are all there can be.
pub(crate) fn not_dense(reader: &str, input: &str) -> Error {
    let problem = format!(
        "{reader} reads {input}, which is sparse; only a dense layer can, so put one first"
    );
    Error::argument("layers", problem)
}

fn check_rates(l1: f64, l2: f64) -> Result<()> {
    if [l1, l2].iter().all(|rate| *rate >= 0.0 && rate.is_finite()) {
        return Ok(());
    }
    let problem = format!("is l1 {l1}, l2 {l2}; give finite numbers of at least 0");
    Err(Error::argument("regularizer", problem))
}
