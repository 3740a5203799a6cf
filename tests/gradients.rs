//! The gradients of whole models against finite differences of their losses, in f64.

use std::sync::Arc;

use minibatch::cpu::CpuExecutor;
use minibatch::data::{Batch, Dataset, Features, SparseMatrix, SparseRows, Targets};
use minibatch::model::{
    BatchNormalization, Compiled, Dense, Dropout, FrequencyEncoding, GaussianNoise, HashGrid,
    Initializer, Input, InputType, Layer, LayerNormalization, Normalization, Objective,
    Regularizer, Rescaling, lower,
};
use minibatch::operation::activation::Elementwise;
use minibatch::program::{Graph, Pass, Program, Role, Value};
use minibatch::random::{Random, Stream};
use minibatch::training::fill;
use minibatch::{Activation, Adam, Functional, Loss, Sequential};

const ROWS: usize = 9;
const OUTPUTS: usize = 4;
const SEED: u64 = 11;

/// Samples, and targets that suit the losses; each sample counts differently.
fn data(compiled: &Compiled) -> Dataset {
    let mut random = Random::new(5, Stream::Parity);
    let mut inputs: Vec<(&str, Features, &[usize])> = Vec::new();
    for (name, input) in compiled.architecture.inputs() {
        let count = ROWS * input.shape.iter().product::<usize>();
        let features = match input.values {
            InputType::U8 { .. } => {
                Features::U8(Arc::new((0..count).map(|_| random.below(256) as u8).collect()))
            }
            InputType::F32 => {
                let value = |_| random.uniform() as f32 - 0.5;
                Features::F32(Arc::new((0..count).map(value).collect()))
            }
            InputType::Sparse { most } => {
                let width = input.shape.iter().product::<usize>();
                let mut rows = SparseRows::default();
                for sample in 0..ROWS {
                    let first = sample % width;
                    let columns: Vec<u32> = (first..width).take(most).map(|c| c as u32).collect();
                    let values: Vec<f32> =
                        columns.iter().map(|_| random.uniform() as f32 - 0.5).collect();
                    rows.push(&columns, &values).unwrap();
                }
                Features::Sparse(SparseMatrix::new(width, rows).unwrap())
            }
        };
        inputs.push((name, features, &input.shape));
    }
    let mut targets: Vec<(&str, Targets)> = Vec::new();
    for (name, objective) in &compiled.objectives {
        let width = compiled.architecture.width_of(name).unwrap();
        let values = match objective.loss {
            Loss::SparseCategoricalCrossentropy => {
                let label = |i: usize| (i * 7 % width) as u32;
                (0..ROWS).map(label).collect::<Vec<_>>().into()
            }
            _ => {
                let values = (0..ROWS * width).map(|_| random.uniform() as f32);
                Targets::values(values.collect(), width)
            }
        };
        targets.push((name, values));
    }
    let weights = (0..ROWS).map(|i| 0.25 + 0.25 * i as f32).collect();
    Dataset::named(inputs, targets).and_then(|data| data.with_sample_weights(weights)).unwrap()
}

fn network(activations: [Activation; 3]) -> Sequential {
    Sequential::new(Input::pixels(&[2, 3]))
        .dense(7, activations[0])
        .dense(5, activations[1])
        .dense(OUTPUTS, activations[2])
}

/// Random values for a parameter or a statistic: biases too, so that no unit sits at a kink.
fn begin(program: &Program, name: &str, number: u32) -> Vec<f64> {
    let buffer = program.buffer(program.find(name).unwrap());
    let [rows, columns] = [buffer.live_rows(0), buffer.columns];
    let mut values = Initializer::GlorotUniform.values(3, number, rows, columns);
    if name.ends_with(".gamma") {
        values.iter_mut().for_each(|gamma| *gamma = 1.0 + 0.5 * *gamma);
    }
    if name.ends_with("variance") {
        values.iter_mut().for_each(|variance| *variance = 0.25 + variance.abs());
    }
    values
}

fn largest_relative_error(compiled: &Compiled) -> f64 {
    let program = Arc::new(lower(compiled).unwrap());
    let mut cpu = CpuExecutor::<f64>::new(Arc::clone(&program));
    let names: Vec<&str> = program.outputs().iter().map(|(name, _)| name.as_str()).collect();
    let inputs: Vec<&str> = compiled.architecture.inputs().map(|(name, _)| name).collect();
    let judged = |name: &&str| compiled.objectives.iter().any(|(other, _)| other == name);
    let targets: Vec<&str> = names.into_iter().filter(judged).collect();
    let data = data(compiled).arranged(&inputs, &targets).unwrap();
    let indices: Vec<u32> = (0..ROWS as u32).collect();
    let batch = Batch { data: &data, indices: &indices };

    let statistics = program.of_role(Role::State);
    for (number, (id, statistic)) in (1000u32..).zip(statistics) {
        cpu.write(id, &begin(&program, &statistic.name, number)).unwrap();
    }
    // What only building a model sets.
    for node in compiled.architecture.nodes() {
        let constants = [("ones", 1.0), ("scale", SCALE), ("offset", OFFSET)];
        for (part, value) in constants {
            if let Some(id) = program.find(&format!("{}.{part}", node.name)) {
                cpu.write(id, &vec![value; program.buffer(id).columns]).unwrap();
            }
        }
    }
    let parameters: Vec<_> = program.of_role(Role::Parameter).collect();
    let mut values: Vec<Vec<f64>> = (0u32..)
        .zip(&parameters)
        .map(|(number, (_, parameter))| begin(&program, &parameter.name, number))
        .collect();
    let set = |cpu: &mut CpuExecutor<f64>, values: &[Vec<f64>]| {
        for (&(id, _), values) in parameters.iter().zip(values) {
            cpu.write(id, values).unwrap();
        }
    };
    // Nothing is updated by a rate of 0, and the same values are dropped each time.
    let step = compiled.optimizer.step(ROWS, 1, 0.0).with_noise(SEED);
    let loss_of = |cpu: &mut CpuExecutor<f64>| {
        cpu.clear_metrics();
        let mut feed = cpu.feed(batch.len()).unwrap();
        fill(&mut feed, &program, Pass::Train, batch).unwrap();
        cpu.run(Pass::Train, feed, &step).unwrap();
        let metrics = cpu.read_metrics();
        let sum = |name: &str| program.find(name).map_or(0.0, |id| metrics.sum(id));
        let of = |(name, objective): &(String, Objective)| {
            objective.loss_weight * sum(&format!("metrics.{name}.loss"))
        };
        let losses: f64 = compiled.objectives.iter().map(of).sum();
        (losses + sum("metrics.activities") + sum("metrics.penalty")) / ROWS as f64
    };

    set(&mut cpu, &values);
    // Twice: nothing of a step may reach the gradients of the next one.
    for _ in 0..2 {
        let mut feed = cpu.feed(batch.len()).unwrap();
        fill(&mut feed, &program, Pass::Train, batch).unwrap();
        cpu.run(Pass::Train, feed, &step).unwrap();
    }
    let gradient_of = |name: &str| program.find(&format!("{name}.gradient"));
    let gradients: Vec<Option<Vec<f64>>> = parameters
        .iter()
        .map(|(_, parameter)| gradient_of(&parameter.name).map(|id| cpu.read(id, ROWS)))
        .collect();
    assert!(gradients.iter().flatten().flatten().any(|gradient| gradient.abs() > 1e-4));

    const H: f64 = 1e-5;
    let mut worst: f64 = 0.0;
    for p in 0..parameters.len() {
        let Some(gradients) = &gradients[p] else { continue };
        for (i, gradient) in gradients.iter().enumerate() {
            let original = values[p][i];
            let mut at = |offset: f64| {
                values[p][i] = original + offset;
                set(&mut cpu, &values);
                loss_of(&mut cpu)
            };
            // Four points: the error is of order h^4.
            let (one, two) = (at(H) - at(-H), at(2.0 * H) - at(-2.0 * H));
            let difference = (8.0 * one - two) / (12.0 * H);
            values[p][i] = original;
            // The floor is what rounding of the loss leaves of a difference quotient.
            let error = (gradient - difference).abs() / gradient.abs().max(1e-4);
            worst = worst.max(error);
        }
    }
    worst
}

const SCALE: f64 = 0.75;
const OFFSET: f64 = -0.25;

use Activation::{Gelu, Linear, Relu, Sigmoid, Softmax, Softplus, Tanh};

fn assert_slopes_of(compiled: &Compiled) {
    let error = largest_relative_error(compiled);
    assert!(error < 1e-6, "{:?} of {:?}: {error:e}", compiled.objectives, compiled.architecture);
}

fn assert_slopes(network: Sequential, loss: Loss) {
    assert_slopes_of(&network.compile(Adam::default(), loss.clone(), []));
}

#[test]
fn gradients_are_the_slopes_of_the_loss() {
    for [first, second] in [[Tanh, Sigmoid], [Relu, Tanh], [Sigmoid, Linear], [Linear, Relu]] {
        assert_slopes(network([first, second, Softmax]), Loss::SparseCategoricalCrossentropy);
    }
}

#[test]
fn gradients_are_the_slopes_of_layers_over_sparse_rows() {
    for (most, activation) in [(1, Tanh), (3, Relu), (9, Gelu)] {
        let model = Sequential::new(Input::sparse(9, most)).dense(4, activation);
        assert_slopes(model.dense(OUTPUTS, Softmax), Loss::SparseCategoricalCrossentropy);
    }
    let model = Sequential::new(Input::sparse(9, 3))
        .layer(Dense::new(4, Tanh).without_bias().weight_regularizer(Regularizer::l2(0.02)));
    assert_slopes(model.dense(OUTPUTS, Linear), Loss::MeanSquaredError);
}

/// A gated residual block and a loss that are said as expressions.
#[test]
fn gradients_are_the_slopes_of_layers_and_losses_of_ones_own() {
    let gated = |graph: &mut Graph, x: &Value| {
        let mut branch = |name: &str| {
            let weight = graph.matrix(name, [7; 2], Initializer::GlorotUniform, true)?;
            graph.dense(x, &weight, None)
        };
        let (gate, value) = (branch("gate")?, branch("value")?);
        // The mean of the row is the same for all of its values.
        let mean = graph.mean(&value)?;
        graph.map([x, &gate, &value, &mean], |[x, gate, value, mean]| {
            x + gate.sigmoid() * (value - mean).tanh()
        })
    };
    let model = Sequential::new(Input::pixels(&[2, 3]))
        .dense(7, Tanh)
        .custom("gated", gated)
        .dense(OUTPUTS, Linear);
    let loss = Loss::custom("cubic", |graph, prediction, target| {
        graph.map([prediction, target], |[y, target]| (y - target).abs().powf(3.0))
    });
    assert_slopes(model, loss.clone());
}

/// The layer's gradient is the sum of those of both places, and that of the value which three
/// layers take the sum of theirs.
#[test]
fn gradients_are_the_slopes_of_shared_layers_and_of_values_with_several_uses() {
    let normalized: [Layer; 3] = [
        Dense::new(5, Tanh).weight_regularizer(Regularizer::l2(0.02)).into(),
        BatchNormalization::new().into(),
        LayerNormalization::new().into(),
    ];
    for shared in normalized {
        for fusion in [true, false] {
            let mut model = Functional::new();
            let [a, b] = ["a", "b"].map(|name| model.input(name, 5));
            let hidden = model.dense(a, 5, Softplus);
            let once = model.layer(hidden, shared.clone());
            let again = model.again(once, b);
            let deeper = model.again(again, once);
            let three = [
                model.dense(deeper, 5, Sigmoid),
                model.layer(deeper, Dropout { rate: 0.25 }),
                deeper,
            ];
            let sum = model.add(three);
            let both = model.concatenate([sum, again, hidden]);
            let last = model.dense(both, OUTPUTS, Linear);
            model.output("output", last);
            let objective = Objective::new(Loss::MeanSquaredError);
            let compiled = model.compile(Adam::default(), [("output", objective)]);
            assert_slopes_of(&compiled.fusion(fusion));
        }
    }
}

#[test]
fn gradients_are_the_slopes_of_every_loss() {
    let smoothing = 0.125;
    for last in [Softmax, Linear] {
        let loss = Loss::CategoricalCrossentropy { label_smoothing: smoothing };
        assert_slopes(network([Tanh, Sigmoid, last]), loss.clone());
    }
    for last in [Sigmoid, Linear] {
        let loss = Loss::BinaryCrossentropy { label_smoothing: smoothing };
        assert_slopes(network([Tanh, Sigmoid, last]), loss.clone());
    }
    let pointwise = [Loss::MeanSquaredError, Loss::MeanAbsoluteError, Loss::Huber { delta: 0.25 }];
    for loss in pointwise {
        for last in [Linear, Sigmoid, Tanh, Relu] {
            assert_slopes(network([Tanh, Sigmoid, last]), loss.clone());
        }
    }
}

#[test]
fn gradients_are_the_slopes_of_the_loss_and_its_regularizers() {
    let network = Sequential::new(Input::pixels(&[2, 3]))
        .layer(Dense::new(7, Tanh).weight_regularizer(Regularizer::l1_l2(0.03, 0.02)))
        .layer(Dense::new(5, Sigmoid).bias_regularizer(Regularizer::l2(0.5)))
        .layer(Dense::new(OUTPUTS, Linear).weight_regularizer(Regularizer::l1(0.1)));
    assert_slopes(network, Loss::MeanSquaredError);
}

#[test]
fn gradients_are_the_slopes_through_every_activation() {
    let all = Elementwise::ALL.iter().copied().map(Activation::from);
    for first in all.chain([Activation::Elu { alpha: 0.5 }]) {
        let loss = Loss::SparseCategoricalCrossentropy;
        assert_slopes(network([first, first, Softmax]), loss.clone());
        // As layers of their own, also after a layer that has a function already.
        let stacked = Sequential::new(Input::pixels(&[2, 3]))
            .activation(first)
            .dense(7, Tanh)
            .activation(first)
            .dense(OUTPUTS, Linear)
            .activation(Softmax);
        assert_slopes(stacked, loss.clone());
        assert_slopes(network([Tanh, Tanh, first]), Loss::MeanSquaredError);
        // At the end, after a layer that has a function already.
        let ends = network([Tanh, Tanh, first]);
        assert_slopes(ends.clone().activation(Softmax), loss.clone());
        assert_slopes(ends.activation(Tanh), Loss::MeanSquaredError);
    }
}

#[test]
fn gradients_are_the_slopes_through_dropout_and_layers_without_bias() {
    let network = Sequential::new(Input::pixels(&[2, 3]))
        .dropout(0.2)
        .layer(Dense::new(7, Tanh).without_bias())
        .dropout(0.3)
        .dense(5, Gelu)
        .dropout(0.4)
        .flatten()
        .dense(OUTPUTS, Softmax);
    assert_slopes(network, Loss::SparseCategoricalCrossentropy);
}

/// Positions come out of a layer, so that gradients pass the encodings; the last ones lie beyond the cube.
#[test]
fn gradients_are_the_slopes_through_encodings() {
    let grid = HashGrid::new().levels(3).log2_table_size(5).base_resolution(2).finest_resolution(7);
    for (dimensions, features) in [(1, 2), (2, 1), (3, 4), (4, 2)] {
        let positions = Sequential::new(Input::pixels(&[2, 3])).dense(dimensions, Sigmoid);
        let encoded = positions.hash_grid(grid.features(features)).dense(5, Tanh);
        assert_slopes(encoded.dense(OUTPUTS, Linear), Loss::MeanSquaredError);
        let beyond = Sequential::new(Input::pixels(&[2, 3])).dense(dimensions, Linear);
        let encoded = beyond.hash_grid(grid.features(features)).dense(5, Tanh);
        assert_slopes(encoded.dense(OUTPUTS, Linear), Loss::MeanSquaredError);
    }
    for waves in [FrequencyEncoding::new(3), FrequencyEncoding::new(2).with_input()] {
        let encoded = Sequential::new(Input::pixels(&[2, 3])).dense(3, Tanh).layer(waves);
        assert_slopes(encoded.dense(OUTPUTS, Linear), Loss::MeanSquaredError);
    }
}

const CROSSENTROPY: Loss = Loss::SparseCategoricalCrossentropy;

/// Two hidden layers of that activation with `layer` after each, in front of a softmax.
fn with_layers(activation: Activation, layer: impl Into<Layer>) -> Sequential {
    let layer = layer.into();
    Sequential::new(Input::pixels(&[2, 3]))
        .dense(7, activation)
        .layer(layer.clone())
        .dense(5, activation)
        .layer(layer)
        .dense(OUTPUTS, Softmax)
}

#[test]
fn gradients_are_the_slopes_through_normalization_layers() {
    let batch = BatchNormalization::new();
    let layer = LayerNormalization::new();
    // Behind activations that are part of the layer before, and behind one that is not.
    for activation in [Linear, Tanh, Sigmoid, Relu, Gelu] {
        for batch in [batch, batch.frozen(), batch.without_scale(), batch.without_center()] {
            assert_slopes(with_layers(activation, batch), CROSSENTROPY);
        }
        for layer in [layer, layer.frozen(), layer.without_scale(), layer.without_center()] {
            assert_slopes(with_layers(activation, layer), CROSSENTROPY);
        }
    }
    let neither = [
        Layer::from(batch.without_scale().without_center()),
        Layer::from(layer.without_scale().without_center()),
    ];
    for layer in neither {
        assert_slopes(with_layers(Tanh, layer), CROSSENTROPY);
    }
    // First of all, where nothing before it is trained, and last of all.
    for normalization in [Layer::from(batch), Layer::from(layer)] {
        let network = Sequential::new(Input::pixels(&[2, 3]))
            .layer(normalization.clone())
            .dense(OUTPUTS, Tanh)
            .layer(normalization);
        assert_slopes(network.clone(), Loss::MeanSquaredError);
        assert_slopes(network, CROSSENTROPY);
    }
}

#[test]
fn gradients_are_the_slopes_through_noise_and_rescaling() {
    let noise = Layer::GaussianNoise(GaussianNoise { standard_deviation: 0.3 });
    let rescaling = Layer::Rescaling(Rescaling { scale: SCALE, offset: OFFSET });
    for activation in [Linear, Tanh, Gelu] {
        assert_slopes(with_layers(activation, noise.clone()), CROSSENTROPY);
        assert_slopes(with_layers(activation, rescaling.clone()), CROSSENTROPY);
    }
    let statistics = |width: usize| Normalization {
        mean: vec![0.5; width],
        variance: (1..=width).map(|i| i as f64).collect(),
    };
    let network = Sequential::new(Input::pixels(&[2, 3]))
        .layer(statistics(6))
        .dense(5, Tanh)
        .layer(statistics(5))
        .dense(OUTPUTS, Linear);
    assert_slopes(network, Loss::MeanSquaredError);
}

#[test]
fn gradients_are_the_slopes_where_noise_comes_last() {
    for last in [
        Layer::Dropout(Dropout { rate: 0.4 }),
        Layer::GaussianNoise(GaussianNoise { standard_deviation: 0.3 }),
    ] {
        for activation in [Linear, Tanh, Gelu] {
            let network = network([Tanh, Sigmoid, activation]).layer(last.clone());
            assert_slopes(network.clone(), Loss::MeanSquaredError);
            assert_slopes(network.clone(), CROSSENTROPY);
            assert_slopes(network.activation(Softmax), CROSSENTROPY);
        }
    }
}

#[test]
fn gradients_are_the_slopes_through_softmax() {
    for loss in [Loss::MeanSquaredError, Loss::MeanAbsoluteError, Loss::Huber { delta: 0.25 }] {
        assert_slopes(network([Tanh, Sigmoid, Softmax]), loss.clone());
        // Within the model, after a layer of its own and after one with an activation.
        assert_slopes(network([Softmax, Tanh, Linear]), loss.clone());
        assert_slopes(network([Tanh, Softmax, Softmax]), loss.clone());
        assert_slopes(network([Tanh, Tanh, Tanh]).activation(Softmax), loss.clone());
    }
    for last in [Tanh, Relu, Sigmoid, Softmax] {
        let network = network([Tanh, Softmax, last]).activation(Softmax);
        assert_slopes(network.clone(), CROSSENTROPY);
        assert_slopes(network, Loss::CategoricalCrossentropy { label_smoothing: 0.125 });
    }
}

#[test]
fn gradients_are_the_slopes_of_the_loss_and_activity_regularizers() {
    let regularizer = Regularizer::l1_l2(0.03, 0.02);
    for activation in [Linear, Tanh, Relu, Gelu, Softmax] {
        let layer = |units| Dense::new(units, activation).activity_regularizer(regularizer);
        let network = |last: Dense| {
            Sequential::new(Input::pixels(&[2, 3])).layer(layer(7)).dense(5, Tanh).layer(last)
        };
        assert_slopes(network(Dense::new(OUTPUTS, Linear)), Loss::MeanSquaredError);
        // On what the loss looks at, and between it and a softmax.
        assert_slopes(network(layer(OUTPUTS)), Loss::MeanSquaredError);
        assert_slopes(network(layer(OUTPUTS)).activation(Softmax), CROSSENTROPY);
        assert_slopes(network(layer(OUTPUTS)).dropout(0.25), Loss::MeanSquaredError);
    }
    let softmax = Dense::new(OUTPUTS, Softmax).activity_regularizer(regularizer);
    assert_slopes(Sequential::new(Input::pixels(&[2, 3])).layer(softmax), CROSSENTROPY);
    let sigmoid = Dense::new(OUTPUTS, Sigmoid).activity_regularizer(regularizer);
    let network = Sequential::new(Input::pixels(&[2, 3])).dense(5, Tanh).layer(sigmoid);
    assert_slopes(network, Loss::BINARY_CROSSENTROPY);
}

#[test]
fn gradients_are_the_slopes_through_branches() {
    // The last one is not part of the layer that makes the value.
    for shared in [Linear, Tanh, Sigmoid, Gelu] {
        let mut model = Functional::new();
        let picture = model.input("picture", Input::pixels(&[2, 3]));
        let place = model.input("place", 3);
        let trunk = model.dense(picture, 5, shared);
        // Three layers, a sum and a concatenation take the same value.
        let first = model.dense(trunk, 5, Tanh);
        let second = model.layer(trunk, BatchNormalization::new());
        let third =
            model.layer(trunk, Layer::GaussianNoise(GaussianNoise { standard_deviation: 0.2 }));
        let sum = model.add([first, second, third, trunk]);
        let joined = model.concatenate([trunk, place, sum, trunk]);
        let kind = model.dense(joined, 3, Softmax);
        let size = model.dense(sum, 2, Sigmoid);
        model.output("kind", kind);
        model.output("size", size);
        let objectives = [
            ("size", Objective::new(Loss::MeanSquaredError).loss_weight(0.5)),
            ("kind", Objective::new(CROSSENTROPY).loss_weight(2.0)),
        ];
        assert_slopes_of(&model.compile(Adam::default(), objectives));
    }
}

#[test]
fn gradients_are_the_slopes_where_an_output_goes_on() {
    let losses = [
        (Softmax, CROSSENTROPY),
        (Softmax, Loss::MeanSquaredError),
        (Sigmoid, Loss::BINARY_CROSSENTROPY),
        (Tanh, Loss::MeanSquaredError),
        (Gelu, Loss::MeanAbsoluteError),
        (Linear, CROSSENTROPY),
    ];
    for (activation, loss) in losses {
        let mut model = Functional::new();
        let input = model.input("input", Input::pixels(&[2, 3]));
        let hidden = model.dense(input, 5, Tanh);
        let early = model.dense(hidden, OUTPUTS, activation);
        let after = model.dense(early, 5, Tanh);
        let sum = model.add([after, hidden]);
        let late = model.dense(sum, 3, Softmax);
        model.output("early", early);
        // The same value under two names, and one that nothing is asked of.
        model.output("again", early);
        let unasked =
            model.layer(sum, Dense::new(2, Linear).weight_regularizer(Regularizer::l2(0.1)));
        model.output("unasked", unasked);
        model.output("late", late);
        let objectives = [
            ("early", Objective::new(loss)),
            ("again", Objective::new(Loss::Huber { delta: 0.25 }).loss_weight(0.25)),
            ("late", Objective::new(CROSSENTROPY).loss_weight(0.75)),
        ];
        assert_slopes_of(&model.compile(Adam::default(), objectives));
    }
}

#[test]
fn gradients_of_what_no_loss_looks_at_are_those_of_its_regularizers() {
    let regularizer = Regularizer::l1_l2(0.03, 0.02);
    let mut model = Functional::new();
    let input = model.input("input", 6);
    let judged = model.dense(input, OUTPUTS, Tanh);
    let costly = model.layer(input, Dense::new(5, Tanh).activity_regularizer(regularizer));
    let heavy = Dense::new(3, Linear).weight_regularizer(regularizer);
    let unasked = model.layer(costly, heavy.bias_regularizer(regularizer));
    model.output("judged", judged);
    model.output("unasked", unasked);
    let objective = Objective::new(Loss::MeanSquaredError);
    assert_slopes_of(&model.compile(Adam::default(), [("judged", objective)]));
}
