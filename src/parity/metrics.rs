//! The cases of the metrics.

use super::case::{Bound, Case, GUARD_ROWS, Values};
use super::operations::{finish, logits};
use crate::error::Result;
use crate::number::bounds;
use crate::operation::{self, Op};
use crate::operation::{MetricFunction as PointwiseMetric, Thresholds};
use crate::program::{BufferId, Element, Pass, ProgramBuilder, Role, Rows};

/// A metric in one of its forms.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "each variant is the operation of its name")]
pub enum MetricCase {
    Argmax,
    TopK { k: usize, weighted: bool },
    Pointwise { function: PointwiseMetric, weighted: bool },
    BinaryHistogram { thresholds: Thresholds, weighted: bool },
    ConfusionMatrix { weighted: bool },
}

const THRESHOLD: f64 = 0.3;
const BINARY: PointwiseMetric = PointwiseMetric::BinaryAccuracy { threshold: THRESHOLD };

impl MetricCase {
    pub(super) const ALL: [MetricCase; 14] = [
        MetricCase::Argmax,
        MetricCase::TopK { k: 1, weighted: true },
        MetricCase::TopK { k: 3, weighted: true },
        MetricCase::TopK { k: 3, weighted: false },
        MetricCase::Pointwise { function: PointwiseMetric::SquaredError, weighted: true },
        MetricCase::Pointwise { function: PointwiseMetric::AbsoluteError, weighted: false },
        MetricCase::Pointwise { function: BINARY, weighted: true },
        MetricCase::BinaryHistogram { thresholds: Thresholds::One(THRESHOLD), weighted: true },
        MetricCase::BinaryHistogram { thresholds: Thresholds::Even(2), weighted: true },
        // Products with a power of two are exact.
        MetricCase::BinaryHistogram { thresholds: Thresholds::Even(129), weighted: true },
        MetricCase::BinaryHistogram { thresholds: Thresholds::Even(200), weighted: true },
        MetricCase::BinaryHistogram { thresholds: Thresholds::Even(200), weighted: false },
        MetricCase::ConfusionMatrix { weighted: true },
        MetricCase::ConfusionMatrix { weighted: false },
    ];

    fn weighted(self) -> bool {
        match self {
            MetricCase::Argmax => false,
            MetricCase::TopK { weighted, .. }
            | MetricCase::Pointwise { weighted, .. }
            | MetricCase::BinaryHistogram { weighted, .. }
            | MetricCase::ConfusionMatrix { weighted } => weighted,
        }
    }

    pub(super) fn name(self) -> String {
        let of_kernel = match self {
            MetricCase::Argmax => "argmax".to_owned(),
            MetricCase::TopK { k, .. } => format!("top_k {k}"),
            MetricCase::Pointwise { function, .. } => {
                let function = match function {
                    PointwiseMetric::SquaredError => "squared_error",
                    PointwiseMetric::AbsoluteError => "absolute_error",
                    PointwiseMetric::BinaryAccuracy { .. } => "binary_accuracy",
                };
                format!("pointwise_metric {function}")
            }
            MetricCase::BinaryHistogram { thresholds, .. } => match thresholds {
                Thresholds::One(threshold) => format!("binary_histogram one {threshold}"),
                Thresholds::Even(count) => format!("binary_histogram even {count}"),
            },
            MetricCase::ConfusionMatrix { .. } => "confusion_matrix".to_owned(),
        };
        if self.weighted() { format!("{of_kernel} weighted") } else { of_kernel }
    }
}

pub(super) fn metric(shape: [usize; 3], case: MetricCase, mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    match case {
        MetricCase::Argmax => argmax(shape, values),
        MetricCase::ConfusionMatrix { weighted } => confusion_matrix(shape, weighted, values),
        MetricCase::TopK { k, weighted } => {
            let given =
                (with_nonfinite(rows, units, &mut values), classes(rows, units, 2, &mut values));
            let sums = RowSums {
                labels: true,
                columns: 2,
                weighted,
                terms: 1,
                off_by: &|_, _| vec![0.0; 2],
                op: &|[predictions, labels, sample_weights, sums]| {
                    Op::TopK(operation::TopK {
                        predictions,
                        labels,
                        sample_weights,
                        sums,
                        k,
                        weighted,
                    })
                },
            };
            row_sums(shape, given, sums, values)
        }
        MetricCase::Pointwise { function, weighted } => {
            let mut predictions = values.positive(rows * units);
            // On the threshold is not above it.
            let threshold = f64::from(THRESHOLD as f32);
            predictions.iter_mut().step_by(3).for_each(|p| *p = threshold);
            let given = (predictions, values.below(rows * units, 2));
            let sums = RowSums {
                labels: false,
                columns: 2,
                weighted,
                // A division, a product and a sum.
                terms: 5,
                off_by: &|p, t| vec![mean_bound(function, p, t), 0.0],
                op: &|[predictions, targets, sample_weights, sums]| {
                    Op::PointwiseMetric(operation::PointwiseMetric {
                        predictions,
                        targets,
                        sample_weights,
                        sums,
                        function,
                        weighted,
                    })
                },
            };
            row_sums(shape, given, sums, values)
        }
        MetricCase::BinaryHistogram { thresholds, weighted } => {
            let given = in_buckets(rows * units, thresholds, &mut values);
            let columns = 2 * thresholds.buckets();
            let sums = RowSums {
                labels: false,
                columns,
                weighted,
                terms: units,
                off_by: &|p, t| {
                    let mut off_by = vec![0.0; columns];
                    for (&p, &t) in p.iter().zip(t) {
                        for bucket in uncertain_buckets(p, thresholds) {
                            off_by[2 * bucket + usize::from(t != 0.0)] += 1.0;
                        }
                    }
                    off_by
                },
                op: &|[predictions, targets, sample_weights, sums]| {
                    Op::BinaryHistogram(operation::BinaryHistogram {
                        predictions,
                        targets,
                        sample_weights,
                        sums,
                        thresholds,
                        weighted,
                    })
                },
            };
            row_sums(shape, given, sums, values)
        }
    }
}

fn argmax(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let input = builder.activation("input", units)?;
    let index = builder.buffer("index", Role::Activation, Element::U32, Rows::Batch, 1)?;
    builder.push(Pass::Predict, Op::Argmax(operation::Argmax { input, index }))?;
    let x = with_nonfinite(rows, units, &mut values);
    let exact: Bound = Box::new(move |_| vec![0.0; rows]);
    Ok(finish(builder, shape, vec![(input, x)], vec![(index, exact)]))
}

/// Logits, many of them tied, and rows with NaN and infinities in them, or nothing else.
fn with_nonfinite(rows: usize, units: usize, values: &mut Values) -> Vec<f64> {
    let mut x = logits(rows, units, values);
    for (row, x) in x.chunks_exact_mut(units).enumerate() {
        match row % 8 {
            4 => x[0] = f64::NAN,
            5 => {
                x[units / 2] = f64::INFINITY;
                x[units - 1] = f64::NAN;
            }
            6 => x.fill(f64::NEG_INFINITY),
            7 if row % 16 == 7 => x.fill(f64::NAN),
            _ => {}
        }
    }
    x
}

/// Classes, and now and then, from `first` on, what is none.
fn classes(rows: usize, units: usize, first: usize, values: &mut Values) -> Vec<f64> {
    let mut labels = values.below(rows, units as u64);
    labels.iter_mut().skip(first).step_by(9).for_each(|label| *label = units as f64);
    let beyond_all = f64::from(u32::MAX);
    labels.iter_mut().skip(first + 3).step_by(17).for_each(|label| *label = beyond_all);
    labels
}

/// Predictions within and between the buckets and beyond all of them, and their targets.
fn in_buckets(count: usize, thresholds: Thresholds, values: &mut Values) -> (Vec<f64>, Vec<f64>) {
    let mut predictions = values.positive(count);
    let places = values.below(count, thresholds.buckets() as u64 + 1);
    for (i, (prediction, place)) in predictions.iter_mut().zip(places).enumerate() {
        *prediction = match (i % 3, thresholds) {
            (0, Thresholds::One(threshold)) => f64::from(threshold as f32),
            (0, Thresholds::Even(_)) => f64::from((place / thresholds.buckets() as f64) as f32),
            (1, _) if i % 7 == 0 => [-0.5, 1.5, f64::NAN, f64::INFINITY][i % 4],
            _ => *prediction,
        };
    }
    // Whatever is not 0 is positive.
    let mut targets = values.below(count, 2);
    targets.iter_mut().step_by(5).for_each(|target| *target *= -0.25);
    (predictions, targets)
}

/// Of a row's predictions and targets.
type OffBy<'a> = &'a dyn Fn(&[f64], &[f64]) -> Vec<f64>;

/// What a metric adds to the sums of each row.
struct RowSums<'a> {
    /// Whether its targets are class indices.
    labels: bool,
    /// Sums of a row.
    columns: usize,
    weighted: bool,
    /// Roundings on the way to a sum.
    terms: usize,
    /// By how much each of a row's sums may be off before its weight.
    off_by: OffBy<'a>,
    /// Of predictions, targets, sample weights and sums.
    op: &'a dyn Fn([BufferId; 4]) -> Op,
}

fn row_sums(
    shape: [usize; 3],
    (p, t): (Vec<f64>, Vec<f64>),
    metric: RowSums<'_>,
    mut values: Values,
) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let predictions = builder.activation("predictions", units)?;
    let (element, width) = if metric.labels { (Element::U32, 1) } else { (Element::Real, units) };
    let targets = builder.buffer("targets", Role::Target, element, Rows::Batch, width)?;
    let sample_weights = weights_buffer(&mut builder)?;
    let columns = metric.columns;
    let sums = builder.buffer("sums", Role::Metric, Element::Real, Rows::Batch, columns)?;
    builder.push(Pass::Predict, (metric.op)([predictions, targets, sample_weights, sums]))?;

    let weights = values.positive(rows);
    let before = values.positive(rows * columns);
    let of_rows = p.chunks_exact(units).zip(t.chunks_exact(width)).zip(&weights);
    let off_by = of_rows.flat_map(|((p, t), weight)| {
        let counted = if metric.weighted { *weight } else { 1.0 };
        (metric.off_by)(p, t).into_iter().map(move |error| error * counted)
    });
    let bound = totals_bound(sums, before.clone(), off_by.collect(), metric.terms);
    let fills = vec![(predictions, p), (targets, t), (sample_weights, weights), (sums, before)];
    Ok(finish(builder, shape, fills, vec![(sums, bound)]))
}

fn weights_buffer(builder: &mut ProgramBuilder) -> Result<BufferId> {
    builder.buffer("sample_weights", Role::SampleWeight, Element::Real, Rows::Batch, 1)
}

/// Of totals to each of which numbers are added that may be off by so much together, with `terms`
/// roundings. What nothing is added to is as it was.
fn totals_bound(id: BufferId, before: Vec<f64>, off_by: Vec<f64>, terms: usize) -> Bound {
    Box::new(move |result| {
        let totals = result(id).into_iter().zip(before.iter().zip(&off_by));
        let of = |(total, (&before, &off_by)): (f64, (&f64, &f64))| {
            let size = total.abs() + (total - before).abs() + off_by;
            let untouched = total == before && off_by == 0.0;
            if untouched { 0.0 } else { off_by + bounds::dot(terms, size) }
        };
        totals.map(of).collect()
    })
}

/// Of the mean over a row's units.
fn mean_bound(function: PointwiseMetric, p: &[f64], t: &[f64]) -> f64 {
    let (mut size, mut error) = (0.0, 0.0);
    for (p, t) in p.iter().zip(t) {
        let difference = (p - t).abs();
        let of_difference = bounds::rounded(difference);
        let [term, of_term] = match function {
            PointwiseMetric::SquaredError => {
                let square = difference * difference;
                [square, 2.0 * difference * of_difference + bounds::rounded(square)]
            }
            PointwiseMetric::AbsoluteError => [difference, of_difference],
            // 0 or 1, exactly.
            PointwiseMetric::BinaryAccuracy { .. } => [1.0, 0.0],
        };
        size += term;
        error += of_term;
    }
    (error + bounds::dot(p.len() + 1, size)) / p.len() as f64
}

/// The two buckets between which a prediction lies if its product with their number, rounded in a
/// direction of the device's choice, may or may not be the integer that parts them.
fn uncertain_buckets(prediction: f64, thresholds: Thresholds) -> Vec<usize> {
    let buckets = match thresholds {
        Thresholds::One(_) => return Vec::new(),
        Thresholds::Even(_) => thresholds.buckets(),
    };
    // Exact: 24 bits times a few.
    let product = prediction.clamp(0.0, 1.0) * buckets as f64;
    let nearest = product.round();
    let uncertain =
        product != nearest && (product - nearest).abs() <= 2.0 * bounds::EPSILON * nearest;
    let above = nearest as usize;
    let parted = [above.checked_sub(1), Some(above)].into_iter().flatten();
    parted.filter(|&bucket| uncertain && bucket < buckets).collect()
}

fn confusion_matrix(shape: [usize; 3], weighted: bool, mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let integers = |builder: &mut ProgramBuilder, name, role| {
        builder.buffer(name, role, Element::U32, Rows::Batch, 1)
    };
    let labels = integers(&mut builder, "labels", Role::Target)?;
    let predicted = integers(&mut builder, "predicted", Role::Activation)?;
    let sample_weights = weights_buffer(&mut builder)?;
    let matrix =
        builder.buffer("matrix", Role::Metric, Element::Real, Rows::Fixed(units), units)?;
    let op = Op::ConfusionMatrix(operation::ConfusionMatrix {
        labels,
        predicted,
        sample_weights,
        matrix,
        weighted,
    });
    builder.push(Pass::Predict, op)?;

    // Samples beyond the live ones, left by a larger batch, must not count.
    let room = rows + GUARD_ROWS;
    let before = values.positive(units * units);
    let fills = vec![
        (labels, classes(room, units, 2, &mut values)),
        (predicted, classes(room, units, 1, &mut values)),
        (sample_weights, values.positive(room)),
        (matrix, before.clone()),
    ];
    let exact = vec![0.0; before.len()];
    let bound = totals_bound(matrix, before, exact, rows);
    Ok(finish(builder, shape, fills, vec![(matrix, bound)]))
}
