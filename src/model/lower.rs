//! From layers, loss and optimizer to a program.

use super::sequential::{Compiled, Input, InputType, Sequential};
use crate::activation::{Activation, Elementwise};
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::optimizer::Adam;
use crate::program::{BufferId, Element, Op, Pass, Program, ProgramBuilder, Role, Rows};

/// The program of a compiled model. Parameters are called `dense_1.weight`, `dense_1.bias`, ...,
/// the result `output`.
///
/// # Errors
/// [`Error::Argument`] or [`Error::Shape`] naming what cannot be built: no layer, a dimension of
/// 0, an activation where it cannot stand, an optimizer's constant out of its range.
pub fn lower(compiled: &Compiled) -> Result<Program> {
    let Compiled { architecture, optimizer, loss: Loss::SparseCategoricalCrossentropy, .. } =
        compiled;
    check_optimizer(optimizer)?;
    let functions = check_layers(architecture)?;
    let mut builder = ProgramBuilder::new();

    let (input, first) = lower_input(&mut builder, &architecture.input)?;
    let labels = builder.buffer("labels", Role::Target, Element::U32, Rows::Batch, 1)?;
    let parameters = builder.arena("parameters")?;
    let gradients = builder.arena("gradients")?;
    let moment_1 = builder.arena("moment_1")?;
    let moment_2 = builder.arena("moment_2")?;

    let mut layers = Vec::with_capacity(functions.len());
    let mut previous = first;
    let mut inputs = width(&architecture.input)?;
    for (i, (layer, activation)) in architecture.layers.iter().zip(functions).enumerate() {
        let name = format!("dense_{}", i + 1);
        let units = layer.units;
        let mut part = |arena, suffix: &str, role, rows| {
            builder.slice(arena, format!("{name}.{suffix}"), role, rows, units)
        };
        let weight = part(parameters, "weight", Role::Parameter, Rows::Fixed(inputs))?;
        let bias = part(parameters, "bias", Role::Parameter, Rows::One)?;
        let weight_gradient =
            part(gradients, "weight.gradient", Role::ParameterGradient, Rows::Fixed(inputs))?;
        let bias_gradient = part(gradients, "bias.gradient", Role::ParameterGradient, Rows::One)?;
        for (arena, moment) in [(moment_1, "moment_1"), (moment_2, "moment_2")] {
            part(arena, &format!("weight.{moment}"), Role::OptimizerState, Rows::Fixed(inputs))?;
            part(arena, &format!("bias.{moment}"), Role::OptimizerState, Rows::One)?;
        }
        let output = builder.activation(format!("{name}.output"), units)?;
        let output_gradient = builder.activation(format!("{name}.output.gradient"), units)?;
        layers.push(Layer {
            input: previous,
            weight,
            bias,
            output,
            output_gradient,
            weight_gradient,
            bias_gradient,
            activation,
        });
        previous = output;
        inputs = units;
    }
    let Some(last) = layers.last() else {
        return Err(Error::argument("layers", "there is none; add at least one dense layer"));
    };

    for pass in [Pass::Train, Pass::Evaluate, Pass::Predict] {
        if let (Some(bytes), InputType::U8 { scale }) = (input, architecture.input.values) {
            builder.push(pass, Op::Convert { input: bytes, output: first, scale })?;
        }
        for layer in &layers {
            let Layer { input, weight, bias, output, activation, .. } = *layer;
            builder.push(pass, Op::DenseForward { input, weight, bias, output, activation })?;
        }
    }
    let output = builder.activation("output", architecture.outputs())?;
    builder.push(Pass::Predict, Op::Softmax { input: last.output, output })?;

    let loss = builder.buffer(Program::LOSS, Role::Metric, Element::Real, Rows::Batch, 1)?;
    let counts = builder.buffer(Program::COUNTS, Role::Metric, Element::U32, Rows::Batch, 2)?;
    let cross_entropy = Op::SoftmaxCrossEntropy {
        logits: last.output,
        labels,
        loss,
        counts,
        gradient: last.output_gradient,
    };
    builder.push(Pass::Evaluate, cross_entropy)?;
    builder.push(Pass::Train, cross_entropy)?;

    for (i, layer) in layers.iter().enumerate().rev() {
        let Layer { input, weight, output_gradient, weight_gradient, bias_gradient, .. } = *layer;
        builder.push(
            Pass::Train,
            Op::DenseBackwardWeights { input, output_gradient, weight_gradient, bias_gradient },
        )?;
        if let Some(below) = i.checked_sub(1).and_then(|i| layers.get(i)) {
            builder.push(
                Pass::Train,
                Op::DenseBackwardInput {
                    output_gradient,
                    weight,
                    input,
                    input_gradient: below.output_gradient,
                    activation: below.activation,
                },
            )?;
        }
    }
    let Adam { beta_1, beta_2, epsilon, .. } = *optimizer;
    builder.push(
        Pass::Train,
        Op::Adam { gradients, parameters, moment_1, moment_2, beta_1, beta_2, epsilon },
    )?;
    Ok(builder.build())
}

#[derive(Clone, Copy)]
struct Layer {
    input: BufferId,
    weight: BufferId,
    bias: BufferId,
    output: BufferId,
    /// Of the loss, by the output before its activation.
    output_gradient: BufferId,
    weight_gradient: BufferId,
    bias_gradient: BufferId,
    activation: Elementwise,
}

/// The buffer of bytes, if the samples are bytes, and the buffer of reals.
fn lower_input(
    builder: &mut ProgramBuilder,
    input: &Input,
) -> Result<(Option<BufferId>, BufferId)> {
    let width = width(input)?;
    match input.values {
        InputType::F32 => {
            let id = builder.buffer("input", Role::Input, Element::Real, Rows::Batch, width)?;
            Ok((None, id))
        }
        InputType::U8 { scale } => {
            if !scale.is_finite() || scale == 0.0 {
                let problem = format!("is {scale}; give a finite number other than 0");
                return Err(Error::argument("scale", problem));
            }
            let bytes = builder.buffer("input", Role::Input, Element::U8, Rows::Batch, width)?;
            Ok((Some(bytes), builder.activation("input.scaled", width)?))
        }
    }
}

fn width(input: &Input) -> Result<usize> {
    input.width().filter(|&width| width > 0).ok_or_else(|| {
        Error::argument(
            "input",
            format!("has shape {:?}; every dimension must be at least 1", input.shape),
        )
    })
}

/// The elementwise part of each layer's activation: the softmax of the last one belongs to the
/// loss and to prediction.
fn check_layers(architecture: &Sequential) -> Result<Vec<Elementwise>> {
    let count = architecture.layers.len();
    let function = |(i, layer): (usize, &super::Dense)| {
        let last = i + 1 == count;
        match (layer.activation.elementwise(), last) {
            (Some(function), false) => Ok(function),
            (None, true) => Ok(Elementwise::Linear),
            (None, false) => Err(Error::argument(
                "activation",
                format!("softmax of layer {} of {count}: it can only be the last layer's", i + 1),
            )),
            (Some(_), true) => Err(Error::argument(
                "activation",
                format!(
                    "the last layer's is {:?}; this loss needs {:?}",
                    layer.activation,
                    Activation::Softmax
                ),
            )),
        }
    };
    architecture.layers.iter().enumerate().map(function).collect()
}

/// Whether the optimizer's constants are in their ranges.
pub(crate) fn check_optimizer(adam: &Adam) -> Result<()> {
    let check = |argument, value: f64, fits: bool, expected: &str| {
        if fits {
            return Ok(());
        }
        Err(Error::argument(argument, format!("is {value}; expected {expected}")))
    };
    let Adam { learning_rate, beta_1, beta_2, epsilon } = *adam;
    let positive = "a positive, finite number";
    let below_one = "at least 0 and less than 1";
    check(
        "learning_rate",
        learning_rate,
        learning_rate > 0.0 && learning_rate.is_finite(),
        positive,
    )?;
    check("beta_1", beta_1, (0.0..1.0).contains(&beta_1), below_one)?;
    check("beta_2", beta_2, (0.0..1.0).contains(&beta_2), below_one)?;
    // Less would be 0 in f32, and 0 / 0 where a gradient is 0.
    let representable = epsilon >= f64::from(f32::MIN_POSITIVE) && epsilon.is_finite();
    check("epsilon", epsilon, representable, "at least 1.2e-38, the smallest normal f32")
}
