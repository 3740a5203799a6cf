//! What backward operations compute, against finite differences of their forward ones, in f64.

use minibatch::operation::{self, Op};
use std::sync::Arc;

use minibatch::cpu::CpuExecutor;
use minibatch::operation::activation::Elementwise;
use minibatch::program::{BufferId, Element, Pass, ProgramBuilder, Role, Rows, Step};
use minibatch::random::{Random, Stream};

const ROWS: usize = 5;
const UNITS: usize = 7;
const EPSILON: f64 = 1e-3;

/// Operations that compute `output` from `variables`, and those that compute the gradient by each
/// of these from that by the output.
struct Gradients {
    builder: ProgramBuilder,
    forward: Vec<Op>,
    backward: Vec<Op>,
    variables: Vec<(BufferId, BufferId)>,
    output: BufferId,
    output_gradient: BufferId,
}

impl Gradients {
    /// Of what makes `[B,U]` of an input `[B,U]`, the first variable.
    fn new() -> Self {
        let mut builder = ProgramBuilder::new();
        let mut rows = |name| builder.activation(name, UNITS).unwrap();
        let variables = vec![(rows("input"), rows("input_gradient"))];
        let [output, output_gradient] = [rows("output"), rows("output_gradient")];
        let (forward, backward) = (Vec::new(), Vec::new());
        Gradients { builder, forward, backward, variables, output, output_gradient }
    }

    fn input(&self) -> BufferId {
        self.variables[0].0
    }

    fn input_gradient(&self) -> BufferId {
        self.variables[0].1
    }

    fn rows(&mut self, name: &str, columns: usize) -> BufferId {
        self.builder.activation(name, columns).unwrap()
    }

    fn vector(&mut self, name: &str) -> BufferId {
        self.builder.buffer(name, Role::Scratch, Element::Real, Rows::One, UNITS).unwrap()
    }

    /// A variable `[U]` and its gradient.
    fn parameter(&mut self, name: &str) -> [BufferId; 2] {
        let both = [self.vector(name), self.vector(&format!("{name}_gradient"))];
        self.variables.push((both[0], both[1]));
        both
    }

    fn assert_are_slopes(self, what: &str) {
        let Gradients { mut builder, forward, backward, variables, output, output_gradient } = self;
        // Each operation is checked as it would be in a model.
        for &op in forward.iter().chain(&backward) {
            builder.push(Pass::Train, op).unwrap();
        }
        let program = Arc::new(builder.build());
        let mut cpu = CpuExecutor::<f64>::new(Arc::clone(&program));
        cpu.reserve(ROWS);
        let step = Step::forward(ROWS);
        let mut random = Random::new(7, Stream::Parity);
        let mut values = |count: usize| -> Vec<f64> {
            // No value within reach of a kink.
            let sizes = (0..count).map(|_| random.range(0.1, 1.0)).collect::<Vec<_>>();
            sizes.into_iter().map(|x| if random.below(2) == 0 { x } else { -x }).collect()
        };
        // Of losses, the mean over the rows counts.
        let is_loss = program.buffer(output).role == Role::Metric;
        let weights = match is_loss {
            true => vec![1.0 / ROWS as f64; ROWS],
            false => values(ROWS * program.buffer(output).columns),
        };
        let mut at: Vec<Vec<f64>> = variables
            .iter()
            .map(|&(id, _)| {
                let buffer = program.buffer(id);
                values(buffer.live_rows(ROWS) * buffer.columns)
            })
            .collect();
        // The sum of all outputs, each with a weight of its own.
        let loss = |cpu: &mut CpuExecutor<f64>, at: &[Vec<f64>]| {
            for (&(id, _), values) in variables.iter().zip(at) {
                cpu.write(id, values).unwrap();
            }
            cpu.clear_metrics();
            forward.iter().for_each(|op| cpu.execute(op, &step));
            cpu.read(output, ROWS).iter().zip(&weights).map(|(y, weight)| y * weight).sum::<f64>()
        };
        loss(&mut cpu, &at);
        if !is_loss {
            cpu.write(output_gradient, &weights).unwrap();
        }
        backward.iter().for_each(|op| cpu.execute(op, &step));
        let gradients: Vec<Vec<f64>> =
            variables.iter().map(|&(_, gradient)| cpu.read(gradient, ROWS)).collect();
        const H: f64 = 1e-4;
        for (variable, gradient) in gradients.iter().enumerate() {
            assert!(gradient.iter().any(|slope| slope.abs() > 0.01), "{what}: all but no slope");
            for (i, gradient) in gradient.iter().enumerate() {
                let original = at[variable][i];
                let mut moved = |offset: f64| {
                    at[variable][i] = original + offset;
                    loss(&mut cpu, &at)
                };
                // Four points: the error is of order h^4.
                let (one, two) = (moved(H) - moved(-H), moved(2.0 * H) - moved(-2.0 * H));
                let slope = (8.0 * one - two) / (12.0 * H);
                at[variable][i] = original;
                let error = (gradient - slope).abs() / slope.abs().max(1e-3);
                let name = &program.buffer(variables[variable].0).name;
                assert!(error < 1e-6, "{what}: {name}[{i}] is {gradient}, the slope {slope}");
            }
        }
    }
}

/// The activations that backward operations take along.
fn fused() -> impl Iterator<Item = Elementwise> {
    Elementwise::ALL.iter().copied().filter(|activation| activation.is_fused())
}

#[test]
fn the_gradient_of_softmax_is_its_slope() {
    let mut softmax = Gradients::new();
    softmax.forward =
        vec![Op::Softmax(operation::Softmax { input: softmax.input(), output: softmax.output })];
    softmax.backward = vec![Op::SoftmaxBackward(operation::SoftmaxBackward {
        output_gradient: softmax.output_gradient,
        value: softmax.output,
        input_gradient: softmax.input_gradient(),
    })];
    softmax.assert_are_slopes("softmax");
}

#[test]
fn gradients_of_batch_normalization_are_slopes() {
    for activation in fused() {
        let mut layer = Gradients::new();
        let input = layer.rows("activated", UNITS);
        let [mean, variance] = ["mean", "variance"].map(|name| layer.vector(name));
        let [gamma, gamma_gradient] = layer.parameter("gamma");
        let [beta, beta_gradient] = layer.parameter("beta");
        let (output, output_gradient, gamma_offset) = (layer.output, layer.output_gradient, 0.25);
        layer.forward = vec![
            Op::Activate(operation::Activate { input: layer.input(), output: input, activation }),
            Op::BatchMoments(operation::BatchMoments { input, mean, variance }),
            Op::BatchNormalize(operation::BatchNormalize {
                input,
                mean,
                variance,
                gamma,
                beta,
                output,
                epsilon: EPSILON,
                gamma_offset,
            }),
        ];
        layer.backward = vec![
            Op::BatchNormalizeBackward(operation::BatchNormalizeBackward {
                output_gradient,
                input,
                mean,
                variance,
                gamma_gradient,
                beta_gradient,
                epsilon: EPSILON,
            }),
            Op::BatchNormalizeBackwardInput(operation::BatchNormalizeBackwardInput {
                output_gradient,
                input,
                mean,
                variance,
                gamma,
                gamma_gradient,
                beta_gradient,
                input_gradient: layer.input_gradient(),
                epsilon: EPSILON,
                gamma_offset,
                activation,
            }),
        ];
        layer.assert_are_slopes(&format!("batch normalization after {activation:?}"));
    }
}

#[test]
fn the_gradient_of_normalization_by_constants_is_its_slope() {
    let mut layer = Gradients::new();
    let names = ["mean", "variance", "zeros", "beta"];
    let [mean, variance, zeros, beta] = names.map(|name| layer.vector(name));
    let samples = layer.rows("other_samples", UNITS);
    let (output, output_gradient, input) = (layer.output, layer.output_gradient, layer.input());
    // Moments that do not depend on the input: those of rows of zeros, and epsilon.
    layer.forward = vec![
        Op::BatchMoments(operation::BatchMoments { input: samples, mean, variance }),
        Op::BatchNormalize(operation::BatchNormalize {
            input,
            mean,
            variance,
            gamma: zeros,
            beta,
            output,
            epsilon: 0.5,
            gamma_offset: 1.0,
        }),
    ];
    layer.backward =
        vec![Op::BatchNormalizeBackwardInput(operation::BatchNormalizeBackwardInput {
            output_gradient,
            input,
            mean,
            variance,
            gamma: zeros,
            gamma_gradient: zeros,
            beta_gradient: zeros,
            input_gradient: layer.input_gradient(),
            epsilon: 0.5,
            gamma_offset: 1.0,
            activation: Elementwise::Linear,
        })];
    layer.assert_are_slopes("a frozen batch normalization");
}

#[test]
fn gradients_of_layer_normalization_are_slopes() {
    for activation in fused() {
        let mut layer = Gradients::new();
        let input = layer.rows("activated", UNITS);
        let moments = layer.rows("moments", 2);
        let [gamma, gamma_gradient] = layer.parameter("gamma");
        let [beta, beta_gradient] = layer.parameter("beta");
        let (output, output_gradient, gamma_offset) = (layer.output, layer.output_gradient, 0.25);
        layer.forward = vec![
            Op::Activate(operation::Activate { input: layer.input(), output: input, activation }),
            Op::LayerNormalize(operation::LayerNormalize {
                input,
                gamma,
                beta,
                output,
                moments,
                epsilon: EPSILON,
                gamma_offset,
            }),
        ];
        layer.backward = vec![
            Op::LayerNormalizeBackward(operation::LayerNormalizeBackward {
                output_gradient,
                input,
                moments,
                gamma_gradient,
                beta_gradient,
            }),
            Op::LayerNormalizeBackwardInput(operation::LayerNormalizeBackwardInput {
                output_gradient,
                input,
                moments,
                gamma,
                input_gradient: layer.input_gradient(),
                gamma_offset,
                activation,
            }),
        ];
        layer.assert_are_slopes(&format!("layer normalization after {activation:?}"));
    }
}

#[test]
fn the_gradient_of_the_frequency_encoding_is_its_slope() {
    for with_input in [false, true] {
        let mut layer = Gradients::new();
        let frequencies = operation::Frequencies::new(3, with_input).unwrap();
        layer.output = layer.rows("waves", frequencies.outputs(UNITS));
        layer.output_gradient = layer.rows("waves_gradient", frequencies.outputs(UNITS));
        let (input, output, output_gradient) = (layer.input(), layer.output, layer.output_gradient);
        layer.forward = vec![Op::FrequencyEncoding(operation::FrequencyEncoding {
            input,
            output,
            frequencies,
        })];
        layer.backward =
            vec![Op::FrequencyEncodingBackward(operation::FrequencyEncodingBackward {
                output_gradient,
                output,
                input_gradient: layer.input_gradient(),
                frequencies,
            })];
        layer.assert_are_slopes("the frequency encoding");
    }
}

/// Half of the positions lie beyond the unit cube, where the slope is 0.
#[test]
fn gradients_of_the_hash_grid_are_slopes() {
    let sizes = |features| operation::GridSizes {
        levels: 3,
        features,
        log2_table_size: 5,
        base_resolution: 2,
        finest_resolution: 9,
    };
    for (dimensions, features) in [(1, 1), (2, 2), (3, 4), (4, 8)] {
        let sizes = sizes(features);
        let mut layer = Gradients::new();
        let [input, input_gradient] =
            ["position", "position_gradient"].map(|name| layer.rows(name, dimensions));
        let rows = Rows::Packed(sizes.levels(dimensions).entries());
        let [table, table_gradient] = ["table", "table_gradient"].map(|name| {
            let (role, element) = (Role::Scratch, Element::Real);
            layer.builder.buffer(name, role, element, rows, features as usize).unwrap()
        });
        let words = 2 * sizes.levels(dimensions).entries().next_multiple_of(4) * features as usize;
        let [largest, sums] = [("largest", 16), ("sums", words)].map(|(name, columns)| {
            let (role, element) = (Role::Scratch, Element::Real);
            layer.builder.buffer(name, role, element, Rows::One, columns).unwrap()
        });
        let [output, output_gradient] =
            ["features", "features_gradient"].map(|name| layer.rows(name, sizes.outputs()));
        (layer.output, layer.output_gradient) = (output, output_gradient);
        layer.variables = vec![(input, input_gradient), (table, table_gradient)];
        layer.forward = vec![Op::HashGrid(operation::HashGrid { input, table, output, sizes })];
        layer.backward = vec![
            operation::LargestGradient { gradient: output_gradient, largest }.into(),
            operation::HashGridScatter { largest, output_gradient, input, sums, sizes }.into(),
            operation::HashGridCollect { largest, sums, table_gradient }.into(),
            operation::HashGridBackwardInput {
                output_gradient,
                input,
                table,
                input_gradient,
                sizes,
            }
            .into(),
        ];
        layer.assert_are_slopes("the hash grid");
    }
}

#[test]
fn the_gradient_of_an_activity_penalty_is_its_slope() {
    for activation in fused() {
        let mut layer = Gradients::new();
        let value = layer.rows("activated", UNITS);
        let (role, rows) = (Role::Metric, Rows::Batch);
        layer.output = layer.builder.buffer("loss", role, Element::Real, rows, 1).unwrap();
        let (loss, input_gradient, l1, l2) = (layer.output, layer.input_gradient(), 0.375, 0.0625);
        layer.forward = vec![
            Op::Activate(operation::Activate { input: layer.input(), output: value, activation }),
            Op::ActivityPenalty(operation::ActivityPenalty { value, loss, l1, l2 }),
        ];
        layer.backward = vec![Op::ActivityPenaltyGradient(operation::ActivityPenaltyGradient {
            value,
            input_gradient,
            loss_scale: None,
            activation,
            l1,
            l2,
        })];
        layer.assert_are_slopes(&format!("a penalty of {activation:?}"));
    }
}
