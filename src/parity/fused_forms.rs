//! Which fused training steps are tried, and what mistakes in their kernels must be noticed.

use crate::error::{Error, Result};
use crate::model::loss::Loss;
use crate::model::{
    Adagrad, Adam, Compiled, Dense, Input, Lowered, Optimizer, RmsProp, Sequential, Sgd, lowered,
};
use crate::operation::activation::{Activation, Elementwise};
use crate::operation::case::Mistake;
use crate::operation::{Adapter, AdapterClass, Dispatch, FusedFrom, FusedSteps};
use crate::program::{Pass, Program, plan};

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
    pub(super) loss: Loss,
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

    pub(super) fn program(&self, shape: FusedShape) -> Result<(Program, Compiled)> {
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
