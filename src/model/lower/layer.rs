//! From layers to operations, forward and backward.

use std::collections::HashMap;

use crate::activation::{Activation, Elementwise};
use crate::error::{Error, Result};
use crate::model::{Dense, Input, InputType, Layer};
use crate::program::{BufferId, Element, Op, Pass, ProgramBuilder, Role, Rows};

/// A value on its way through the layers, `[B, width]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    pub buffer: BufferId,
    pub width: usize,
    /// The fused activation that made it.
    pub made_by: Elementwise,
    /// Where the loss' derivative by it, before `made_by`, is to be written; `None` for the
    /// model's input.
    pub gradient: Option<BufferId>,
}

/// A dense layer with its buffers.
#[derive(Debug, Clone, Copy)]
pub(super) struct DenseNode {
    pub layer: Dense,
    pub input: Value,
    pub output: Value,
    pub weight: BufferId,
    pub bias: BufferId,
    /// `None` for a layer that is not trained.
    pub gradients: Option<Gradients>,
}

/// Where the gradients of a dense layer go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gradients {
    pub weight: BufferId,
    /// `None` for a layer without a bias.
    pub bias: Option<BufferId>,
    /// Where the kernel writes the bias' gradient, wanted or not.
    written_bias: BufferId,
}

/// One operation forward, with what it takes to go back.
#[derive(Debug, Clone, Copy)]
pub(super) enum Node {
    Dense(DenseNode),
    Activate { input: Value, output: Value, activation: Elementwise },
    Dropout { input: Value, output: Value, rate: f64, number: u32 },
}

impl Node {
    /// What it makes in training.
    pub fn output(&self) -> Value {
        match self {
            Node::Dense(DenseNode { output, .. })
            | Node::Activate { output, .. }
            | Node::Dropout { output, .. } => *output,
        }
    }
}

/// The arenas of the parameters that are trained, of those that are not, of the gradients, and of what the optimizer keeps, by its name.
pub(super) struct Arenas<'a> {
    pub parameters: BufferId,
    pub frozen: BufferId,
    pub gradients: BufferId,
    pub state: &'a [(&'static str, BufferId)],
}

/// The layers in the form that can be lowered: each activation that follows a linear layer has
/// become part of it, and what does nothing is gone.
pub(super) fn merged(layers: &[Layer]) -> Vec<Layer> {
    let mut merged: Vec<Layer> = Vec::with_capacity(layers.len());
    for &layer in layers {
        match (merged.last_mut(), layer) {
            (_, Layer::Flatten) => {}
            (Some(Layer::Dense(dense)), Layer::Activation { activation })
                if dense.activation == Activation::Linear =>
            {
                dense.activation = activation;
            }
            _ => merged.push(layer),
        }
    }
    merged
}

/// The buffer of bytes, if the samples are bytes, and the input as reals.
pub(super) fn lower_input(
    builder: &mut ProgramBuilder,
    input: &Input,
) -> Result<(Option<BufferId>, Value)> {
    let width = input.width().filter(|&width| width > 0).ok_or_else(|| {
        Error::argument(
            "input",
            format!("has shape {:?}; every dimension must be at least 1", input.shape),
        )
    })?;
    let (bytes, buffer) = match input.values {
        InputType::F32 => {
            (None, builder.buffer("input", Role::Input, Element::Real, Rows::Batch, width)?)
        }
        InputType::U8 { scale } => {
            if !scale.is_finite() || scale == 0.0 {
                let problem = format!("is {scale}; give a finite number other than 0");
                return Err(Error::argument("scale", problem));
            }
            let bytes = builder.buffer("input", Role::Input, Element::U8, Rows::Batch, width)?;
            (Some(bytes), builder.activation("input.scaled", width)?)
        }
    };
    Ok((bytes, Value { buffer, width, made_by: Elementwise::Linear, gradient: None }))
}

/// Makes the buffers of all layers. `last` is the activation at the end as far as the loss does not
/// have it within itself.
///
/// # Errors
/// [`Error::Argument`] for a layer where it cannot stand or a constant out of its range.
pub(super) fn lower_layers(
    builder: &mut ProgramBuilder,
    layers: &[Layer],
    input: Value,
    last: Elementwise,
    arenas: &Arenas<'_>,
) -> Result<Vec<Node>> {
    let mut nodes = Vec::new();
    let mut value = input;
    // How many there are of each kind so far; names begin with 1, as Keras' begin with 0.
    let (mut dense_layers, mut activations, mut dropouts) = (0, 0, 0);
    for (i, layer) in layers.iter().enumerate() {
        check_constants(layer)?;
        let is_last = i + 1 == layers.len();
        match *layer {
            Layer::Dense(dense) => {
                dense_layers += 1;
                let name = format!("dense_{dense_layers}");
                let function = match dense.activation.elementwise() {
                    _ if is_last => last,
                    Some(function) => function,
                    None => return Err(softmax_inside()),
                };
                let fused = if function.is_fused() { function } else { Elementwise::Linear };
                let node = dense_node(builder, &name, dense, value, fused, arenas)?;
                value = node.output;
                nodes.push(Node::Dense(node));
                if fused != function {
                    let name = format!("{name}.activation");
                    value = activate(builder, &name, value, function, &mut nodes)?;
                }
            }
            Layer::Activation { activation } => {
                activations += 1;
                let function = match activation.elementwise() {
                    _ if is_last => last,
                    Some(function) => function,
                    None => return Err(softmax_inside()),
                };
                let name = format!("activation_{activations}");
                value = activate(builder, &name, value, function, &mut nodes)?;
            }
            Layer::Dropout { rate } => {
                dropouts += 1;
                if !(0.0..1.0).contains(&rate) {
                    let problem = format!("is {rate}; expected at least 0 and less than 1");
                    return Err(Error::argument("rate", problem));
                }
                let name = format!("dropout_{dropouts}");
                let input = value;
                value = next(builder, &name, input.width)?;
                nodes.push(Node::Dropout { input, output: value, rate, number: dropouts });
            }
            Layer::Flatten => {}
        }
    }
    Ok(nodes)
}

/// A slope below 0 would make the derivative untellable from the result, and what is not finite
/// would end in the weights.
fn check_constants(layer: &Layer) -> Result<()> {
    let not_negative = |argument, value: f64| {
        if value >= 0.0 && value.is_finite() {
            return Ok(());
        }
        let problem = format!("is {value}; expected a finite number of at least 0");
        Err(Error::argument(argument, problem))
    };
    let activation = match layer {
        Layer::Dense(dense) => {
            dense.weight_initializer.check()?;
            dense.bias_initializer.check()?;
            dense.activation
        }
        Layer::Activation { activation } => *activation,
        Layer::Dropout { .. } | Layer::Flatten => return Ok(()),
    };
    match activation {
        Activation::LeakyRelu { negative_slope } => not_negative("negative_slope", negative_slope),
        Activation::Elu { alpha } => not_negative("alpha", alpha),
        _ => Ok(()),
    }
}

fn softmax_inside() -> Error {
    Error::argument("activation", "softmax inside the model: it can only be the last activation")
}

/// A new value with its gradient.
fn next(builder: &mut ProgramBuilder, name: &str, width: usize) -> Result<Value> {
    Ok(Value {
        buffer: builder.activation(format!("{name}.output"), width)?,
        width,
        made_by: Elementwise::Linear,
        gradient: Some(builder.activation(format!("{name}.output.gradient"), width)?),
    })
}

fn activate(
    builder: &mut ProgramBuilder,
    name: &str,
    input: Value,
    activation: Elementwise,
    nodes: &mut Vec<Node>,
) -> Result<Value> {
    let output = next(builder, name, input.width)?;
    nodes.push(Node::Activate { input, output, activation });
    Ok(output)
}

fn dense_node(
    builder: &mut ProgramBuilder,
    name: &str,
    layer: Dense,
    input: Value,
    activation: Elementwise,
    arenas: &Arenas<'_>,
) -> Result<DenseNode> {
    let Dense { units, use_bias, trainable, .. } = layer;
    let weight_rows = Rows::Fixed(input.width);
    let parameters = if trainable { arenas.parameters } else { arenas.frozen };
    let mut part = |arena, suffix: &str, role, rows| {
        builder.slice(arena, format!("{name}.{suffix}"), role, rows, units)
    };
    let weight = part(parameters, "weight", Role::Parameter, weight_rows)?;
    let bias =
        use_bias.then(|| part(parameters, "bias", Role::Parameter, Rows::One)).transpose()?;
    let mut gradients = None;
    if trainable {
        let role = Role::ParameterGradient;
        let of_weight = part(arenas.gradients, "weight.gradient", role, weight_rows)?;
        let of_bias = use_bias
            .then(|| part(arenas.gradients, "bias.gradient", role, Rows::One))
            .transpose()?;
        gradients = Some((of_weight, of_bias));
        for &(state, arena) in arenas.state {
            part(arena, &format!("weight.{state}"), Role::OptimizerState, weight_rows)?;
            if use_bias {
                part(arena, &format!("bias.{state}"), Role::OptimizerState, Rows::One)?;
            }
        }
    }
    let mut scratch = |suffix: &str| {
        let name = format!("{name}.{suffix}");
        builder.buffer(name, Role::Scratch, Element::Real, Rows::One, units)
    };
    let bias = match bias {
        Some(bias) => bias,
        None => scratch("no_bias")?,
    };
    let gradients = match gradients {
        None => None,
        Some((weight, bias)) => {
            let written_bias = match bias {
                Some(bias) => bias,
                None => scratch("no_bias.gradient")?,
            };
            Some(Gradients { weight, bias, written_bias })
        }
    };
    let output = Value { made_by: activation, ..next(builder, name, units)? };
    Ok(DenseNode { layer, input, output, weight, bias, gradients })
}

/// Pushes the way forward. Dropout takes part in training only; in predictions the last node writes
/// the first of `predicted`, with the second, if it is elementwise, as its activation.
pub(super) fn push_forward(
    builder: &mut ProgramBuilder,
    pass: Pass,
    nodes: &[Node],
    predicted: (BufferId, Option<Elementwise>),
) -> Result<()> {
    let mut stands_for: HashMap<BufferId, BufferId> = HashMap::new();
    for (i, node) in nodes.iter().enumerate() {
        let last = match predicted {
            (output, Some(function)) if pass == Pass::Predict && i + 1 == nodes.len() => {
                Some((output, function))
            }
            _ => None,
        };
        let read = |value: &Value| *stands_for.get(&value.buffer).unwrap_or(&value.buffer);
        match node {
            Node::Dense(DenseNode { input, output, weight, bias, .. }) => {
                let (output, activation) = last.unwrap_or((output.buffer, output.made_by));
                let (weight, bias) = (*weight, *bias);
                let op = Op::DenseForward { input: read(input), weight, bias, output, activation };
                builder.push(pass, op)?;
            }
            Node::Activate { input, output, activation } => {
                let (output, activation) = last.unwrap_or((output.buffer, *activation));
                builder.push(pass, Op::Activate { input: read(input), output, activation })?;
            }
            &Node::Dropout { input, output, rate, number } => {
                if pass == Pass::Train {
                    let (input, output) = (input.buffer, output.buffer);
                    builder.push(pass, Op::Dropout { input, output, rate, layer: number })?;
                } else {
                    stands_for.insert(output.buffer, read(&input));
                }
            }
        }
    }
    Ok(())
}

/// Pushes the way back, from the gradient of the last node's output to those of the parameters of
/// the lowest layer that is trained.
pub(super) fn push_backward(builder: &mut ProgramBuilder, nodes: &[Node]) -> Result<()> {
    let lowest = nodes
        .iter()
        .position(|node| matches!(node, Node::Dense(DenseNode { gradients: Some(_), .. })));
    let Some(lowest) = lowest else { return Ok(()) };
    for (i, node) in nodes.iter().enumerate().skip(lowest).rev() {
        match *node {
            Node::Dense(dense) => {
                let DenseNode { input, output, weight, gradients, .. } = dense;
                let Some(output_gradient) = output.gradient else { continue };
                if let Some(Gradients { weight: weight_gradient, written_bias, .. }) = gradients {
                    builder.push(
                        Pass::Train,
                        Op::DenseBackwardWeights {
                            input: input.buffer,
                            output_gradient,
                            weight_gradient,
                            bias_gradient: written_bias,
                        },
                    )?;
                }
                if let Some(input_gradient) = input.gradient.filter(|_| i > lowest) {
                    builder.push(
                        Pass::Train,
                        Op::DenseBackwardInput {
                            output_gradient,
                            weight,
                            input: input.buffer,
                            input_gradient,
                            activation: input.made_by,
                        },
                    )?;
                }
            }
            Node::Activate { input, output, activation } => {
                let (Some(output_gradient), Some(input_gradient)) =
                    (output.gradient, input.gradient)
                else {
                    continue;
                };
                let value = if activation.is_fused() { output.buffer } else { input.buffer };
                push_activate_backward(
                    builder,
                    [output_gradient, value, input_gradient],
                    activation,
                    input,
                )?;
            }
            Node::Dropout { input, output, rate, number } => {
                let (Some(output_gradient), Some(input_gradient)) =
                    (output.gradient, input.gradient)
                else {
                    continue;
                };
                builder.push(
                    Pass::Train,
                    Op::DropoutBackward {
                        output_gradient,
                        input: input.buffer,
                        input_gradient,
                        activation: input.made_by,
                        rate,
                        layer: number,
                    },
                )?;
            }
        }
    }
    Ok(())
}

/// The gradients of all parameters, layer by layer.
pub(super) fn gradients(nodes: &[Node]) -> Vec<BufferId> {
    let of = |node: &Node| match node {
        Node::Dense(DenseNode { gradients, .. }) => {
            [gradients.map(|g| g.weight), gradients.and_then(|g| g.bias)]
        }
        Node::Activate { .. } | Node::Dropout { .. } => [None, None],
    };
    nodes.iter().flat_map(of).flatten().collect()
}

fn push_activate_backward(
    builder: &mut ProgramBuilder,
    [output_gradient, value, input_gradient]: [BufferId; 3],
    activation: Elementwise,
    input: Value,
) -> Result<()> {
    if input.made_by == Elementwise::Linear {
        let op = Op::ActivateBackward { output_gradient, value, input_gradient, activation };
        return builder.push(Pass::Train, op);
    }
    // Two functions in a row: back through the second, then through the one that made its input.
    let between = builder.activation(format!("between_{}", value.index()), input.width)?;
    builder.push(
        Pass::Train,
        Op::ActivateBackward { output_gradient, value, input_gradient: between, activation },
    )?;
    builder.push(
        Pass::Train,
        Op::ActivateBackward {
            output_gradient: between,
            value: input.buffer,
            input_gradient,
            activation: input.made_by,
        },
    )
}
