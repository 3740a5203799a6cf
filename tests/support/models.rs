//! Models of every kind, each under a name: every layer, loss, metric, optimizer and option, alone
//! and beside others.

use minibatch::model::{
    BatchNormalization, Compiled, Dense, Dropout, Flatten, Functional, GaussianNoise, HashGrid,
    Input, Layer, LayerNormalization, Normalization, Objective, Regularizer, Rescaling,
};
use minibatch::{
    Activation, Adagrad, Adam, Clip, Loss, Metric, Optimizer, RmsProp, Sequential, Sgd,
};

const MSE: Loss = Loss::MeanSquaredError;
const SPARSE: Loss = Loss::SparseCategoricalCrossentropy;

const ACTIVATIONS: [(&str, Activation); 12] = [
    ("linear", Activation::Linear),
    ("relu", Activation::Relu),
    ("leaky_relu", Activation::LEAKY_RELU),
    ("elu", Activation::ELU),
    ("selu", Activation::Selu),
    ("gelu", Activation::Gelu),
    ("gelu_tanh", Activation::GeluTanh),
    ("silu", Activation::Silu),
    ("sigmoid", Activation::Sigmoid),
    ("tanh", Activation::Tanh),
    ("softplus", Activation::Softplus),
    ("softmax", Activation::Softmax),
];

fn optimizers() -> Vec<(&'static str, Optimizer)> {
    let sgd = Sgd::default();
    let rms_prop = RmsProp::default();
    vec![
        ("adam", Adam::default().into()),
        ("adamw", Adam::adamw().into()),
        ("amsgrad", Adam { amsgrad: true, ..Adam::default() }.into()),
        ("sgd", sgd.into()),
        ("momentum", Sgd { momentum: 0.9, ..sgd }.into()),
        ("nesterov", Sgd { momentum: 0.9, nesterov: true, ..sgd }.into()),
        ("sgd_decay", Sgd { weight_decay: 0.01, ..sgd }.into()),
        ("rms_prop", rms_prop.into()),
        ("rms_prop_centered", RmsProp { centered: true, momentum: 0.9, ..rms_prop }.into()),
        ("adagrad", Adagrad::default().into()),
    ]
}

fn losses() -> Vec<(&'static str, Loss)> {
    vec![
        ("sparse", SPARSE),
        ("categorical", Loss::CategoricalCrossentropy { label_smoothing: 0.1 }),
        ("binary", Loss::BinaryCrossentropy { label_smoothing: 0.1 }),
        ("mse", MSE),
        ("mae", Loss::MeanAbsoluteError),
        ("huber", Loss::Huber { delta: 0.5 }),
    ]
}

/// Layers that stand between dense ones.
fn layers() -> Vec<(&'static str, Layer)> {
    let batch = BatchNormalization::new();
    let layer = LayerNormalization::new();
    let normalization = Normalization { mean: vec![0.5; 6], variance: vec![2.0; 6] };
    vec![
        ("activation_relu", Layer::Activation(Activation::Relu.into())),
        ("activation_silu", Layer::Activation(Activation::Silu.into())),
        ("activation_softmax", Layer::Activation(Activation::Softmax.into())),
        ("dropout", Layer::Dropout(Dropout { rate: 0.25 })),
        ("no_dropout", Layer::Dropout(Dropout { rate: 0.0 })),
        ("gaussian_noise", Layer::GaussianNoise(GaussianNoise { standard_deviation: 0.1 })),
        ("batch_normalization", batch.into()),
        ("batch_normalization_bare", batch.without_center().without_scale().into()),
        ("batch_normalization_frozen", batch.frozen().into()),
        ("layer_normalization", layer.into()),
        ("layer_normalization_bare", layer.without_center().without_scale().into()),
        ("layer_normalization_frozen", layer.frozen().into()),
        ("normalization", normalization.into()),
        ("rescaling", Layer::Rescaling(Rescaling { scale: 2.0, offset: -1.0 })),
        ("flatten", Layer::Flatten(Flatten {})),
        ("dense_without_bias", Dense::new(6, Activation::Tanh).without_bias().into()),
        ("dense_frozen", Dense::new(6, Activation::Tanh).frozen().into()),
    ]
}

fn stack() -> Sequential {
    Sequential::new(6)
}

fn small(optimizer: impl Into<Optimizer>) -> Compiled {
    let network = stack().dense(5, Activation::Tanh).dense(3, Activation::Linear);
    network.compile(optimizer, MSE, [])
}

/// Every model, under a name of its own.
pub(crate) fn models() -> Vec<(String, Compiled)> {
    let mut models: Vec<(String, Compiled)> = classifiers();
    for (name, optimizer) in optimizers() {
        models.push((format!("optimizer_{name}"), small(optimizer)));
    }
    for (name, clip) in [
        ("value", Clip::Value(0.5)),
        ("norm", Clip::Norm(0.5)),
        ("global_norm", Clip::GlobalNorm(0.5)),
    ] {
        models.push((format!("clip_{name}_adam"), small(Adam { clip, ..Adam::default() })));
        models.push((format!("clip_{name}_sgd"), small(Sgd { clip, ..Sgd::default() })));
        let accumulated = small(Adam { clip, ..Adam::default() }).gradient_accumulation_steps(3);
        models.push((format!("clip_{name}_accumulated"), accumulated));
    }
    models.push(("accumulated_adam".into(), small(Adam::default()).gradient_accumulation_steps(2)));
    for (name, activation) in ACTIVATIONS {
        let network = stack().dense(5, activation).dense(4, activation).dense(3, activation);
        models.push((format!("activation_{name}"), network.compile(Sgd::default(), MSE, [])));
    }
    models.extend(judged());
    models.extend(layered());
    models.extend(coordinates());
    models.extend(regularized());
    models.extend(graphs());
    models
}

/// The classifier of the README and its relatives.
fn classifiers() -> Vec<(String, Compiled)> {
    let classifier = || {
        let input = Input::pixels(&[28, 28]);
        Sequential::new(input).dense(128, Activation::Relu).dense(10, Activation::Softmax)
    };
    let adam = Adam::default;
    let hidden = Sequential::new(Input::pixels(&[28, 28]))
        .flatten()
        .dense(64, Activation::Relu)
        .dropout(0.2)
        .dense(10, Activation::Softmax);
    vec![
        ("classifier".into(), classifier().compile(adam(), SPARSE, [Metric::Accuracy])),
        ("classifier_unwatched".into(), classifier().compile(adam(), SPARSE, [])),
        (
            "classifier_watched".into(),
            classifier().compile(
                adam(),
                SPARSE,
                [Metric::Accuracy, Metric::TOP_5, Metric::ConfusionMatrix],
            ),
        ),
        (
            "classifier_accumulated".into(),
            classifier().compile(adam(), SPARSE, [Metric::Accuracy]).gradient_accumulation_steps(4),
        ),
        ("classifier_dropout".into(), hidden.compile(adam(), SPARSE, [Metric::Accuracy])),
        (
            "linear_classifier".into(),
            Sequential::new(Input::pixels(&[28, 28])).dense(10, Activation::Softmax).compile(
                Sgd::default(),
                SPARSE,
                [Metric::Accuracy],
            ),
        ),
        (
            "deep".into(),
            (0..5)
                .fold(stack(), |network, _| network.dense(8, Activation::Relu))
                .dense(3, Activation::Softmax)
                .compile(adam(), SPARSE, [Metric::Accuracy]),
        ),
        (
            "pixels_first_normalized".into(),
            Sequential::new(Input::pixels(&[6]))
                .batch_normalization()
                .dense(3, Activation::Linear)
                .compile(adam(), MSE, []),
        ),
        (
            "pixels_with_noise".into(),
            Sequential::new(Input::pixels(&[6]))
                .gaussian_noise(0.1)
                .dropout(0.1)
                .dense(3, Activation::Linear)
                .compile(adam(), MSE, []),
        ),
    ]
}

/// Each loss after each kind of output, and each metric.
fn judged() -> Vec<(String, Compiled)> {
    let mut models = Vec::new();
    for (name, loss) in losses() {
        for (output, activation) in [
            ("linear", Activation::Linear),
            ("relu", Activation::Relu),
            ("gelu", Activation::Gelu),
            ("sigmoid", Activation::Sigmoid),
            ("softmax", Activation::Softmax),
        ] {
            let probabilities = match &loss {
                Loss::SparseCategoricalCrossentropy | Loss::CategoricalCrossentropy { .. } => {
                    ["linear", "softmax"].contains(&output)
                }
                Loss::BinaryCrossentropy { .. } => ["linear", "sigmoid"].contains(&output),
                _ => true,
            };
            if probabilities {
                let network = stack().dense(5, Activation::Relu).dense(3, activation);
                let compiled = network.compile(Sgd::default(), loss.clone(), []);
                models.push((format!("loss_{name}_{output}"), compiled));
                let network = stack().dense(3, Activation::Linear).activation(activation);
                let compiled = network.compile(Sgd::default(), loss.clone(), []);
                models.push((format!("loss_{name}_then_{output}"), compiled));
            }
        }
    }
    let of_classes = [
        Metric::Accuracy,
        Metric::TopKCategoricalAccuracy { k: 2 },
        Metric::ConfusionMatrix,
        Metric::Crossentropy,
    ];
    let of_values = [
        Metric::MeanSquaredError,
        Metric::MeanAbsoluteError,
        Metric::BINARY_ACCURACY,
        Metric::PRECISION,
        Metric::RECALL,
        Metric::AUC,
        Metric::BINARY_CROSSENTROPY,
    ];
    for metric in of_classes.clone() {
        let network = || stack().dense(3, Activation::Softmax);
        let name = metric.name().to_owned();
        let plain = network().compile(Sgd::default(), SPARSE, [metric.clone()]);
        let weighted = network().compile(Sgd::default(), SPARSE, []).weighted_metrics([metric]);
        models.push((format!("metric_{name}"), plain));
        models.push((format!("weighted_{name}"), weighted));
    }
    for metric in of_values.iter().cloned().chain([Metric::Accuracy]) {
        let network = || stack().dense(3, Activation::Sigmoid);
        let (name, binary) = (metric.name().to_owned(), Loss::BINARY_CROSSENTROPY);
        let plain = network().compile(Sgd::default(), binary.clone(), [metric.clone()]);
        let weighted = network().compile(Sgd::default(), binary, []).weighted_metrics([metric]);
        models.push((format!("metric_binary_{name}"), plain));
        models.push((format!("weighted_binary_{name}"), weighted));
    }
    let network = stack().dense(3, Activation::Softmax);
    let all =
        network.compile(Sgd::default(), SPARSE, of_classes.clone()).weighted_metrics(of_classes);
    models.push(("metrics_of_classes".into(), all));
    let network = stack().dense(3, Activation::Sigmoid);
    let all = network.compile(Sgd::default(), Loss::BINARY_CROSSENTROPY, of_values.clone());
    models.push(("metrics_of_values".into(), all.weighted_metrics(of_values)));
    models
}

/// Encodings of positions that are given, and of those that a layer makes.
fn coordinates() -> Vec<(String, Compiled)> {
    let grid = HashGrid::new().levels(3).log2_table_size(5).base_resolution(2).finest_resolution(9);
    let rest = |network: Sequential| {
        let network = network.dense(5, Activation::Tanh).dense(3, Activation::Linear);
        network.compile(Sgd::default(), MSE, [])
    };
    let inside = stack().dense(2, Activation::Sigmoid).hash_grid(grid);
    let inside = inside.dense(3, Activation::Linear).compile(Sgd::default(), MSE, []);
    vec![
        ("coordinates_frequencies".into(), rest(Sequential::new(2).frequency_encoding(4))),
        ("coordinates_hash_grid".into(), rest(Sequential::new(2).hash_grid(grid))),
        ("coordinates_from_a_layer".into(), inside),
    ]
}

/// Each layer first, between, after each kind of dense layer, and last.
fn layered() -> Vec<(String, Compiled)> {
    let mut models = Vec::new();
    for (name, layer) in layers() {
        let first = stack().layer(layer.clone()).dense(3, Activation::Linear);
        models.push((format!("{name}_first"), first));
        for (before, activation) in [
            ("linear", Activation::Linear),
            ("relu", Activation::Relu),
            ("gelu", Activation::Gelu),
            ("softmax", Activation::Softmax),
        ] {
            let between =
                stack().dense(6, activation).layer(layer.clone()).dense(3, Activation::Linear);
            models.push((format!("{name}_after_{before}"), between));
        }
        let last = stack().dense(6, Activation::Tanh).layer(layer.clone());
        models.push((format!("{name}_last"), last));
        let twice = stack()
            .dense(6, Activation::Tanh)
            .layer(layer.clone())
            .layer(layer)
            .dense(3, Activation::Linear);
        models.push((format!("{name}_twice"), twice));
    }
    let block = |network: Sequential, units| {
        network
            .dense(units, Activation::Linear)
            .batch_normalization()
            .activation(Activation::Relu)
            .dropout(0.2)
    };
    let blocks = block(block(stack(), 6), 4).dense(3, Activation::Linear);
    models.push(("batch_normalization_blocks".into(), blocks));
    let compiled = |(name, network): (String, Sequential)| {
        (format!("layer_{name}"), network.compile(Sgd::default(), MSE, []))
    };
    let mut models: Vec<(String, Compiled)> = models.into_iter().map(compiled).collect();
    for (name, activation, loss) in [
        ("softmax_then_flatten", Activation::Softmax, SPARSE),
        ("sigmoid_then_flatten", Activation::Sigmoid, Loss::BINARY_CROSSENTROPY),
    ] {
        let network = stack().dense(6, activation).flatten();
        models.push((name.into(), network.compile(Sgd::default(), loss.clone(), [])));
    }
    models
}

fn regularized() -> Vec<(String, Compiled)> {
    let dense = || Dense::new(5, Activation::Tanh);
    let costs = [
        ("l1", Regularizer::l1(0.01)),
        ("l2", Regularizer::l2(0.01)),
        ("l1_l2", Regularizer::l1_l2(0.01, 0.02)),
    ];
    let mut models = Vec::new();
    for (name, cost) in costs {
        for (kind, layer) in [
            ("weight", dense().weight_regularizer(cost)),
            ("bias", dense().bias_regularizer(cost)),
            ("activity", dense().activity_regularizer(cost)),
            ("frozen", dense().weight_regularizer(cost).activity_regularizer(cost).frozen()),
        ] {
            let network = stack().layer(layer).dense(3, Activation::Linear);
            models.push((format!("cost_{kind}_{name}"), network.compile(Sgd::default(), MSE, [])));
        }
    }
    for (name, activation) in ACTIVATIONS {
        let cost = Regularizer::l1_l2(0.01, 0.02);
        let hidden = Dense::new(5, activation).activity_regularizer(cost);
        let network = stack().layer(hidden).dense(3, Activation::Linear);
        models.push((format!("cost_activity_of_{name}"), network.compile(Sgd::default(), MSE, [])));
    }
    let last = Dense::new(3, Activation::Softmax).activity_regularizer(Regularizer::l2(0.01));
    let last = stack().layer(last).compile(Sgd::default(), SPARSE, [Metric::Accuracy]);
    models.push(("cost_activity_of_the_output".into(), last));
    let both = |dense: Dense| {
        dense.weight_regularizer(Regularizer::l2(0.01)).bias_regularizer(Regularizer::l1(0.01))
    };
    let all = stack().layer(both(dense())).layer(both(Dense::new(3, Activation::Linear)));
    let clip = Clip::GlobalNorm(1.0);
    let all = all.compile(Adam { clip, ..Adam::default() }, MSE, []);
    models.push(("cost_clipped_accumulated".into(), all.gradient_accumulation_steps(2)));
    models
}

fn graphs() -> Vec<(String, Compiled)> {
    use Activation::{Gelu, Linear, Relu, Sigmoid, Softmax, Tanh};
    let mut models = Vec::new();
    let mut add = |name: &str, model: Functional, objectives: Vec<(&str, Objective)>| {
        models.push((format!("graph_{name}"), model.compile(Adam::default(), objectives)));
    };
    let mse = || Objective::new(MSE);

    for (kind, activation) in
        [("linear", Linear), ("relu", Relu), ("gelu", Gelu), ("softmax", Softmax)]
    {
        let mut model = Functional::new();
        let input = model.input("x", 6);
        let hidden = model.dense(input, 5, activation);
        let left = model.dense(hidden, 4, Tanh);
        let right = model.dense(hidden, 4, Gelu);
        let third = model.dense(hidden, 4, Linear);
        let sum = model.add([left, right, third]);
        let last = model.dense(sum, 3, Linear);
        model.output("y", last);
        add(&format!("fan_out_of_{kind}"), model, vec![("y", mse())]);

        let mut model = Functional::new();
        let input = model.input("x", 6);
        let hidden = model.dense(input, 6, activation);
        let inner = model.dense(hidden, 6, activation);
        let sum = model.add([hidden, inner]);
        let last = model.dense(sum, 3, Linear);
        model.output("y", last);
        add(&format!("residual_of_{kind}"), model, vec![("y", mse())]);

        let mut model = Functional::new();
        let a = model.input("a", 4);
        let b = model.input("b", 3);
        let left = model.dense(a, 4, activation);
        let both = model.concatenate([left, b, left]);
        let last = model.dense(both, 3, Linear);
        model.output("y", last);
        add(&format!("concatenate_of_{kind}"), model, vec![("y", mse())]);
    }

    let mut model = Functional::new();
    let input = model.input("x", 6);
    let last = model.add([input, input]);
    model.output("y", last);
    let hidden = model.dense(input, 3, Linear);
    model.output("z", hidden);
    add("output_without_parameters", model, vec![("y", mse()), ("z", mse())]);

    let mut model = Functional::new();
    let input = model.input("x", 6);
    let hidden = model.dense(input, 5, Relu);
    let kind = model.dense(hidden, 3, Softmax);
    let size = model.dense(hidden, 1, Linear);
    let flag = model.dense(hidden, 2, Sigmoid);
    model.output("kind", kind);
    model.output("size", size);
    model.output("flag", flag);
    model.output("hidden", hidden);
    let objectives = vec![
        ("kind", Objective::new(SPARSE).metrics([Metric::Accuracy])),
        ("size", mse().loss_weight(0.5).metrics([Metric::MeanAbsoluteError])),
        ("flag", Objective::new(Loss::BINARY_CROSSENTROPY).weighted_metrics([Metric::Accuracy])),
    ];
    add("several_outputs", model, objectives);

    let mut model = Functional::new();
    let input = model.input("x", 6);
    let hidden = model.dense(input, 5, Gelu);
    let last = model.dense(hidden, 5, Linear);
    model.output("y", last);
    model.output("hidden", hidden);
    add("judged_hidden", model, vec![("y", mse()), ("hidden", mse())]);

    let mut model = Functional::new();
    let input = model.input("x", 6);
    let last = model.dense(input, 3, Softmax);
    model.output("y", last);
    model.output("z", last);
    add(
        "two_judges_of_one_value",
        model,
        vec![("y", Objective::new(SPARSE)), ("z", mse().metrics([Metric::MeanSquaredError]))],
    );

    let mut model = Functional::new();
    let pixels = model.input("pixels", Input::pixels(&[6]));
    let left = model.dense(pixels, 4, Relu);
    let right = model.dense(pixels, 4, Tanh);
    let normalized = model.layer(right, BatchNormalization::new());
    let both = model.concatenate([left, normalized]);
    let last = model.dense(both, 3, Softmax);
    model.output("y", last);
    add(
        "pixels_in_two_branches",
        model,
        vec![("y", Objective::new(SPARSE).metrics([Metric::Accuracy]))],
    );

    let mut model = Functional::new();
    let words = model.input("words", Input::sparse(7, 4));
    let place = model.input("place", 7);
    let left = model.dense(words, 4, Tanh);
    let right = model.dense(words, 4, Gelu);
    let again = model.again(left, place);
    let sum = model.add([left, right, again]);
    let last = model.dense(sum, 3, Linear);
    model.output("y", last);
    add("sparse_beside_dense", model, vec![("y", mse())]);

    let mut model = Functional::new();
    let input = model.input("x", 6);
    let frozen = model.layer(input, Dense::new(6, Relu).frozen());
    let free = model.dense(input, 6, Relu);
    let sum = model.add([frozen, free]);
    let last = model.layer(sum, Dense::new(3, Linear).frozen());
    model.output("y", last);
    add("frozen_branches", model, vec![("y", mse())]);

    for (kind, layer) in layers() {
        let mut model = Functional::new();
        let input = model.input("x", 6);
        let hidden = model.dense(input, 6, Relu);
        let made = model.layer(hidden, layer);
        let sum = model.add([hidden, made]);
        let both = model.concatenate([sum, made]);
        let last = model.dense(both, 3, Linear);
        model.output("y", last);
        add(&format!("fan_out_around_{kind}"), model, vec![("y", mse())]);
    }
    models
}
