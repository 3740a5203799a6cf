//! What metrics add to the graph of an output.

use super::crossentropy::Crossentropy;
use super::loss::{Accuracy, Loss};
use super::metric::Metric;
use super::objective::Judged;
use super::report::{ReportedMetric, Sums};
use crate::error::{Error, Result};
use crate::operation::activation::Activation;
use crate::operation::{self, MetricFunction, Thresholds};
use crate::program::{BufferId, Element, Graph, Role, Rows};

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
pub(super) type Watched<'a> = (String, &'a Metric, bool);

/// The metrics of an output.
pub(super) fn watched<'a>(judged: &Judged<'a>) -> Vec<Watched<'a>> {
    let objective = judged.objective;
    let plain = objective.metrics.iter().map(|metric| (metric, false));
    let weighted = objective.weighted_metrics.iter().map(|metric| (metric, true));
    let mut watched: Vec<Watched<'_>> = Vec::new();
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
pub(super) fn source(judged: &Judged<'_>, metric: &Metric, weighted: bool) -> Source {
    match metric {
        Metric::Accuracy if !weighted => Source::Loss,
        Metric::Accuracy if judged.objective.loss.accuracy() == Some(Accuracy::Sample) => {
            Source::Predictions
        }
        Metric::TopKCategoricalAccuracy { .. }
        | Metric::Crossentropy
        | Metric::SparseCategoricalCrossentropy
        | Metric::CategoricalCrossentropy { .. }
        | Metric::BinaryCrossentropy { .. }
        | Metric::MeanSquaredError
        | Metric::MeanAbsoluteError
        | Metric::Custom(_) => Source::Predictions,
        Metric::Accuracy
        | Metric::BinaryAccuracy { .. }
        | Metric::Precision { .. }
        | Metric::Recall { .. }
        | Metric::Auc { .. } => Source::Probabilities,
        Metric::ConfusionMatrix => match judged.objective.loss.accuracy() {
            Some(Accuracy::Sample) => Source::Predictions,
            Some(Accuracy::Output) | None => Source::Probabilities,
        },
    }
}

/// True if the model gives logits where a metric wants probabilities.
pub(super) fn gives_logits(judged: &Judged<'_>) -> bool {
    matches!(judged.objective.loss, Loss::BinaryCrossentropy { .. })
        && judged.activation != Activation::Sigmoid
}

/// Of a confusion matrix, which takes 1 GiB then.
const MOST_CLASSES: usize = 1 << 14;

/// Whether the metric has a meaning for this output.
///
/// # Errors
/// [`Error::Argument`] saying why not.
pub(super) fn check(judged: &Judged<'_>, metric: &Metric) -> Result<()> {
    let loss = &judged.objective.loss;
    let refuse =
        |why: String| Err(Error::argument("metrics", format!("of {:?}: {why}", judged.name)));
    let classes = matches!(loss, Loss::SparseCategoricalCrossentropy);
    let units = judged.value.columns();
    match *metric {
        Metric::Custom(ref metric) if ["", "loss", "counts"].contains(&metric.custom.as_str()) => {
            refuse(format!("one is called {metric:?}; give it another name"))
        }
        Metric::Accuracy if loss.accuracy().is_none() => {
            refuse(format!("Accuracy has no meaning for {loss:?}: nothing is right or wrong"))
        }
        Metric::TopKCategoricalAccuracy { .. } if loss.accuracy() != Some(Accuracy::Sample) => {
            refuse(format!("{metric:?} has no meaning for {loss:?}: it needs one class a sample"))
        }
        Metric::TopKCategoricalAccuracy { k } if !(1..=units).contains(&k) => {
            refuse(format!("{metric:?} of {units} outputs; give 1 to {units}"))
        }
        Metric::CategoricalCrossentropy { .. }
        | Metric::BinaryCrossentropy { .. }
        | Metric::MeanSquaredError
        | Metric::MeanAbsoluteError
        | Metric::BinaryAccuracy { .. }
        | Metric::Precision { .. }
        | Metric::Recall { .. }
        | Metric::Auc { .. }
        | Metric::Custom(_)
            if classes =>
        {
            refuse(format!(
                "{metric:?} compares each output with a target of its own; {loss:?} has class \
                 indices; take CategoricalCrossentropy, and targets with 1 for a sample's class \
                 and 0 for the others (Targets::values)"
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
        Metric::Crossentropy
        | Metric::SparseCategoricalCrossentropy
        | Metric::CategoricalCrossentropy { .. }
        | Metric::BinaryCrossentropy { .. } => {
            Crossentropy::problem(judged, metric).map_or(Ok(()), refuse)
        }
        Metric::Accuracy
        | Metric::TopKCategoricalAccuracy { .. }
        | Metric::MeanSquaredError
        | Metric::MeanAbsoluteError
        | Metric::BinaryAccuracy { .. }
        | Metric::Precision { .. }
        | Metric::Recall { .. }
        | Metric::Auc { .. }
        | Metric::ConfusionMatrix
        | Metric::Custom(_) => Ok(()),
    }
}

/// Adds the metric called `name` to the graph.
///
/// # Errors
/// Those of [`Graph::push`].
pub(super) fn push_metric(
    graph: &mut Graph,
    judged: &Judged<'_>,
    of: Predictions,
    (name, metric, weighted): Watched<'_>,
) -> Result<ReportedMetric> {
    let Predictions { predictions, probabilities, sample_weights, counts } = of;
    let targets = judged.targets;
    let units = judged.value.columns();
    let accuracy = judged.objective.loss.accuracy();
    let full_name = format!("metrics.{}.{name}", judged.name);
    let sums = |graph: &mut Graph, rows: Rows, columns: usize| {
        graph.metric(full_name.clone(), Element::Real, rows, columns)
    };
    let pointwise = |graph: &mut Graph, predictions, function| -> Result<BufferId> {
        let sums = sums(graph, Rows::Batch, 2)?;
        graph.push(operation::PointwiseMetric {
            predictions,
            targets,
            sample_weights,
            sums,
            function,
            weighted,
        })?;
        Ok(sums)
    };
    let histogram = |graph: &mut Graph, thresholds: Thresholds| -> Result<BufferId> {
        let sums = sums(graph, Rows::Batch, 2 * thresholds.buckets())?;
        graph.push(operation::BinaryHistogram {
            predictions: probabilities,
            targets,
            sample_weights,
            sums,
            thresholds,
            weighted,
        })?;
        Ok(sums)
    };
    // The class of each sample, as an index.
    let index = |graph: &mut Graph, suffix: &str, input| -> Result<BufferId> {
        let name = format!("{full_name}.{suffix}");
        let index = graph.rows(name, Role::Activation, Element::U32, 1)?;
        graph.push(operation::Argmax { input, index })?;
        Ok(index)
    };
    let labels = |graph: &mut Graph| match judged.objective.loss {
        Loss::SparseCategoricalCrossentropy => Ok(targets),
        Loss::CategoricalCrossentropy { .. }
        | Loss::BinaryCrossentropy { .. }
        | Loss::MeanSquaredError
        | Loss::MeanAbsoluteError
        | Loss::Huber { .. }
        | Loss::Custom(_) => index(graph, "labels", targets),
    };
    let crossentropy = |graph: &mut Graph, of: Crossentropy| -> Result<BufferId> {
        let (logits, labels) = (predictions, targets);
        match of {
            Crossentropy::Sparse => {
                let sums = sums(graph, Rows::Batch, 2)?;
                graph.push(operation::SoftmaxCrossentropyMetric {
                    logits,
                    labels,
                    sample_weights,
                    sums,
                    weighted,
                })?;
                Ok(sums)
            }
            Crossentropy::Categorical { label_smoothing } => {
                let sums = sums(graph, Rows::Batch, 2)?;
                graph.push(operation::CategoricalCrossentropyMetric {
                    logits,
                    targets,
                    sample_weights,
                    sums,
                    label_smoothing,
                    weighted,
                })?;
                Ok(sums)
            }
            Crossentropy::Binary { label_smoothing } => {
                let function = MetricFunction::BinaryCrossentropy { label_smoothing };
                pointwise(graph, predictions, function)
            }
        }
    };
    let top = |graph: &mut Graph, k| -> Result<BufferId> {
        let labels = labels(graph)?;
        let sums = sums(graph, Rows::Batch, 2)?;
        graph.push(operation::TopK { predictions, labels, sample_weights, sums, k, weighted })?;
        Ok(sums)
    };
    let sums = match *metric {
        Metric::Accuracy if source(judged, metric, weighted) == Source::Loss => {
            let answers = match accuracy {
                Some(Accuracy::Output) => units,
                Some(Accuracy::Sample) | None => 1,
            };
            Sums::WithLoss { counts, answers }
        }
        Metric::Accuracy if accuracy == Some(Accuracy::Sample) => Sums::Own(top(graph, 1)?),
        Metric::TopKCategoricalAccuracy { k } => Sums::Own(top(graph, k)?),
        Metric::Accuracy => {
            let function = MetricFunction::BinaryAccuracy { threshold: 0.5 };
            Sums::Own(pointwise(graph, probabilities, function)?)
        }
        Metric::BinaryAccuracy { threshold } => {
            let function = MetricFunction::BinaryAccuracy { threshold };
            Sums::Own(pointwise(graph, probabilities, function)?)
        }
        Metric::Crossentropy
        | Metric::SparseCategoricalCrossentropy
        | Metric::CategoricalCrossentropy { .. }
        | Metric::BinaryCrossentropy { .. } => {
            let of = Crossentropy::new(judged, metric)
                .ok_or_else(|| Error::argument("metrics", format!("{metric:?} fits nothing")))?;
            Sums::Own(crossentropy(graph, of)?)
        }
        Metric::MeanSquaredError => {
            Sums::Own(pointwise(graph, predictions, MetricFunction::SquaredError)?)
        }
        Metric::MeanAbsoluteError => {
            Sums::Own(pointwise(graph, predictions, MetricFunction::AbsoluteError)?)
        }
        Metric::Precision { threshold } | Metric::Recall { threshold } => {
            Sums::Own(histogram(graph, Thresholds::One(threshold))?)
        }
        Metric::Custom(ref custom) => {
            graph.scope(&full_name);
            let target = judged.target(graph);
            let prediction = graph.full(&judged.value)?;
            let value = custom.value("metric", graph, &prediction, &target)?.buffer();
            let sums = sums(graph, Rows::Batch, 2)?;
            graph.push(operation::SampleMetric { value, sample_weights, sums, weighted })?;
            Sums::Own(sums)
        }
        Metric::Auc { thresholds } => Sums::Own(histogram(graph, Thresholds::Even(thresholds))?),
        Metric::ConfusionMatrix if units == 1 => {
            Sums::TwoClasses(histogram(graph, Thresholds::One(0.5))?)
        }
        Metric::ConfusionMatrix => {
            let labels = labels(graph)?;
            let predicted = index(graph, "predicted", predictions)?;
            let matrix = sums(graph, Rows::Fixed(units), units)?;
            graph.push(operation::ConfusionMatrix {
                labels,
                predicted,
                sample_weights,
                matrix,
                weighted,
            })?;
            Sums::Own(matrix)
        }
    };
    Ok(ReportedMetric { name, metric: metric.clone(), sums })
}
