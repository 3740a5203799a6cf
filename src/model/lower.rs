//! From layers, loss and optimizer to a program.

use super::sequential::{Compiled, Input, InputType, Sequential};
use crate::activation::{Activation, Elementwise};
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::optimizer::{Adagrad, Adam, Optimizer, RmsProp, Sgd};
use crate::program::{AdamRule, BufferId, Element, Op, Pass, Program, ProgramBuilder, Role, Rows};

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
    let state = state_of(optimizer)
        .iter()
        .map(|&name| Ok((name, builder.arena(name)?)))
        .collect::<Result<Vec<_>>>()?;

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
        for &(state, arena) in &state {
            part(arena, &format!("weight.{state}"), Role::OptimizerState, Rows::Fixed(inputs))?;
            part(arena, &format!("bias.{state}"), Role::OptimizerState, Rows::One)?;
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
    let arenas: Vec<BufferId> = state.iter().map(|(_, arena)| *arena).collect();
    builder.push(Pass::Train, lower_update(optimizer, gradients, parameters, &arenas)?)?;
    Ok(builder.build())
}

/// What the optimizer keeps for each parameter.
fn state_of(optimizer: &Optimizer) -> &'static [&'static str] {
    match optimizer {
        Optimizer::Adam(Adam { amsgrad: false, .. }) => &["moment_1", "moment_2"],
        Optimizer::Adam(Adam { amsgrad: true, .. }) => {
            &["moment_1", "moment_2", "largest_moment_2"]
        }
        Optimizer::Sgd(_) => &["velocity"],
        Optimizer::RmsProp(_) => &["mean_square", "mean_gradient", "velocity"],
        Optimizer::Adagrad(_) => &["accumulator"],
    }
}

/// The update; `state` are the arenas of [`state_of`].
fn lower_update(
    optimizer: &Optimizer,
    gradients: BufferId,
    parameters: BufferId,
    state: &[BufferId],
) -> Result<Op> {
    let rule =
        |adam: &Adam| AdamRule { beta_1: adam.beta_1, beta_2: adam.beta_2, epsilon: adam.epsilon };
    Ok(match (optimizer, state) {
        (Optimizer::Adam(adam), &[moment_1, moment_2]) => {
            Op::Adam { gradients, parameters, moment_1, moment_2, rule: rule(adam) }
        }
        (Optimizer::Adam(adam), &[moment_1, moment_2, largest_moment_2]) => {
            let rule = rule(adam);
            Op::AmsGrad { gradients, parameters, moment_1, moment_2, largest_moment_2, rule }
        }
        (&Optimizer::Sgd(Sgd { momentum, nesterov, .. }), &[velocity]) => {
            Op::Sgd { gradients, parameters, velocity, momentum, nesterov }
        }
        (
            &Optimizer::RmsProp(RmsProp { rho, momentum, epsilon, centered, .. }),
            &[mean_square, mean_gradient, velocity],
        ) => Op::RmsProp {
            gradients,
            parameters,
            mean_square,
            mean_gradient,
            velocity,
            rho,
            momentum,
            epsilon,
            centered,
        },
        (&Optimizer::Adagrad(Adagrad { epsilon, .. }), &[accumulator]) => {
            Op::Adagrad { gradients, parameters, accumulator, epsilon }
        }
        (optimizer, state) => {
            let problem = format!("{optimizer:?} with {} arenas of state", state.len());
            return Err(Error::argument("optimizer", problem));
        }
    })
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

fn check_optimizer(optimizer: &Optimizer) -> Result<()> {
    let check = |argument, value: f64, fits: bool, expected: &str| {
        if fits {
            return Ok(());
        }
        Err(Error::argument(argument, format!("is {value}; expected {expected}")))
    };
    let positive = |argument, value: f64| {
        check(argument, value, value > 0.0 && value.is_finite(), "a positive, finite number")
    };
    let share = |argument, value: f64| {
        check(argument, value, (0.0..1.0).contains(&value), "at least 0 and less than 1")
    };
    // Less would be 0 in f32, and 0 / 0 where a gradient is 0.
    let epsilon = |value: f64| {
        let representable = value >= f64::from(f32::MIN_POSITIVE) && value.is_finite();
        check("epsilon", value, representable, "at least 1.2e-38, the smallest normal f32")
    };
    positive("learning_rate", optimizer.learning_rate())?;
    let decay = optimizer.weight_decay();
    let fits = decay >= 0.0 && decay.is_finite();
    check("weight_decay", decay, fits, "a finite number of at least 0")?;
    match *optimizer {
        Optimizer::Adam(adam) => {
            share("beta_1", adam.beta_1)?;
            share("beta_2", adam.beta_2)?;
            epsilon(adam.epsilon)
        }
        Optimizer::Sgd(sgd) => {
            if sgd.nesterov && sgd.momentum == 0.0 {
                return Err(Error::argument("nesterov", "needs a momentum above 0"));
            }
            share("momentum", sgd.momentum)
        }
        Optimizer::RmsProp(rms_prop) => {
            share("rho", rms_prop.rho)?;
            share("momentum", rms_prop.momentum)?;
            epsilon(rms_prop.epsilon)
        }
        Optimizer::Adagrad(adagrad) => {
            let initial = adagrad.initial_accumulator_value;
            let fits = initial >= 0.0 && initial.is_finite();
            check("initial_accumulator_value", initial, fits, "a finite number of at least 0")?;
            epsilon(adagrad.epsilon)
        }
    }
}
