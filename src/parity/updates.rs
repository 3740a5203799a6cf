//! The cases of the optimizers' updates.

use crate::operation::{self, Op};
use std::rc::Rc;

use super::case::{Bound, Case, Values};
use crate::error::Result;
use crate::model::{Adam, EpsilonRule, Optimizer, RmsProp, Sgd};
use crate::number::bounds;
use crate::program::{AdamRule, BufferId, Pass, ProgramBuilder, Role, Rows, Step};

/// An optimizer's update, in its forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the operation of its name")]
pub enum Update {
    Adam,
    AmsGrad,
    Sgd { nesterov: bool },
    RmsProp { centered: bool },
    Adagrad,
}

const RHO: f64 = 0.9;
const MOMENTUM: f64 = 0.75;
const EPSILON: f64 = 1e-7;

impl Update {
    pub(super) const ALL: [Update; 7] = [
        Update::Adam,
        Update::AmsGrad,
        Update::Sgd { nesterov: false },
        Update::Sgd { nesterov: true },
        Update::RmsProp { centered: false },
        Update::RmsProp { centered: true },
        Update::Adagrad,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Update::Adam => "adam",
            Update::AmsGrad => "amsgrad",
            Update::Sgd { nesterov: false } => "sgd",
            Update::Sgd { nesterov: true } => "sgd nesterov",
            Update::RmsProp { centered: false } => "rms_prop",
            Update::RmsProp { centered: true } => "rms_prop centered",
            Update::Adagrad => "adagrad",
        }
    }

    /// What it keeps for each parameter.
    fn state(self) -> &'static [&'static str] {
        match self {
            Update::Adam => &["moment_1", "moment_2"],
            Update::AmsGrad => &["moment_1", "moment_2", "largest_moment_2"],
            Update::Sgd { .. } => &["velocity"],
            Update::RmsProp { .. } => &["mean_square", "mean_gradient", "velocity"],
            Update::Adagrad => &["accumulator"],
        }
    }

    /// PyTorch's rule and a decay, so that no scalar of the step goes untried.
    fn step(self) -> Step {
        let decay = 0.01;
        let adam = Adam { epsilon_rule: EpsilonRule::PyTorch, ..Adam::default() };
        let optimizer = match self {
            Update::Adam | Update::AmsGrad => Optimizer::Adam(Adam { weight_decay: decay, ..adam }),
            Update::Sgd { .. } => Optimizer::Sgd(Sgd { weight_decay: decay, ..Sgd::default() }),
            Update::RmsProp { .. } | Update::Adagrad => {
                Optimizer::RmsProp(RmsProp { weight_decay: decay, ..RmsProp::default() })
            }
        };
        optimizer.step(1, 3, 0.01)
    }

    /// Of one element: the bounds of the parameter and of each state after the update, from the
    /// gradient, the parameter and the states before it, and the states after it.
    fn bounds(self, step: &Step, g: f64, w: f64, before: &[f64], after: &[f64]) -> Vec<f64> {
        let Adam { beta_1, beta_2, .. } = Adam::default();
        let quotient = |a: f64, a_error: f64, root: f64, root_error: f64| {
            let change = bounds::quotient([a, a_error], [root, root_error]);
            (a / root, change)
        };
        match (self, before, after) {
            (Update::Adam | Update::AmsGrad, [m, v, ..], [m_after, v_after, ..]) => {
                let m_error = bounds::decayed(*m, g, 1.0 - beta_1);
                let v_error = bounds::decayed(*v, g * g, 1.0 - beta_2);
                // AMSGrad's last state is what it divides by; its error is that of the larger.
                let divisor = after.last().copied().unwrap_or(*v_after);
                let root = divisor.sqrt() * step.root_scale;
                let root_error = bounds::root(divisor, v_error) * step.root_scale
                    + bounds::rounded(root + EPSILON);
                let a = step.step_size * m_after;
                let a_error = step.step_size * m_error + bounds::rounded(a);
                let (change, error) = quotient(a, a_error, root + EPSILON, root_error);
                let mut all = vec![bounds::updated(w, change, error), m_error, v_error];
                if self == Update::AmsGrad {
                    all.push(v_error);
                }
                all
            }
            (Update::Sgd { .. }, [velocity], [velocity_after]) => {
                let down = step.step_size * g;
                let error = bounds::rounded(MOMENTUM * velocity.abs() + down.abs());
                let change = down.abs() + velocity_after.abs();
                let of_change = 2.0 * error + bounds::rounded(change);
                vec![bounds::updated(w, change, of_change), error]
            }
            (
                Update::RmsProp { centered },
                [square, mean, velocity],
                [square_after, mean_after, velocity_after],
            ) => {
                let square_error = bounds::decayed(*square, g * g, 1.0 - RHO);
                let mean_error = if centered { bounds::decayed(*mean, g, 1.0 - RHO) } else { 0.0 };
                let taken = if centered { mean_after * mean_after } else { 0.0 };
                let variance = (square_after - taken).max(0.0) + EPSILON;
                let variance_error = square_error
                    + 2.0 * mean_after.abs() * mean_error
                    + bounds::rounded(square_after + taken + EPSILON);
                let root_error = bounds::root(variance, variance_error);
                let a = step.step_size * g;
                let (part, error) = quotient(a, bounds::rounded(a), variance.sqrt(), root_error);
                let velocity_error =
                    error + bounds::rounded(MOMENTUM * velocity.abs() + part.abs());
                vec![
                    bounds::updated(w, *velocity_after, velocity_error),
                    square_error,
                    mean_error,
                    velocity_error,
                ]
            }
            (Update::Adagrad, [_], [sum]) => {
                let sum_error = bounds::rounded(*sum);
                let root_error = bounds::root(sum + EPSILON, sum_error + bounds::rounded(*sum));
                let a = step.step_size * g;
                let (change, error) =
                    quotient(a, bounds::rounded(a), (sum + EPSILON).sqrt(), root_error);
                vec![bounds::updated(w, change, error), sum_error]
            }
            // A state that the table above does not know has no bound, and fails.
            _ => vec![f64::NAN; 1 + before.len()],
        }
    }
}

pub(super) fn update(shape: [usize; 3], rule: Update, mut values: Values) -> Result<Case> {
    let [rows, inputs, _] = shape;
    let mut builder = ProgramBuilder::new();
    let mut arenas = Vec::new();
    let mut slices = Vec::new();
    for name in ["gradients", "parameters"].iter().chain(rule.state()) {
        let arena = builder.arena(*name)?;
        let name = format!("{name}.values");
        arenas.push(arena);
        let rows = Rows::Fixed(rows);
        slices.push(builder.slice(arena, name, Role::OptimizerState, rows, inputs)?);
    }
    let [gradients, parameters] = [arenas[0], arenas[1]];
    let Adam { beta_1, beta_2, .. } = Adam::default();
    let adam = AdamRule { beta_1, beta_2, epsilon: EPSILON };
    let state = &arenas[2..];
    let op = match rule {
        Update::Adam => Op::AdamUpdate(operation::AdamUpdate {
            gradients,
            parameters,
            moment_1: state[0],
            moment_2: state[1],
            rule: adam,
        }),
        Update::AmsGrad => Op::AmsGradUpdate(operation::AmsGradUpdate {
            gradients,
            parameters,
            moment_1: state[0],
            moment_2: state[1],
            largest_moment_2: state[2],
            rule: adam,
        }),
        Update::Sgd { nesterov } => Op::SgdUpdate(operation::SgdUpdate {
            gradients,
            parameters,
            velocity: state[0],
            momentum: MOMENTUM,
            nesterov,
        }),
        Update::RmsProp { centered } => Op::RmsPropUpdate(operation::RmsPropUpdate {
            gradients,
            parameters,
            mean_square: state[0],
            mean_gradient: state[1],
            velocity: state[2],
            rho: RHO,
            momentum: MOMENTUM,
            epsilon: EPSILON,
            centered,
        }),
        Update::Adagrad => Op::AdagradUpdate(operation::AdagradUpdate {
            gradients,
            parameters,
            accumulator: state[0],
            epsilon: EPSILON,
        }),
    };
    builder.push(Pass::Predict, op)?;

    let count = rows * inputs;
    // Gradients of very different size, some of them zero.
    let scales = [1.0, 1e-3, 0.0, 1e-6];
    let g: Vec<f64> = values
        .signed(count)
        .iter()
        .enumerate()
        .map(|(i, x)| f64::from((x * scales[i % 4]) as f32))
        .collect();
    let mut fills = vec![g, values.signed(count)];
    for name in rule.state() {
        fills.push(match *name {
            "moment_1" | "velocity" => values.scaled(count, 0.01),
            // Well below the root of most mean squares, but not of all.
            "mean_gradient" => values.scaled(count, 1e-3),
            _ => values.positive(count).iter().map(|x| f64::from((x * 1e-4) as f32)).collect(),
        });
    }
    let step = rule.step();
    let before = Rc::new(fills.clone());
    let ids: Rc<[BufferId]> = slices[2..].into();
    let bound_of = |which: usize| -> Bound {
        let (before, ids) = (Rc::clone(&before), Rc::clone(&ids));
        Box::new(move |result| {
            let after: Vec<Vec<f64>> = ids.iter().map(|&id| result(id)).collect();
            let of = |i: usize| {
                let at = |all: &[Vec<f64>]| all.iter().map(|values| values[i]).collect::<Vec<_>>();
                let (g, w) = (before[0][i], before[1][i]);
                rule.bounds(&step, g, w, &at(&before[2..]), &at(&after))[which]
            };
            (0..before[0].len()).map(of).collect()
        })
    };
    let outputs =
        slices[1..].iter().enumerate().map(|(which, &id)| (id, bound_of(which))).collect();
    let fills = slices.iter().copied().zip(fills).collect();
    Ok(Case { program: builder.build(), inputs: fills, outputs, step, shape })
}
