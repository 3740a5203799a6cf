//! The cases of the losses.

use crate::operation::{self, Op};
use std::rc::Rc;

use super::case::{Bound, Case, Values};
use super::elements::results_of;
use super::operations::{finish, logits};
use crate::error::Result;
use crate::number::bounds::{self, Softmax};
use crate::operation::LossFunction as PointwiseLoss;
use crate::operation::activation::Elementwise;
use crate::program::{BufferId, Element, Pass, ProgramBuilder, Role, Rows};

/// A loss in one of its forms.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "each variant is the operation of its name")]
pub enum LossCase {
    SoftmaxCrossEntropy,
    CategoricalCrossEntropy,
    Pointwise(PointwiseLoss, Elementwise),
}

const SMOOTHING: f64 = 0.125;
const DELTA: f64 = 0.75;
const SCALE: f64 = 0.625;

impl LossCase {
    pub(super) fn all() -> Vec<LossCase> {
        let fused = || Elementwise::ALL.iter().copied().filter(|activation| activation.is_fused());
        let binary = PointwiseLoss::BinaryCrossentropy { label_smoothing: SMOOTHING };
        let mut all = vec![
            LossCase::SoftmaxCrossEntropy,
            LossCase::CategoricalCrossEntropy,
            LossCase::Pointwise(binary, Elementwise::Linear),
        ];
        for function in [
            PointwiseLoss::MeanSquaredError,
            PointwiseLoss::MeanAbsoluteError,
            PointwiseLoss::Huber { delta: DELTA },
        ] {
            let of = |activation| LossCase::Pointwise(function, activation);
            all.extend(fused().map(of));
        }
        all
    }

    pub(super) fn name(self) -> String {
        match self {
            LossCase::SoftmaxCrossEntropy => "softmax_crossentropy".into(),
            LossCase::CategoricalCrossEntropy => "categorical_crossentropy".into(),
            LossCase::Pointwise(function, activation) => {
                let activation = format!("{activation:?}");
                let activation = activation.split(' ').next().unwrap_or_default();
                let function = match function {
                    PointwiseLoss::BinaryCrossentropy { .. } => "binary_crossentropy",
                    PointwiseLoss::MeanSquaredError => "mean_squared_error",
                    PointwiseLoss::MeanAbsoluteError => "mean_absolute_error",
                    PointwiseLoss::Huber { .. } => "huber",
                };
                format!("pointwise_loss {function} {activation}").to_lowercase()
            }
        }
    }
}

/// Errors of a row's loss, before its weight, and of its gradient, before weight and mean.
struct RowBounds {
    loss: f64,
    gradient: Vec<f64>,
}

pub(super) fn loss(shape: [usize; 3], case: LossCase, mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let outputs = builder.activation("outputs", units)?;
    let (element, columns) = match case {
        LossCase::SoftmaxCrossEntropy => (Element::U32, 1),
        _ => (Element::Real, units),
    };
    let targets = builder.buffer("targets", Role::Target, element, Rows::Batch, columns)?;
    let real = |builder: &mut ProgramBuilder, name, role| {
        builder.buffer(name, role, Element::Real, Rows::Batch, 1)
    };
    let sample_weights = real(&mut builder, "sample_weights", Role::SampleWeight)?;
    let loss = real(&mut builder, "loss", Role::Metric)?;
    let counts = builder.buffer("counts", Role::Metric, Element::U32, Rows::Batch, 2)?;
    let gradient = builder.activation("gradient", units)?;
    builder.push(
        Pass::Predict,
        match case {
            LossCase::SoftmaxCrossEntropy => {
                Op::SoftmaxCrossentropy(operation::SoftmaxCrossentropy {
                    logits: outputs,
                    labels: targets,
                    sample_weights,
                    loss,
                    counts,
                    gradient,
                    scale: SCALE,
                })
            }
            LossCase::CategoricalCrossEntropy => {
                Op::CategoricalCrossentropy(operation::CategoricalCrossentropy {
                    logits: outputs,
                    targets,
                    sample_weights,
                    loss,
                    counts,
                    gradient,
                    scale: SCALE,
                    label_smoothing: SMOOTHING,
                })
            }
            LossCase::Pointwise(function, activation) => {
                Op::PointwiseLoss(operation::PointwiseLoss {
                    outputs,
                    targets,
                    sample_weights,
                    loss,
                    counts,
                    gradient,
                    scale: SCALE,
                    function,
                    activation,
                })
            }
        },
    )?;

    let count = rows * units;
    let y = match case {
        LossCase::Pointwise(PointwiseLoss::BinaryCrossentropy { .. }, _)
        | LossCase::SoftmaxCrossEntropy
        | LossCase::CategoricalCrossEntropy => logits(rows, units, &mut values),
        LossCase::Pointwise(_, activation) => results_of(activation, count, &mut values),
    };
    let target = match case {
        LossCase::SoftmaxCrossEntropy => values.below(rows, units as u64),
        LossCase::CategoricalCrossEntropy => values.positive(count),
        LossCase::Pointwise(PointwiseLoss::BinaryCrossentropy { .. }, _) => values.below(count, 2),
        LossCase::Pointwise(..) => values.scaled(count, 2.0),
    };
    let weights = values.positive(rows);
    let before = values.positive(rows);
    let counted = values.below(rows * 2, 2);

    let of_rows: Rc<Vec<RowBounds>> = Rc::new(
        (0..rows)
            .map(|row| {
                let y = &y[row * units..][..units];
                let target = &target[row * columns..][..columns];
                row_bounds(case, y, target)
            })
            .collect(),
    );
    let inputs = vec![
        (outputs, y),
        (targets, target),
        (sample_weights, weights.clone()),
        (loss, before.clone()),
        (counts, counted),
    ];
    let (of_loss, of_weights) = (Rc::clone(&of_rows), weights.clone());
    let loss_bound: Bound = Box::new(move |result| {
        let totals = result(loss).into_iter().zip(&before);
        let rows = of_loss.iter().zip(&of_weights);
        rows.zip(totals)
            .map(|((row, weight), (total, before))| {
                let added = bounds::rounded(total.abs() + (total - before).abs());
                row.loss * weight + added
            })
            .collect()
    });
    let gradient_bound: Bound = Box::new(move |result: &dyn Fn(BufferId) -> Vec<f64>| {
        let scaled = |i: usize, value: f64| {
            let (row, weight) = (&of_rows[i / units], weights[i / units]);
            let scale = SCALE * weight / rows as f64;
            row.gradient[i % units] * scale + bounds::rounded(value)
        };
        result(gradient).into_iter().enumerate().map(|(i, value)| scaled(i, value)).collect()
    });
    let exact: Bound = Box::new(move |_| vec![0.0; rows * 2]);
    let outputs = vec![(loss, loss_bound), (counts, exact), (gradient, gradient_bound)];
    Ok(finish(builder, shape, inputs, outputs))
}

fn row_bounds(case: LossCase, y: &[f64], target: &[f64]) -> RowBounds {
    match case {
        LossCase::SoftmaxCrossEntropy => {
            let softmax = Softmax::new(y);
            let logit = y[target[0] as usize];
            let loss = softmax.loss(logit);
            let gradient = |i| softmax.probability(i) + bounds::rounded(1.0);
            RowBounds { loss, gradient: (0..y.len()).map(gradient).collect() }
        }
        LossCase::CategoricalCrossEntropy => {
            let softmax = Softmax::new(y);
            let smoothed = |t: f64| t * (1.0 - SMOOTHING) + SMOOTHING / y.len() as f64;
            let total: f64 = target.iter().map(|&t| smoothed(t)).sum();
            let terms = y.iter().zip(target).map(|(&logit, &t)| smoothed(t) * softmax.loss(logit));
            let size: f64 = y
                .iter()
                .zip(target)
                .map(|(&logit, &t)| smoothed(t) * softmax.size_of_loss(logit))
                .sum();
            let loss = terms.sum::<f64>() + bounds::dot(y.len() + 3, size);
            let gradient = |i: usize| {
                softmax.probability(i) * total
                    + bounds::dot(y.len() + 3, total)
                    + bounds::rounded(smoothed(target[i]))
            };
            RowBounds { loss, gradient: (0..y.len()).map(gradient).collect() }
        }
        LossCase::Pointwise(function, activation) => {
            let units = y.len() as f64;
            let terms = y.iter().zip(target).map(|(&y, &t)| pointwise_bounds(function, y, t));
            let (mut size, mut error, mut gradient) = (0.0, 0.0, Vec::new());
            for (([loss, loss_error], [slope, slope_error]), &y) in terms.zip(y) {
                size += loss;
                error += loss_error;
                let derivative = activation.derivative(y);
                let of_derivative = activation.derivative_bound(y);
                gradient.push(
                    (slope_error * derivative.abs()
                        + slope.abs() * of_derivative
                        + bounds::rounded(slope * derivative))
                        / units,
                );
            }
            let loss = (error + bounds::dot(y.len() + 1, size)) / units;
            RowBounds { loss, gradient }
        }
    }
}

/// `[size, error]` of one output's loss, and of its slope.
fn pointwise_bounds(function: PointwiseLoss, y: f64, target: f64) -> ([f64; 2], [f64; 2]) {
    let error = (y - target).abs();
    let of_error = bounds::rounded(error);
    match function {
        PointwiseLoss::BinaryCrossentropy { label_smoothing } => {
            let target = target * (1.0 - label_smoothing) + 0.5 * label_smoothing;
            let log = (-y.abs()).exp().ln_1p();
            let size = y.max(0.0) + (y * target).abs() + log;
            let sigmoid = Elementwise::Sigmoid.bound(y, 0.0);
            (
                [size, bounds::rounded(size) + bounds::log_one_plus_exp(y)],
                [1.0, sigmoid + bounds::rounded(1.0)],
            )
        }
        PointwiseLoss::MeanSquaredError => {
            let square = error * error;
            (
                [square, 2.0 * error * of_error + bounds::rounded(square)],
                [2.0 * error, 3.0 * of_error],
            )
        }
        // The sign is exact.
        PointwiseLoss::MeanAbsoluteError => ([error, of_error], [1.0, 0.0]),
        PointwiseLoss::Huber { delta } => {
            let slope = error.min(delta);
            let loss =
                if error <= delta { 0.5 * error * error } else { delta * (error - 0.5 * delta) };
            ([loss, slope * of_error + bounds::rounded(delta * (error + delta))], [slope, of_error])
        }
    }
}
