//! From layers, loss and optimizer to a program.

use super::Regularizer;
use super::sequential::{Compiled, Input, InputType, Sequential};
use crate::activation::{Activation, Elementwise};
use crate::error::{Error, Result};
use crate::loss::{Loss, PointwiseLoss};
use crate::metric::Metric;
use crate::optimizer::{Adagrad, Adam, Optimizer, RmsProp, Sgd};
use crate::program::{AdamRule, BufferId, Element, Op, Pass, Program, ProgramBuilder, Role, Rows};

/// The program of a compiled model. Parameters are called `dense_1.weight`, `dense_1.bias`, ...,
/// the result `output`.
///
/// # Errors
/// [`Error::Argument`] or [`Error::Shape`] naming what cannot be built: no layer, a dimension of
/// 0, an activation where it cannot stand, an optimizer's constant out of its range.
pub fn lower(compiled: &Compiled) -> Result<Program> {
    let Compiled { architecture, optimizer, loss, .. } = compiled;
    check_optimizer(optimizer)?;
    check_loss(loss)?;
    check_metrics(compiled)?;
    let functions = check_layers(architecture, loss)?;
    let mut builder = ProgramBuilder::new();

    let (input, first) = lower_input(&mut builder, &architecture.input)?;
    let outputs = architecture.outputs();
    let (element, columns) = match loss {
        Loss::SparseCategoricalCrossentropy => (Element::U32, 1),
        _ => (Element::Real, outputs),
    };
    let targets = builder.buffer("targets", Role::Target, element, Rows::Batch, columns)?;
    let sample_weights =
        builder.buffer("sample_weights", Role::SampleWeight, Element::Real, Rows::Batch, 1)?;
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

    let output = builder.activation("output", outputs)?;
    let softmax = architecture.layers.last().is_some_and(|l| l.activation == Activation::Softmax);
    for pass in [Pass::Train, Pass::Evaluate, Pass::Predict] {
        if let (Some(bytes), InputType::U8 { scale }) = (input, architecture.input.values) {
            builder.push(pass, Op::Convert { input: bytes, output: first, scale })?;
        }
        for (layer, described) in layers.iter().zip(&architecture.layers) {
            let mut layer = *layer;
            // The last activation, where the loss has it within itself, is left to predictions.
            if pass == Pass::Predict
                && layer.output == last.output
                && let Some(function) = described.activation.elementwise()
            {
                (layer.output, layer.activation) = (output, function);
            }
            let Layer { input, weight, bias, output, activation, .. } = layer;
            builder.push(pass, Op::DenseForward { input, weight, bias, output, activation })?;
        }
    }
    if softmax {
        builder.push(Pass::Predict, Op::Softmax { input: last.output, output })?;
    }

    let of_loss = builder.buffer(Program::LOSS, Role::Metric, Element::Real, Rows::Batch, 1)?;
    let counts = builder.buffer(Program::COUNTS, Role::Metric, Element::U32, Rows::Batch, 2)?;
    let op = lower_loss(loss, last, [targets, sample_weights, of_loss, counts]);
    builder.push(Pass::Evaluate, op)?;
    builder.push(Pass::Train, op)?;
    let penalized = penalties(&layers, architecture)?;
    if !penalized.is_empty() {
        let penalty =
            builder.buffer(Program::PENALTY, Role::Metric, Element::Real, Rows::One, 1)?;
        for &(weight, _, Regularizer { l1, l2 }) in &penalized {
            for pass in [Pass::Evaluate, Pass::Train] {
                builder.push(pass, Op::Penalty { weight, penalty, l1, l2 })?;
            }
        }
    }

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
    for (weight, weight_gradient, Regularizer { l1, l2 }) in penalized {
        builder.push(Pass::Train, Op::PenaltyGradient { weight, weight_gradient, l1, l2 })?;
    }
    let arenas: Vec<BufferId> = state.iter().map(|(_, arena)| *arena).collect();
    builder.push(Pass::Train, lower_update(optimizer, gradients, parameters, &arenas)?)?;
    Ok(builder.build())
}

/// What has a regularizer: parameter, gradient, regularizer.
fn penalties(
    layers: &[Layer],
    architecture: &Sequential,
) -> Result<Vec<(BufferId, BufferId, Regularizer)>> {
    let of = |(layer, described): (&Layer, &super::Dense)| {
        [
            (layer.weight, layer.weight_gradient, described.weight_regularizer),
            (layer.bias, layer.bias_gradient, described.bias_regularizer),
        ]
    };
    let all: Vec<_> = layers
        .iter()
        .zip(&architecture.layers)
        .flat_map(of)
        .filter(|(_, _, regularizer)| !regularizer.is_none())
        .collect();
    for (_, _, Regularizer { l1, l2 }) in &all {
        if ![l1, l2].iter().all(|rate| **rate >= 0.0 && rate.is_finite()) {
            let problem = format!("is l1 {l1}, l2 {l2}; give finite numbers of at least 0");
            return Err(Error::argument("regularizer", problem));
        }
    }
    Ok(all)
}

/// The loss of the last layer's outputs.
fn lower_loss(
    of: &Loss,
    last: &Layer,
    [targets, sample_weights, loss, counts]: [BufferId; 4],
) -> Op {
    let &Layer { output, output_gradient: gradient, activation, .. } = last;
    let pointwise = |function| Op::PointwiseLoss {
        outputs: output,
        targets,
        sample_weights,
        loss,
        counts,
        gradient,
        function,
        activation,
    };
    match *of {
        Loss::SparseCategoricalCrossentropy => {
            let (logits, labels) = (output, targets);
            Op::SoftmaxCrossEntropy { logits, labels, sample_weights, loss, counts, gradient }
        }
        Loss::CategoricalCrossentropy { label_smoothing } => Op::CategoricalCrossEntropy {
            logits: output,
            targets,
            sample_weights,
            loss,
            counts,
            gradient,
            label_smoothing,
        },
        Loss::BinaryCrossentropy { label_smoothing } => {
            pointwise(PointwiseLoss::BinaryCrossentropy { label_smoothing })
        }
        Loss::MeanSquaredError => pointwise(PointwiseLoss::MeanSquaredError),
        Loss::MeanAbsoluteError => pointwise(PointwiseLoss::MeanAbsoluteError),
        Loss::Huber { delta } => pointwise(PointwiseLoss::Huber { delta }),
    }
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

/// What each layer applies in training: the elementwise functions, and for the last layer what its
/// loss does not have within itself.
fn check_layers(architecture: &Sequential, loss: &Loss) -> Result<Vec<Elementwise>> {
    let count = architecture.layers.len();
    let function = |(i, layer): (usize, &super::Dense)| {
        let activation = layer.activation;
        if i + 1 == count {
            return check_last(activation, loss);
        }
        activation.elementwise().ok_or_else(|| {
            Error::argument(
                "activation",
                format!("softmax of layer {} of {count}: it can only be the last layer's", i + 1),
            )
        })
    };
    architecture.layers.iter().enumerate().map(function).collect()
}

fn check_last(activation: Activation, loss: &Loss) -> Result<Elementwise> {
    let refuse = |needed: &str| {
        let problem = format!("the last layer's is {activation:?}; {loss:?} needs {needed}");
        Err(Error::argument("activation", problem))
    };
    match (loss, activation, activation.elementwise()) {
        (
            Loss::SparseCategoricalCrossentropy | Loss::CategoricalCrossentropy { .. },
            Activation::Softmax | Activation::Linear,
            _,
        )
        | (Loss::BinaryCrossentropy { .. }, Activation::Sigmoid | Activation::Linear, _) => {
            Ok(Elementwise::Linear)
        }
        (Loss::SparseCategoricalCrossentropy | Loss::CategoricalCrossentropy { .. }, ..) => {
            refuse("Softmax, or Linear for logits")
        }
        (Loss::BinaryCrossentropy { .. }, ..) => refuse("Sigmoid, or Linear for logits"),
        (_, _, Some(function)) => Ok(function),
        (_, _, None) => refuse("an elementwise activation, such as Linear"),
    }
}

fn check_metrics(compiled: &Compiled) -> Result<()> {
    if compiled.metrics.contains(&Metric::Accuracy) && compiled.loss.accuracy().is_none() {
        let problem =
            format!("Accuracy has no meaning for {:?}: nothing is right or wrong", compiled.loss);
        return Err(Error::argument("metrics", problem));
    }
    Ok(())
}

fn check_loss(loss: &Loss) -> Result<()> {
    match *loss {
        Loss::CategoricalCrossentropy { label_smoothing }
        | Loss::BinaryCrossentropy { label_smoothing }
            if !(0.0..=1.0).contains(&label_smoothing) =>
        {
            let problem = format!("is {label_smoothing}; expected a number from 0 to 1");
            Err(Error::argument("label_smoothing", problem))
        }
        Loss::Huber { delta } if !(delta > 0.0 && delta.is_finite()) => {
            let problem = format!("is {delta}; expected a positive, finite number");
            Err(Error::argument("delta", problem))
        }
        _ => Ok(()),
    }
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
