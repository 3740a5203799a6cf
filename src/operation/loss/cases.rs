//! How the parity suite tries losses and the penalties on activities.

use super::{
    ActivityPenalty, ActivityPenaltyGradient, CategoricalCrossentropy, LossFunction, PointwiseLoss,
    SampleLoss, SoftmaxCrossentropy,
};
use crate::error::Result;
use crate::number::approximate::Approximate;
use crate::number::bounds::{self, Softmax};
use crate::operation::activation::Elementwise;
use crate::operation::case::{self, Case, Cases, Form, Mistake, Values, logits, results_of};
use crate::table::{BufferId, Element, Role, Rows};

const SMOOTHING: f64 = 0.125;
const SCALE: f64 = 0.625;
const L1: f64 = 0.375;
const L2: f64 = 0.0625;

const ROWS_BEYOND: Mistake =
    ("rows beyond the live ones written", "row >= step.live_rows", "false");
/// Mistakes that every loss can make.
const OF_LOSSES: [Mistake; 8] = [
    ("a loss that is not added to", "loss[row] += row_loss", "loss[row] = row_loss"),
    ("a loss without its weight", "row_loss * sample_weight", "row_loss"),
    ("a gradient without its weight", "sample_weight * shape.scale", "shape.scale"),
    ("a gradient without the loss' weight", "* shape.scale *", "*"),
    ("no mean over the batch", "* step.inverse_rows", "* 1.0"),
    ("by the rows of this part", "step.inverse_rows", "step.inverse_live_rows"),
    ("counts that are not added to", "before.x + select", "select"),
    ROWS_BEYOND,
];
/// Mistakes that both softmax cross-entropies can make.
const OF_SOFTMAX: [Mistake; 3] = [
    ("overflow", "exp(output_at(first + quad) - largest)", "exp(output_at(first + quad))"),
    ("the last of several largest", "x[i] > largest", "x[i] >= largest"),
    ("right and wrong confused", "prediction == label)", "prediction != label)"),
];

impl Cases for ActivityPenalty {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("no absolute value", "abs(x)", "x"),
            ("no square", "shape.l2 * x * x", "shape.l2 * x"),
            ("not added to", "loss[row] +=", "loss[row] ="),
            ("a lost half", "half > 0u", "half > 1u"),
            ("the last quad left out", "quad < quads; quad", "quad + 1u < quads; quad"),
            // Rows beyond the live ones hold no number, so adding to them would change nothing.
            (
                "rows beyond the live ones written",
                "&& row < step.live_rows) {\n        loss[row] +=",
                ") {\n        loss[row] = select(0.0, loss[row], row < step.live_rows) +",
            ),
        ];
        let form = Form::new::<Self>("", |shape, seed| activity_penalty(shape, Values::new(seed)));
        vec![form.mutations(&mistakes)]
    }
}

impl Cases for ActivityPenaltyGradient {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("not by the rows", "* step.inverse_rows", ""),
            ("no sign", "sign(x)", "x"),
            ("half the slope", "2.0 * shape.l2", "shape.l2"),
            ("padding that is not zero", "% row_quads(), 0.0)", "% row_quads(), 1.0)"),
            case::ROWS_BEYOND,
        ];
        let form = |activation: Elementwise| {
            let form = Form::new::<Self>(activation.name(), move |shape, seed| {
                activity_penalty_gradient(shape, activation, Values::new(seed))
            });
            case::with_mistakes(form, activation, &mistakes)
        };
        Elementwise::fused().map(form).collect()
    }
}

impl Cases for SoftmaxCrossentropy {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("the wrong logit", "[label % 4u]", "[0]"),
            ("no one-hot", "probability - one_hot", "probability"),
            ("padding summed", "- largest), quad, 0.0)", "- largest), quad, 1.0)"),
            ("a finite loss called non-finite", "0x7f800000u", "0x00800000u"),
        ];
        let form =
            Form::new::<Self>("", |shape, seed| softmax_crossentropy(shape, Values::new(seed)));
        vec![form.mutations(&OF_LOSSES).mutations(&OF_SOFTMAX).mutations(&mistakes)]
    }
}

impl Cases for CategoricalCrossentropy {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("no smoothing", "* (1.0 - shape.parameter) + shape.parameter / f32(shape.units)", ""),
            ("targets taken as summing to 1", "probability * total", "probability"),
            ("padding summed", "quad, 0.0)", "quad, 1.0)"),
        ];
        let form =
            Form::new::<Self>("", |shape, seed| categorical_crossentropy(shape, Values::new(seed)));
        vec![form.mutations(&OF_LOSSES).mutations(&OF_SOFTMAX).mutations(&mistakes)]
    }
}

impl Cases for PointwiseLoss {
    fn forms() -> Vec<Form> {
        let form = |function: LossFunction, activation: Elementwise| {
            let name = format!("{} {}", function.name(), activation.name());
            let form = Form::new::<Self>(&name, move |shape, seed| {
                pointwise_loss(shape, function, activation, Values::new(seed))
            });
            pointwise_mistakes(form, function, activation)
        };
        let forms = |&function: &LossFunction| -> Vec<Form> {
            match function {
                // It takes logits, whatever activation follows.
                LossFunction::BinaryCrossentropy { .. } => {
                    vec![form(function, Elementwise::Linear)]
                }
                LossFunction::MeanSquaredError
                | LossFunction::MeanAbsoluteError
                | LossFunction::Huber { .. } => {
                    Elementwise::fused().map(|activation| form(function, activation)).collect()
                }
            }
        };
        LossFunction::ALL.iter().flat_map(forms).collect()
    }
}

fn pointwise_mistakes(form: Form, function: LossFunction, activation: Elementwise) -> Form {
    match (function, activation) {
        (LossFunction::BinaryCrossentropy { .. }, _) => form.mutations(&OF_LOSSES).mutations(&[
            ("no smoothing", "* (1.0 - shape.parameter) + 0.5 * shape.parameter", ""),
            ("overflow", "exp(-abs(y))", "exp(y)"),
            ("right and wrong confused", "predicted == expected", "predicted != expected"),
            ("no mean over the units", "/ f32(shape.units)", ""),
        ]),
        (LossFunction::MeanSquaredError, Elementwise::Linear) => {
            form.mutations(&[("half the slope", "2.0 * error", "error")])
        }
        (LossFunction::MeanSquaredError, Elementwise::Tanh) => {
            form.mutations(&[("no derivative", "* activation_derivative(y)", "")])
        }
        (LossFunction::MeanSquaredError, _) => form,
        (LossFunction::MeanAbsoluteError, Elementwise::Linear) => {
            form.mutations(&[("no sign", "sign(error)", "error")])
        }
        (LossFunction::MeanAbsoluteError, _) => form,
        (LossFunction::Huber { .. }, Elementwise::Linear) => form.mutations(&[
            ("a slope without end", "clamp(error, -delta, delta)", "error"),
            (
                "a parabola without end",
                "select(linear, 0.5 * error * error, within)",
                "0.5 * error * error",
            ),
        ]),
        (LossFunction::Huber { .. }, Elementwise::Relu) => form.mutations(&[(
            "padding summed",
            "live_or(loss_of(y, expected), quad, 0.0)",
            "live_or(loss_of(y, expected), quad, 1.0)",
        )]),
        (LossFunction::Huber { .. }, _) => form,
    }
}

/// The buffers of a loss.
#[derive(Clone, Copy)]
struct Buffers {
    outputs: BufferId,
    targets: BufferId,
    sample_weights: BufferId,
    loss: BufferId,
    counts: BufferId,
    gradient: BufferId,
}

/// How far one row's loss may be off, before its weight, and its gradient, before weight and mean.
struct RowBounds {
    loss: f64,
    gradient: Vec<f64>,
}

impl Buffers {
    /// Adds them to the case; the targets are `[B, columns]` of `element`.
    fn new(case: &mut Case, element: Element, columns: usize) -> Result<Self> {
        let [_, _, units] = case.shape;
        let (table, batch) = (&mut case.table, Rows::Batch);
        Ok(Buffers {
            outputs: table.activation("outputs", units)?,
            targets: table.add("targets", Role::Target, element, batch, columns)?,
            sample_weights: table.add(
                "sample_weights",
                Role::SampleWeight,
                Element::Real,
                batch,
                1,
            )?,
            loss: table.add("loss", Role::Metric, Element::Real, batch, 1)?,
            counts: table.add("counts", Role::Metric, Element::U32, batch, 2)?,
            gradient: table.activation("gradient", units)?,
        })
    }

    /// Fills them: outputs and targets as given, the others at random.
    fn fill(
        self,
        case: &mut Case,
        [outputs, targets]: [Vec<f64>; 2],
        of_rows: Vec<RowBounds>,
        mut values: Values,
    ) {
        let [rows, _, units] = case.shape;
        let weights = values.positive(rows);
        let before = values.positive(rows);
        let counted = values.below(rows * 2, 2);
        case.fill(self.outputs, outputs);
        case.fill(self.targets, targets);
        case.fill(self.sample_weights, weights.clone());
        case.fill(self.loss, before.clone());
        case.fill(self.counts, counted);

        let (losses, gradients): (Vec<f64>, Vec<Vec<f64>>) =
            of_rows.into_iter().map(|row| (row.loss, row.gradient)).unzip();
        let losses: Vec<f64> = losses.iter().zip(&weights).map(|(l, weight)| l * weight).collect();
        case.expect_by(self.loss, move |result| {
            let totals = result(self.loss).into_iter().zip(&before);
            let added = |(total, before): (f64, &f64)| {
                bounds::rounded(total.abs() + (total - before).abs())
            };
            losses.iter().zip(totals).map(|(error, total)| error + added(total)).collect()
        });
        case.expect(self.counts, vec![0.0; rows * 2]);
        let batch_rows = case.step.batch_rows;
        case.expect_by(self.gradient, move |result| {
            let bound = |(i, value): (usize, f64)| {
                let scale = SCALE * weights[i / units] / batch_rows as f64;
                gradients[i / units][i % units] * scale + bounds::rounded(value)
            };
            result(self.gradient).into_iter().enumerate().map(bound).collect()
        });
    }
}

impl Cases for SampleLoss {
    fn forms() -> Vec<Form> {
        let right = ("right predictions", "counted(counts[row], 0u", "counted(counts[row], 1u");
        let form = Form::new::<Self>("", |shape, seed| sample_loss(shape, Values::new(seed)));
        vec![form.mutations(&OF_LOSSES).mutations(&[right])]
    }
}

fn sample_loss([rows, inputs, _]: [usize; 3], mut values: Values) -> Result<Case> {
    let mut case = Case::new([rows, inputs, 1]);
    case.in_a_larger_batch();
    let buffers = Buffers::new(&mut case, Element::Real, 1)?;
    let Buffers { outputs: value, sample_weights, loss, counts, gradient, .. } = buffers;
    case.push(SampleLoss { value, sample_weights, loss, counts, gradient, scale: SCALE })?;
    let given = [values.scaled(rows, 3.0), vec![0.0; rows]];
    // The value is given, and the gradient is 1.
    let exact = (0..rows).map(|_| RowBounds { loss: 0.0, gradient: vec![0.0] }).collect();
    buffers.fill(&mut case, given, exact, values);
    Ok(case)
}

fn softmax_crossentropy(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    case.in_a_larger_batch();
    let buffers = Buffers::new(&mut case, Element::U32, 1)?;
    let Buffers { outputs: logits_id, targets: labels, sample_weights, .. } = buffers;
    let Buffers { loss, counts, gradient, .. } = buffers;
    let scale = SCALE;
    case.push(SoftmaxCrossentropy {
        logits: logits_id,
        labels,
        sample_weights,
        loss,
        counts,
        gradient,
        scale,
    })?;
    let y = logits(rows, units, &mut values);
    let classes = values.below(rows, units as u64);
    let bounds = |(y, &class): (&[f64], &f64)| {
        let softmax = Softmax::new(y);
        let gradient = |i| softmax.probability(i) + bounds::rounded(1.0);
        let loss = softmax.loss(y[class as usize]);
        RowBounds { loss, gradient: (0..units).map(gradient).collect() }
    };
    let of_rows = y.chunks_exact(units).zip(&classes).map(bounds).collect();
    buffers.fill(&mut case, [y, classes], of_rows, values);
    Ok(case)
}

fn categorical_crossentropy(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    case.in_a_larger_batch();
    let buffers = Buffers::new(&mut case, Element::Real, units)?;
    let Buffers { outputs: logits_id, targets, sample_weights, loss, counts, gradient } = buffers;
    case.push(CategoricalCrossentropy {
        logits: logits_id,
        targets,
        sample_weights,
        loss,
        counts,
        gradient,
        scale: SCALE,
        label_smoothing: SMOOTHING,
    })?;
    let y = logits(rows, units, &mut values);
    let probabilities = values.positive(rows * units);
    let smoothed = |t: f64| t * (1.0 - SMOOTHING) + SMOOTHING / units as f64;
    let bounds = |(y, target): (&[f64], &[f64])| {
        let softmax = Softmax::new(y);
        let total: f64 = target.iter().map(|&t| smoothed(t)).sum();
        let pairs = || y.iter().zip(target);
        let errors: f64 = pairs().map(|(&logit, &t)| smoothed(t) * softmax.loss(logit)).sum();
        let size = pairs().map(|(&logit, &t)| smoothed(t) * softmax.size_of_loss(logit)).sum();
        let gradient = |i: usize| {
            softmax.probability(i) * total
                + bounds::dot(units + 3, total)
                + bounds::rounded(smoothed(target[i]))
        };
        let loss = errors + bounds::dot(units + 3, size);
        RowBounds { loss, gradient: (0..units).map(gradient).collect() }
    };
    let of_rows = y.chunks_exact(units).zip(probabilities.chunks_exact(units)).map(bounds);
    let of_rows = of_rows.collect();
    buffers.fill(&mut case, [y, probabilities], of_rows, values);
    Ok(case)
}

fn pointwise_loss(
    shape: [usize; 3],
    function: LossFunction,
    activation: Elementwise,
    mut values: Values,
) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    case.in_a_larger_batch();
    let buffers = Buffers::new(&mut case, Element::Real, units)?;
    let Buffers { outputs, targets, sample_weights, loss, counts, gradient } = buffers;
    case.push(PointwiseLoss {
        outputs,
        targets,
        sample_weights,
        loss,
        counts,
        gradient,
        scale: SCALE,
        function,
        activation,
    })?;
    let count = rows * units;
    let [y, target] = match function {
        LossFunction::BinaryCrossentropy { .. } => {
            [logits(rows, units, &mut values), values.below(count, 2)]
        }
        LossFunction::MeanSquaredError
        | LossFunction::MeanAbsoluteError
        | LossFunction::Huber { .. } => {
            [results_of(activation, count, &mut values), values.scaled(count, 2.0)]
        }
    };
    let bounds = |(y, target): (&[f64], &[f64])| {
        let (mut size, mut error, mut gradient) = (0.0, 0.0, Vec::new());
        for (&y, &target) in y.iter().zip(target) {
            let [[loss, loss_error], [slope, slope_error]] = function.bounds(y, target);
            size += loss;
            error += loss_error;
            let derivative = activation.derivative(y);
            let off_by = slope_error * derivative.abs()
                + slope.abs() * activation.derivative_bound(y)
                + bounds::rounded(slope * derivative);
            gradient.push(off_by / units as f64);
        }
        let loss = (error + bounds::dot(units + 1, size)) / units as f64;
        RowBounds { loss, gradient }
    };
    let of_rows = y.chunks_exact(units).zip(target.chunks_exact(units)).map(bounds).collect();
    buffers.fill(&mut case, [y, target], of_rows, values);
    Ok(case)
}

fn activity_penalty(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    let value = case.table.activation("value", units)?;
    let loss = case.table.add("loss", Role::Metric, Element::Real, Rows::Batch, 1)?;
    case.push(ActivityPenalty { value, loss, l1: L1, l2: L2 })?;
    let (x, before) = (values.signed(rows * units), values.positive(rows));
    let [l1, l2] = [L1, L2].map(Approximate::constant);
    let cost = |&x: &f64| {
        let size = Approximate::exact(x.abs());
        l1 * size + l2 * size * size
    };
    let error = |(row, &before): (&[f64], &f64)| {
        let costs: Vec<_> = row.iter().map(cost).collect();
        (Approximate::exact(before) + Approximate::sum(&costs)).error
    };
    case.expect(loss, x.chunks(units).zip(&before).map(error).collect());
    case.fill(value, x);
    case.fill(loss, before);
    Ok(case)
}

fn activity_penalty_gradient(
    shape: [usize; 3],
    activation: Elementwise,
    mut values: Values,
) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    case.in_a_larger_batch();
    let value = case.table.activation("value", units)?;
    let input_gradient = case.table.activation("input_gradient", units)?;
    case.push(ActivityPenaltyGradient { value, input_gradient, activation, l1: L1, l2: L2 })?;
    let mut y = results_of(activation, rows * units, &mut values);
    // A value of exactly 0 has no sign.
    if activation == Elementwise::Linear {
        y.iter_mut().step_by(5).for_each(|y| *y = 0.0);
    }
    let error = |&y: &f64| {
        let [l1, l2] = [L1 * y.signum(), 2.0 * L2].map(Approximate::constant);
        let l1 = if y == 0.0 { Approximate::exact(0.0) } else { l1 };
        let slope =
            Approximate { value: activation.derivative(y), error: activation.derivative_bound(y) };
        let inverse_rows = Approximate::constant(1.0 / case.step.batch_rows as f64);
        ((l1 + l2 * Approximate::exact(y)) * inverse_rows * slope).error
    };
    case.expect(input_gradient, y.iter().map(error).collect());
    case.fill(value, y);
    Ok(case)
}
