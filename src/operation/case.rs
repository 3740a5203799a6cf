//! What the parity suite tries: an operation at one shape with filled buffers, how far its results
//! may be off, and the mistakes in its kernel that must be noticed. All of it is plain data; nothing
//! here runs anything.

use super::access::Buffers;
use super::activation::{Elementwise, Told};
use super::list::Op;
use super::matrix_form::MatrixForm;
use crate::error::Result;
use crate::random::{Random, Stream};
use crate::table::{BufferId, Step, Table};

/// Bounds of an output's elements, from the oracle's results by buffer.
pub type Bound = Box<dyn Fn(&dyn Fn(BufferId) -> Vec<f64>) -> Vec<f64>>;

/// Operations at one shape, the values of what they read, and how far what they write may be off.
pub struct Case {
    /// The buffers. What is called `guard...` must be left as it is.
    pub table: Table,
    /// What runs.
    pub ops: Vec<Op>,
    /// What the operations read: `[rows, columns]` each.
    pub inputs: Vec<(BufferId, Vec<f64>)>,
    /// What they write, with the bound of each element.
    pub outputs: Vec<(BufferId, Bound)>,
    /// The scalars.
    pub step: Step,
    /// `[rows, inputs, units]`.
    pub shape: [usize; 3],
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case")
            .field("ops", &self.ops)
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

impl Case {
    /// No buffers and no operation yet.
    pub fn new(shape: [usize; 3]) -> Self {
        let (table, step) = (Table::new(), Step::forward(shape[0]));
        Case { table, ops: Vec::new(), inputs: Vec::new(), outputs: Vec::new(), step, shape }
    }

    /// Makes its rows the last part of a larger batch.
    pub fn in_a_larger_batch(&mut self) {
        let rows = self.step.live_rows;
        self.step = Step { batch_rows: 2 * rows + 3, first_row: rows + 3, ..self.step };
    }

    /// Adds an operation.
    ///
    /// # Errors
    /// As [`Op::check`].
    pub fn push(&mut self, op: impl Into<Op>) -> Result<()> {
        let op = op.into();
        op.check(&self.table)?;
        self.ops.push(op);
        Ok(())
    }

    /// Says what `id` holds before.
    pub fn fill(&mut self, id: BufferId, values: Vec<f64>) {
        self.inputs.push((id, values));
    }

    /// Says how far each element of `id` may be off.
    pub fn expect(&mut self, id: BufferId, bounds: Vec<f64>) {
        self.outputs.push((id, Box::new(move |_| bounds.clone())));
    }

    /// The same, where that depends on the oracle's results.
    pub fn expect_by(
        &mut self,
        id: BufferId,
        bounds: impl Fn(&dyn Fn(BufferId) -> Vec<f64>) -> Vec<f64> + 'static,
    ) {
        self.outputs.push((id, Box::new(bounds)));
    }
}

/// One form of an operation, such as a dense layer with ReLU on bytes.
pub struct Form {
    /// The operation's name and what tells this form: `dense_forward u8 relu`.
    pub name: String,
    /// Makes the case of a shape `[rows, inputs, units]` and a seed.
    pub case: CaseOf,
    /// Mistakes in the kernel that the suite must notice.
    pub mutations: Vec<Mutation>,
    /// Whether all forms of matrix kernels for one class of adapters share the text that it is there
    /// to try: then one of them stands for all.
    pub of_shared_text: bool,
    /// A shape that takes more workgroups than one dimension of a dispatch may have, where that
    /// is worth a try.
    pub large_shape: Option<[usize; 3]>,
}

/// Makes the case of a shape `[rows, inputs, units]` and a seed.
pub type CaseOf = Box<dyn Fn([usize; 3], u64) -> Result<Case> + Send + Sync>;

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Form").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Form {
    /// A form of `O`, told from others by `form` unless that is empty.
    pub fn new<O: Buffers>(
        form: &str,
        case: impl Fn([usize; 3], u64) -> Result<Case> + Send + Sync + 'static,
    ) -> Self {
        let name = if form.is_empty() { O::NAME.into() } else { format!("{} {form}", O::NAME) };
        Form {
            name,
            case: Box::new(case),
            mutations: Vec::new(),
            of_shared_text: false,
            large_shape: None,
        }
    }

    /// Adds mistakes that must be noticed, in text that all kernels of the operation share:
    /// `(what, from, to)`.
    pub fn mutations<'a>(mut self, mutations: impl IntoIterator<Item = &'a Mistake>) -> Self {
        let all = mutations.into_iter();
        self.mutations.extend(all.map(|&(what, from, to)| Mutation { form: None, what, from, to }));
        self
    }

    /// Adds mistakes in matrix kernels of one form.
    pub fn mutations_of<'a>(
        mut self,
        form: MatrixForm,
        mutations: impl IntoIterator<Item = &'a Mistake>,
    ) -> Self {
        let all = mutations.into_iter();
        let form = Some(form);
        self.mutations.extend(all.map(|&(what, from, to)| Mutation { form, what, from, to }));
        self
    }

    /// Says that it [tries shared text](Self::of_shared_text).
    pub fn of_shared_text(mut self) -> Self {
        self.of_shared_text = true;
        self
    }

    /// Gives it a [large shape](Self::large_shape).
    pub fn large(mut self, shape: [usize; 3]) -> Self {
        self.large_shape = Some(shape);
        self
    }

    /// The name of the operation.
    pub fn operation(&self) -> &str {
        self.name.split(' ').next().unwrap_or_default()
    }
}

/// A mistake in a kernel: each `from` in its text becomes `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mutation {
    /// The form of matrix kernels that has it; `None` where all kernels of the operation share the
    /// text.
    pub form: Option<MatrixForm>,
    /// What goes wrong.
    pub what: &'static str,
    /// Text of the kernel.
    pub from: &'static str,
    /// What stands there instead.
    pub to: &'static str,
}

/// A mistake that must be noticed: what it is, a text of the kernel, and what stands there instead.
pub type Mistake = (&'static str, &'static str, &'static str);

/// What every kernel over the elements of live rows must not do.
pub const ROWS_BEYOND: Mistake = (
    "rows beyond the live ones written",
    "index >= step.live_rows * row_quads()",
    "index >= 2u * step.live_rows * row_quads()",
);

/// Gives a form for each activation the mistakes that must be noticed: `mistakes` to the linear one
/// alone, as the others share its text, and a lost derivative to one that has a derivative to lose.
pub fn with_mistakes(form: Form, activation: Elementwise, mistakes: &[Mistake]) -> Form {
    if activation == Elementwise::Linear {
        form.mutations(mistakes)
    } else if activation == Elementwise::Sigmoid {
        form.mutations(&[("no derivative", "* activation_derivative(x)", "")])
    } else {
        form
    }
}

/// The forms in which the parity suite tries an operation.
pub trait Cases: Buffers {
    /// Each of them, with the mistakes that must be noticed.
    fn forms() -> Vec<Form>;
}

/// The shapes that each form is tried at, `[rows, inputs, units]`. Each awkward size stands in each
/// place, beside others; they are awkward for tiles of 4, 8, 16, 32 and 64.
pub fn shapes() -> Vec<[usize; 3]> {
    const SIZES: [usize; 15] = [1, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 257];
    let n = SIZES.len();
    let mut shapes: Vec<[usize; 3]> = (0..n)
        .flat_map(|i| {
            let (j, k) = ((i * 4 + 3) % n, (i * 7 + 5) % n);
            [[SIZES[i], SIZES[j], SIZES[k]], [SIZES[i], SIZES[k], SIZES[j]]]
        })
        .collect();
    shapes.extend([[1, 1, 1], [2, 3, 2], [8, 8, 8], [128, 784, 128], [9, 784, 10], [33, 128, 10]]);
    shapes.push([1000, 16, 10]);
    shapes
}

/// Random numbers for a case, each an f32.
#[derive(Debug)]
pub struct Values(Random);

impl Values {
    /// Those of a seed.
    pub fn new(seed: u64) -> Self {
        Values(Random::new(seed, Stream::Parity))
    }

    /// `count` numbers in `[-1, 1)`.
    pub fn signed(&mut self, count: usize) -> Vec<f64> {
        self.scaled(count, 1.0)
    }

    /// `count` numbers in `[-scale, scale)`.
    pub fn scaled(&mut self, count: usize, scale: f64) -> Vec<f64> {
        (0..count).map(|_| f64::from(self.0.range(-scale, scale) as f32)).collect()
    }

    /// `count` numbers in `[0, 1)`.
    pub fn positive(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| f64::from(self.0.uniform() as f32)).collect()
    }

    /// `count` whole numbers below `bound`.
    pub fn below(&mut self, count: usize, bound: u64) -> Vec<f64> {
        (0..count).map(|_| self.0.below(bound) as f64).collect()
    }
}

/// What an activation may have made; for one that is told from its input, any numbers.
pub fn results_of(activation: Elementwise, count: usize, values: &mut Values) -> Vec<f64> {
    let x = values.scaled(count, 3.0).into_iter();
    match activation.told() {
        Told::ByInput => x.collect(),
        Told::ByResult => x.map(|x| f64::from(activation.value(x) as f32)).collect(),
    }
}

/// Logits as networks make them: close together, with ties, and so far apart that exp of one of
/// them would overflow.
pub fn logits(rows: usize, units: usize, values: &mut Values) -> Vec<f64> {
    let row_of = |row: usize| match row % 4 {
        0 => values.scaled(units, 1.0),
        1 => values.scaled(units, 4.0).into_iter().map(f64::round).collect(),
        2 => values.scaled(units, 8.0),
        _ => values.scaled(units, 200.0),
    };
    (0..rows).flat_map(row_of).collect()
}
