//! What the parity suite tries: an operation at one shape with filled buffers, how far its results
//! may be off, and the mistakes in its kernel that must be noticed. All of it is plain data; nothing
//! here runs anything.

use std::sync::Arc;

use super::access::Buffers;
use super::activation::{Elementwise, Told};
use super::contract::InParts;
use super::list::Op;
use super::loss_scale::LossScale;
use super::matrix_form::MatrixForm;
use crate::error::{Error, Result};
use crate::number::Real;
use crate::random::{Random, Stream};
use crate::table::{BufferId, Element, Reals, Role, Rows, Step, Table};

/// Bounds of an output's elements, from the oracle's results by buffer.
pub type Bound = Box<dyn Fn(&dyn Fn(BufferId) -> Vec<f64>) -> Vec<f64>>;

/// From 1 to the next f16: 2^-10.
const HALF_EPSILON: f64 = 1.0 / 1024.0;

/// The least f16 that is not subnormal: 2^-14.
const LEAST_HALF: f64 = 1.0 / 16_384.0;

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

    /// The same case with all that may be stored as f16 stored so.
    ///
    /// What is given is rounded to f16, and the least normal number in place of smaller ones, which a
    /// device may flush to 0. The rest changes by 2^-11 of itself, and so no bound by more than a factor
    /// of 2. Then a result is rounded once more: by the device to one of the two nearest f16, which
    /// WGSL leaves open, by the oracle to the nearest one. A result that is exact is an f16 before it is
    /// stored.
    ///
    /// # Errors
    /// As [`Op::check`].
    fn in_halves(mut self) -> Result<Self> {
        let mut halves = Vec::new();
        for op in &mut self.ops {
            // Bytes become f16 without rounding, so that all kernels read the same.
            if let Op::Convert(convert) = op {
                convert.scale = 1.0 / 256.0;
            }
            halves.extend(op.may_be_halves(&self.table)?);
        }
        halves.iter().for_each(|&id| self.table.store(id, Reals::Half));
        self.ops.iter().try_for_each(|op| op.check(&self.table))?;
        for (_, values) in self.inputs.iter_mut().filter(|(id, _)| halves.contains(id)) {
            for value in values {
                if *value != 0.0 {
                    *value = value.abs().max(LEAST_HALF).copysign(*value).rounded_to_half();
                }
            }
        }
        let outputs = std::mem::take(&mut self.outputs);
        for (id, bound) in outputs {
            let is_half = halves.contains(&id);
            self.expect_by(id, move |result| {
                let pairs = bound(result).into_iter().zip(result(id));
                let widened = pairs.map(|(bound, value)| match (is_half, bound) {
                    (_, 0.0) => 0.0,
                    (false, bound) => 2.0 * bound,
                    (true, bound) => {
                        let size = value.abs() + 2.0 * bound;
                        2.0 * bound + 1.5 * HALF_EPSILON * size + LEAST_HALF * (1.0 + HALF_EPSILON)
                    }
                });
                widened.collect()
            });
        }
        Ok(self)
    }

    /// The same case with loss scaling, `None` if the operation takes none: a loss' gradient is twice
    /// as large, and an update is as large as before, as the step is half and the loss scale twice as
    /// large; or, where it is `skipped`, it changes nothing.
    fn with_loss_scale(mut self, skipped: bool) -> Result<Option<Self>> {
        let (columns, role) = (LossScale::COLUMNS, Role::OptimizerState);
        let id = self.table.add("loss_scale", role, Element::Real, Rows::One, columns)?;
        let (mut takes_one, mut updates) = (false, false);
        for op in &mut self.ops {
            updates |= op.in_parts() == InParts::NoRows;
            if let Some(optional) = op.optional_mut() {
                *optional = Some(id);
                takes_one = true;
            }
        }
        if !takes_one || (skipped && !updates) {
            return Ok(None);
        }
        self.ops.iter().try_for_each(|op| op.check(&self.table))?;
        let mut state = vec![0.0; columns];
        let is_skipped = if skipped { 1.0 } else { 0.0 };
        for (column, value) in [
            (LossScale::Scale, 2.0),
            (LossScale::IsSkipped, is_skipped),
            (LossScale::StepSize, 2.0),
            (LossScale::RootScale, 2.0),
        ] {
            if let Some(place) = state.get_mut(column as usize) {
                *place = value;
            }
        }
        self.fill(id, state);
        if updates {
            self.step.step_size *= 0.5;
            self.step.root_scale *= 0.5;
            return Ok(Some(self));
        }
        let outputs = std::mem::take(&mut self.outputs);
        for (id, bound) in outputs {
            let factor = if self.table.buffer(id).role == Role::Metric { 1.0 } else { 2.0 };
            self.expect_by(id, move |result| {
                bound(result).into_iter().map(|bound| factor * bound).collect()
            });
        }
        Ok(Some(self))
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
    /// Whether something is stored as f16 in it, which not every device can.
    pub halves: bool,
    /// Whether all forms of matrix kernels for one class of adapters share the text that it is there
    /// to try: then one of them stands for all.
    pub of_shared_text: bool,
    /// A shape that takes more workgroups than one dimension of a dispatch may have, where that
    /// is worth a try.
    pub large_shape: Option<[usize; 3]>,
}

/// Makes the case of a shape `[rows, inputs, units]` and a seed.
pub type CaseOf = Arc<dyn Fn([usize; 3], u64) -> Result<Case> + Send + Sync>;

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
            case: Arc::new(case),
            mutations: Vec::new(),
            halves: false,
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

    /// The same form with all that may be stored as f16 stored so; `None` if nothing may, or nothing
    /// can be said of it.
    pub(super) fn in_halves(&self) -> Option<Self> {
        let tried = (self.case)([2, 3, 2], 0).ok()?;
        let halves = |op: &Op| op.may_be_halves(&tried.table).is_ok_and(|ids| !ids.is_empty());
        if !tried.ops.iter().any(halves) {
            return None;
        }
        let written = tried.in_halves().ok()?;
        let half = |id: BufferId| written.table.buffer(id).reals == Reals::Half;
        let mutations = match written.outputs.iter().any(|&(id, _)| half(id)) {
            true => vec![LESS_THAN_HALF],
            false => Vec::new(),
        };
        let case = Arc::clone(&self.case);
        Some(Form {
            name: format!("{} f16", self.name),
            case: Arc::new(move |shape, seed| case(shape, seed)?.in_halves()),
            mutations,
            halves: true,
            of_shared_text: self.of_shared_text,
            large_shape: None,
        })
    }

    /// The same form with loss scaling, with updates that are `skipped` or not; `None` if it takes
    /// none.
    pub(super) fn with_loss_scale(&self, skipped: bool) -> Option<Self> {
        let tried = (self.case)([2, 3, 2], 0).ok()?.with_loss_scale(skipped).ok()??;
        let updates = tried.ops.iter().any(|op| op.in_parts() == InParts::NoRows);
        let corrects_root =
            tried.ops.iter().any(|op| matches!(op, Op::AdamUpdate(_) | Op::AmsGradUpdate(_)));
        let mutation = |(what, from, to)| Mutation { form: None, what, from, to };
        let mutations = match (skipped, updates) {
            (true, _) => vec![mutation(("an update that is made", "loss_scale[2] > 0.0", "false"))],
            (false, false) => vec![mutation(("no scale", "return loss_scale[0];", "return 1.0;"))],
            (false, true) => {
                let mut all = vec![mutation(("the host's step size", "* loss_scale[3]", ""))];
                let root = mutation(("the host's correction of the root", "* loss_scale[4]", ""));
                all.extend(corrects_root.then_some(root));
                all
            }
        };
        let case = Arc::clone(&self.case);
        let what = if skipped { "skipped" } else { "scaled" };
        Some(Form {
            name: format!("{} {what}", self.name),
            case: Arc::new(move |shape, seed| {
                let scaled = case(shape, seed)?.with_loss_scale(skipped)?;
                scaled.ok_or_else(|| Error::argument("form", "takes no loss scale"))
            }),
            mutations,
            halves: self.halves,
            of_shared_text: self.of_shared_text,
            large_shape: None,
        })
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

/// What every kernel that stores f16 must not do: a result that is off by twenty times the rounding to
/// f16. A smaller mistake would be lost where results are gradients of a loss, which are so small that
/// a device may flush what it takes away.
const LESS_THAN_HALF: Mutation = Mutation {
    form: None,
    what: "a result with fewer digits than f16 has",
    from: "= Rows(",
    to: "= Rows(0.98 * ",
};

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
