//! Cross-entropies as metrics, beside what `metrics_crossentropy_*.json` compare with Keras.

use std::sync::Arc;

use approx::assert_abs_diff_eq;
use minibatch::data::{Dataset, Features, Targets};
use minibatch::model::{Compiled, Dense};
use minibatch::training::Backend;
use minibatch::{
    Activation, Adam, Cpu, Error, Evaluate, Gpu, Loss, Metric, Regularizer, Sequential,
};

fn backends() -> [Backend; 2] {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    [Backend::from(&Cpu::new()), Backend::from(&gpu)]
}

fn floats(values: &[f32]) -> Features {
    Features::F32(Arc::new(values.to_vec()))
}

/// A network of one layer that passes its inputs on.
fn identity(units: usize, activation: Activation, loss: Loss, metrics: &[Metric]) -> Compiled {
    let layer = Dense::new(units, activation).weight_regularizer(Regularizer::l2(0.5));
    let network = Sequential::new(units).layer(layer);
    network.compile(Adam::default(), loss, metrics.to_vec()).weighted_metrics(metrics.to_vec())
}

fn evaluated(compiled: Compiled, backend: &Backend, data: &Dataset, weights: &[f32]) -> Vec<f64> {
    let units = data.width();
    let mut model = compiled.build(backend.clone()).unwrap();
    let one = |i: usize| f32::from(u8::from(i / units == i % units));
    let identity: Vec<f32> = (0..units * units).map(one).collect();
    model.set_weight("dense_1.weight", &identity).unwrap();
    let arguments = Evaluate::new().batch_size(2).sample_weight(weights);
    let scores = model.evaluate(data, arguments).unwrap();
    scores.values().into_iter().skip(1).map(|(_, value)| value).collect()
}

/// `log(1 + exp(x))`.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

const WEIGHTS: [f32; 3] = [1.0, 0.0, 2.5];

/// The mean, and the mean by weight.
fn means(losses: [f64; 3]) -> [f64; 2] {
    let weights = WEIGHTS.map(f64::from);
    let weighted: f64 = losses.iter().zip(weights).map(|(loss, weight)| loss * weight).sum();
    [losses.iter().sum::<f64>() / 3.0, weighted / weights.iter().sum::<f64>()]
}

fn assert_means(actual: &[f64], losses: [f64; 3]) {
    for (actual, expected) in actual.iter().zip(means(losses)) {
        // A few roundings of f32.
        assert_abs_diff_eq!(*actual, expected, epsilon = 2e-6 * expected.max(1.0));
    }
    assert_eq!(actual.len(), 2);
}

#[test]
fn they_stay_exact_where_a_probability_underflows() {
    // -log of probabilities 1/(1+e) and, far below the smallest f32, e^-200 and e^-300.
    let x = floats(&[0.0, 1.0, 100.0, -100.0, -150.0, 150.0]);
    let losses = [softplus(1.0), 200.0, 300.0];
    let labels = vec![0, 1, 0];
    let classes = Dataset::new(x.clone(), &[2], labels).unwrap();
    let one_hot = Targets::values(vec![1.0, 0.0, 0.0, 1.0, 1.0, 0.0], 2);
    let one_hot = Dataset::new(x, &[2], one_hot).unwrap();
    let of_flags = floats(&[-1.0, 120.0, -150.0]);
    let flags = Dataset::new(of_flags, &[1], Targets::values(vec![1.0, 0.0, 1.0], 1)).unwrap();
    for backend in backends() {
        let sparse = Loss::SparseCategoricalCrossentropy;
        let categorical = Loss::CATEGORICAL_CROSSENTROPY;
        // As logits, and after an activation.
        for activation in [Activation::Linear, Activation::Softmax] {
            for metric in [Metric::Crossentropy, Metric::SparseCategoricalCrossentropy] {
                let compiled = identity(2, activation, sparse.clone(), &[metric]);
                assert_means(&evaluated(compiled, &backend, &classes, &WEIGHTS), losses);
            }
            for metric in [Metric::Crossentropy, Metric::CATEGORICAL_CROSSENTROPY] {
                let compiled = identity(2, activation, categorical.clone(), &[metric]);
                assert_means(&evaluated(compiled, &backend, &one_hot, &WEIGHTS), losses);
            }
        }
        for activation in [Activation::Linear, Activation::Sigmoid] {
            for metric in [Metric::Crossentropy, Metric::BINARY_CROSSENTROPY] {
                let compiled = identity(1, activation, Loss::BINARY_CROSSENTROPY, &[metric]);
                let losses = [softplus(1.0), 120.0, 150.0];
                assert_means(&evaluated(compiled, &backend, &flags, &WEIGHTS), losses);
            }
        }
        // By the activation, where the loss is none.
        let mse = Loss::MeanSquaredError;
        let compiled = identity(2, Activation::Softmax, mse.clone(), &[Metric::Crossentropy]);
        assert_means(&evaluated(compiled, &backend, &one_hot, &WEIGHTS), losses);
        let compiled = identity(1, Activation::Sigmoid, mse, &[Metric::Crossentropy]);
        let losses = [softplus(1.0), 120.0, 150.0];
        assert_means(&evaluated(compiled, &backend, &flags, &WEIGHTS), losses);
    }
}

#[test]
fn the_losss_own_label_smoothing_is_not_the_metrics() {
    let x = floats(&[0.5, -1.0, 2.0]);
    let data = Dataset::new(x, &[1], Targets::values(vec![1.0, 0.0, 1.0], 1)).unwrap();
    let losses = [softplus(-0.5), softplus(-1.0), softplus(-2.0)];
    let smoothed = |x: f64, target: f64| softplus(x) - x * (0.8 * target + 0.1);
    let loss = Loss::BinaryCrossentropy { label_smoothing: 0.4 };
    for backend in backends() {
        let compiled = identity(1, Activation::Sigmoid, loss.clone(), &[Metric::Crossentropy]);
        assert_means(&evaluated(compiled, &backend, &data, &WEIGHTS), losses);
        let metric = Metric::BinaryCrossentropy { label_smoothing: 0.2 };
        let compiled = identity(1, Activation::Sigmoid, loss.clone(), &[metric]);
        let losses = [smoothed(0.5, 1.0), smoothed(-1.0, 0.0), smoothed(2.0, 1.0)];
        assert_means(&evaluated(compiled, &backend, &data, &WEIGHTS), losses);
    }
}

#[test]
fn those_that_fit_nothing_are_refused_with_the_reason() {
    use Activation::{Linear, Sigmoid, Softmax};
    let sparse = Loss::SparseCategoricalCrossentropy;
    let categorical = Loss::CATEGORICAL_CROSSENTROPY;
    let binary = Loss::BINARY_CROSSENTROPY;
    for (activation, loss, metric, reason) in [
        (Softmax, sparse.clone(), Metric::CATEGORICAL_CROSSENTROPY, "class indices"),
        (Softmax, sparse, Metric::BINARY_CROSSENTROPY, "class indices"),
        (Softmax, categorical.clone(), Metric::SparseCategoricalCrossentropy, "class indices"),
        (Softmax, categorical.clone(), Metric::BINARY_CROSSENTROPY, "needs a sigmoid last"),
        (Sigmoid, binary.clone(), Metric::CATEGORICAL_CROSSENTROPY, "needs a softmax last"),
        (Linear, Loss::MeanSquaredError, Metric::Crossentropy, "without a softmax or a sigmoid"),
        (Linear, Loss::MeanSquaredError, Metric::BINARY_CROSSENTROPY, "needs a sigmoid last"),
        (
            Softmax,
            categorical,
            Metric::CategoricalCrossentropy { label_smoothing: 1.5 },
            "give a label_smoothing from 0 to 1",
        ),
        (
            Sigmoid,
            binary,
            Metric::BinaryCrossentropy { label_smoothing: f64::NAN },
            "give a label_smoothing from 0 to 1",
        ),
    ] {
        let what = format!("{activation:?} {loss:?} {metric:?}");
        let error = identity(3, activation, loss, &[metric]).build(&Cpu::new()).unwrap_err();
        assert!(matches!(error, Error::Argument { argument: "metrics", .. }), "{what}: {error}");
        assert!(error.to_string().contains(reason), "{what}: {error}");
    }
}

#[test]
fn a_metric_has_keras_names() {
    for (name, metric) in [
        ("accuracy", Metric::Accuracy),
        ("acc", Metric::Accuracy),
        ("crossentropy", Metric::Crossentropy),
        ("ce", Metric::Crossentropy),
        ("sparse_categorical_crossentropy", Metric::SparseCategoricalCrossentropy),
        ("categorical_crossentropy", Metric::CATEGORICAL_CROSSENTROPY),
        ("binary_crossentropy", Metric::BINARY_CROSSENTROPY),
        ("mse", Metric::MeanSquaredError),
        ("mean_absolute_error", Metric::MeanAbsoluteError),
        ("auc", Metric::AUC),
    ] {
        assert_eq!(name.parse::<Metric>().unwrap(), metric);
    }
    let error = "cross_entropy".parse::<Metric>().unwrap_err().to_string();
    assert!(error.contains("\"cross_entropy\"") && error.contains("crossentropy, "), "{error}");
}
