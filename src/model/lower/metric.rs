//! From metrics to operations on an output's predictions.

use super::objective::Judged;
use crate::error::{Error, Result};
use crate::loss::{Accuracy, Loss};
use crate::metric::Metric;
use crate::model::report::{ReportedMetric, Sums};
use crate::operation::activation::Elementwise;
use crate::operation::{self, MetricFunction, Op, Thresholds};
use crate::program::{BufferId, Element, ProgramBuilder, Role, Rows};

/// What a metric is computed of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// What the loss counts.
    Loss,
    /// The predictions.
    Predictions,
    /// The predictions as probabilities, also where the model gives logits.
    Probabilities,
}

/// What the metrics of an output are computed of, besides its targets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Predictions {
    pub predictions: BufferId,
    /// The same, but after the sigmoid that a binary cross-entropy from logits has within itself.
    pub probabilities: BufferId,
    pub sample_weights: BufferId,
    /// Of the loss.
    pub counts: BufferId,
}

/// A metric with its name, and whether sample weights count.
pub(super) type Watched = (String, Metric, bool);

/// The metrics of an output.
pub(super) fn watched(judged: &Judged<'_>) -> Vec<Watched> {
    let objective = judged.objective;
    let plain = objective.metrics.iter().map(|metric| (*metric, false));
    let weighted = objective.weighted_metrics.iter().map(|metric| (*metric, true));
    let mut watched: Vec<Watched> = Vec::new();
    for (metric, weighted) in plain.chain(weighted) {
        let taken = |name: &str| watched.iter().any(|(other, ..)| other == name);
        let mut name = metric.name().to_owned();
        if weighted && taken(&name) {
            name = format!("weighted_{name}");
        }
        let mut number = 1;
        let first = name.clone();
        while taken(&name) {
            name = format!("{first}_{number}");
            number += 1;
        }
        watched.push((name, metric, weighted));
    }
    watched
}

/// What the metric is computed of.
pub(super) fn source(judged: &Judged<'_>, metric: Metric, weighted: bool) -> Source {
    match metric {
        Metric::Accuracy if !weighted => Source::Loss,
        Metric::Accuracy if judged.objective.loss.accuracy() == Some(Accuracy::Sample) => {
            Source::Predictions
        }
        Metric::TopKCategoricalAccuracy { .. }
        | Metric::MeanSquaredError
        | Metric::MeanAbsoluteError => Source::Predictions,
        Metric::Accuracy
        | Metric::BinaryAccuracy { .. }
        | Metric::Precision { .. }
        | Metric::Recall { .. }
        | Metric::Auc { .. } => Source::Probabilities,
        Metric::ConfusionMatrix => match judged.objective.loss.accuracy() {
            Some(Accuracy::Sample) => Source::Predictions,
            _ => Source::Probabilities,
        },
    }
}

/// True if the model gives logits where a metric wants probabilities.
pub(super) fn gives_logits(judged: &Judged<'_>) -> bool {
    matches!(judged.objective.loss, Loss::BinaryCrossentropy { .. })
        && judged.activation.elementwise() == Some(Elementwise::Linear)
}

/// Of a confusion matrix, which takes 1 GiB then.
const MOST_CLASSES: usize = 1 << 14;

/// Whether the metric has a meaning for this output.
///
/// # Errors
/// [`Error::Argument`] saying why not.
pub(super) fn check(judged: &Judged<'_>, metric: Metric) -> Result<()> {
    let loss = &judged.objective.loss;
    let refuse =
        |why: String| Err(Error::argument("metrics", format!("of {:?}: {why}", judged.name)));
    let classes = matches!(loss, Loss::SparseCategoricalCrossentropy);
    let units = judged.made.value.width;
    match metric {
        Metric::Accuracy if loss.accuracy().is_none() => {
            refuse(format!("Accuracy has no meaning for {loss:?}: nothing is right or wrong"))
        }
        Metric::TopKCategoricalAccuracy { .. } if loss.accuracy() != Some(Accuracy::Sample) => {
            refuse(format!("{metric:?} has no meaning for {loss:?}: it needs one class a sample"))
        }
        Metric::TopKCategoricalAccuracy { k } if !(1..=units).contains(&k) => {
            refuse(format!("{metric:?} of {units} outputs; give 1 to {units}"))
        }
        Metric::MeanSquaredError
        | Metric::MeanAbsoluteError
        | Metric::BinaryAccuracy { .. }
        | Metric::Precision { .. }
        | Metric::Recall { .. }
        | Metric::Auc { .. }
            if classes =>
        {
            refuse(format!(
                "{metric:?} compares each output with a target of its own; {loss:?} has class \
                 indices"
            ))
        }
        Metric::BinaryAccuracy { threshold }
        | Metric::Precision { threshold }
        | Metric::Recall { threshold }
            if !(0.0..=1.0).contains(&threshold) =>
        {
            refuse(format!("{metric:?}; give a threshold from 0 to 1"))
        }
        Metric::Auc { thresholds } if !(2..=100_000).contains(&thresholds) => {
            refuse(format!("{metric:?}; give 2 to 100000 thresholds"))
        }
        Metric::ConfusionMatrix if loss.accuracy() == Some(Accuracy::Output) && units > 1 => {
            refuse(format!("{metric:?} of {units} outputs that are right or wrong by themselves"))
        }
        Metric::ConfusionMatrix if units > MOST_CLASSES => {
            refuse(format!("{metric:?} of {units} classes; it can be had of up to {MOST_CLASSES}"))
        }
        Metric::ConfusionMatrix if loss.accuracy().is_none() => {
            refuse(format!("{metric:?} has no meaning for {loss:?}: there are no classes"))
        }
        _ => Ok(()),
    }
}

/// The buffers of the metric called `name`, and the operations that add to them.
pub(super) fn lower(
    builder: &mut ProgramBuilder,
    judged: &Judged<'_>,
    of: Predictions,
    (name, metric, weighted): Watched,
) -> Result<(ReportedMetric, Vec<Op>)> {
    let Predictions { predictions, probabilities, sample_weights, counts } = of;
    let targets = judged.targets;
    let units = judged.made.value.width;
    let sums = |builder: &mut ProgramBuilder, rows: Rows, columns: usize| {
        let name = format!("metrics.{}.{name}", judged.name);
        builder.buffer(name, Role::Metric, Element::Real, rows, columns)
    };
    let mut ops = Vec::new();
    let pointwise = |builder: &mut ProgramBuilder, predictions, function| -> Result<_> {
        let sums = sums(builder, Rows::Batch, 2)?;
        let op = Op::PointwiseMetric(operation::PointwiseMetric {
            predictions,
            targets,
            sample_weights,
            sums,
            function,
            weighted,
        });
        Ok((sums, op))
    };
    let histogram = |builder: &mut ProgramBuilder, thresholds: Thresholds| -> Result<_> {
        let sums = sums(builder, Rows::Batch, 2 * thresholds.buckets())?;
        let op = Op::BinaryHistogram(operation::BinaryHistogram {
            predictions: probabilities,
            targets,
            sample_weights,
            sums,
            thresholds,
            weighted,
        });
        Ok((sums, op))
    };
    // The class of each sample, as an index.
    let index = |builder: &mut ProgramBuilder, suffix: &str, input| -> Result<_> {
        let name = format!("metrics.{}.{name}.{suffix}", judged.name);
        let index = builder.buffer(name, Role::Activation, Element::U32, Rows::Batch, 1)?;
        Ok((index, Op::Argmax(operation::Argmax { input, index })))
    };
    let labels = |builder: &mut ProgramBuilder, ops: &mut Vec<Op>| -> Result<BufferId> {
        if judged.objective.loss == Loss::SparseCategoricalCrossentropy {
            return Ok(targets);
        }
        let (labels, op) = index(builder, "labels", targets)?;
        ops.push(op);
        Ok(labels)
    };
    let top = |builder: &mut ProgramBuilder, ops: &mut Vec<Op>, k| -> Result<BufferId> {
        let labels = labels(builder, ops)?;
        let sums = sums(builder, Rows::Batch, 2)?;
        ops.push(Op::TopK(operation::TopK {
            predictions,
            labels,
            sample_weights,
            sums,
            k,
            weighted,
        }));
        Ok(sums)
    };
    let sums = match metric {
        Metric::Accuracy if source(judged, metric, weighted) == Source::Loss => {
            let answers = match judged.objective.loss.accuracy() {
                Some(Accuracy::Output) => units,
                _ => 1,
            };
            return Ok((
                ReportedMetric { name, metric, sums: Sums::WithLoss { counts, answers } },
                ops,
            ));
        }
        Metric::Accuracy if judged.objective.loss.accuracy() == Some(Accuracy::Sample) => {
            top(builder, &mut ops, 1)?
        }
        Metric::TopKCategoricalAccuracy { k } => top(builder, &mut ops, k)?,
        Metric::Accuracy => {
            let function = MetricFunction::BinaryAccuracy { threshold: 0.5 };
            let (sums, op) = pointwise(builder, probabilities, function)?;
            ops.push(op);
            sums
        }
        Metric::BinaryAccuracy { threshold } => {
            let function = MetricFunction::BinaryAccuracy { threshold };
            let (sums, op) = pointwise(builder, probabilities, function)?;
            ops.push(op);
            sums
        }
        Metric::MeanSquaredError | Metric::MeanAbsoluteError => {
            let function = match metric {
                Metric::MeanSquaredError => MetricFunction::SquaredError,
                _ => MetricFunction::AbsoluteError,
            };
            let (sums, op) = pointwise(builder, predictions, function)?;
            ops.push(op);
            sums
        }
        Metric::Precision { threshold } | Metric::Recall { threshold } => {
            let (sums, op) = histogram(builder, Thresholds::One(threshold))?;
            ops.push(op);
            sums
        }
        Metric::Auc { thresholds } => {
            let (sums, op) = histogram(builder, Thresholds::Even(thresholds))?;
            ops.push(op);
            sums
        }
        Metric::ConfusionMatrix if units == 1 => {
            let (sums, op) = histogram(builder, Thresholds::One(0.5))?;
            ops.push(op);
            return Ok((ReportedMetric { name, metric, sums: Sums::TwoClasses(sums) }, ops));
        }
        Metric::ConfusionMatrix => {
            let labels = labels(builder, &mut ops)?;
            let (predicted, op) = index(builder, "predicted", predictions)?;
            ops.push(op);
            let matrix = sums(builder, Rows::Fixed(units), units)?;
            ops.push(Op::ConfusionMatrix(operation::ConfusionMatrix {
                labels,
                predicted,
                sample_weights,
                matrix,
                weighted,
            }));
            matrix
        }
    };
    Ok((ReportedMetric { name, metric, sums: Sums::Own(sums) }, ops))
}
