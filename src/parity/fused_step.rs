//! Fused training steps, against the CPU executors, which run the operations one by one.

use std::sync::Arc;

use super::Verdict;
use super::case::{GUARD_ROWS, Worst, poison, poison_of};
use super::trajectory::{FLOOR, SLACK, largest_difference};
use crate::clock::Instant;
use crate::cpu::CpuExecutor;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuExecutor};
use crate::model::loss::Loss;
use crate::model::{
    Adagrad, Adam, Compiled, Dense, Input, Lowered, Optimizer, RmsProp, Sequential, Sgd, lowered,
};
use crate::operation::activation::{Activation, Elementwise};
use crate::operation::case::{Mistake, Values};
use crate::operation::{Access, Adapter, AdapterClass, Dispatch, FusedFrom, FusedSteps};
use crate::program::{BufferId, Element, Pass, Program, Role, plan};

/// A training step that can be fused, and mistakes in its kernels that must be noticed.
#[derive(Debug, Clone)]
pub struct FusedForm {
    /// What tells it from others: `fused_step u8 relu softmax adam`.
    pub name: String,
    /// Where its kernels begin.
    pub from: FusedFrom,
    input: InputOf,
    activations: Vec<Activation>,
    bias: bool,
    loss: Loss,
    optimizer: Optimizer,
    /// Mistakes in the kernel of that name.
    pub mutations: Vec<(&'static str, Mistake)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InputOf {
    Reals,
    Bytes,
}

/// A batch and a network that takes it: rows, inputs, and units of each layer.
#[derive(Debug, Clone, Copy)]
pub struct FusedShape {
    /// Rows of the first batch; the second one has about half of them.
    pub rows: usize,
    /// Inputs.
    pub inputs: usize,
    /// Units of the layers.
    pub units: &'static [usize],
}

/// The shapes that each form is tried at: awkward for groups of 4, for tiles of 32 and for blocks of 32
/// rows, with one layer to four.
pub fn fused_shapes() -> Vec<FusedShape> {
    let shape = |rows, inputs, units| FusedShape { rows, inputs, units };
    vec![
        shape(1, 1, &[1]),
        shape(3, 2, &[16, 1]),
        shape(33, 31, &[33, 10]),
        shape(7, 8, &[32, 31, 4]),
        shape(65, 130, &[63, 3]),
        shape(32, 17, &[5, 9, 7, 2]),
        shape(130, 64, &[129, 65]),
        shape(31, 784, &[128, 10]),
        shape(64, 100, &[12]),
        shape(50, 6, &[9, 3]),
    ]
}

/// Every kind of step that is tried.
pub fn fused_forms() -> Vec<FusedForm> {
    let sgd = Optimizer::from(Sgd { learning_rate: 0.5, ..Sgd::default() });
    let adam = Optimizer::from(Adam { weight_decay: 0.01, ..Adam::default() });
    let mut forms = vec![
        form(
            "f32 tanh softmax sgd",
            InputOf::Reals,
            [Activation::Tanh],
            Loss::SparseCategoricalCrossentropy,
            sgd,
        )
        .mutations("fused_step_rows", &OF_ROWS)
        .mutations("fused_step_weights", &OF_WEIGHTS),
        form(
            "u8 sigmoid softmax adam",
            InputOf::Bytes,
            [Activation::Sigmoid],
            Loss::SparseCategoricalCrossentropy,
            adam,
        )
        .mutations("fused_step_rows", &OF_BYTES)
        .mutations("fused_step_weights", &OF_BYTES)
        .mutations("fused_step_rows", &[PADDING]),
    ];
    let losses = [
        ("categorical_crossentropy", Loss::CategoricalCrossentropy { label_smoothing: 0.125 }),
        ("binary_crossentropy", Loss::BinaryCrossentropy { label_smoothing: 0.125 }),
        ("mean_absolute_error", Loss::MeanAbsoluteError),
        ("huber", Loss::Huber { delta: 0.5 }),
    ];
    for (loss_name, loss) in losses {
        let name = format!("f32 tanh {loss_name} sgd");
        forms.push(form(&name, InputOf::Reals, [Activation::Tanh], loss, sgd));
    }
    let optimizers = [
        Optimizer::from(Adam { amsgrad: true, ..Adam::default() }),
        Sgd { momentum: 0.75, nesterov: true, ..Sgd::default() }.into(),
        RmsProp { centered: true, momentum: 0.5, ..RmsProp::default() }.into(),
        Adagrad::default().into(),
    ];
    for (number, optimizer) in optimizers.into_iter().enumerate() {
        let name = format!("f32 tanh mean_squared_error optimizer_{number}");
        forms.push(form(
            &name,
            InputOf::Reals,
            [Activation::Tanh],
            Loss::MeanSquaredError,
            optimizer,
        ));
    }
    for activation in Elementwise::fused() {
        let name = format!("f32 {} mean_squared_error sgd", activation.name());
        let both = [Activation::Tanh, activation.into()];
        forms.push(form(&name, InputOf::Reals, both, Loss::MeanSquaredError, sgd));
    }
    let mut without = form(
        "f32 no bias",
        InputOf::Reals,
        [Activation::Tanh],
        Loss::SparseCategoricalCrossentropy,
        sgd,
    );
    without.bias = false;
    forms.push(without);
    forms.extend(forms_from_second_layer());
    forms
}

/// Those whose kernels begin with what the first layer puts out. Losses, updates and activations have the
/// same texts there, so each kind of them is tried once.
fn forms_from_second_layer() -> Vec<FusedForm> {
    let adam = Optimizer::from(Adam { weight_decay: 0.01, ..Adam::default() });
    let momentum = Sgd { momentum: 0.75, nesterov: true, ..Sgd::default() }.into();
    let (reals, bytes, softmax) =
        (InputOf::Reals, InputOf::Bytes, Loss::SparseCategoricalCrossentropy);
    let smoothed = Loss::CategoricalCrossentropy { label_smoothing: 0.125 };
    let tanh = [Activation::Tanh];
    let mut without =
        form("f32 no bias huber sgd", reals, tanh, Loss::Huber { delta: 0.5 }, momentum);
    without.bias = false;
    let forms = vec![
        form("u8 tanh softmax adam", bytes, tanh, softmax, adam)
            .mutations("fused_step_rows", &OF_TAKEN)
            .mutations("fused_step_weights", &OF_BYTES),
        form(
            "f32 relu categorical_crossentropy sgd",
            reals,
            [Activation::Relu],
            smoothed,
            momentum,
        ),
        // A sigmoid of zero is not zero, but the padding after its results is.
        form(
            "u8 sigmoid mean_squared_error adam",
            bytes,
            [Activation::Sigmoid],
            Loss::MeanSquaredError,
            adam,
        ),
        without,
    ];
    let from_second = |form: FusedForm| FusedForm {
        name: format!("{} from the second layer", form.name),
        from: FusedFrom::SecondLayer,
        ..form
    };
    forms.into_iter().map(from_second).collect()
}

/// `activations` are those of the layers in turn; the last layer has the linear one, or for the loss.
fn form<const N: usize>(
    name: &str,
    input: InputOf,
    activations: [Activation; N],
    loss: Loss,
    optimizer: Optimizer,
) -> FusedForm {
    let (name, activations) = (format!("fused_step {name}"), activations.to_vec());
    let (from, mutations) = (FusedFrom::FirstLayer, Vec::new());
    FusedForm { name, from, input, activations, bias: true, loss, optimizer, mutations }
}

impl FusedForm {
    fn mutations(mut self, kernel: &'static str, mistakes: &[Mistake]) -> Self {
        self.mutations.extend(mistakes.iter().map(|&mistake| (kernel, mistake)));
        self
    }

    fn compiled(&self, shape: FusedShape) -> Compiled {
        let input = match self.input {
            InputOf::Reals => Input::floats(&[shape.inputs]),
            InputOf::Bytes => Input::pixels(&[shape.inputs]),
        };
        let mut model = Sequential::new(input);
        let last = shape.units.len() - 1;
        for (number, &units) in shape.units.iter().enumerate() {
            let hidden = self.activations.iter().cycle().nth(number);
            let activation = match (number == last, &self.loss) {
                (
                    true,
                    Loss::SparseCategoricalCrossentropy | Loss::CategoricalCrossentropy { .. },
                ) => Activation::Softmax,
                (true, Loss::BinaryCrossentropy { .. }) => Activation::Sigmoid,
                (_, _) => hidden.copied().unwrap_or_default(),
            };
            let layer = Dense::new(units, activation);
            model = model.layer(if self.bias { layer } else { layer.without_bias() });
        }
        model.compile(self.optimizer, self.loss.clone(), [])
    }

    fn program(&self, shape: FusedShape) -> Result<(Program, Compiled)> {
        let compiled = self.compiled(shape);
        let Lowered { program, .. } = lowered(&compiled)?;
        match program.fused_step() {
            Some(_) => Ok((program, compiled)),
            None => Err(Error::argument("form", format!("{} is no fused step", self.name))),
        }
    }
}

const NO_BARRIER: &str = "no barrier";
const OF_BYTES: [Mistake; 1] = [("no scaling", "* BYTE_SCALE", "")];
const PADDING: Mistake = (
    "padding that is activated",
    "select(vec4<f32>(), activated(layer.activation, sum + offset), live)",
    "activated(layer.activation, sum + offset)",
);
const OF_ROWS: [Mistake; 16] = [
    ("two rows mixed up", "group, 1u, quad, sums[1]", "group, 1u, quad, sums[0]"),
    ("the last of four rows lost", "group, 3u, quad, sums[3]", "group, 2u, quad, sums[3]"),
    (
        "the last inputs left out",
        "(; k < layer.inputs; k += parts)",
        "(; k + 1u < layer.inputs; k += parts)",
    ),
    ("a part left out of four", "sums += b2 * input_of_rows", "sums += b1 * input_of_rows"),
    ("the last units left out", "n < layer.units", "n + 1u < layer.units"),
    ("sums that do not begin at zero", "var sums = Sums();", "var sums = values_of_rows(0u);"),
    (
        NO_BARRIER,
        "store_outputs(layer, group, quad, sums);\n    }\n    workgroupBarrier();",
        "store_outputs(layer, group, quad, sums);\n    }",
    ),
    ("parts that are not added up", "left > 1u", "left > 2u"),
    (
        "rows beyond the live ones",
        "return min(group * ROWS + row, step.live_rows - 1u);\n}\n\n\
         fn is_live(group: u32, row: u32) -> bool {\n    \
             return group * ROWS + row < step.live_rows;",
        "return group * ROWS + row;\n}\n\nfn is_live(group: u32, row: u32) -> bool {\n    return true;",
    ),
    ("no bias", "sum + offset)", "sum)"),
    ("no derivative", "sum * derivative_of(layer.activation, values[at])", "sum"),
    (
        "the weights not transposed",
        "transpose(weights_of(layer, quad, n))",
        "weights_of(layer, quad, n)",
    ),
    ("no mean over the batch", "* step.inverse_rows", "* 1.0"),
    ("a gradient without its weight", "sample_weight * shape.scale", "shape.scale"),
    ("no loss", "judge(row_of_batch(group, local), local * VALUES + layer.output_at);", ""),
    ("the row before", "group * ROWS + row, step", "group * ROWS, step"),
];
/// In what is taken from the first layer's own kernel.
const OF_TAKEN: [Mistake; 7] = [
    (NO_BARRIER, "INPUTS + quad));\n    }\n    workgroupBarrier();", "INPUTS + quad));\n    }"),
    (
        "another row",
        "load_input(row_of_batch(group, row) *",
        "load_input(row_of_batch(group, 0u) *",
    ),
    ("the last values left out", "i < ROWS * layer.units", "i + 1u < ROWS * layer.units"),
    ("another column", "* INPUTS + quad));", "* INPUTS));"),
    ("rows mixed up", "let row = i / layer.units;", "let row = i % ROWS;"),
    (
        "not activated before",
        "derivative_of(layer.activation, values[at])",
        "derivative_of(layer.activation, vec4<f32>())",
    ),
    (
        "not handed over",
        "layer.output_to + quad] = Rows(output)",
        "layer.output_to + quad] = Rows(vec4<f32>())",
    ),
];
const OF_WEIGHTS: [Mistake; 9] = [
    ("the last row left out", "row < rows; row += 4u", "row + 1u < rows; row += 4u"),
    ("rows beyond the live ones summed", "min(32u, step.live_rows - start)", "32u"),
    (
        "sums that do not begin at zero",
        "var sums = mat4x4<f32>();",
        "var sums = mat4x4<f32>(vec4<f32>(0.01), vec4<f32>(0.01), vec4<f32>(0.01), vec4<f32>(0.01));",
    ),
    (NO_BARRIER, "workgroupBarrier();\n        for (var row = part;", "for (var row = part;"),
    ("no bias gradient", "learn(layer.bias + unit, g);", ""),
    ("parts left out", "sums += sums_of(part, block);", ""),
    ("the second half left out", "] + staged[256u + 4u * block + part]", "]"),
    ("the rows of a block mixed up", "(4u * input + part)", "(4u * input + 3u - part)"),
    ("the input transposed", "b * a.x, b * a.y,", "b * a.y, b * a.x,"),
];

/// The dispatches of a form at one shape, as `gpu` would run them for so many rows.
///
/// # Errors
/// [`Error::Argument`] if the form is no fused step at this shape.
pub fn fused_dispatches(
    form: &FusedForm,
    shape: FusedShape,
    class: AdapterClass,
) -> Result<Vec<Dispatch>> {
    let (program, _) = form.program(shape)?;
    let adapter = Adapter { fused_steps: FusedSteps::Always(form.from), ..Adapter::new(class) };
    plan(&program, Pass::Train.of_whole_batch(), shape.rows, adapter)
}

/// Trains with a form at each of `shapes` on `gpu`, three steps of which the second has fewer rows, and
/// compares parameters, what the optimizer keeps, loss and counts after each of them. The error may be
/// four times that of f32 on the CPU, plus 1e-6. What the kernels hand over begins as NaN each time.
///
/// # Errors
/// [`Error::Device`] if the device fails, [`Error::Argument`] if a step is not fused at one of the
/// shapes. A wrong result is no error but a [`Verdict`].
pub async fn fused_step(gpu: &Gpu, form: &FusedForm, shapes: &[FusedShape]) -> Result<Verdict> {
    let start = Instant::now();
    let gpu = gpu.clone().with_fused_steps(FusedSteps::Always(form.from));
    let (mut worst, mut stray, mut kernels) = (Worst::default(), None, Vec::new());
    for (seed, &shape) in (0..).zip(shapes) {
        let mut run = Run::new(&gpu, form, shape, seed).await?;
        for number in 1..=3 {
            let rows = if number == 2 { shape.rows.div_ceil(2) } else { shape.rows };
            worst = worst.or(run.step(form, number, rows).await?);
            stray = stray.or(run.stray(rows).await?);
        }
        kernels.extend(run.device.kernels(Pass::Train, shape.rows));
    }
    let (name, seconds) = (form.name.clone(), start.elapsed().as_secs_f64());
    Ok(Verdict { name, shapes: shapes.len(), worst, stray, kernels, seconds })
}

/// A training on three executors.
struct Run {
    program: Arc<Program>,
    compiled: Compiled,
    handover: BufferId,
    /// What a kernel before the fused ones computes for them.
    before: Vec<BufferId>,
    exact: CpuExecutor<f64>,
    single: CpuExecutor<f32>,
    device: GpuExecutor,
    values: Values,
    /// Rows of the largest batch.
    rows: usize,
}

impl Run {
    async fn new(gpu: &Gpu, form: &FusedForm, shape: FusedShape, seed: u64) -> Result<Self> {
        let (program, compiled) = form.program(shape)?;
        let program = Arc::new(program);
        let handover = program.of_role(Role::Handover).map(|(id, _)| id).next();
        let handover = handover.ok_or_else(|| Error::argument("form", "hands nothing over"))?;
        let mut before = Vec::new();
        for op in program.fused_step().iter().flat_map(|(chain, _)| chain.before(form.from)) {
            op.each(&mut |access, id| before.extend((access == Access::Write).then_some(id)));
        }
        let mut run = Run {
            exact: CpuExecutor::new(Arc::clone(&program)),
            single: CpuExecutor::new(Arc::clone(&program)),
            device: GpuExecutor::new(gpu, Arc::clone(&program)).await?,
            values: Values::new(seed),
            rows: shape.rows,
            program,
            compiled,
            handover,
            before,
        };
        run.exact.reserve(shape.rows);
        run.single.reserve(shape.rows);
        run.device.reserve(shape.rows + GUARD_ROWS).await?;
        let program = Arc::clone(&run.program);
        for (id, buffer) in program.buffers() {
            let count = buffer.columns * buffer.live_rows(shape.rows);
            let values = match (buffer.role, buffer.element) {
                (Role::Parameter, _) => run.values.scaled(count, 0.4),
                (Role::OptimizerState, _) => run.values.positive(count),
                (Role::Metric, Element::Real) => run.values.positive(count),
                (Role::Metric, _) => vec![0.0; count],
                _ => continue,
            };
            run.write(id, &values).await?;
        }
        Ok(run)
    }

    async fn write(&mut self, id: BufferId, values: &[f64]) -> Result<()> {
        self.exact.write(id, values)?;
        self.single.write(id, values)?;
        self.device.write(id, values).await
    }

    /// One step on samples at random; the worst of what it changed.
    async fn step(&mut self, form: &FusedForm, number: u64, rows: usize) -> Result<Worst> {
        let program = Arc::clone(&self.program);
        for (id, buffer) in program.buffers() {
            let count = rows * buffer.columns;
            let values = match (buffer.role, buffer.element) {
                (Role::Input, Element::U8) => self.values.below(count, 256),
                (Role::Input, _) => self.values.signed(count),
                (Role::SampleWeight, _) => self.values.positive(count),
                (Role::Target, Element::U32) => {
                    let logits =
                        program.outputs().first().map_or(1, |(_, id)| program.buffer(*id).columns);
                    self.values.below(count, logits as u64)
                }
                (Role::Target, _) => match form.loss {
                    Loss::BinaryCrossentropy { .. } => self.values.below(count, 2),
                    _ => self.values.positive(count),
                },
                _ if id == self.handover || self.before.contains(&id) => {
                    poison(&mut self.device, id, buffer, self.rows)?;
                    continue;
                }
                _ => continue,
            };
            poison(&mut self.device, id, buffer, self.rows)?;
            self.write(id, &values).await?;
        }
        let optimizer = &self.compiled.optimizer;
        let step = optimizer.accumulating_step(rows, number, optimizer.learning_rate(), 1);
        for op in Pass::Train.lists(&step).iter().flat_map(|&pass| program.ops(pass)) {
            self.exact.execute(op, &step);
            self.single.execute(op, &step);
        }
        self.device.execute(Pass::Train, &step).await?;
        let mut worst = Worst::default();
        for (id, buffer) in program.buffers() {
            match buffer.role {
                Role::Parameter | Role::OptimizerState | Role::Metric => {}
                _ => continue,
            }
            let reference = self.exact.read(id, self.rows);
            let own = largest_difference(&reference, &self.single.read(id, self.rows));
            let actual = self.device.read(id, self.rows).await?;
            let error = largest_difference(&reference, &actual);
            let bound = SLACK * own + FLOOR;
            let place = format!("{} after step {number} is off by {error:e}", buffer.name);
            worst = worst.or(Worst { error, bound, place });
        }
        Ok(worst)
    }

    /// Rows beyond the live ones that were written, or padding that is not zero.
    async fn stray(&mut self, rows: usize) -> Result<Option<String>> {
        let program = Arc::clone(&self.program);
        for (id, buffer) in program.buffers() {
            let raw = match buffer.role {
                Role::Parameter | Role::OptimizerState => self.device.read_raw(id, rows).await?,
                _ => continue,
            };
            let words = raw.chunks_exact(4).map(bytemuck::pod_read_unaligned::<u32>);
            for (i, word) in words.enumerate() {
                let (row, column) = (i / buffer.stride(), i % buffer.stride());
                let live = row < buffer.live_rows(rows) && column < buffer.columns;
                if !live && word != 0 {
                    return Ok(Some(format!("{}[{row}, {column}] holds {word:#x}", buffer.name)));
                }
            }
        }
        let handover = program.buffer(self.handover);
        let raw = self.device.read_raw(self.handover, self.rows + GUARD_ROWS).await?;
        let words: Vec<u32> = raw.chunks_exact(4).map(bytemuck::pod_read_unaligned).collect();
        let (live, beyond) = words.split_at(rows * handover.stride());
        if live.iter().any(|&word| f32::from_bits(word).is_nan()) {
            return Ok(Some("a place of all.handover was not written".into()));
        }
        let poison = poison_of(self.handover, handover);
        if beyond.iter().any(|&word| word != poison) {
            return Ok(Some("a row of all.handover beyond the live ones was written".into()));
        }
        Ok(None)
    }
}
