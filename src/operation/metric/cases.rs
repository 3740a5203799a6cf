//! How the parity suite tries the metrics.

use super::{
    Argmax, BinaryHistogram, CategoricalCrossentropyMetric, ConfusionMatrix, MetricFunction,
    PointwiseMetric, SampleMetric, SoftmaxCrossentropyMetric, Thresholds, TopK,
};
use crate::error::Result;
use crate::number::bounds::{self, Softmax};
use crate::operation::Op;
use crate::operation::case::{Case, Cases, Form, Mistake, Values, logits};
use crate::table::{BufferId, Element, Role, Rows, Table};

const THRESHOLD: f64 = 0.3;
const SMOOTHING: f64 = 0.125;
/// Rows beyond the live ones that integers are filled for.
const ROWS_BEYOND_FILLED: usize = 3;

const ROWS_BEYOND: Mistake =
    ("rows beyond the live ones written", "row >= step.live_rows", "false");
const NO_WEIGHT: Mistake = ("no weight", "shape.weighted == 1u", "false");
const ALWAYS_A_WEIGHT: Mistake = ("always a weight", "shape.weighted == 1u", "true");
/// Mistakes that both softmax cross-entropies can make.
const OF_SOFTMAX: [Mistake; 4] = [
    (
        "overflow",
        "exp(vec4<f32>(logits[first + quad]) - largest)",
        "exp(vec4<f32>(logits[first + quad]))",
    ),
    ("padding summed", "- largest), quad, 0.0)", "- largest), quad, 1.0)"),
    ("a quarter of the logits unseen", "max(max(most.x, most.y), max(most.z, most.w))", "most.x"),
    ("not added to", "sums[row] +=", "sums[row] ="),
];

/// What tells a form that counts sample weights.
fn suffix(weighted: bool) -> &'static str {
    if weighted { " weighted" } else { "" }
}

impl Cases for Argmax {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("the last of several largest", "rank[i] > l", "rank[i] >= l"),
            ("padding taken for a unit", "live & ", ""),
            ("NaN above all", " & (magnitude <= vec4<u32>(EXPONENT))", ""),
            ("no sign", "~bits, negative", "~bits, vec4<bool>(false)"),
            ("the smallest of what is negative", "~bits", "magnitude"),
            ROWS_BEYOND,
        ];
        let form = Form::new::<Self>("", |shape, seed| argmax(shape, Values::new(seed)));
        vec![form.mutations(&mistakes)]
    }
}

impl Cases for TopK {
    fn forms() -> Vec<Form> {
        let form = |k: usize, weighted: bool| {
            Form::new::<Self>(&format!("{k}{}", suffix(weighted)), move |shape, seed| {
                top_k(shape, k, weighted, Values::new(seed))
            })
        };
        let of_three = [
            ("ties against it", "> vec4<u32>(own_rank)", ">= vec4<u32>(own_rank)"),
            ("one place more", "greater < shape.count", "greater <= shape.count"),
            ("the argmax", "if (ONE)", "if (true)"),
            ("another label", "[label % 4u]);\n    var", "[0]);\n    var"),
            ("another rank", "ranks(row, label / 4u)[label % 4u]", "ranks(row, 0u)[0]"),
            ("what is no class a hit", "label == labels[row] &&", ""),
            ("an infinity a hit", " && !any_nonfinite(vec4<f32>(own))", ""),
            ("not added to", "sums[row] +=", "sums[row] ="),
            ("every row a hit", "select(0.0, weight, hit)", "weight"),
            ROWS_BEYOND,
        ];
        vec![
            form(1, true).mutations(&[NO_WEIGHT, ("ties in its favour", "if (ONE)", "if (false)")]),
            form(3, true).mutations(&of_three),
            form(3, false).mutations(&[ALWAYS_A_WEIGHT]),
        ]
    }
}

impl Cases for PointwiseMetric {
    fn forms() -> Vec<Form> {
        let form = |&function: &MetricFunction| {
            let (weighted, mistakes): (bool, &[Mistake]) = match function {
                MetricFunction::SquaredError => (
                    true,
                    &[
                        ("no square", "error * error", "error"),
                        ("no mean", "/ f32(shape.units)", ""),
                        ("not added to", "sums[row] +=", "sums[row] ="),
                        (
                            "weights that are not summed",
                            "mean * weight, weight",
                            "mean * weight, 1.0",
                        ),
                        NO_WEIGHT,
                        ROWS_BEYOND,
                    ],
                ),
                MetricFunction::AbsoluteError => (
                    false,
                    &[
                        ("no absolute value", "abs(error)", "error"),
                        ("the last units left out", "quad < quads", "quad + 1u < quads"),
                        ALWAYS_A_WEIGHT,
                    ],
                ),
                MetricFunction::BinaryAccuracy { .. } => (
                    true,
                    &[
                        ("padding counted", "quad, 0.0)", "quad, 1.0)"),
                        ("above the threshold or on it", "prediction > v", "prediction >= v"),
                        (
                            "right and wrong confused",
                            "predicted == expected",
                            "predicted != expected",
                        ),
                    ],
                ),
                MetricFunction::BinaryCrossentropy { .. } => (
                    true,
                    &[
                        ("no smoothing", "* (1.0 - shape.parameter) + 0.5 * shape.parameter", ""),
                        ("overflow", "exp(-abs(logit))", "exp(logit)"),
                        ("no positive part", "max(logit, vec4<f32>(0.0))", "logit"),
                    ],
                ),
            };
            let name = format!("{}{}", function.name(), suffix(weighted));
            let form = Form::new::<Self>(&name, move |shape, seed| {
                pointwise_metric(shape, function, weighted, Values::new(seed))
            });
            form.mutations(mistakes)
        };
        MetricFunction::ALL.iter().map(form).collect()
    }
}

impl Cases for BinaryHistogram {
    fn forms() -> Vec<Form> {
        let form = |thresholds: Thresholds, weighted: bool| {
            let name = match thresholds {
                Thresholds::One(threshold) => format!("one {threshold}"),
                Thresholds::Even(count) => format!("even {count}"),
            };
            Form::new::<Self>(&format!("{name}{}", suffix(weighted)), move |shape, seed| {
                binary_histogram(shape, thresholds, weighted, Values::new(seed))
            })
        };
        let of_one = [
            ("above the threshold or on it", "prediction > s", "prediction >= s"),
            ("NaN above the threshold", "return 0u;", "return 1u;"),
            ("only 1 taken for positive", "!= 0.0", "== 1.0"),
            NO_WEIGHT,
            ROWS_BEYOND,
        ];
        let of_even = [
            ("the bucket above", "ceil(", "floor("),
            ("no first bucket", "- 1u;", "- 0u;"),
            ("not clamped", "clamp(prediction, 0.0, 1.0)", "abs(prediction)"),
            ("the last unit left out", "unit < shape.units", "unit + 1u < shape.units"),
            ("positive and negative confused", "select(0u, 1u, targets", "select(1u, 0u, targets"),
            ("not added to", "+ positive] +=", "+ positive] ="),
            NO_WEIGHT,
            ROWS_BEYOND,
        ];
        vec![
            form(Thresholds::One(THRESHOLD), true).mutations(&of_one),
            form(Thresholds::Even(2), true),
            // Products with a power of two are exact.
            form(Thresholds::Even(129), true).mutations(&of_even),
            form(Thresholds::Even(200), true),
            form(Thresholds::Even(200), false).mutations(&[ALWAYS_A_WEIGHT]),
        ]
    }
}

impl Cases for ConfusionMatrix {
    fn forms() -> Vec<Form> {
        let form = |weighted: bool| {
            Form::new::<Self>(suffix(weighted).trim_start(), move |shape, seed| {
                confusion_matrix(shape, weighted, Values::new(seed))
            })
        };
        let of_weighted = [
            (
                "transposed",
                "label * shape.units + predicted[row]",
                "predicted[row] * shape.units + label",
            ),
            ("not added to", "+ predicted[row]] +=", "+ predicted[row]] ="),
            ("the last sample left out", "row < step.live_rows", "row + 1u < step.live_rows"),
            ("samples beyond the live ones", "row < step.live_rows", "row < step.live_rows + 3u"),
            ("what is no class in the next row", " && predicted[row] < shape.units", ""),
            NO_WEIGHT,
        ];
        vec![form(true).mutations(&of_weighted), form(false).mutations(&[ALWAYS_A_WEIGHT])]
    }
}

impl Cases for SampleMetric {
    fn forms() -> Vec<Form> {
        let form = |weighted: bool| {
            let form = Form::new::<Self>(suffix(weighted).trim(), move |shape, seed| {
                sample_metric(shape, weighted, Values::new(seed))
            });
            match weighted {
                true => form.mutations(&[NO_WEIGHT, ROWS_BEYOND]),
                false => form.mutations(&[
                    ALWAYS_A_WEIGHT,
                    ("not added to", "sums[row] +=", "sums[row] ="),
                    ("another element", "value[row].x", "value[row].y"),
                ]),
            }
        };
        vec![form(true), form(false)]
    }
}

impl Cases for SoftmaxCrossentropyMetric {
    fn forms() -> Vec<Form> {
        let form = |weighted: bool| {
            Form::new::<Self>(suffix(weighted).trim(), move |shape, seed| {
                softmax_crossentropy(shape, weighted, Values::new(seed))
            })
        };
        let own = [("the wrong logit", "[label % 4u]", "[0]"), NO_WEIGHT, ROWS_BEYOND];
        let weighted = form(true).mutations(&OF_SOFTMAX).mutations(&own);
        vec![weighted, form(false).mutations(&[ALWAYS_A_WEIGHT])]
    }
}

impl Cases for CategoricalCrossentropyMetric {
    fn forms() -> Vec<Form> {
        let form = |weighted: bool| {
            Form::new::<Self>(suffix(weighted).trim(), move |shape, seed| {
                categorical_crossentropy(shape, weighted, Values::new(seed))
            })
        };
        let own = [
            ("no smoothing", "* (1.0 - shape.parameter) + spread", ""),
            (
                "padding taken for units",
                "- vec4<f32>(logits[first + quad]))), quad, 0.0)",
                "- vec4<f32>(logits[first + quad]))), quad, 1.0)",
            ),
            ("the last units left out", "losses.z + losses.w", "losses.z"),
            NO_WEIGHT,
            ROWS_BEYOND,
        ];
        let weighted = form(true).mutations(&OF_SOFTMAX).mutations(&own);
        vec![weighted, form(false).mutations(&[ALWAYS_A_WEIGHT])]
    }
}

fn argmax(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    let input = case.table.activation("input", units)?;
    let index = case.table.add("index", Role::Activation, Element::U32, Rows::Batch, 1)?;
    case.push(Argmax { input, index })?;
    case.fill(input, with_nonfinite(rows, units, &mut values));
    case.expect(index, vec![0.0; rows]);
    Ok(case)
}

fn top_k(shape: [usize; 3], k: usize, weighted: bool, mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let given = [with_nonfinite(rows, units, &mut values), classes(rows, units, 2, &mut values)];
    let metric = RowSums {
        labels: true,
        columns: 2,
        weighted,
        terms: 1,
        off_by: &|_, _| vec![0.0; 2],
        op: &|[predictions, labels, sample_weights, sums]| {
            TopK { predictions, labels, sample_weights, sums, k, weighted }.into()
        },
    };
    metric.case(shape, given, values)
}

fn sample_metric(
    [rows, inputs, _]: [usize; 3],
    weighted: bool,
    mut values: Values,
) -> Result<Case> {
    let given = [values.scaled(rows, 3.0), vec![0.0; rows]];
    let metric = RowSums {
        labels: false,
        columns: 2,
        weighted,
        // A product and a sum.
        terms: 3,
        off_by: &|_, _| vec![0.0; 2],
        op: &|[value, _, sample_weights, sums]| {
            SampleMetric { value, sample_weights, sums, weighted }.into()
        },
    };
    metric.case([rows, inputs, 1], given, values)
}

fn pointwise_metric(
    shape: [usize; 3],
    function: MetricFunction,
    weighted: bool,
    mut values: Values,
) -> Result<Case> {
    let [rows, _, units] = shape;
    let predictions = match function {
        MetricFunction::BinaryCrossentropy { .. } => logits(rows, units, &mut values),
        MetricFunction::SquaredError
        | MetricFunction::AbsoluteError
        | MetricFunction::BinaryAccuracy { .. } => {
            let mut predictions = values.positive(rows * units);
            // On the threshold is not above it.
            let threshold = f64::from(THRESHOLD as f32);
            predictions.iter_mut().step_by(3).for_each(|p| *p = threshold);
            predictions
        }
    };
    let given = [predictions, values.below(rows * units, 2)];
    let metric = RowSums {
        labels: false,
        columns: 2,
        weighted,
        // A division, a product and a sum.
        terms: 5,
        off_by: &|p, t| vec![mean_bound(function, p, t), 0.0],
        op: &|[predictions, targets, sample_weights, sums]| {
            PointwiseMetric { predictions, targets, sample_weights, sums, function, weighted }
                .into()
        },
    };
    metric.case(shape, given, values)
}

fn softmax_crossentropy(shape: [usize; 3], weighted: bool, mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let given = [logits(rows, units, &mut values), values.below(rows, units as u64)];
    let metric = RowSums {
        labels: true,
        columns: 2,
        weighted,
        // A product and a sum.
        terms: 3,
        off_by: &|y, class| vec![Softmax::new(y).loss(y[class[0] as usize]), 0.0],
        op: &|[logits, labels, sample_weights, sums]| {
            SoftmaxCrossentropyMetric { logits, labels, sample_weights, sums, weighted }.into()
        },
    };
    metric.case(shape, given, values)
}

fn categorical_crossentropy(shape: [usize; 3], weighted: bool, mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let given = [logits(rows, units, &mut values), values.positive(rows * units)];
    let smoothed = |t: f64| t * (1.0 - SMOOTHING) + SMOOTHING / units as f64;
    let metric = RowSums {
        labels: false,
        columns: 2,
        weighted,
        // A product and a sum.
        terms: 3,
        off_by: &|y, target| {
            let softmax = Softmax::new(y);
            let pairs = || y.iter().zip(target);
            let errors: f64 = pairs().map(|(&y, &t)| smoothed(t) * softmax.loss(y)).sum();
            let size = pairs().map(|(&y, &t)| smoothed(t) * softmax.size_of_loss(y)).sum();
            vec![errors + bounds::dot(units + 3, size), 0.0]
        },
        op: &|[logits, targets, sample_weights, sums]| {
            CategoricalCrossentropyMetric {
                logits,
                targets,
                sample_weights,
                sums,
                label_smoothing: SMOOTHING,
                weighted,
            }
            .into()
        },
    };
    metric.case(shape, given, values)
}

fn binary_histogram(
    shape: [usize; 3],
    thresholds: Thresholds,
    weighted: bool,
    mut values: Values,
) -> Result<Case> {
    let [rows, _, units] = shape;
    let given = in_buckets(rows * units, thresholds, &mut values);
    let columns = 2 * thresholds.buckets();
    let metric = RowSums {
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
            BinaryHistogram { predictions, targets, sample_weights, sums, thresholds, weighted }
                .into()
        },
    };
    metric.case(shape, given, values)
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

/// Classes, and now and then, from `first` on, a number that is no class.
fn classes(rows: usize, units: usize, first: usize, values: &mut Values) -> Vec<f64> {
    let mut labels = values.below(rows, units as u64);
    labels.iter_mut().skip(first).step_by(9).for_each(|label| *label = units as f64);
    let beyond_all = f64::from(u32::MAX);
    labels.iter_mut().skip(first + 3).step_by(17).for_each(|label| *label = beyond_all);
    labels
}

/// Predictions within the buckets, on thresholds and beyond all of them, and their targets.
fn in_buckets(count: usize, thresholds: Thresholds, values: &mut Values) -> [Vec<f64>; 2] {
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
    [predictions, targets]
}

/// How far the sums of a row may be off before its weight, from its predictions and targets.
type OffBy<'a> = &'a dyn Fn(&[f64], &[f64]) -> Vec<f64>;

/// A metric that adds to sums of each row.
struct RowSums<'a> {
    /// Whether its targets are class indices.
    labels: bool,
    /// Sums of a row.
    columns: usize,
    weighted: bool,
    /// Roundings on the way to a sum.
    terms: usize,
    off_by: OffBy<'a>,
    /// The operation on predictions, targets, sample weights and sums.
    op: &'a dyn Fn([BufferId; 4]) -> Op,
}

impl RowSums<'_> {
    /// The case of these predictions and targets.
    fn case(self, shape: [usize; 3], [p, t]: [Vec<f64>; 2], mut values: Values) -> Result<Case> {
        let [rows, _, units] = shape;
        let mut case = Case::new(shape);
        let predictions = case.table.activation("predictions", units)?;
        let (element, width) = if self.labels { (Element::U32, 1) } else { (Element::Real, units) };
        let targets = case.table.add("targets", Role::Target, element, Rows::Batch, width)?;
        let sample_weights = weights_buffer(&mut case.table)?;
        let columns = self.columns;
        let sums = case.table.add("sums", Role::Metric, Element::Real, Rows::Batch, columns)?;
        case.push((self.op)([predictions, targets, sample_weights, sums]))?;

        let weights = values.positive(rows);
        let before = values.positive(rows * columns);
        let of_rows = p.chunks_exact(units).zip(t.chunks_exact(width)).zip(&weights);
        let off_by = of_rows.flat_map(|((p, t), weight)| {
            let counted = if self.weighted { *weight } else { 1.0 };
            (self.off_by)(p, t).into_iter().map(move |error| error * counted)
        });
        let off_by = off_by.collect();
        expect_totals(&mut case, sums, before.clone(), off_by, self.terms);
        case.fill(predictions, p);
        case.fill(targets, t);
        case.fill(sample_weights, weights);
        case.fill(sums, before);
        Ok(case)
    }
}

fn weights_buffer(table: &mut Table) -> Result<BufferId> {
    table.add("sample_weights", Role::SampleWeight, Element::Real, Rows::Batch, 1)
}

/// Expects totals to each of which numbers are added that may be off by `off_by` together, with
/// `terms` roundings. A total that nothing is added to is as it was before.
fn expect_totals(case: &mut Case, id: BufferId, before: Vec<f64>, off_by: Vec<f64>, terms: usize) {
    case.expect_by(id, move |result| {
        let totals = result(id).into_iter().zip(before.iter().zip(&off_by));
        let bound = |(total, (&before, &off_by)): (f64, (&f64, &f64))| {
            let size = total.abs() + (total - before).abs() + off_by;
            let untouched = total == before && off_by == 0.0;
            if untouched { 0.0 } else { off_by + bounds::dot(terms, size) }
        };
        totals.map(bound).collect()
    });
}

/// How far the mean over a row's units may be off.
fn mean_bound(function: MetricFunction, p: &[f64], t: &[f64]) -> f64 {
    let (mut size, mut error) = (0.0, 0.0);
    for (&p, &t) in p.iter().zip(t) {
        let [term, off_by] = function.bounds(p, t);
        size += term;
        error += off_by;
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
    let mut case = Case::new(shape);
    let (table, integer) = (&mut case.table, Element::U32);
    let labels = table.add("labels", Role::Target, integer, Rows::Batch, 1)?;
    let predicted = table.add("predicted", Role::Activation, integer, Rows::Batch, 1)?;
    let sample_weights = weights_buffer(table)?;
    let matrix = table.add("matrix", Role::Metric, Element::Real, Rows::Fixed(units), units)?;
    case.push(ConfusionMatrix { labels, predicted, sample_weights, matrix, weighted })?;

    // Samples beyond the live ones, left by a larger batch, must not count.
    let room = rows + ROWS_BEYOND_FILLED;
    let before = values.positive(units * units);
    case.fill(labels, classes(room, units, 2, &mut values));
    case.fill(predicted, classes(room, units, 1, &mut values));
    case.fill(sample_weights, values.positive(room));
    let exact = vec![0.0; before.len()];
    expect_totals(&mut case, matrix, before.clone(), exact, rows);
    case.fill(matrix, before);
    Ok(case)
}
