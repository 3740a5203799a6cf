//! A network as a WGSL function in a shader of the host's, against what the network is in exact
//! arithmetic, and against `predict`.

#[path = "support/host.rs"]
mod host;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use host::Host;
use minibatch::gpu::{NetworkShader, NetworkWgsl};
use minibatch::model::{
    BatchNormalization, Dense, FrequencyEncoding, HashGrid, LayerNormalization, Normalization,
    Rescaling,
};
use minibatch::number::approximate::Approximate;
use minibatch::number::bounds::{self, Softmax};
use minibatch::operation::activation::Elementwise;
use minibatch::operation::with_sample_text;
use minibatch::program::{Graph, Pass, Value};
use minibatch::random::{Random, Stream};
use minibatch::{
    Activation, Adam, Cpu, Dataset, Error, Features, Fit, Functional, Gpu, Initializer, Input,
    Loss, Model, Precision, Predict, Result, Sequential, Targets,
};
use naga::valid::{Capabilities, ValidationFlags, Validator};

const ROWS: usize = 10_000;

type Row = Vec<Approximate>;

/// The parameters of a network as numbers.
struct Parameters(BTreeMap<String, Vec<f64>>);

impl Parameters {
    fn of(model: &mut Model) -> Self {
        let named = model.weights().unwrap().into_iter().map(|(name, _, values)| {
            (name, values.into_iter().map(f64::from).collect::<Vec<f64>>())
        });
        Parameters(named.collect())
    }

    /// Zeros (or so) where a layer has none of that name.
    fn vector(&self, name: &str, otherwise: f64, columns: usize) -> Vec<f64> {
        self.0.get(name).cloned().unwrap_or_else(|| vec![otherwise; columns])
    }

    /// `input · weight + bias`: each sum by the bound of products added up in any order.
    fn product(&self, weight: &str, bias: &str, input: &[Approximate]) -> Row {
        let weight = &self.0[weight];
        let units = weight.len() / input.len();
        let bias = self.vector(bias, 0.0, units);
        let sum = |unit: usize| {
            let products = input.iter().enumerate().map(|(number, x)| {
                let weight = weight[number * units + unit];
                Approximate { value: x.value * weight, error: x.error * weight.abs() }
            });
            Approximate::sum(&products.chain([Approximate::exact(bias[unit])]).collect::<Vec<_>>())
        };
        (0..units).map(sum).collect()
    }

    fn dense(&self, layer: &str, activation: Activation, input: &[Approximate]) -> Row {
        let (weight, bias) = (format!("{layer}.weight"), format!("{layer}.bias"));
        activated(activation, self.product(&weight, &bias, input))
    }

    fn normalize(&self, layer: &str, [mean, variance]: [&str; 2], epsilon: f64, x: &Row) -> Row {
        let named =
            |name: &str, otherwise| self.vector(&format!("{layer}.{name}"), otherwise, x.len());
        let [mean, variance] = [named(mean, 0.0), named(variance, 1.0)];
        let [gamma, beta] = [named("gamma", 1.0), named("beta", 0.0)];
        let exact = Approximate::exact;
        let one = |i: usize| {
            let deviation = (exact(variance[i]) + Approximate::constant(epsilon)).sqrt();
            // Where a layer has no gamma, its kernel adds 1 to 0, which is exact.
            (x[i] - exact(mean[i])) / deviation * exact(gamma[i]) + exact(beta[i])
        };
        (0..x.len()).map(one).collect()
    }

    fn layer_normalize(&self, layer: &str, epsilon: f64, x: &Row) -> Row {
        let named =
            |name: &str, otherwise| self.vector(&format!("{layer}.{name}"), otherwise, x.len());
        let [gamma, beta] = [named("gamma", 1.0), named("beta", 0.0)];
        let mean = Approximate::mean(x);
        let squares: Row = x.iter().map(|&x| (x - mean) * (x - mean)).collect();
        let variance = Approximate::mean(&squares);
        let exact = Approximate::exact;
        let inverse = exact(1.0) / (variance + Approximate::constant(epsilon)).sqrt();
        let one = |i: usize| (x[i] - mean) * inverse * exact(gamma[i]) + exact(beta[i]);
        (0..x.len()).map(one).collect()
    }
}

fn activated(activation: Activation, row: Row) -> Row {
    match activation.elementwise() {
        Some(function) => {
            let of = |x: Approximate| Approximate {
                value: function.value(x.value),
                error: function.bound(x.value, x.error),
            };
            row.into_iter().map(of).collect()
        }
        None => softmax(&row),
    }
}

/// If each logit is off by `e` at most, each power is off by a factor of `exp(e)`, and so is their sum.
fn softmax(logits: &[Approximate]) -> Row {
    let values: Vec<f64> = logits.iter().map(|x| x.value).collect();
    let off = logits.iter().map(|x| x.error).fold(0.0, f64::max);
    let bound = Softmax::new(&values);
    let largest = values.iter().copied().fold(f64::MIN, f64::max);
    let sum: f64 = values.iter().map(|x| (x - largest).exp()).sum();
    let one = |(i, x): (usize, &f64)| {
        let value = (x - largest).exp() / sum;
        // Logits that are off change the bound of exp by so little too.
        let factor = (2.0 * off).exp();
        let rounding = bound.probability(i) * factor * (1.0 + off);
        Approximate { value, error: rounding + value * (factor - 1.0) }
    };
    values.iter().enumerate().map(one).collect()
}

fn sigmoid(x: Approximate) -> Approximate {
    let value = 1.0 / (1.0 + (-x.value).exp());
    Approximate { value, error: bounds::sigmoid(x.value, x.error) }
}

fn tanh(x: Approximate) -> Approximate {
    Approximate { value: x.value.tanh(), error: bounds::tanh(x.value, x.error) }
}

/// Two features of three levels at a place of the plane, by equations 1 to 4 of Müller and others (2022),
/// with 2, 4 and 9 cells along a side and tables of 9, 16 and 16 entries, the last two hashed.
fn grid_features(table: &[f64], place: &Row) -> Row {
    let largest = table.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let level = |(cells, first, entries): (f64, usize, usize)| {
        let scaled = [0, 1].map(|i: usize| place[i].value.clamp(0.0, 1.0) * cells);
        let corner = scaled.map(|x| x.floor().min(cells - 1.0));
        let mut features = [0.0; 2];
        for [right, up] in [[0, 0], [1, 0], [0, 1], [1, 1]] {
            let share = |i: usize, upper: usize| {
                let offset = scaled[i] - corner[i];
                if upper == 1 { offset } else { 1.0 - offset }
            };
            let [x, y] = [corner[0] as u32 + right as u32, corner[1] as u32 + up as u32];
            let dense = (x + 3 * y) as usize;
            let hashed = (x ^ y.wrapping_mul(2_654_435_761)) as usize % entries;
            let entry = first + if entries == 9 { dense } else { hashed };
            for (feature, sum) in features.iter_mut().enumerate() {
                *sum += share(0, right) * share(1, up) * table[2 * entry + feature];
            }
        }
        // In each dimension a corner's share is off as the place is, in cells, and what lies between
        // corners is continuous from cell to cell. Besides there are less than eight roundings.
        let off = place.iter().map(|x| cells * (x.error + bounds::ULP)).sum::<f64>();
        features
            .map(|value| Approximate { value, error: 4.0 * largest * (off + 8.0 * bounds::ULP) })
    };
    [(2.0, 0, 9), (4.0, 9, 16), (9.0, 25, 16)].into_iter().flat_map(level).collect()
}

type Oracle = Box<dyn Fn(&Parameters, &Row) -> Row>;

/// A network and what it computes.
struct Network {
    name: String,
    model: minibatch::Compiled,
    inputs: usize,
    outputs: usize,
    /// Whether a sample is bytes.
    bytes: bool,
    oracle: Oracle,
}

impl Network {
    fn new(
        name: impl Into<String>,
        model: Sequential,
        [inputs, outputs]: [usize; 2],
        oracle: impl Fn(&Parameters, &Row) -> Row + 'static,
    ) -> Self {
        Network {
            name: name.into(),
            model: model.compile(Adam::default(), Loss::MeanSquaredError, []).seed(3),
            inputs,
            outputs,
            bytes: false,
            oracle: Box::new(oracle),
        }
    }

    /// Dense layers of these widths after `inputs` values.
    fn dense(activation: Activation, widths: &[usize]) -> Self {
        let mut model = Sequential::new(Input::floats(&[widths[0]]));
        for &units in &widths[1..] {
            model = model.dense(units, activation);
        }
        let name = format!("{widths:?} {activation:?}");
        let layers = widths.len() - 1;
        Self::new(name, model, [widths[0], widths[layers]], move |parameters, x| {
            (1..=layers).fold(x.clone(), |x, layer| {
                parameters.dense(&format!("dense_{layer}"), activation, &x)
            })
        })
    }

    /// Rows of random numbers: most of them moderate, some zero, some far away. Bytes are whole.
    fn rows(&self, rows: usize, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed, Stream::Noise);
        let mut unit = move || random.uniform();
        let value = |row: usize, unit: f64| match (self.bytes, row % 16) {
            (true, _) => (unit * 255.0).round() as f32,
            (false, 0) => 0.0,
            (false, 1) => (unit * 60.0 - 30.0) as f32,
            (false, _) => (unit * 4.0 - 2.0) as f32,
        };
        (0..rows * self.inputs).map(|place| value(place / self.inputs, unit())).collect()
    }

    fn dataset(&self, values: &[f32], targets: bool) -> Dataset {
        let features = match self.bytes {
            true => Features::U8(Arc::new(values.iter().map(|&x| x as u8).collect())),
            false => Features::F32(Arc::new(values.to_vec())),
        };
        let shape = [self.inputs];
        if !targets {
            return Dataset::unlabelled(features, &shape).unwrap();
        }
        let rows = values.len() / self.inputs;
        let target = |place: usize| 0.1 + 0.8 * f64::from(place as u32 * 37 % 11) as f32 / 10.0;
        let targets = (0..rows * self.outputs).map(target).collect::<Vec<f32>>();
        Dataset::new(features, &shape, Targets::values(targets, self.outputs)).unwrap()
    }

    fn train(&self, model: &mut Model, steps: usize, seed: u64) {
        let values = self.rows(32 * steps, seed);
        let data = self.dataset(&values, true);
        model.fit(&data, Fit::new().batch_size(32).epochs(1)).unwrap();
    }

    /// What it computes in exact arithmetic, and how far off f32 may be.
    fn exact(&self, parameters: &Parameters, inputs: &[f32]) -> Row {
        let rows = inputs.chunks_exact(self.inputs).map(|input| {
            let x: Row = input.iter().map(|&x| Approximate::exact(f64::from(x))).collect();
            (self.oracle)(parameters, &x)
        });
        let exact: Row = rows.flatten().collect();
        assert_eq!(exact.len(), inputs.len() / self.inputs * self.outputs, "{}", self.name);
        assert!(exact.iter().all(|one| (one.value + one.error).is_finite()), "{}", self.name);
        exact
    }
}

/// How far results lie from the exact ones, by the bound: at most 1 if all are right.
fn worst(exact: &Row, results: &[f32]) -> f64 {
    assert_eq!(exact.len(), results.len());
    let off = exact.iter().zip(results).map(|(exact, &result)| {
        let off = (f64::from(result) - exact.value).abs() / exact.error;
        if off.is_nan() { f64::INFINITY } else { off }
    });
    off.fold(0.0, f64::max)
}

fn settings() -> NetworkWgsl {
    NetworkWgsl::new().group(1)
}

/// Every activation there is, with another constant in the second layer where it has one.
fn activations() -> Vec<Activation> {
    let mut all: Vec<Activation> = Elementwise::ALL.iter().map(|&one| one.into()).collect();
    all.push(Activation::Softmax);
    all
}

fn gated(graph: &mut Graph, x: &Value) -> Result<Value> {
    let units = x.columns();
    let branch = |name: &str, graph: &mut Graph| {
        let weight = graph.matrix(name, [units; 2], Initializer::GlorotUniform, true)?;
        graph.dense(x, &weight, None)
    };
    let (gate, value) = (branch("gate", graph)?, branch("value", graph)?);
    let all =
        graph.map([x, &gate, &value], |[x, gate, value]| x + gate.sigmoid() * value.tanh())?;
    let mean = graph.mean(&all)?;
    let centred = graph.map([&all, &mean], |[all, mean]| all - mean)?;
    let some = graph.slice(&centred, 1..units)?;
    graph.concatenate(&some, &mean)
}

fn networks() -> Vec<Network> {
    let linear = Activation::Linear;
    let relu = Activation::Relu;
    let mut all: Vec<Network> =
        activations().into_iter().map(|one| Network::dense(one, &[3, 7, 5, 2])).collect();
    for widths in [
        &[1, 1][..],
        &[6, 4],
        &[2, 64, 64, 3],
        &[5, 4, 8],
        &[256, 33, 10],
        &[3, 17, 33, 9, 1],
        &[4, 16, 4, 16, 4],
    ] {
        all.push(Network::dense(Activation::Tanh, widths));
    }
    let leaky = |negative_slope| Activation::LeakyRelu { negative_slope };
    let two_slopes = Sequential::new(Input::floats(&[4])).dense(5, leaky(0.5)).dense(3, leaky(0.1));
    all.push(Network::new("two slopes", two_slopes, [4, 3], move |p, x| {
        p.dense("dense_2", leaky(0.1), &p.dense("dense_1", leaky(0.5), x))
    }));

    let pixels = Sequential::new(Input::pixels(&[3, 3])).flatten().dense(6, relu).dense(2, linear);
    let mut pixels = Network::new("pixels", pixels, [9, 2], move |p, x| {
        let scale = Approximate::constant(1.0 / 255.0);
        let x: Row = x.iter().map(|&x| x * scale).collect();
        p.dense("dense_2", linear, &p.dense("dense_1", relu, &x))
    });
    pixels.bytes = true;
    all.push(pixels);

    let idle = Sequential::new(Input::floats(&[5]))
        .dense(6, linear)
        .activation(Activation::Gelu)
        .dropout(0.5)
        .gaussian_noise(0.3)
        .dense(3, Activation::Softmax);
    all.push(Network::new("what is idle outside of training", idle, [5, 3], |p, x| {
        let hidden = activated(Activation::Gelu, p.dense("dense_1", Activation::Linear, x));
        p.dense("dense_2", Activation::Softmax, &hidden)
    }));

    let batch = Sequential::new(Input::floats(&[3]))
        .dense(7, relu)
        .batch_normalization()
        .layer(BatchNormalization::new().without_center().without_scale())
        .dense(2, linear);
    all.push(Network::new("batch normalization", batch, [3, 2], move |p, x| {
        let moving = ["moving_mean", "moving_variance"];
        let x = p.dense("dense_1", relu, x);
        let x = p.normalize("batch_normalization_1", moving, 0.001, &x);
        p.dense("dense_2", linear, &p.normalize("batch_normalization_2", moving, 0.001, &x))
    }));

    let layer = Sequential::new(Input::floats(&[3]))
        .dense(7, relu)
        .layer_normalization()
        .dense(5, Activation::Tanh)
        .layer(LayerNormalization::new().without_center().without_scale())
        .dense(2, linear);
    all.push(Network::new("layer normalization", layer, [3, 2], move |p, x| {
        let x = p.layer_normalize("layer_normalization_1", 0.001, &p.dense("dense_1", relu, x));
        let x = p.dense("dense_2", Activation::Tanh, &x);
        p.dense("dense_3", linear, &p.layer_normalize("layer_normalization_2", 0.001, &x))
    }));

    let before = Sequential::new(Input::floats(&[3]))
        .layer(Normalization { mean: vec![0.5, -1.0, 2.0], variance: vec![4.0, 0.25, 1.0] })
        .layer(Rescaling { scale: 0.3, offset: -0.7 })
        .layer(Dense::new(6, relu).frozen())
        .dense(2, linear);
    all.push(Network::new("what is not trained", before, [3, 2], move |p, x| {
        let x = p.normalize("normalization_1", ["mean", "variance"], 1e-30, x);
        let (scale, offset) = (Approximate::constant(0.3), Approximate::constant(-0.7));
        let one = Approximate::exact(1.0);
        let x: Row = x.into_iter().map(|x| x / one.sqrt() * scale + offset).collect();
        p.dense("dense_2", linear, &p.dense("dense_1", relu, &x))
    }));

    let waves = Sequential::new(Input::floats(&[2]))
        .layer(FrequencyEncoding::new(3).with_input())
        .dense(5, relu)
        .dense(2, linear);
    all.push(Network::new("waves", waves, [2, 2], move |p, x| {
        // The argument is exact in turns. Its product with 2 pi, and each of the eight sums and
        // products of a polynomial of numbers below 1, is rounded.
        let error = 10.0 * bounds::ULP;
        let wave = |x: f64, k: u32| {
            let angle = std::f64::consts::PI * x * f64::from(1 << k);
            [angle.sin(), angle.cos()].map(|value| Approximate { value, error })
        };
        let waves = x.iter().flat_map(|x| (0..3).flat_map(move |k| wave(x.value, k)));
        let encoded: Row = x.iter().copied().chain(waves).collect();
        p.dense("dense_2", linear, &p.dense("dense_1", relu, &encoded))
    }));

    let grid = HashGrid::new().levels(3).features(2).log2_table_size(4);
    let grid = Sequential::new(Input::floats(&[2]))
        .layer(Rescaling { scale: 0.25, offset: 0.5 })
        .layer(grid.base_resolution(2).finest_resolution(9))
        .dense(5, relu)
        .dense(2, linear);
    all.push(Network::new("hash grid", grid, [2, 2], move |p, x| {
        let exact = Approximate::exact;
        let one = |x: Approximate| (x / exact(1.0).sqrt()) * exact(0.25) + exact(0.5);
        let place: Row = x.iter().map(|&x| one(x)).collect();
        let encoded = grid_features(&p.0["hash_grid_1.table"], &place);
        p.dense("dense_2", linear, &p.dense("dense_1", relu, &encoded))
    }));

    let custom = Sequential::new(Input::floats(&[5]))
        .custom("gated", gated)
        .dense(6, linear)
        .custom("gated", gated);
    all.push(Network::new("layers of the user's own", custom, [5, 6], move |p, x| {
        let gated = |layer: &str, x: &Row| -> Row {
            let gate = p.product(&format!("{layer}.gate"), "", x);
            let value = p.product(&format!("{layer}.value"), "", x);
            let all: Row = (0..x.len()).map(|i| x[i] + sigmoid(gate[i]) * tanh(value[i])).collect();
            let share = Approximate::constant(1.0 / x.len() as f64);
            let mean = Approximate::sum(&all) * share;
            all[1..].iter().map(|&x| x - mean).chain([mean]).collect()
        };
        gated("custom_2", &p.dense("dense_1", linear, &gated("custom_1", x)))
    }));

    let mut graph = Functional::new();
    let input = graph.input("input", Input::floats(&[3]));
    let left = graph.dense(input, 5, Activation::Silu);
    let right = graph.dense(input, 5, relu);
    let sum = graph.add([left, right]);
    let deep = graph.dense(sum, 6, Activation::Softplus);
    let all_of_it = graph.concatenate([left, deep, input]);
    let result = graph.dense(all_of_it, 2, linear);
    graph.output("output", result);
    let objective = minibatch::Objective::new(Loss::MeanSquaredError);
    for reuse in [false, true] {
        let model = graph.clone().compile(Adam::default(), [("output", objective.clone())]);
        all.push(Network {
            name: format!("a graph, memory reused: {reuse}"),
            model: model.reuse_memory(reuse),
            inputs: 3,
            outputs: 2,
            bytes: false,
            oracle: Box::new(move |p, x| {
                let left = p.dense("dense_1", Activation::Silu, x);
                let right = p.dense("dense_2", relu, x);
                let sum: Row = left.iter().zip(&right).map(|(&a, &b)| a + b).collect();
                let deep = p.dense("dense_3", Activation::Softplus, &sum);
                let all: Row = left.into_iter().chain(deep).chain(x.iter().copied()).collect();
                p.dense("dense_4", linear, &all)
            }),
        });
    }
    all
}

#[test]
fn the_function_computes_what_the_network_is() {
    let host = Host::with_default_limits();
    let gpu = host.gpu();
    let mut operations = BTreeSet::new();
    for (number, network) in networks().into_iter().enumerate() {
        let mut model = network.model.clone().build(&gpu).unwrap();
        operations
            .extend(model.program().ops(Pass::Predict).iter().map(minibatch::operation::Op::name));
        // Made once, before anything is trained.
        let shader = model.network_wgsl(settings()).unwrap();
        assert_eq!([shader.inputs, shader.outputs], [network.inputs, network.outputs]);
        let pasted = host.pasted(&shader.text, "network(x)", &shader);
        let mut before = Vec::new();
        // All of them for each activation, which come first.
        let rows = if number < activations().len() { ROWS } else { ROWS / 5 };
        for (steps, rows) in [(20, rows), (1, ROWS / 10)] {
            network.train(&mut model, steps, steps as u64);
            let inputs = network.rows(rows, 7);
            let results = pasted.run(&inputs);
            let data = network.dataset(&inputs, false);
            let predicted = model.predict(&data, Predict::new().batch_size(rows)).unwrap();
            let parameters = Parameters::of(&mut model);
            let exact = network.exact(&parameters, &inputs);
            let [own, engine] = [&results, &predicted].map(|all| worst(&exact, all));
            println!("{:40} {own:.3} of the bound, predict {engine:.3}", network.name);
            assert!(own <= 1.0, "{} is off by {own} of the bound", network.name);
            assert!(engine <= 1.0, "{}: predict is off by {engine} of the bound", network.name);
            // One more step is another network.
            let same: Vec<f32> = before.into_iter().take(results.len()).collect();
            assert_ne!(same, results, "{}", network.name);
            before = results;
        }
    }
    let expected: BTreeSet<&str> = with_sample_text().into_iter().collect();
    assert_eq!(operations, expected, "operations that no network here has");
}

/// Parsed and validated as WebGPU's core is, without any extension.
fn validated(text: &str) -> naga::Module {
    let module = naga::front::wgsl::parse_str(text)
        .unwrap_or_else(|error| panic!("{}\n{text}", error.emit_to_string(text)));
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    validator
        .validate(&module)
        .unwrap_or_else(|error| panic!("{}\n{text}", error.emit_to_string(text)));
    module
}

fn shader(model: &Model, name: &str) -> NetworkShader {
    model.network_wgsl(settings().name(name).first_binding(2)).unwrap()
}

#[test]
fn every_text_is_valid_in_itself_and_all_its_names_begin_alike() {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let mut all = networks();
    if gpu.has_halves() {
        // What is stored as f16 elsewhere is f32 here.
        let half = networks().into_iter().filter(|network| network.name.contains("Relu"));
        all.extend(half.map(|network| {
            let model = network.model.precision(Precision::MixedFloat16);
            Network { model, ..network }
        }));
    }
    for network in all {
        let model = network.model.clone().build(&gpu).unwrap();
        let text = shader(&model, "height").text;
        let module = validated(&text);
        let functions = module.functions.iter().filter_map(|(_, one)| one.name.as_deref());
        let constants = module.constants.iter().filter_map(|(_, one)| one.name.as_deref());
        let variables = module.global_variables.iter().filter_map(|(_, one)| one.name.as_deref());
        let names: Vec<&str> = functions.chain(constants).chain(variables).collect();
        assert!(names.contains(&"height"));
        for name in names {
            assert!(name == "height" || name.starts_with("height_"), "{name} in {text}");
        }
        // Two networks fit one shader.
        let other = model.network_wgsl(settings().name("depth").first_binding(0)).unwrap();
        validated(&format!("{text}\n{}", other.text));
        assert!(other.bindings.len() <= 2);
        assert_eq!(other.bindings[0].binding, 0);
        let function = text.find("fn height(").unwrap();
        let operations = model.program().ops(Pass::Predict).len();
        let most = 500 + 900 * operations + 30 * (network.inputs + network.outputs);
        assert!(text[function..].len() < most, "{} is unrolled: {text}", network.name);
    }
}

/// Each is a mistake in the text, which the comparison with the exact network must notice.
#[test]
fn mistakes_in_the_text_are_noticed() {
    let host = Host::with_default_limits();
    let all = networks();
    let network = |name: &str| all.iter().find(|network| network.name == name).unwrap();
    let dense = "[3, 7, 5, 2] Sigmoid";
    let mistakes = [
        (dense, "no bias", "var sum = height_parameters[", "var sum = 0.0 * height_parameters["),
        (dense, "a wrong stride", ") * 2u + quad]", ") * 1u + quad]"),
        (dense, "one input too few", "sum += x.z *", "sum += 0.0 * x.z *"),
        (dense, "lanes exchanged", "sum += x.y *", "sum += x.z *"),
        (dense, "a loop too short", "row < 1u", "row < 0u"),
        (dense, "no activation", "height_sigmoid_activate(sum)", "sum"),
        (dense, "layers exchanged", "values_1[quad] =", "values_0[quad] ="),
        (dense, "another result", "values_1[0u].y)", "values_1[0u].x)"),
        ("[256, 33, 10] Tanh", "quads left out", "quad < 9u", "quad < 8u"),
        (
            "two slopes",
            "one slope for both",
            "const height_leaky_relu_2_CONSTANT: f32 = 1e-1f",
            "const height_leaky_relu_2_CONSTANT: f32 = 5e-1f",
        ),
        ("pixels", "bytes as they are", " * 3.921569e-3f", " * 1.0"),
        (
            "[3, 7, 5, 2] Softmax",
            "padding in the sum",
            "select(vec4<f32>(0.0), exp(",
            "select(exp(vec4<f32>(0.0)), exp(",
        ),
        ("batch normalization", "no epsilon", " + 1e-3f)", " + 1e-1f)"),
        ("batch normalization", "no mean", " - height_untrained[", " + height_untrained["),
        ("layer normalization", "the sum for the mean", " / 7e0f", ""),
        (
            "layer normalization",
            "no gamma",
            "inverse * (height_parameters[",
            "inverse * (0.9 * height_parameters[",
        ),
        ("what is not trained", "no offset", "+ height_untrained[", "- height_untrained["),
        ("hash grid", "a table that begins elsewhere", "+ place / 4u]", "+ 1u + place / 4u]"),
        ("hash grid", "one level for all", "(column / height_grid_1_FEATURES)", "(0u)"),
        ("hash grid", "another prime", "2654435761u", "2654435763u"),
        ("waves", "sines for cosines", "+ column % 2u", "+ 0u"),
        ("waves", "another frequency", "(126u +", "(127u +"),
        ("layers of the user's own", "no gate", "height_sigmoid(x1)", "x1"),
        ("layers of the user's own", "one value for all", "vec4<f32>(", "vec4<f32>(0.99 * "),
        ("layers of the user's own", "another column", "(column + 1u)", "(column + 0u)"),
        (
            "a graph, memory reused: false",
            "the first value twice",
            "(column - 5u)",
            "(column - 4u)",
        ),
        ("a graph, memory reused: false", "one of the sum", " + values_", " - values_"),
    ];
    let gpu = host.gpu();
    let names: BTreeSet<&str> = mistakes.iter().map(|(name, ..)| *name).collect();
    for name in names {
        let network = network(name);
        let mut model = network.model.clone().build(&gpu).unwrap();
        network.train(&mut model, 5, 20);
        let shader = model.network_wgsl(settings().name("height")).unwrap();
        let inputs = network.rows(64, 7);
        let exact = network.exact(&Parameters::of(&mut model), &inputs);
        let worst =
            |text: &str| worst(&exact, &host.pasted(text, "height(x)", &shader).run(&inputs));
        assert!(worst(&shader.text) <= 1.0, "{name}");
        for (_, what, from, to) in mistakes.iter().filter(|(of, ..)| *of == name) {
            assert!(shader.text.contains(from), "{name}: no {from:?} to break:\n{}", shader.text);
            let broken = worst(&shader.text.replace(from, to));
            assert!(broken > 1.0, "{name}: {what} is not noticed ({broken})");
        }
    }
}

#[test]
fn what_cannot_be_such_a_function_is_refused_with_the_reason() {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let compiled = |model: Sequential| model.compile(Adam::default(), Loss::MeanSquaredError, []);
    let refused = |model: &Model, settings: NetworkWgsl, expected: &str| {
        let error = model.network_wgsl(settings).unwrap_err();
        assert!(matches!(error, Error::Argument { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    };
    let floats = |inputs: usize| Sequential::new(Input::floats(&[inputs]));
    let on_cpu = compiled(floats(3).dense(1, Activation::Relu)).build(&Cpu::default()).unwrap();
    refused(&on_cpu, settings(), "on the CPU");
    let built = |model: Sequential| compiled(model).build(&gpu).unwrap();
    let most = built(floats(256).dense(1, Activation::Relu));
    most.network_wgsl(settings()).unwrap();
    let wide = built(floats(257).dense(1, Activation::Relu));
    refused(&wide, settings(), "257 values of input; a function of one sample holds them all");
    // 256 + 1,792 values of four bytes are 8,192 bytes.
    built(floats(256).dense(1792, Activation::Relu)).network_wgsl(settings()).unwrap();
    let wide = built(floats(256).dense(1796, Activation::Relu));
    refused(&wide, settings(), "8208 bytes of values, 1796 of them in dense_1.output");
    let sparse = built(Sequential::new(Input::sparse(100, 4)).dense(3, Activation::Relu));
    refused(&sparse, settings(), "sparse rows");
    let small = built(floats(3).dense(1, Activation::Relu));
    for name in ["", "1st", "höhe", "a b", "_x"] {
        refused(&small, settings().name(name), "give a letter of ASCII");
    }
    for name in ["fn", "max", "vec4", "sum", "quad"] {
        refused(&small, settings().name(name), "needs for itself");
    }
    let mut two = Functional::new();
    let input = two.input("input", Input::floats(&[3]));
    for (name, units) in [("kind", 2), ("size", 1)] {
        let value = two.dense(input, units, Activation::Relu);
        two.output(name, value);
    }
    let objective = minibatch::Objective::new(Loss::MeanSquaredError);
    let two = two.compile(Adam::default(), [("kind", objective)]).build(&gpu).unwrap();
    refused(&two, settings(), "has 2 outputs (kind, size)");
}
