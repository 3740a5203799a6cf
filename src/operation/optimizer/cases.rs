//! How the parity suite tries the updates.

use std::rc::Rc;

use super::{AdagradUpdate, AdamRule, AdamUpdate, AmsGradUpdate, RmsPropUpdate, SgdUpdate};
use crate::error::Result;
use crate::number::bounds;
use crate::operation::case::{Case, Cases, Form, Mistake, Values};
use crate::operation::list::Op;
use crate::table::{BufferId, Role, Rows, Step};

const RATE: f64 = 0.01;
const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const RHO: f64 = 0.9;
const MOMENTUM: f64 = 0.75;
const EPSILON: f64 = 1e-7;
const RULE: AdamRule = AdamRule { beta_1: BETA_1, beta_2: BETA_2, epsilon: EPSILON };

const LEFT_OUT: Mistake =
    ("the last parameters left out", "constants.length / 4u", "(constants.length / 4u - 16u)");

/// Mistakes in the kernels of Adam and of AMSGrad.
const ADAM: [Mistake; 8] = [
    ("no epsilon", "+ vec4<f32>(constants.epsilon)", "+ vec4<f32>(0.1 * constants.epsilon)"),
    (
        "the wrong decay",
        "(g * g - v_before) * constants.one_minus_beta_2",
        "(g * g - v_before) * constants.one_minus_beta_1",
    ),
    ("no square", "(g * g - v_before)", "(g - v_before)"),
    ("the wrong direction", "step.decay) - change", "step.decay) + change"),
    ("no weight decay", "w * step.decay", "w * 0.0"),
    ("no correction of the root", "* root_scale()", ""),
    ("the moment of before", "step_size() * m /", "step_size() * m_before /"),
    LEFT_OUT,
];

impl Cases for AdamUpdate {
    fn forms() -> Vec<Form> {
        let form = Form::new::<Self>("", |shape, seed| adam(shape, Values::new(seed)));
        vec![form.mutations(&ADAM).large([66_000, 260, 1])]
    }
}

impl Cases for AmsGradUpdate {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("the second moment itself", "max(largest_moment_2[index], v)", "v"),
            ("the smallest", "max(largest_moment_2[index], v)", "min(largest_moment_2[index], v)"),
        ];
        let form = Form::new::<Self>("", |shape, seed| amsgrad(shape, Values::new(seed)));
        vec![form.mutations(&ADAM).mutations(&mistakes)]
    }
}

impl Cases for SgdUpdate {
    fn forms() -> Vec<Form> {
        let plain_mistakes = [
            (
                "a velocity that is not damped",
                "constants.momentum * velocity[index]",
                "velocity[index]",
            ),
            ("Nesterov's step", "if (NESTEROV)", "if (true)"),
            ("the wrong direction", "- step_down;", "+ step_down;"),
            LEFT_OUT,
        ];
        let nesterov_mistakes = [
            ("the plain step", "if (NESTEROV)", "if (false)"),
            ("the velocity twice", "constants.momentum * after", "after"),
        ];
        let form = |name, nesterov| {
            Form::new::<Self>(name, move |shape, seed| sgd(shape, nesterov, Values::new(seed)))
        };
        vec![
            form("", false).mutations(&plain_mistakes),
            form("nesterov", true).mutations(&nesterov_mistakes),
        ]
    }
}

impl Cases for RmsPropUpdate {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("no square", "(g * g - square_before)", "(g - square_before)"),
            ("a mean that is not taken off", "square - mean * mean", "square"),
            ("a mean that stays", "mean_gradient[index] = mean;", ""),
            ("no momentum", "constants.momentum * velocity[index] +", ""),
            ("no epsilon", "variance + vec4<f32>(constants.epsilon)", "variance"),
            LEFT_OUT,
        ];
        let form = |name, centered| {
            Form::new::<Self>(name, move |shape, seed| rms_prop(shape, centered, Values::new(seed)))
        };
        vec![form("", false), form("centered", true).mutations(&mistakes)]
    }
}

impl Cases for AdagradUpdate {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("no square", "+ g * g;", "+ g;"),
            ("a sum that stays", "accumulator[index] = sum;", ""),
            (
                "no root",
                "sqrt(sum + vec4<f32>(constants.epsilon))",
                "(sum + vec4<f32>(constants.epsilon))",
            ),
            LEFT_OUT,
        ];
        let form = Form::new::<Self>("", |shape, seed| adagrad(shape, Values::new(seed)));
        vec![form.mutations(&mistakes)]
    }
}

/// A step with a learning rate and a decay.
fn step() -> Step {
    Step { number: 3, updates: true, step_size: RATE, decay: RATE * 0.01, ..Step::forward(1) }
}

/// Adam's step by PyTorch's rule, in which no scalar of the step is 1.
fn adam_step() -> Step {
    let first = 1.0 - BETA_1.powf(3.0);
    let second = (1.0 - BETA_2.powf(3.0)).sqrt();
    Step { step_size: RATE / first, root_scale: 1.0 / second, ..step() }
}

fn adam(shape: [usize; 3], values: Values) -> Result<Case> {
    let op = |[gradients, parameters]: [BufferId; 2], [moment_1, moment_2]: [BufferId; 2]| {
        AdamUpdate { gradients, parameters, moment_1, moment_2, loss_scale: None, rule: RULE }
    };
    let step = adam_step();
    update(shape, step, (["moment_1", "moment_2"], op), values, move |[g, w], before, after| {
        adam_bounds(&step, [g, w], before, after, after[1]).to_vec()
    })
}

fn amsgrad(shape: [usize; 3], values: Values) -> Result<Case> {
    let state = ["moment_1", "moment_2", "largest_moment_2"];
    let op = |[gradients, parameters]: [BufferId; 2], state: [BufferId; 3]| {
        let [moment_1, moment_2, largest_moment_2] = state;
        AmsGradUpdate {
            gradients,
            parameters,
            moment_1,
            moment_2,
            largest_moment_2,
            loss_scale: None,
            rule: RULE,
        }
    };
    let step = adam_step();
    update(
        shape,
        step,
        (state, op),
        values,
        move |[g, w], [m, v, _], [m_after, v_after, largest]| {
            // It divides by the largest second moment; the error of that is the error of `v`.
            let bounds = adam_bounds(&step, [g, w], [m, v], [m_after, v_after], largest);
            [bounds.as_slice(), &bounds[2..]].concat()
        },
    )
}

/// Bounds of the parameter and of both moments; the parameter moves by `m / sqrt(divisor)`.
fn adam_bounds(
    step: &Step,
    [g, w]: [f64; 2],
    [m, v]: [f64; 2],
    [m_after, _]: [f64; 2],
    divisor: f64,
) -> [f64; 3] {
    let m_error = bounds::decayed(m, g, 1.0 - BETA_1);
    let v_error = bounds::decayed(v, g * g, 1.0 - BETA_2);
    let root = divisor.sqrt() * step.root_scale;
    let root_error =
        bounds::root(divisor, v_error) * step.root_scale + bounds::rounded(root + EPSILON);
    let a = step.step_size * m_after;
    let a_error = step.step_size * m_error + bounds::rounded(a);
    let error = bounds::quotient([a, a_error], [root + EPSILON, root_error]);
    [bounds::updated(w, a / (root + EPSILON), error), m_error, v_error]
}

fn sgd(shape: [usize; 3], nesterov: bool, values: Values) -> Result<Case> {
    let op = |[gradients, parameters]: [BufferId; 2], [velocity]: [BufferId; 1]| SgdUpdate {
        gradients,
        parameters,
        velocity,
        loss_scale: None,
        momentum: MOMENTUM,
        nesterov,
    };
    let step = step();
    update(shape, step, (["velocity"], op), values, move |[g, w], [velocity], [velocity_after]| {
        let down = step.step_size * g;
        let error = bounds::rounded(MOMENTUM * velocity.abs() + down.abs());
        let change = down.abs() + velocity_after.abs();
        let change_error = 2.0 * error + bounds::rounded(change);
        vec![bounds::updated(w, change, change_error), error]
    })
}

fn rms_prop(shape: [usize; 3], centered: bool, values: Values) -> Result<Case> {
    let state = ["mean_square", "mean_gradient", "velocity"];
    let op = |[gradients, parameters]: [BufferId; 2], state: [BufferId; 3]| RmsPropUpdate {
        gradients,
        parameters,
        mean_square: state[0],
        mean_gradient: state[1],
        velocity: state[2],
        loss_scale: None,
        rho: RHO,
        momentum: MOMENTUM,
        epsilon: EPSILON,
        centered,
    };
    let step = step();
    update(shape, step, (state, op), values, move |[g, w], [square, mean, velocity], after| {
        let [square_after, mean_after, velocity_after] = after;
        let square_error = bounds::decayed(square, g * g, 1.0 - RHO);
        let mean_error = if centered { bounds::decayed(mean, g, 1.0 - RHO) } else { 0.0 };
        let taken = if centered { mean_after * mean_after } else { 0.0 };
        let variance = (square_after - taken).max(0.0) + EPSILON;
        let variance_error = square_error
            + 2.0 * mean_after.abs() * mean_error
            + bounds::rounded(square_after + taken + EPSILON);
        let root = [variance.sqrt(), bounds::root(variance, variance_error)];
        let a = step.step_size * g;
        let error = bounds::quotient([a, bounds::rounded(a)], root);
        let part = a / variance.sqrt();
        let velocity_error = error + bounds::rounded(MOMENTUM * velocity.abs() + part.abs());
        let parameter_error = bounds::updated(w, velocity_after, velocity_error);
        vec![parameter_error, square_error, mean_error, velocity_error]
    })
}

fn adagrad(shape: [usize; 3], values: Values) -> Result<Case> {
    let op = |[gradients, parameters]: [BufferId; 2], [accumulator]: [BufferId; 1]| AdagradUpdate {
        gradients,
        parameters,
        accumulator,
        loss_scale: None,
        epsilon: EPSILON,
    };
    let step = step();
    update(shape, step, (["accumulator"], op), values, move |[g, w], _, [sum]| {
        let sum_error = bounds::rounded(sum);
        let root = (sum + EPSILON).sqrt();
        let root_error = bounds::root(sum + EPSILON, sum_error + bounds::rounded(sum));
        let a = step.step_size * g;
        let error = bounds::quotient([a, bounds::rounded(a)], [root, root_error]);
        vec![bounds::updated(w, a / root, error), sum_error]
    })
}

/// The case of an update that keeps `N` states. `bounds` gives, for one element, the bounds of the
/// parameter and of each state, from `[gradient, parameter]`, the states before the update and those
/// after it.
fn update<const N: usize, O: Into<Op>>(
    shape: [usize; 3],
    step: Step,
    (state, op): ([&'static str; N], impl Fn([BufferId; 2], [BufferId; N]) -> O),
    mut values: Values,
    bounds: impl Fn([f64; 2], [f64; N], [f64; N]) -> Vec<f64> + 'static,
) -> Result<Case> {
    let [rows, inputs, _] = shape;
    let mut case = Case::new(shape);
    case.step = step;
    // An arena and the slice in it that holds the values.
    let mut arena = |name: &str| -> Result<[BufferId; 2]> {
        let arena = case.table.arena(name)?;
        let (name, rows) = (format!("{name}.values"), Rows::Fixed(rows));
        Ok([arena, case.table.slice(arena, name, Role::OptimizerState, rows, inputs)?])
    };
    let [gradients, gradient_values] = arena("gradients")?;
    let [parameters, parameter_values] = arena("parameters")?;
    let mut arenas = [[gradients; 2]; N];
    for (ids, name) in arenas.iter_mut().zip(state) {
        *ids = arena(name)?;
    }
    let states = arenas.map(|[_, values]| values);
    case.push(op([gradients, parameters], arenas.map(|[arena, _]| arena)))?;

    let count = rows * inputs;
    // Gradients of very different size, some of them zero.
    let scales = [1.0, 1e-3, 0.0, 1e-6];
    let scaled = |(x, scale): (f64, f64)| f64::from((x * scale) as f32);
    let g: Vec<f64> =
        values.signed(count).into_iter().zip(scales.into_iter().cycle()).map(scaled).collect();
    let w = values.signed(count);
    let before = state.map(|name| match name {
        "moment_1" | "velocity" => values.scaled(count, 0.01),
        // Well below the root of most mean squares, but not of all.
        "mean_gradient" => values.scaled(count, 1e-3),
        // Squares.
        _ => values.positive(count).iter().map(|x| f64::from((x * 1e-4) as f32)).collect(),
    });
    case.fill(gradient_values, g.clone());
    case.fill(parameter_values, w.clone());
    for (id, values) in states.into_iter().zip(&before) {
        case.fill(id, values.clone());
    }
    let element_bounds = Rc::new(move |result: &dyn Fn(BufferId) -> Vec<f64>| {
        let after = states.map(result);
        let at = |all: &[Vec<f64>; N], i: usize| all.each_ref().map(|values| values[i]);
        let bounds = |i| bounds([g[i], w[i]], at(&before, i), at(&after, i));
        (0..count).map(bounds).collect::<Vec<_>>()
    });
    for (which, id) in [parameter_values].into_iter().chain(states).enumerate() {
        let element_bounds = Rc::clone(&element_bounds);
        case.expect_by(id, move |result| {
            element_bounds(result).into_iter().map(|bounds| bounds[which]).collect()
        });
    }
    Ok(case)
}
