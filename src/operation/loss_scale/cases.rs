//! How the parity suite tries loss scaling.

use super::{AdjustLossScale, LossScale, UnscaleGradients};
use crate::error::Result;
use crate::number::approximate::Approximate;
use crate::operation::case::{Case, Cases, Form, Values};
use crate::table::{BufferId, Element, Role, Rows};

const BETAS: [f64; 2] = [0.9, 0.999];
const GROWTH_STEPS: u32 = 5;

/// The buffers of a loss scale and of the flag.
fn buffers(case: &mut Case) -> Result<[BufferId; 2]> {
    let columns = LossScale::COLUMNS;
    let role = Role::OptimizerState;
    let loss_scale = case.table.add("loss_scale", role, Element::Real, Rows::One, columns)?;
    let nonfinite = case.table.add("nonfinite", Role::Scratch, Element::U32, Rows::One, 1)?;
    Ok([loss_scale, nonfinite])
}

/// The state with this scale.
fn state(scale: f64) -> Vec<f64> {
    let mut state = LossScale::initial();
    if let Some(place) = state.get_mut(LossScale::Scale as usize) {
        *place = scale;
    }
    state
}

impl Cases for UnscaleGradients {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("no scale", "(1.0 / loss_scale[0])", "1.0"),
            ("the scale itself", "(1.0 / loss_scale[0])", "loss_scale[0]"),
            (
                "the last gradients left out",
                "constants.length / 4u",
                "(constants.length / 4u - 16u)",
            ),
            ("a flag that is always set", "if (any(exponent == vec4<u32>(EXPONENT)))", "if (true)"),
        ];
        let found = [
            ("only a quad of them", "any(exponent", "all(exponent"),
            ("no flag", "atomicStore(&nonfinite[0], 1u);", ""),
        ];
        let form = |name, last: Option<f64>| {
            Form::new::<Self>(name, move |shape, seed| unscale(shape, last, Values::new(seed)))
        };
        vec![
            form("", None).mutations(&mistakes),
            form("beyond f32", Some(f64::INFINITY)).mutations(&found),
            form("no number", Some(f64::NAN)),
        ]
    }
}

/// Gradients, of which the last one is what is given.
fn unscale(shape: [usize; 3], last: Option<f64>, mut values: Values) -> Result<Case> {
    let [_, inputs, units] = shape;
    let mut case = Case::new(shape);
    let [loss_scale, nonfinite] = buffers(&mut case)?;
    let gradients = case.table.arena("gradients")?;
    let role = Role::ParameterGradient;
    let weight = case.table.slice(gradients, "weight", role, Rows::Fixed(inputs), units)?;
    case.push(UnscaleGradients { loss_scale, gradients, nonfinite })?;
    case.fill(loss_scale, state(LossScale::INITIAL));
    case.fill(nonfinite, vec![0.0]);
    case.expect(nonfinite, vec![0.0]);
    let mut g = values.scaled(inputs * units, 3e4);
    match (last, g.last_mut()) {
        // What is no number compares with nothing, so it is the flag that tells.
        (Some(last), Some(place)) => *place = last,
        // Division by a power of two is exact.
        (None, _) | (_, None) => case.expect(weight, vec![0.0; inputs * units]),
    }
    case.fill(weight, g);
    Ok(case)
}

impl Cases for AdjustLossScale {
    fn forms() -> Vec<Form> {
        let finite_mistakes = [
            ("a scale that grows too late", "finite_steps >= ", "finite_steps > "),
            ("a scale that does not grow", "min(2.0 * loss_scale[0]", "min(loss_scale[0]"),
            ("a count that is not cleared", "loss_scale[1] = 0.0;", ""),
            ("corrections swapped", "counted_1 / correction_1", "counted_2 / correction_2"),
            ("no root", "sqrt(counted_2 / correction_2)", "(counted_2 / correction_2)"),
            ("a correction that stays", "loss_scale[5] = correction_1;", ""),
            (
                "the second correction for the first",
                "loss_scale[6] = correction_2;",
                "loss_scale[6] = correction_1;",
            ),
            ("a count of steps that stays", "loss_scale[7] = counted_1;", ""),
        ];
        let skipped_mistakes = [
            ("a scale that is not halved", "max(0.5 * loss_scale[0]", "max(loss_scale[0]"),
            ("a step that counts", "nonfinite[0] == 0u", "true"),
            ("a flag that stays", "nonfinite[0] = 0u;", ""),
            ("an update that is made", "select(1.0, 0.0, finite)", "0.0"),
            ("a skipped step that is not counted", "loss_scale[9] += 1.0;", ""),
        ];
        let corrects_root = [
            (
                "the root's correction in the step size",
                "select(of_first / root, of_first, in_root)",
                "of_first / root",
            ),
            ("no correction of the root", "select(1.0, root, in_root)", "1.0"),
        ];
        let form = |name, finite, root| {
            Form::new::<Self>(name, move |shape, seed| {
                adjust(shape, finite, root, Values::new(seed))
            })
        };
        vec![
            form("finite", true, false).mutations(&finite_mistakes),
            form("skipped", false, false).mutations(&skipped_mistakes),
            form("PyTorch's epsilon", true, true).mutations(&corrects_root),
        ]
    }
}

/// The state after some updates and, but for every third case, some steps that were skipped.
fn adjust(
    shape: [usize; 3],
    finite: bool,
    corrects_root: bool,
    mut values: Values,
) -> Result<Case> {
    let mut case = Case::new(shape);
    let [loss_scale, nonfinite] = buffers(&mut case)?;
    let op = AdjustLossScale {
        loss_scale,
        nonfinite,
        growth_steps: GROWTH_STEPS,
        betas: BETAS,
        corrects_root,
    };
    case.push(op)?;
    let drawn = values.below(3, 1_000);
    let &[updates, skipped, kind] = drawn.as_slice() else { return Ok(case) };
    let skipped = if kind < 333.0 { 0.0 } else { skipped % 7.0 };
    let steps_in_a_row = (kind % f64::from(GROWTH_STEPS)).min(updates);
    let correction = |beta: f64, steps: f64| f64::from((1.0 - beta.powf(steps)) as f32);
    let [beta_1, beta_2] = BETAS;
    let before = [
        LossScale::INITIAL,
        steps_in_a_row,
        0.0,
        1.0,
        1.0,
        correction(beta_1, updates),
        correction(beta_2, updates),
        correction(beta_1, updates + skipped),
        correction(beta_2, updates + skipped),
        skipped,
    ];
    case.fill(loss_scale, before.to_vec());
    case.fill(nonfinite, vec![f64::from(u8::from(!finite))]);
    let advanced = |correction: f64, beta: f64| {
        let [c, one] = [correction, 1.0].map(Approximate::exact);
        c + (one - c) * Approximate::constant(1.0 - beta)
    };
    let [.., first, second, counted_first, counted_second, _] = before;
    let counted = [advanced(counted_first, beta_1), advanced(counted_second, beta_2)];
    let made = [advanced(first, beta_1), advanced(second, beta_2)];
    let of_first = counted[0] / made[0];
    let root = (counted[1] / made[1]).sqrt();
    let mut bounds = vec![0.0; LossScale::COLUMNS];
    let mut bound = |column: LossScale, value: Approximate| {
        if let Some(place) = bounds.get_mut(column as usize) {
            *place = value.error;
        }
    };
    bound(LossScale::CountedCorrection1, counted[0]);
    bound(LossScale::CountedCorrection2, counted[1]);
    if finite {
        bound(LossScale::Correction1, made[0]);
        bound(LossScale::Correction2, made[1]);
        if skipped > 0.0 {
            bound(LossScale::StepSize, if corrects_root { of_first } else { of_first / root });
            bound(LossScale::RootScale, root);
        }
    }
    case.expect(loss_scale, bounds);
    case.expect(nonfinite, vec![0.0]);
    Ok(case)
}
