//! The models of the trainings that Keras ran in float64 (tests/keras/trainings.jsonl).

use minibatch::model::{
    BatchNormalization, Compiled, Dense, Functional, Input, Layer, LayerNormalization, Objective,
    Regularizer, Rescaling,
};
use minibatch::schedule::{
    CosineDecay, ExponentialDecay, PiecewiseConstantDecay, PolynomialDecay, Schedule,
};
use minibatch::{Activation, Adagrad, Adam, Clip, Loss, Metric, Optimizer, RmsProp, Sgd};
use serde_json::Value;

/// All trainings, in the order of the file.
pub(crate) fn trainings() -> Vec<Training> {
    let lines = include_str!("../keras/trainings.jsonl").lines();
    lines.map(|line| Training { file: serde_json::from_str(line).unwrap() }).collect()
}

/// A model, its data, how it was trained, and what Keras computed.
pub(crate) struct Training {
    /// One line of the file.
    pub(crate) file: Value,
}

pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("not a number: {value}"))
}

/// The numbers of an array.
pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

pub(crate) fn count(value: &Value) -> usize {
    value.as_u64().unwrap_or_else(|| panic!("not a count: {value}")) as usize
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a text: {value}"))
}

fn yes(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| panic!("not a truth value: {value}"))
}

impl Training {
    pub(crate) fn id(&self) -> usize {
        count(&self.file["id"])
    }

    pub(crate) fn compiled(&self) -> Compiled {
        let objectives = self.file["objectives"].as_object().unwrap().iter();
        let objectives = objectives.map(|(output, fields)| (output.as_str(), objective(fields)));
        let optimizer = optimizer(&self.file["optimizer"]);
        let compiled = self
            .architecture()
            .compile(optimizer, objectives)
            .gradient_accumulation_steps(count(&self.file["accumulate"]));
        match &self.file["schedule"] {
            Value::Null => compiled,
            fields => compiled.schedule(schedule(fields)),
        }
    }

    fn architecture(&self) -> Functional {
        let mut model = Functional::new();
        let mut values = Vec::new();
        for node in self.file["nodes"].as_array().unwrap() {
            let name = text(&node["name"]);
            let sources: Vec<_> = match &node["of"] {
                Value::Null => Vec::new(),
                of => numbers(of).into_iter().map(|place| values[place as usize]).collect(),
            };
            values.push(match text(&node["kind"]) {
                "input" => {
                    let shape = [count(&node["width"])];
                    let pixels = node["pixels"].as_bool() == Some(true);
                    model.input(
                        name,
                        if pixels { Input::pixels(&shape) } else { Input::floats(&shape) },
                    )
                }
                "add" => model.add(sources),
                "concatenate" => model.concatenate(sources),
                _ => model.named(name, sources[0], layer(node)),
            });
        }
        for output in self.file["outputs"].as_array().unwrap() {
            model.output(text(&output[0]), values[count(&output[1])]);
        }
        model
    }
}

fn layer(node: &Value) -> Layer {
    match text(&node["kind"]) {
        "dense" => Dense {
            use_bias: yes(&node["bias"]),
            weight_regularizer: regularizer(&node["kernel_reg"]),
            bias_regularizer: regularizer(&node["bias_reg"]),
            activity_regularizer: regularizer(&node["activity_reg"]),
            trainable: yes(&node["trainable"]),
            ..Dense::new(count(&node["units"]), activation(&node["act"]))
        }
        .into(),
        "batch_normalization" => BatchNormalization {
            momentum: number(&node["momentum"]),
            epsilon: number(&node["epsilon"]),
            center: yes(&node["center"]),
            scale: yes(&node["scale"]),
            trainable: yes(&node["trainable"]),
        }
        .into(),
        "layer_normalization" => LayerNormalization {
            epsilon: number(&node["epsilon"]),
            center: yes(&node["center"]),
            scale: yes(&node["scale"]),
            trainable: yes(&node["trainable"]),
        }
        .into(),
        "activation" => Layer::Activation(activation(&node["act"]).into()),
        "rescaling" => Layer::Rescaling(Rescaling {
            scale: number(&node["scale"]),
            offset: number(&node["offset"]),
        }),
        other => panic!("{other}"),
    }
}

fn activation(fields: &Value) -> Activation {
    let value = || number(&fields["value"]);
    match text(&fields["name"]) {
        "linear" => Activation::Linear,
        "relu" => Activation::Relu,
        "leaky_relu" => Activation::LeakyRelu { negative_slope: value() },
        "elu" => Activation::Elu { alpha: value() },
        "selu" => Activation::Selu,
        "gelu" => Activation::Gelu,
        "gelu_tanh" => Activation::GeluTanh,
        "silu" => Activation::Silu,
        "sigmoid" => Activation::Sigmoid,
        "tanh" => Activation::Tanh,
        "softplus" => Activation::Softplus,
        "softmax" => Activation::Softmax,
        other => panic!("{other}"),
    }
}

fn regularizer(fields: &Value) -> Regularizer {
    match fields {
        Value::Null => Regularizer::default(),
        fields => Regularizer::l1_l2(number(&fields[0]), number(&fields[1])),
    }
}

fn objective(fields: &Value) -> Objective {
    let loss = &fields["loss"];
    let label_smoothing = || number(&loss["label_smoothing"]);
    let function = match text(&loss["name"]) {
        "sparse" => Loss::SparseCategoricalCrossentropy,
        "categorical" => Loss::CategoricalCrossentropy { label_smoothing: label_smoothing() },
        "binary" => Loss::BinaryCrossentropy { label_smoothing: label_smoothing() },
        "mse" => Loss::MeanSquaredError,
        "mae" => Loss::MeanAbsoluteError,
        "huber" => Loss::Huber { delta: number(&loss["delta"]) },
        other => panic!("{other}"),
    };
    let metrics = |field: &str| {
        let metrics = fields[field].as_array().unwrap().iter();
        metrics.map(metric).collect::<Vec<_>>()
    };
    Objective::new(function)
        .loss_weight(number(&fields["weight"]))
        .metrics(metrics("metrics"))
        .weighted_metrics(metrics("weighted"))
}

fn metric(fields: &Value) -> Metric {
    let threshold = || number(&fields["threshold"]);
    match text(&fields["name"]) {
        "accuracy" => Metric::Accuracy,
        "top_k" => Metric::TopKCategoricalAccuracy { k: count(&fields["k"]) },
        "mse" => Metric::MeanSquaredError,
        "mae" => Metric::MeanAbsoluteError,
        "binary_accuracy" => Metric::BinaryAccuracy { threshold: threshold() },
        "precision" => Metric::Precision { threshold: threshold() },
        "recall" => Metric::Recall { threshold: threshold() },
        "auc" => Metric::Auc { thresholds: count(&fields["thresholds"]) },
        other => panic!("{other}"),
    }
}

fn optimizer(fields: &Value) -> Optimizer {
    let field = |name: &str| number(&fields[name]);
    // A schedule takes the place of the rate.
    let learning_rate = fields["learning_rate"].as_f64().unwrap_or(1.0);
    let weight_decay = fields["weight_decay"].as_f64().unwrap_or(0.0);
    let clip = match fields["clip"].as_object().and_then(|clip| clip.iter().next()) {
        None => Clip::None,
        Some((kind, limit)) => match kind.as_str() {
            "clipvalue" => Clip::Value(number(limit)),
            "clipnorm" => Clip::Norm(number(limit)),
            "global_clipnorm" => Clip::GlobalNorm(number(limit)),
            other => panic!("{other}"),
        },
    };
    match text(&fields["name"]) {
        kind @ ("Adam" | "AdamW" | "AMSGrad") => Adam {
            learning_rate,
            beta_1: field("beta_1"),
            beta_2: field("beta_2"),
            epsilon: field("epsilon"),
            amsgrad: kind == "AMSGrad",
            weight_decay,
            clip,
            ..Adam::default()
        }
        .into(),
        "SGD" => Sgd {
            learning_rate,
            momentum: field("momentum"),
            // In Keras it means nothing without a momentum.
            nesterov: yes(&fields["nesterov"]) && field("momentum") != 0.0,
            weight_decay,
            clip,
        }
        .into(),
        "RMSprop" => RmsProp {
            learning_rate,
            rho: field("rho"),
            momentum: field("momentum"),
            epsilon: field("epsilon"),
            centered: yes(&fields["centered"]),
            weight_decay,
            clip,
        }
        .into(),
        "Adagrad" => Adagrad {
            learning_rate,
            initial_accumulator_value: field("initial_accumulator_value"),
            epsilon: field("epsilon"),
            weight_decay,
            clip,
        }
        .into(),
        other => panic!("{other}"),
    }
}

fn schedule(fields: &Value) -> Schedule {
    let field = |name: &str| number(&fields[name]);
    let steps = |name: &str| fields[name].as_u64().unwrap();
    match text(&fields["name"]) {
        "ExponentialDecay" => ExponentialDecay {
            initial_learning_rate: field("initial_learning_rate"),
            decay_steps: steps("decay_steps"),
            decay_rate: field("decay_rate"),
            staircase: yes(&fields["staircase"]),
        }
        .into(),
        "CosineDecay" => CosineDecay {
            initial_learning_rate: field("initial_learning_rate"),
            decay_steps: steps("decay_steps"),
            alpha: field("alpha"),
            warmup_target: fields["warmup_target"].as_f64(),
            warmup_steps: fields["warmup_steps"].as_u64().unwrap_or(0),
        }
        .into(),
        "PiecewiseConstantDecay" => {
            let boundaries = numbers(&fields["boundaries"]).into_iter().map(|step| step as u64);
            let boundaries: Vec<u64> = boundaries.collect();
            PiecewiseConstantDecay::new(boundaries, numbers(&fields["values"])).into()
        }
        "PolynomialDecay" => PolynomialDecay {
            initial_learning_rate: field("initial_learning_rate"),
            decay_steps: steps("decay_steps"),
            end_learning_rate: field("end_learning_rate"),
            power: field("power"),
            cycle: yes(&fields["cycle"]),
        }
        .into(),
        other => panic!("{other}"),
    }
}
