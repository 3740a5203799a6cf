//! What an operation's gradient rule works on.

use std::collections::{HashMap, HashSet};

use super::access::Buffers;
use super::elementwise::Add;
use super::list::Op;
use crate::error::Result;
use crate::table::{BufferId, Element, Role, Rows, Table};

/// How gradients pass an operation.
#[derive(Debug)]
pub enum Rule<O> {
    /// It adds to the loss. The rule pushes the gradients of what it reads.
    Begins(fn(&O, &mut Tape) -> Result<()>),
    /// From the gradients of what it writes, the rule pushes those of what it reads.
    Reverse(fn(&O, &mut Tape) -> Result<()>),
    /// No gradient passes; the text says why.
    Stops(&'static str),
}

/// An operation's own gradient rule. Every operation of the list has one.
pub trait Differentiable: Buffers + Sized {
    /// The rule.
    const RULE: Rule<Self>;
}

/// What a buffer of the backward operations holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Derivative {
    /// The loss' derivative by this buffer, as far as it comes through one of its uses.
    Of(BufferId),
    /// A sum of several of these.
    Sum(BufferId),
    /// What a kernel writes or reads as the derivative by this buffer, though nothing needs it.
    Unwanted(BufferId),
}

/// The backward operations as they are made, from the last operation to the first.
#[derive(Debug)]
pub struct Tape {
    /// The buffers, those of gradients included.
    pub table: Table,
    /// The backward operations, in the order in which they run.
    pub ops: Vec<Op>,
    /// What each new buffer holds.
    pub derivatives: HashMap<BufferId, Derivative>,
    /// The gradients of each buffer: one for each of its uses.
    contributions: HashMap<BufferId, Vec<BufferId>>,
    /// The buffers that depend on a trained parameter, and these parameters.
    trained: HashSet<BufferId>,
    /// The operation that writes a buffer.
    makers: HashMap<BufferId, Op>,
}

impl Tape {
    /// Over the buffers of `forward`, of which those in `trained` need a gradient.
    pub fn new(
        table: Table,
        forward: impl Iterator<Item = Op>,
        trained: HashSet<BufferId>,
    ) -> Self {
        let mut makers = HashMap::new();
        for op in forward {
            makers.extend(op.writes().into_iter().map(|id| (id, op)));
        }
        let (contributions, derivatives) = (HashMap::new(), HashMap::new());
        Tape { table, ops: Vec::new(), derivatives, contributions, trained, makers }
    }

    /// Whether anything that is trained depends on the gradient of `id`.
    pub fn wants(&self, id: BufferId) -> bool {
        self.trained.contains(&id)
    }

    /// The operation that writes `id`; `None` for inputs, parameters and state.
    pub fn maker(&self, id: BufferId) -> Option<&Op> {
        self.makers.get(&id)
    }

    /// Appends a backward operation.
    ///
    /// # Errors
    /// Those of [`Op::check`].
    pub fn push(&mut self, op: impl Into<Op>) -> Result<()> {
        let op = op.into();
        op.check(&self.table)?;
        self.ops.push(op);
        Ok(())
    }

    /// A buffer for the gradient of `id` that comes through one use of it.
    ///
    /// # Errors
    /// As [`Table::add`].
    pub fn gradient(&mut self, id: BufferId) -> Result<BufferId> {
        let gradient = self.alike(id)?;
        self.derivatives.insert(gradient, Derivative::Of(id));
        self.contributions.entry(id).or_default().push(gradient);
        Ok(gradient)
    }

    /// A buffer for the gradient of `id`, which a kernel writes or reads although nothing is
    /// trained with it. Zeros if nothing writes it.
    ///
    /// # Errors
    /// As [`Table::add`].
    pub fn unwanted(&mut self, id: BufferId) -> Result<BufferId> {
        let gradient = self.alike(id)?;
        self.derivatives.insert(gradient, Derivative::Unwanted(id));
        Ok(gradient)
    }

    /// [`gradient`](Self::gradient) where it is wanted, else [`unwanted`](Self::unwanted).
    ///
    /// # Errors
    /// As [`Table::add`].
    pub fn written(&mut self, id: BufferId) -> Result<BufferId> {
        if self.wants(id) { self.gradient(id) } else { self.unwanted(id) }
    }

    /// Says that `gradient`, which exists already, is that of `id` through one use of it.
    pub fn contribute(&mut self, id: BufferId, gradient: BufferId) {
        if self.wants(id) {
            self.derivatives.entry(gradient).or_insert(Derivative::Of(id));
            self.contributions.entry(id).or_default().push(gradient);
        }
    }

    /// The gradient of `id` over all its uses; `None` if the loss does not depend on it.
    ///
    /// # Errors
    /// As [`Table::add`].
    pub fn total(&mut self, id: BufferId) -> Result<Option<BufferId>> {
        let parts = self.contributions.remove(&id).unwrap_or_default();
        let Some((&first, others)) = parts.split_first() else { return Ok(None) };
        let mut sum = first;
        for &second in others {
            let output = self.alike(id)?;
            self.derivatives.insert(output, Derivative::Sum(id));
            self.push(Add { first: sum, second, output })?;
            sum = output;
        }
        self.contributions.insert(id, vec![sum]);
        Ok(Some(sum))
    }

    /// The gradients of `id`, one for each of its uses.
    pub fn contributions(&self, id: BufferId) -> &[BufferId] {
        self.contributions.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Zeros, `[B, columns]`, stored as full reals.
    ///
    /// # Errors
    /// As [`Table::add`].
    pub fn zeros(&mut self, columns: usize) -> Result<BufferId> {
        let name = self.next_name();
        self.table.add(name, Role::Activation, Element::Real, Rows::Batch, columns)
    }

    /// Zeros, `[B, columns]`, stored as `like` is.
    ///
    /// # Errors
    /// As [`Table::add`].
    pub fn zeros_like(&mut self, like: BufferId, columns: usize) -> Result<BufferId> {
        let zeros = self.zeros(columns)?;
        self.table.store(zeros, self.table.buffer(like).reals);
        Ok(zeros)
    }

    /// A buffer of that shape which holds no value of interest.
    ///
    /// # Errors
    /// As [`Table::add`].
    pub fn scratch(&mut self, rows: Rows, columns: usize) -> Result<BufferId> {
        let name = self.next_name();
        self.table.add(name, Role::Scratch, Element::Real, rows, columns)
    }

    /// `[columns]` reals called `name`, which begin as zeros; those that are there if they are. For what
    /// several operations hand to each other, one use of a parameter after the other.
    ///
    /// # Errors
    /// As [`Table::add`].
    pub fn shared(&mut self, name: String, columns: usize) -> Result<BufferId> {
        match self.table.find(&name) {
            Some(id) => Ok(id),
            None => self.table.add(name, Role::Scratch, Element::Real, Rows::One, columns),
        }
    }

    /// A new buffer as large as `id`.
    fn alike(&mut self, id: BufferId) -> Result<BufferId> {
        let (rows, columns) = (self.table.buffer(id).rows, self.table.columns(id));
        match rows {
            Rows::Batch => self.zeros_like(id, columns),
            Rows::Fixed(_) | Rows::Packed(_) | Rows::One => self.scratch(rows, columns),
        }
    }

    /// Buffers get their names when they get their places.
    fn next_name(&self) -> String {
        format!("backward {}", self.table.buffers().count())
    }
}
