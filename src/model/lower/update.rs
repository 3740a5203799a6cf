//! From an optimizer to the update of all parameters.

use super::layer::Arenas;
use crate::error::{Error, Result};
use crate::model::{Adagrad, Adam, Clip, Compiled, Optimizer, RmsProp, Sgd};
use crate::operation::{self, Op};
use crate::program::{AdamRule, BufferId, Element, Pass, ProgramBuilder, Role, Rows};

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

/// Pushes what is done with the gradients: as the end of each training step, or to be done after
/// several.
pub(super) fn push_update(
    builder: &mut ProgramBuilder,
    compiled: &Compiled,
    arenas: &Arenas,
    of_parameters: &[BufferId],
) -> Result<()> {
    let &Arenas { gradients, parameters, .. } = arenas;
    let arena = |name: &str| arenas.state.iter().find(|(other, _)| *other == name);
    let pass = match arena(ACCUMULATED) {
        None => Pass::Train,
        Some(&(_, accumulated)) => {
            builder.push(
                Pass::Train,
                Op::Accumulate(operation::Accumulate { gradients, accumulated }),
            )?;
            let steps = compiled.gradient_accumulation_steps;
            builder.push(
                Pass::Update,
                Op::TakeMean(operation::TakeMean { accumulated, gradients, steps }),
            )?;
            Pass::Update
        }
    };
    push_clip(builder, pass, compiled.optimizer.clip(), of_parameters)?;
    let state = arenas.state.iter().filter(|(name, _)| *name != ACCUMULATED);
    let state: Vec<BufferId> = state.map(|(_, arena)| *arena).collect();
    let op = lower_update(&compiled.optimizer, gradients, parameters, &state)?;
    builder.push(pass, op)
}

/// Pushes what is done to large gradients, one parameter's after the other.
fn push_clip(
    builder: &mut ProgramBuilder,
    pass: Pass,
    clip: Clip,
    gradients: &[BufferId],
) -> Result<()> {
    let sum = |builder: &mut ProgramBuilder, name: String| {
        builder.buffer(name, Role::Scratch, Element::Real, Rows::One, 1)
    };
    match clip {
        Clip::None => {}
        Clip::Value(limit) => {
            for &gradient in gradients {
                builder.push(pass, Op::ClipByValue(operation::ClipByValue { gradient, limit }))?;
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
                builder.push(pass, op)?;
                builder.push(
                    pass,
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
                builder.push(pass, op)?;
            }
            for &gradient in gradients {
                builder.push(
                    pass,
                    Op::ClipByNorm(operation::ClipByNorm { squared_norm, gradient, limit }),
                )?;
            }
        }
    }
    Ok(())
}

/// The update; `state` are the arenas of what the optimizer keeps.
fn lower_update(
    optimizer: &Optimizer,
    gradients: BufferId,
    parameters: BufferId,
    state: &[BufferId],
) -> Result<Op> {
    let rule =
        |adam: &Adam| AdamRule { beta_1: adam.beta_1, beta_2: adam.beta_2, epsilon: adam.epsilon };
    Ok(match (optimizer, state) {
        (Optimizer::Adam(adam), &[moment_1, moment_2]) => Op::AdamUpdate(operation::AdamUpdate {
            gradients,
            parameters,
            moment_1,
            moment_2,
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
                rule,
            })
        }
        (&Optimizer::Sgd(Sgd { momentum, nesterov, .. }), &[velocity]) => {
            Op::SgdUpdate(operation::SgdUpdate {
                gradients,
                parameters,
                velocity,
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
