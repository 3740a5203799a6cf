//! Metrics on both executors, against Keras 3.15.1 (`KERAS_BACKEND=jax`) and by hand.
//!
//! The numbers of Keras are those of this script, `METRIC.update_state(y[s], p[s], w[s])` with the
//! slices 0 to 32 and 32 to 60, then `METRIC.result()`:
//!
//! ```python
//! i, j, f32 = np.arange(240), np.arange(60), np.float32
//! spread = (((i * 7919 + 13) % 1009).astype(f32) / f32(1008)).reshape(60, 4)
//! tied = (((i * 37 + 11) % 200).astype(f32) / f32(199)).reshape(60, 4)
//! y = np.where(((i * 31) % 17) / 17 < tied.reshape(-1), 1, 0).astype(f32).reshape(60, 4)
//! w = ((j * 5) % 11).astype(f32) / f32(4)
//! k = np.arange(540)
//! classes = ((k * 29 + k**2 // 3) % 8).astype(f32).reshape(60, 9) / f32(8)
//! label = (j * 7 + 3) % 9
//! ```

use minibatch::operation::{self, MetricFunction, Op, Thresholds};
use std::sync::Arc;

use approx::abs_diff_eq;
use minibatch::cpu::CpuExecutor;
use minibatch::gpu::GpuExecutor;
use minibatch::metric::{auc, precision, recall};
use minibatch::program::{BufferId, Element, Pass, ProgramBuilder, Role, Rows, Step};
use minibatch::{Error, Gpu};

/// Predictions `[rows, units]`, targets (of their own, or labels) and weights of the samples.
struct Samples {
    units: usize,
    predictions: Vec<f64>,
    targets: Vec<f64>,
    labels: bool,
    weights: Vec<f64>,
}

fn quotient(number: usize, whole: usize) -> f64 {
    f64::from(number as f32 / whole as f32)
}

fn weights() -> Vec<f64> {
    (0..60).map(|j| quotient((j * 5) % 11, 4)).collect()
}

/// `[60, 4]` with targets 0 and 1; every prediction is one of 1009, or a multiple of 1/199.
fn binary(tied: bool) -> Samples {
    let spread = |i: usize| quotient((i * 7919 + 13) % 1009, 1008);
    let on_thresholds = |i: usize| quotient((i * 37 + 11) % 200, 199);
    let target = |i: usize| f64::from(((i * 31) % 17) as f64 / 17.0 < on_thresholds(i));
    Samples {
        units: 4,
        predictions: (0..240).map(|i| if tied { on_thresholds(i) } else { spread(i) }).collect(),
        targets: (0..240).map(target).collect(),
        labels: false,
        weights: weights(),
    }
}

/// `[60, 9]`, with ties in most rows.
fn categorical() -> Samples {
    Samples {
        units: 9,
        predictions: (0..540).map(|k| quotient((k * 29 + k * k / 3) % 8, 8)).collect(),
        targets: (0..60).map(|j| ((j * 7 + 3) % 9) as f64).collect(),
        labels: true,
        weights: weights(),
    }
}

/// What the rows' sums of the operation add up to on the CPU and on the GPU, over batches of 32
/// and of what is left.
fn sums_of(samples: &Samples, columns: usize, op: impl Fn([BufferId; 4]) -> Op) -> [Vec<f64>; 2] {
    let units = samples.units;
    let mut builder = ProgramBuilder::new();
    let batch = Rows::Batch;
    let predictions = builder.activation("predictions", units).unwrap();
    let (element, width) = if samples.labels { (Element::U32, 1) } else { (Element::Real, units) };
    let targets = builder.buffer("targets", Role::Target, element, batch, width).unwrap();
    let weights = builder.buffer("weights", Role::SampleWeight, Element::Real, batch, 1).unwrap();
    let sums = builder.buffer("sums", Role::Metric, Element::Real, batch, columns).unwrap();
    builder.push(Pass::Predict, op([predictions, targets, weights, sums])).unwrap();
    let program = Arc::new(builder.build());

    let gpu = Gpu::new().unwrap();
    let mut cpu = CpuExecutor::<f32>::new(Arc::clone(&program));
    let mut device =
        minibatch::gpu::block_on(GpuExecutor::new(&gpu, Arc::clone(&program))).unwrap();
    let batches = samples
        .predictions
        .chunks(32 * units)
        .zip(samples.targets.chunks(32 * width))
        .zip(samples.weights.chunks(32));
    for ((p, t), w) in batches {
        let step = Step::forward(w.len());
        for (id, values) in [(predictions, p), (targets, t), (weights, w)] {
            cpu.write(id, values).unwrap();
            minibatch::gpu::block_on(device.write(id, values)).unwrap();
        }
        program.ops(Pass::Predict).iter().for_each(|op| cpu.execute(op, &step));
        minibatch::gpu::block_on(device.execute(Pass::Predict, &step)).unwrap();
    }
    let rows = samples.weights.len().min(32);
    let of_gpu = minibatch::gpu::block_on(device.read(sums, rows)).unwrap();
    [cpu.read(sums, rows), of_gpu].map(|of_rows| {
        (0..columns).map(|column| of_rows.iter().skip(column).step_by(columns).sum()).collect()
    })
}

fn histogram(samples: &Samples, thresholds: Thresholds, weighted: bool) -> [Vec<f64>; 2] {
    sums_of(samples, 2 * thresholds.buckets(), |[predictions, targets, sample_weights, sums]| {
        Op::BinaryHistogram(operation::BinaryHistogram {
            predictions,
            targets,
            sample_weights,
            sums,
            thresholds,
            weighted,
        })
    })
}

fn pointwise(samples: &Samples, function: MetricFunction, weighted: bool) -> [Vec<f64>; 2] {
    sums_of(samples, 2, |[predictions, targets, sample_weights, sums]| {
        Op::PointwiseMetric(operation::PointwiseMetric {
            predictions,
            targets,
            sample_weights,
            sums,
            function,
            weighted,
        })
    })
}

fn top_k(samples: &Samples, k: usize, weighted: bool) -> [Vec<f64>; 2] {
    sums_of(samples, 2, |[predictions, labels, sample_weights, sums]| {
        Op::TopK(operation::TopK { predictions, labels, sample_weights, sums, k, weighted })
    })
}

/// Keras adds up in f32.
fn assert_close(actual: f64, keras: f64, what: &str) {
    assert!(abs_diff_eq!(actual, keras, epsilon = 1e-6), "{what}: {actual}, Keras has {keras}");
}

#[test]
fn the_area_under_the_roc_is_that_of_keras() {
    for (count, tied, keras, keras_weighted) in [
        (2, false, 0.5, 0.5),
        (3, false, 0.5122767686843872, 0.526523768901825),
        (20, false, 0.4972098469734192, 0.5183942317962646),
        (129, false, 0.4979771375656128, 0.5191797614097595),
        (200, false, 0.4978724718093872, 0.5188546776771545),
        (2, true, 0.5, 0.5),
        (3, true, 0.7472097873687744, 0.7541331052780151),
        (20, true, 0.828787624835968, 0.8381631970405579),
        (129, true, 0.8294852375984192, 0.8394516110420227),
        // Every prediction lies on a threshold.
        (200, true, 0.8294503688812256, 0.8395662903785706),
    ] {
        let samples = binary(tied);
        for (weighted, keras) in [(false, keras), (true, keras_weighted)] {
            for sums in histogram(&samples, Thresholds::Even(count), weighted) {
                let what = format!("AUC of {count} thresholds, tied {tied}, weighted {weighted}");
                assert_close(auc(&sums), keras, &what);
            }
        }
    }
}

#[test]
fn precision_recall_and_binary_accuracy_are_those_of_keras() {
    for (threshold, tied, weighted, keras) in [
        (0.5, false, false, [0.5454545617103577, 0.515625, 0.512499988079071]),
        (0.5, false, true, [0.5561224222183228, 0.5101404190063477, 0.5255775451660156]),
        (0.5, true, false, [0.7815126180648804, 0.7265625, 0.7458333373069763]),
        (0.5, true, true, [0.7894737124443054, 0.7254289984703064, 0.7524752616882324]),
        (0.3, false, false, [0.5297619104385376, 0.6953125, 0.5083333253860474]),
        (0.3, false, true, [0.5332541465759277, 0.7004680037498474, 0.5173267126083374]),
        (0.3, true, false, [0.688622772693634, 0.8984375, 0.7291666865348816]),
        (0.3, true, true, [0.6924939751625061, 0.8923556804656982, 0.7334983348846436]),
    ] {
        let samples = binary(tied);
        let what = format!("threshold {threshold}, tied {tied}, weighted {weighted}");
        for sums in histogram(&samples, Thresholds::One(threshold), weighted) {
            assert_close(precision(&sums), keras[0], &format!("precision, {what}"));
            assert_close(recall(&sums), keras[1], &format!("recall, {what}"));
        }
        for sums in pointwise(&samples, MetricFunction::BinaryAccuracy { threshold }, weighted) {
            assert_close(sums[0] / sums[1], keras[2], &format!("accuracy, {what}"));
        }
    }
}

#[test]
fn mean_errors_are_those_of_keras() {
    let samples = binary(false);
    for (function, weighted, keras) in [
        (MetricFunction::SquaredError, false, 0.3351393938064575),
        (MetricFunction::SquaredError, true, 0.3250669538974762),
        (MetricFunction::AbsoluteError, false, 0.5009176731109619),
        (MetricFunction::AbsoluteError, true, 0.49013012647628784),
    ] {
        for sums in pointwise(&samples, function, weighted) {
            assert_close(sums[0] / sums[1], keras, &format!("{function:?}, weighted {weighted}"));
        }
    }
}

#[test]
fn top_k_accuracy_is_that_of_keras_and_with_one_place_its_accuracy() {
    for (k, weighted, keras) in [
        // SparseCategoricalAccuracy; the others are SparseTopKCategoricalAccuracy.
        (1, false, 0.0833333358168602),
        (1, true, 0.07590758800506592),
        (2, false, 0.21666666865348816),
        (2, true, 0.23762376606464386),
        (3, false, 0.36666667461395264),
        (3, true, 0.39603960514068604),
        (5, false, 0.6333333253860474),
        (5, true, 0.594059407711029),
    ] {
        for sums in top_k(&categorical(), k, weighted) {
            assert_close(sums[0] / sums[1], keras, &format!("top {k}, weighted {weighted}"));
        }
    }
}

#[test]
fn a_label_that_is_no_class_or_not_finite_is_no_hit() {
    let (nan, infinity) = (f64::NAN, f64::INFINITY);
    let rows: [([f64; 3], f64, [bool; 2]); 8] = [
        // Predictions, label, whether it is a hit with k = 1 and with k = 2.
        ([0.1, 0.7, 0.2], 1.0, [true, true]),
        ([0.7, 0.7, 0.2], 1.0, [false, true]),
        ([0.7, 0.1, 0.2], 3.0, [false, false]),
        ([0.7, 0.1, 0.2], f64::from(u32::MAX), [false, false]),
        ([0.7, nan, 0.2], 1.0, [false, false]),
        ([0.7, infinity, 0.2], 1.0, [false, false]),
        // Another class' NaN is passed over, its infinity is ahead.
        ([nan, 0.1, 0.2], 2.0, [true, true]),
        ([infinity, 0.1, 0.2], 2.0, [false, true]),
    ];
    for (row, (predictions, label, hits)) in rows.into_iter().enumerate() {
        let samples = Samples {
            units: 3,
            predictions: predictions.into(),
            targets: vec![label],
            labels: true,
            weights: vec![0.5],
        };
        for (k, hit) in [1, 2].into_iter().zip(hits) {
            for sums in top_k(&samples, k, true) {
                assert_eq!(sums, [if hit { 0.5 } else { 0.0 }, 0.5], "row {row}, k = {k}");
            }
        }
    }
}

#[test]
fn predictions_beyond_the_thresholds_are_in_the_first_and_in_the_last_bucket() {
    let samples = Samples {
        units: 6,
        predictions: vec![f64::NAN, -3.0, 0.0, 0.5, 1.0, f64::INFINITY],
        // Positive is whatever is not 0.
        targets: vec![0.0, 1.0, 0.0, 0.25, -1.0, 0.0],
        labels: false,
        weights: vec![2.0],
    };
    for sums in histogram(&samples, Thresholds::Even(5), true) {
        assert_eq!(sums, [4.0, 2.0, 0.0, 2.0, 0.0, 0.0, 2.0, 2.0]);
    }
    for sums in histogram(&samples, Thresholds::One(0.5), false) {
        assert_eq!(sums, [2.0, 2.0, 1.0, 1.0]);
    }
}

/// A builder with `input[B,5]` and the integers `labels[B]` and `index[B]`.
fn with_index() -> (ProgramBuilder, [BufferId; 3]) {
    let mut builder = ProgramBuilder::new();
    let input = builder.activation("input", 5).unwrap();
    let mut integers =
        |name, role| builder.buffer(name, role, Element::U32, Rows::Batch, 1).unwrap();
    let ids = [input, integers("labels", Role::Target), integers("index", Role::Activation)];
    (builder, ids)
}

#[test]
fn a_confusion_matrix_counts_labels_by_row_and_predictions_by_column() {
    let (mut builder, [input, labels, index]) = with_index();
    let batch = Rows::Batch;
    let weights = builder.buffer("weights", Role::SampleWeight, Element::Real, batch, 1).unwrap();
    let fixed = Rows::Fixed(3);
    let matrix = builder.buffer("matrix", Role::Metric, Element::Real, fixed, 3).unwrap();
    builder.push(Pass::Predict, Op::Argmax(operation::Argmax { input, index })).unwrap();
    let op = Op::ConfusionMatrix(operation::ConfusionMatrix {
        labels,
        predicted: index,
        sample_weights: weights,
        matrix,
        weighted: true,
    });
    builder.push(Pass::Predict, op).unwrap();
    let program = Arc::new(builder.build());
    let gpu = Gpu::new().unwrap();
    let mut cpu = CpuExecutor::<f32>::new(Arc::clone(&program));
    let mut device =
        minibatch::gpu::block_on(GpuExecutor::new(&gpu, Arc::clone(&program))).unwrap();
    // Each row's prediction; the fourth is beyond the three classes, as is the fifth's label. The
    // second batch is smaller, and what the first one left beyond it must not count.
    let batches: [(&[usize], &[f64], &[f64]); 2] = [
        (&[1, 1, 2, 4, 0], &[1.0, 0.0, 2.0, 2.0, 7.0], &[1.0, 2.0, 4.0, 8.0, 16.0]),
        (&[1, 0], &[0.0, 0.0], &[0.5, 0.25]),
    ];
    for (predicted, classes, weighed) in batches {
        let one_hot = |&place: &usize| (0..5).map(move |i| f64::from(u8::from(i == place)));
        let x: Vec<f64> = predicted.iter().flat_map(one_hot).collect();
        let step = Step::forward(classes.len());
        for (id, values) in [(input, &x[..]), (labels, classes), (weights, weighed)] {
            cpu.write(id, values).unwrap();
            minibatch::gpu::block_on(device.write(id, values)).unwrap();
        }
        program.ops(Pass::Predict).iter().for_each(|op| cpu.execute(op, &step));
        minibatch::gpu::block_on(device.execute(Pass::Predict, &step)).unwrap();
    }
    let expected = [[0.25, 2.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 4.0]];
    assert_eq!(cpu.read(matrix, 2), expected.concat());
    assert_eq!(minibatch::gpu::block_on(device.read(matrix, 2)).unwrap(), expected.concat());
    cpu.clear_metrics();
    device.clear_metrics().unwrap();
    assert_eq!(cpu.read(matrix, 2), [0.0; 9]);
    assert_eq!(minibatch::gpu::block_on(device.read(matrix, 2)).unwrap(), [0.0; 9]);
}

#[test]
fn what_cannot_be_measured_is_refused_with_the_reason() {
    let (mut builder, [input, labels, index]) = with_index();
    let mut reals = |name, role, columns| {
        builder.buffer(name, role, Element::Real, Rows::Batch, columns).unwrap()
    };
    let targets = reals("targets", Role::Target, 5);
    let sample_weights = reals("weights", Role::SampleWeight, 1);
    let sums = reals("sums", Role::Metric, 2);
    let padded = reals("padded", Role::Activation, 2);
    let matrix = builder.buffer("matrix", Role::Metric, Element::Real, Rows::Fixed(5), 4).unwrap();
    let top_k = |sums, k| {
        Op::TopK(operation::TopK {
            predictions: input,
            labels,
            sample_weights,
            sums,
            k,
            weighted: true,
        })
    };
    let histogram = |thresholds| {
        Op::BinaryHistogram(operation::BinaryHistogram {
            predictions: input,
            targets,
            sample_weights,
            sums,
            thresholds,
            weighted: true,
        })
    };
    let accuracy = Op::PointwiseMetric(operation::PointwiseMetric {
        predictions: input,
        targets,
        sample_weights,
        sums,
        function: MetricFunction::BinaryAccuracy { threshold: f64::NAN },
        weighted: true,
    });
    let confusion = |labels, matrix| {
        Op::ConfusionMatrix(operation::ConfusionMatrix {
            labels,
            predicted: index,
            sample_weights,
            matrix,
            weighted: true,
        })
    };
    for (op, reason) in [
        (top_k(sums, 0), "k: is 0; give at least 1"),
        (top_k(padded, 1), "padded in top_k: got the role Activation, expected Metric"),
        (histogram(Thresholds::Even(1)), "thresholds: 1 are too few; give at least 2"),
        (histogram(Thresholds::One(f64::NAN)), "threshold: is NaN"),
        (histogram(Thresholds::Even(3)), "expected Real [Batch, 4]"),
        (accuracy, "threshold: is NaN"),
        (
            Op::Argmax(operation::Argmax { input, index: sums }),
            "sums in argmax: got Real [Batch, 2]",
        ),
        (confusion(labels, matrix), "expected Real [Fixed(4), 4]"),
        (confusion(targets, matrix), "targets in confusion_matrix"),
    ] {
        let error: Error = builder.push(Pass::Predict, op).unwrap_err();
        assert!(error.to_string().contains(reason), "{op:?}: {error}");
    }
    builder.push(Pass::Predict, top_k(sums, 1)).unwrap();
}

#[test]
fn precision_and_recall_of_a_table_of_four() {
    // 5 true negatives, 2 false negatives, 1 false positive, 3 true positives.
    let sums = [5.0, 2.0, 1.0, 3.0];
    assert_eq!(precision(&sums), 3.0 / 4.0);
    assert_eq!(recall(&sums), 3.0 / 5.0);
}

#[test]
fn without_anything_positive_precision_and_recall_are_0() {
    for nothing in [&[5.0, 2.0, 0.0, 0.0][..], &[0.0; 4], &[]] {
        assert_eq!(precision(nothing), 0.0);
    }
    for nothing in [&[5.0, 0.0, 1.0, 0.0][..], &[0.0; 4], &[]] {
        assert_eq!(recall(nothing), 0.0);
    }
}

#[test]
fn the_area_is_the_share_of_pairs_in_the_right_order() {
    // A pair in one bucket is half right. Negatives 2, 0, 1 and positives 1, 1, 2 from the
    // lowest bucket to the highest: 2 · (1/2 + 1 + 2) + 1 · (0 + 0 + 2/2) of 3 · 4 pairs.
    assert_eq!(auc(&[2.0, 1.0, 0.0, 1.0, 1.0, 2.0]), 8.0 / 12.0);
    assert_eq!(auc(&[3.0, 0.0, 0.0, 4.0]), 1.0);
    assert_eq!(auc(&[0.0, 4.0, 3.0, 0.0]), 0.0);
    assert_eq!(auc(&[7.0, 2.0]), 0.5);
    for of_one_kind in [&[3.0, 0.0, 1.0, 0.0][..], &[0.0, 3.0, 0.0, 1.0], &[]] {
        assert_eq!(auc(of_one_kind), 0.0);
    }
}
