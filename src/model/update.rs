//! From an optimizer to the update of all parameters.

use crate::error::{Error, Result};
use crate::model::{Adagrad, Adam, Clip, Compiled, EpsilonRule, Optimizer, RmsProp, Sgd};
use crate::operation::{self, LossScale, Op};
use crate::program::{
    AdamRule, Arenas, BufferId, Element, Pass, Placed, ProgramBuilder, Role, Rows,
};

/// What the optimizer keeps for each parameter, and after it the gradients gathered for the next
/// update.
pub(super) fn state_of(compiled: &Compiled) -> Vec<&'static str> {
    let mut state = kept(&compiled.optimizer).to_vec();
    if compiled.gradient_accumulation_steps > 1 {
        state.push(ACCUMULATED);
    }
    state
}

const ACCUMULATED: &str = "accumulated";

fn kept(optimizer: &Optimizer) -> &'static [&'static str] {
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

/// Pushes the half of a step that follows the gradients: what parameters cost, clipping and the
/// optimizer. Where gradients are gathered over several steps, adding them up ends the first half,
/// and taking their mean begins the second one.
pub(super) fn push_update(placed: &mut Placed, compiled: &Compiled) -> Result<()> {
    let Placed { builder, arenas, gradients: of_parameters, penalties, .. } = placed;
    let &mut Arenas { gradients, parameters, .. } = arenas;
    let arena = |name: &str| arenas.state.iter().find(|(other, _)| *other == name);
    if let Some(&(_, accumulated)) = arena(ACCUMULATED) {
        let steps = compiled.gradient_accumulation_steps;
        builder.push(Pass::Accumulate, operation::Accumulate { gradients, accumulated })?;
        builder.push(Pass::Update, operation::TakeMean { accumulated, gradients, steps })?;
    }
    if compiled.micro_batch_size.is_some() {
        push_parts(builder, gradients)?;
    }
    if let Some(shards) = compiled.shards {
        push_shards(builder, gradients, shards)?;
    }
    let loss_scale = builder.find(LossScale::NAME);
    if let Some(loss_scale) = loss_scale {
        push_unscaling(builder, loss_scale, gradients, &compiled.optimizer)?;
    }
    for &mut (weight, weight_gradient, [l1, l2]) in penalties {
        let op = operation::PenaltyGradient { weight, weight_gradient, l1, l2 };
        builder.push(Pass::Update, op)?;
    }
    push_clip(builder, compiled.optimizer.clip(), of_parameters)?;
    let state = arenas.state.iter().filter(|(name, _)| *name != ACCUMULATED);
    let state: Vec<BufferId> = state.map(|(_, arena)| *arena).collect();
    let op = update_of(&compiled.optimizer, [gradients, parameters], &state, loss_scale)?;
    builder.push(Pass::Update, op)
}

/// Pushes what takes the loss scale out of the gradients before anything else is done to them, and
/// what decides about the update and the next step's scale. Who only looks at gradients finds them
/// without the scale too, and decides nothing.
fn push_unscaling(
    builder: &mut ProgramBuilder,
    loss_scale: BufferId,
    gradients: BufferId,
    optimizer: &Optimizer,
) -> Result<()> {
    let mut flag = |name: &str| {
        builder.buffer(format!("optimizer.{name}"), Role::Scratch, Element::U32, Rows::One, 1)
    };
    let (nonfinite, unheeded) = (flag("nonfinite")?, flag("nonfinite_unheeded")?);
    let looked_at = operation::UnscaleGradients { loss_scale, gradients, nonfinite: unheeded };
    builder.push(Pass::Gradients, looked_at)?;
    builder.push(Pass::Update, operation::UnscaleGradients { loss_scale, gradients, nonfinite })?;
    let (betas, corrects_root) = match *optimizer {
        Optimizer::Adam(Adam { beta_1, beta_2, epsilon_rule, .. }) => {
            ([beta_1, beta_2], epsilon_rule == EpsilonRule::PyTorch)
        }
        Optimizer::Sgd(_) | Optimizer::RmsProp(_) | Optimizer::Adagrad(_) => ([0.0; 2], false),
    };
    let growth_steps = operation::AdjustLossScale::GROWTH_STEPS;
    builder.push(
        Pass::Update,
        operation::AdjustLossScale { loss_scale, nonfinite, growth_steps, betas, corrects_root },
    )
}

/// Pushes what adds up the gradients of the parts of a batch.
fn push_parts(builder: &mut ProgramBuilder, gradients: BufferId) -> Result<()> {
    let sum = builder.arena("all.parts")?;
    for (name, rows, columns) in builder.slices_of(gradients) {
        builder.slice(sum, format!("{name}.parts"), Role::Scratch, rows, columns)?;
    }
    let (accumulated, steps) = (sum, 1);
    builder.push(Pass::AddPart, operation::Accumulate { gradients, accumulated })?;
    builder.push(Pass::TakeParts, operation::TakeMean { accumulated, gradients, steps })
}

/// Pushes what keeps and adds up the gradients of shards, at each height of the tree over them.
fn push_shards(builder: &mut ProgramBuilder, gradients: BufferId, shards: usize) -> Result<()> {
    for level in 0..levels(shards) {
        let kept = builder.arena(format!("all.shards_{level}"))?;
        for (name, rows, columns) in builder.slices_of(gradients) {
            builder.slice(kept, format!("{name}.shards_{level}"), Role::Scratch, rows, columns)?;
        }
        builder.push(Pass::KeepShards, operation::KeepShards { gradients, kept })?;
        builder.push(Pass::AddShards, operation::AddShards { kept, gradients })?;
    }
    builder.shards(gradients);
    Ok(())
}

/// Height of the tree over so many shards.
fn levels(shards: usize) -> usize {
    shards.max(1).next_power_of_two().trailing_zeros() as usize
}

/// Pushes what is done to large gradients, one parameter's after the other.
fn push_clip(builder: &mut ProgramBuilder, clip: Clip, gradients: &[BufferId]) -> Result<()> {
    let sum = |builder: &mut ProgramBuilder, name: String| {
        builder.buffer(name, Role::Scratch, Element::Real, Rows::One, 1)
    };
    match clip {
        Clip::None => {}
        Clip::Value(limit) => {
            for &gradient in gradients {
                builder.push(
                    Pass::Update,
                    Op::ClipByValue(operation::ClipByValue { gradient, limit }),
                )?;
            }
        }
        Clip::Norm(limit) => {
            for (i, &gradient) in gradients.iter().enumerate() {
                let squared_norm = sum(builder, format!("all.squared_norm_{}", i + 1))?;
                let op = Op::SquaredNorm(operation::SquaredNorm {
                    gradient,
                    sum: squared_norm,
                    first: true,
                });
                builder.push(Pass::Update, op)?;
                builder.push(
                    Pass::Update,
                    Op::ClipByNorm(operation::ClipByNorm { squared_norm, gradient, limit }),
                )?;
            }
        }
        Clip::GlobalNorm(limit) => {
            let squared_norm = sum(builder, "all.squared_norm".into())?;
            for (i, &gradient) in gradients.iter().enumerate() {
                let op = Op::SquaredNorm(operation::SquaredNorm {
                    gradient,
                    sum: squared_norm,
                    first: i == 0,
                });
                builder.push(Pass::Update, op)?;
            }
            for &gradient in gradients {
                builder.push(
                    Pass::Update,
                    Op::ClipByNorm(operation::ClipByNorm { squared_norm, gradient, limit }),
                )?;
            }
        }
    }
    Ok(())
}

/// The update; `state` are the arenas of what the optimizer keeps.
fn update_of(
    optimizer: &Optimizer,
    [gradients, parameters]: [BufferId; 2],
    state: &[BufferId],
    loss_scale: Option<BufferId>,
) -> Result<Op> {
    let rule =
        |adam: &Adam| AdamRule { beta_1: adam.beta_1, beta_2: adam.beta_2, epsilon: adam.epsilon };
    Ok(match (optimizer, state) {
        (Optimizer::Adam(adam), &[moment_1, moment_2]) => Op::AdamUpdate(operation::AdamUpdate {
            gradients,
            parameters,
            moment_1,
            moment_2,
            loss_scale,
            rule: rule(adam),
        }),
        (Optimizer::Adam(adam), &[moment_1, moment_2, largest_moment_2]) => {
            let rule = rule(adam);
            Op::AmsGradUpdate(operation::AmsGradUpdate {
                gradients,
                parameters,
                moment_1,
                moment_2,
                largest_moment_2,
                loss_scale,
                rule,
            })
        }
        (&Optimizer::Sgd(Sgd { momentum, nesterov, .. }), &[velocity]) => {
            Op::SgdUpdate(operation::SgdUpdate {
                gradients,
                parameters,
                velocity,
                loss_scale,
                momentum,
                nesterov,
            })
        }
        (
            &Optimizer::RmsProp(RmsProp { rho, momentum, epsilon, centered, .. }),
            &[mean_square, mean_gradient, velocity],
        ) => Op::RmsPropUpdate(operation::RmsPropUpdate {
            gradients,
            parameters,
            mean_square,
            mean_gradient,
            velocity,
            loss_scale,
            rho,
            momentum,
            epsilon,
            centered,
        }),
        (&Optimizer::Adagrad(Adagrad { epsilon, .. }), &[accumulator]) => {
            Op::AdagradUpdate(operation::AdagradUpdate {
                gradients,
                parameters,
                accumulator,
                loss_scale,
                epsilon,
            })
        }
        (optimizer, state) => {
            let problem = format!("{optimizer:?} with {} arenas of state", state.len());
            return Err(Error::argument("optimizer", problem));
        }
    })
}

/// Whether its constants are in their ranges.
pub(crate) fn check_optimizer(optimizer: &Optimizer) -> Result<()> {
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
    // 0 is where a warm-up begins.
    let rate = optimizer.learning_rate();
    let fits = rate >= 0.0 && rate.is_finite();
    check("learning_rate", rate, fits, "a finite number of at least 0")?;
    if let Clip::Value(limit) | Clip::Norm(limit) | Clip::GlobalNorm(limit) = optimizer.clip() {
        positive("clip", limit)?;
    }
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
