//! From the steps of a graph to nodes and their buffers.

use super::constants::check_constants;
use super::graph::Step;
use super::node::{Affine, Batch, DenseNode, Gradients, Made, Node, Value};
use crate::error::{Error, Result};
use crate::model::functional::NodeKind;
use crate::model::{
    BatchNormalization, Dense, Input, InputType, Layer, LayerNormalization, Normalization,
    Regularizer,
};
use crate::operation::activation::{Activation, Elementwise};
use crate::program::{BufferId, Element, Initial, ProgramBuilder, Role, Rows};

/// The arenas of the parameters that are trained, of those that are not, of the gradients, and of
/// what the optimizer keeps, by its name.
pub(super) struct Arenas {
    pub parameters: BufferId,
    pub frozen: BufferId,
    pub gradients: BufferId,
    pub state: Vec<(&'static str, BufferId)>,
}

/// Makes nodes and their buffers.
pub(super) struct Nodes<'a> {
    pub builder: &'a mut ProgramBuilder,
    pub arenas: &'a Arenas,
    pub nodes: Vec<Node>,
    /// What does not begin with zeros.
    pub initial: Vec<(BufferId, Initial)>,
    /// Values that cost something.
    pub activities: Vec<(Value, Regularizer)>,
    dense_layers: u32,
    /// Layers that draw random numbers.
    noisy_layers: u32,
}

impl<'a> Nodes<'a> {
    pub fn new(builder: &'a mut ProgramBuilder, arenas: &'a Arenas) -> Self {
        Nodes {
            builder,
            arenas,
            nodes: Vec::new(),
            initial: Vec::new(),
            activities: Vec::new(),
            dense_layers: 0,
            noisy_layers: 0,
        }
    }

    /// Makes the nodes of one step of the graph from the values of the steps before; with the
    /// logits by themselves if a loss wants them.
    ///
    /// # Errors
    /// [`Error::Argument`] for a constant out of its range.
    pub fn step(
        &mut self,
        step: &Step,
        made: impl Fn(usize) -> Option<Made>,
        logits: bool,
    ) -> Result<Made> {
        let name = &*step.name;
        let of = |place: usize| {
            made(place).map(|made| made.value).ok_or_else(|| {
                Error::argument("layers", format!("{name:?} takes a value of another model"))
            })
        };
        let value = match &step.kind {
            NodeKind::Input { input } => self.input(name, input)?,
            NodeKind::Add { of: sources } | NodeKind::Concatenate { of: sources } => {
                let values = sources.iter().map(|&place| of(place)).collect::<Result<Vec<_>>>()?;
                self.joined(name, &step.kind, &values)?
            }
            NodeKind::Layer { layer, of: source } => {
                let input = of(*source)?;
                check_constants(layer)?;
                match layer {
                    Layer::Dense(dense) => return self.dense(name, *dense, input, logits),
                    &Layer::Activation(crate::model::ActivationLayer { activation }) => {
                        let value = self.activation(name, input, activation)?;
                        return Ok(Made { value, logits: input });
                    }
                    &Layer::Dropout(crate::model::Dropout { rate }) => {
                        let (output, number) = (self.next(name, input)?, self.noisy());
                        self.nodes.push(Node::Dropout { input, output, rate, number });
                        output
                    }
                    &Layer::GaussianNoise(crate::model::GaussianNoise { standard_deviation }) => {
                        let (output, number) = (self.next(name, input)?, self.noisy());
                        let node =
                            Node::GaussianNoise { input, output, standard_deviation, number };
                        self.nodes.push(node);
                        output
                    }
                    Layer::BatchNormalization(layer) => {
                        self.batch_normalization(name, *layer, input)?
                    }
                    Layer::LayerNormalization(layer) => {
                        self.layer_normalization(name, *layer, input)?
                    }
                    Layer::Normalization(layer) => self.normalization(name, layer, input)?,
                    &Layer::Rescaling(crate::model::Rescaling { scale, offset }) => {
                        self.rescaling(name, [scale, offset], input)?
                    }
                    Layer::Flatten(_) => input,
                }
            }
        };
        Ok(Made { value, logits: value })
    }

    fn noisy(&mut self) -> u32 {
        self.noisy_layers += 1;
        self.noisy_layers
    }

    /// The buffer of an input, converted to reals if its samples are bytes.
    fn input(&mut self, name: &str, input: &Input) -> Result<Value> {
        let width = input.width().filter(|&width| width > 0).ok_or_else(|| {
            Error::argument(
                "input",
                format!("has shape {:?}; every dimension must be at least 1", input.shape),
            )
        })?;
        let element = match input.values {
            InputType::F32 => Element::Real,
            InputType::U8 { .. } => Element::U8,
        };
        let buffer = self.builder.buffer(name, Role::Input, element, Rows::Batch, width)?;
        let value = Value { buffer, width, made_by: Elementwise::Linear, trained: false };
        let InputType::U8 { scale } = input.values else { return Ok(value) };
        if !scale.is_finite() || scale == 0.0 {
            let problem = format!("is {scale}; give a finite number other than 0");
            return Err(Error::argument("scale", problem));
        }
        let scaled = self.builder.activation(format!("{name}.scaled"), width)?;
        let output = Value { buffer: scaled, ..value };
        self.nodes.push(Node::Convert { bytes: buffer, output, scale });
        Ok(output)
    }

    /// A new value as wide as `input`.
    fn next(&mut self, name: &str, input: Value) -> Result<Value> {
        let buffer = self.builder.activation(format!("{name}.output"), input.width)?;
        Ok(Value { buffer, made_by: Elementwise::Linear, ..input })
    }

    /// Pairs of values joined one after the other.
    fn joined(&mut self, name: &str, kind: &NodeKind, values: &[Value]) -> Result<Value> {
        let Some((&first, others)) = values.split_first() else {
            return Err(Error::argument("layers", format!("{name:?} takes no value")));
        };
        let mut joined = first;
        for (number, &second) in (1..).zip(others) {
            let last = number == others.len();
            let name = if last { name.to_owned() } else { format!("{name}.part_{number}") };
            let trained = joined.trained || second.trained;
            let first = joined;
            match kind {
                NodeKind::Concatenate { .. } => {
                    let width = first.width.saturating_add(second.width);
                    joined = Value { trained, ..self.next(&name, Value { width, ..first })? };
                    self.nodes.push(Node::Concatenate { first, second, output: joined });
                }
                _ => {
                    joined = Value { trained, ..self.next(&name, first)? };
                    self.nodes.push(Node::Add { first, second, output: joined });
                }
            }
        }
        Ok(joined)
    }

    /// `activation(input)`; the input itself if it is linear.
    pub fn activation(&mut self, name: &str, input: Value, of: Activation) -> Result<Value> {
        Ok(match of.elementwise() {
            Some(Elementwise::Linear) => input,
            Some(activation) => {
                let output = self.next(name, input)?;
                self.nodes.push(Node::Activate { input, output, activation });
                output
            }
            None => {
                let output = self.next(name, input)?;
                self.nodes.push(Node::Softmax { input, output });
                output
            }
        })
    }

    fn dense(&mut self, name: &str, layer: Dense, input: Value, logits: bool) -> Result<Made> {
        let Dense { units, use_bias, trainable, .. } = layer;
        let stream = self.dense_layers;
        self.dense_layers += 1;
        let rows = Rows::Fixed(input.width);
        let (weight, of_weight) = self.parameter(name, "weight", rows, units, trainable)?;
        let drawn = Initial::Drawn(layer.weight_initializer, stream, input.width, units);
        self.initial.push((weight, drawn));
        let (bias, of_bias) = match use_bias {
            true => {
                let (bias, gradient) = self.parameter(name, "bias", Rows::One, units, trainable)?;
                let stream = u32::MAX - stream;
                self.initial.push((bias, Initial::Drawn(layer.bias_initializer, stream, 0, units)));
                (bias, gradient)
            }
            false => (self.scratch(name, "no_bias", units)?, None),
        };
        let gradients = match of_weight {
            None => None,
            Some(weight) => {
                let written_bias = match of_bias {
                    Some(bias) => bias,
                    None => self.scratch(name, "no_bias.gradient", units)?,
                };
                Some(Gradients { weight, bias: of_bias, written_bias })
            }
        };
        let fused = match layer.activation.elementwise() {
            Some(function) if function.is_fused() && !logits => function,
            _ => Elementwise::Linear,
        };
        let trained = input.trained || trainable;
        let output = Value { width: units, made_by: fused, trained, ..input };
        let output = Value { made_by: fused, ..self.next(name, output)? };
        self.nodes.push(Node::Dense(DenseNode { layer, input, output, weight, bias, gradients }));
        let value = match layer.activation.elementwise() {
            Some(function) if function == fused => output,
            _ => self.activation(&format!("{name}.activation"), output, layer.activation)?,
        };
        if !layer.activity_regularizer.is_none() {
            self.activities.push((value, layer.activity_regularizer));
        }
        Ok(Made { value, logits: output })
    }

    fn batch_normalization(
        &mut self,
        name: &str,
        layer: BatchNormalization,
        input: Value,
    ) -> Result<Value> {
        let BatchNormalization { momentum, epsilon, center, scale, trainable } = layer;
        let affine = self.affine(name, input.width, [scale, center], trainable)?;
        let same = |value| Initial::Same(value, input.width);
        let mean = self.state(name, "moving_mean", input.width, same(0.0))?;
        let variance = self.state(name, "moving_variance", input.width, same(1.0))?;
        let batch = match trainable {
            true => Some(Batch {
                mean: self.scratch(name, "mean", input.width)?,
                variance: self.scratch(name, "variance", input.width)?,
                momentum,
            }),
            false => None,
        };
        let trained = input.trained || affine.gradients.iter().any(Option::is_some);
        let output = Value { trained, ..self.next(name, input)? };
        self.nodes.push(Node::Normalize { input, output, mean, variance, batch, affine, epsilon });
        Ok(output)
    }

    fn layer_normalization(
        &mut self,
        name: &str,
        layer: LayerNormalization,
        input: Value,
    ) -> Result<Value> {
        let LayerNormalization { epsilon, center, scale, trainable } = layer;
        let affine = self.affine(name, input.width, [scale, center], trainable)?;
        let moments = self.builder.activation(format!("{name}.moments"), 2)?;
        let trained = input.trained || affine.gradients.iter().any(Option::is_some);
        let output = Value { trained, ..self.next(name, input)? };
        self.nodes.push(Node::LayerNormalize { input, output, moments, affine, epsilon });
        Ok(output)
    }

    fn normalization(&mut self, name: &str, layer: &Normalization, input: Value) -> Result<Value> {
        let Normalization { mean, variance } = layer;
        if [mean.len(), variance.len()] != [input.width; 2] {
            return Err(Error::Shape {
                what: format!("mean and variance of {name}"),
                actual: format!("{} and {} values", mean.len(), variance.len()),
                expected: format!("{} of both, one a value of a sample", input.width),
            });
        }
        let mean = self.state(name, "mean", input.width, Initial::Values(mean.clone()))?;
        // Its root is at least 1e-7, as in Keras: a constant value becomes 0.
        let variance = variance.iter().map(|variance| variance.max(1e-14)).collect();
        let variance = self.state(name, "variance", input.width, Initial::Values(variance))?;
        let affine = self.affine(name, input.width, [false, false], false)?;
        let output = self.next(name, input)?;
        // Nothing beside any other variance; a 0 that was set by name divides 0 to 0.
        let (batch, epsilon) = (None, 1e-30);
        self.nodes.push(Node::Normalize { input, output, mean, variance, batch, affine, epsilon });
        Ok(output)
    }

    /// A normalization by mean 0 and variance 1 with a fixed gamma and beta.
    fn rescaling(&mut self, name: &str, [scale, offset]: [f64; 2], input: Value) -> Result<Value> {
        let width = input.width;
        let constant = |nodes: &mut Self, suffix: &str, value: f64| -> Result<BufferId> {
            let id = nodes.scratch(name, suffix, width)?;
            nodes.initial.push((id, Initial::Same(value, width)));
            Ok(id)
        };
        let mean = self.scratch(name, "zeros", width)?;
        let variance = constant(self, "ones", 1.0)?;
        let affine = Affine {
            gamma: constant(self, "scale", scale)?,
            beta: constant(self, "offset", offset)?,
            gamma_offset: 0.0,
            written: [
                self.scratch(name, "no_scale", width)?,
                self.scratch(name, "no_offset", width)?,
            ],
            gradients: [None; 2],
        };
        let output = self.next(name, input)?;
        let (batch, epsilon) = (None, 0.0);
        self.nodes.push(Node::Normalize { input, output, mean, variance, batch, affine, epsilon });
        Ok(output)
    }

    fn affine(
        &mut self,
        name: &str,
        width: usize,
        [scale, center]: [bool; 2],
        trainable: bool,
    ) -> Result<Affine> {
        let mut part = |there: bool, suffix: &str| -> Result<_> {
            let (id, gradient) = match there {
                true => self.parameter(name, suffix, Rows::One, width, trainable)?,
                false => (self.scratch(name, &format!("no_{suffix}"), width)?, None),
            };
            let written = match gradient {
                Some(gradient) => gradient,
                None => self.scratch(name, &format!("no_{suffix}.gradient"), width)?,
            };
            Ok((id, gradient, written))
        };
        let (gamma, of_gamma, written_gamma) = part(scale, "gamma")?;
        let (beta, of_beta, written_beta) = part(center, "beta")?;
        if scale {
            self.initial.push((gamma, Initial::Same(1.0, width)));
        }
        Ok(Affine {
            gamma,
            beta,
            gamma_offset: if scale { 0.0 } else { 1.0 },
            written: [written_gamma, written_beta],
            gradients: [of_gamma, of_beta],
        })
    }

    /// A parameter and, if it is trained, its gradient.
    fn parameter(
        &mut self,
        name: &str,
        suffix: &str,
        rows: Rows,
        units: usize,
        trainable: bool,
    ) -> Result<(BufferId, Option<BufferId>)> {
        let Arenas { parameters, frozen, gradients, state } = self.arenas;
        let builder = &mut *self.builder;
        let name = format!("{name}.{suffix}");
        let role = Role::Parameter;
        if !trainable {
            return Ok((builder.slice(*frozen, name, role, rows, units)?, None));
        }
        let parameter = builder.slice(*parameters, name.clone(), role, rows, units)?;
        let role = Role::ParameterGradient;
        let gradient = builder.slice(*gradients, format!("{name}.gradient"), role, rows, units)?;
        for (kept, arena) in state {
            let role = Role::OptimizerState;
            builder.slice(*arena, format!("{name}.{kept}"), role, rows, units)?;
        }
        Ok((parameter, Some(gradient)))
    }

    fn state(
        &mut self,
        name: &str,
        suffix: &str,
        width: usize,
        initial: Initial,
    ) -> Result<BufferId> {
        let name = format!("{name}.{suffix}");
        let id = self.builder.buffer(name, Role::State, Element::Real, Rows::One, width)?;
        self.initial.push((id, initial));
        Ok(id)
    }

    fn scratch(&mut self, name: &str, suffix: &str, width: usize) -> Result<BufferId> {
        let name = format!("{name}.{suffix}");
        self.builder.buffer(name, Role::Scratch, Element::Real, Rows::One, width)
    }
}
