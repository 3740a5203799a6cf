//! How the parity suite tries the operations on parameters and their gradients.

use super::{
    Accumulate, AddShards, ClipByNorm, ClipByValue, KeepShards, Penalty, PenaltyGradient,
    SquaredNorm, TakeMean,
};
use crate::error::Result;
use crate::number::bounds;
use crate::operation::case::{Case, Cases, Form, Values};
use crate::table::{BufferId, Element, Role, Rows};

const L1: f64 = 0.375;
const L2: f64 = 0.0625;
const LIMIT: f64 = 0.625;
const STEPS: usize = 3;

const LOST_QUARTER: (&str, &str, &str) = ("a lost quarter", "half > 0u", "half > 1u");
const LEFT_OUT: (&str, &str, &str) =
    ("the last parameters left out", "constants.length / 4u", "(constants.length / 4u - 16u)");

impl Cases for Penalty {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("no absolute value", "abs(w)", "w"),
            ("no square", "constants.l2 * w * w", "constants.l2 * w"),
            LOST_QUARTER,
            ("no barrier", "workgroupBarrier();", ""),
            ("not added to", "penalty[count] +=", "penalty[count] ="),
            ("always the first slot", "penalty[count] +=", "penalty[0] +="),
            ("no counting on", "f32(count + 1u)", "f32(count)"),
            ("not by the rows", "* f32(step.live_rows)", ""),
        ];
        let form = Form::new::<Self>("", |shape, seed| penalty(shape, Values::new(seed)));
        vec![form.mutations(&mistakes)]
    }
}

impl Cases for PenaltyGradient {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("no sign", "sign(w)", "w"),
            ("half the slope", "2.0 * constants.l2", "constants.l2"),
            ("not added to", "gradient[index] +=", "gradient[index] ="),
        ];
        let form = Form::new::<Self>("", |shape, seed| penalty_gradient(shape, Values::new(seed)));
        vec![form.mutations(&mistakes)]
    }
}

impl Cases for SquaredNorm {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("no square", "gradient[i] * gradient[i]", "gradient[i]"),
            LOST_QUARTER,
            ("never the first", "constants.first == 1u", "false"),
            ("always the first", "constants.first == 1u", "true"),
        ];
        let form = Form::new::<Self>("", |shape, seed| {
            squared_norm(shape, seed.is_multiple_of(2), Values::new(seed))
        });
        vec![form.mutations(&mistakes)]
    }
}

impl Cases for ClipByNorm {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("no root", "sqrt(squared_norm[0])", "squared_norm[0]"),
            ("always", "norm > constants.limit", "norm > 0.0"),
        ];
        let form = Form::new::<Self>("", |shape, seed| clip_by_norm(shape, Values::new(seed)));
        vec![form.mutations(&mistakes)]
    }
}

impl Cases for ClipByValue {
    fn forms() -> Vec<Form> {
        let mistakes = [("one side", "clamp(g, -limit, limit)", "min(g, limit)")];
        let form = Form::new::<Self>("", |shape, seed| clip_by_value(shape, Values::new(seed)));
        vec![form.mutations(&mistakes)]
    }
}

impl Cases for Accumulate {
    fn forms() -> Vec<Form> {
        let mistakes = [("not added to", "+= gradients", "= gradients"), LEFT_OUT];
        let arenas = Form::new::<Self>("", |shape, seed| {
            let push = |case: &mut Case, [gradients, accumulated]: [BufferId; 2]| {
                case.push(Accumulate { gradients, accumulated })
            };
            sum_of_arenas(shape, ["gradients", "accumulated"], push, Values::new(seed))
        });
        let parameter = Form::new::<Self>("parameter", |shape, seed| {
            accumulate_parameter(shape, Values::new(seed))
        });
        vec![arenas.mutations(&mistakes), parameter.mutations(&mistakes)]
    }
}

impl Cases for TakeMean {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("the sum", " / constants.steps", ""),
            ("a sum that stays", "= vec4<f32>(0.0)", "= gradients[index]"),
            LEFT_OUT,
        ];
        let form = Form::new::<Self>("", |shape, seed| take_mean(shape, Values::new(seed)));
        vec![form.mutations(&mistakes)]
    }
}

impl Cases for AddShards {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("not added to", "normal(kept[index]) + ", ""),
            ("the others lost", " + normal(gradients[index])", ""),
            LEFT_OUT,
        ];
        let form = Form::new::<Self>("", |shape, seed| {
            let push = |case: &mut Case, [kept, gradients]: [BufferId; 2]| {
                case.push(AddShards { kept, gradients })
            };
            sum_of_arenas(shape, ["kept", "gradients"], push, Values::new(seed))
        });
        vec![form.mutations(&mistakes)]
    }
}

impl Cases for KeepShards {
    fn forms() -> Vec<Form> {
        let mistakes = [("added to", "kept[index] = ", "kept[index] += "), LEFT_OUT];
        let form = Form::new::<Self>("", |shape, seed| keep_shards(shape, Values::new(seed)));
        vec![form.mutations(&mistakes)]
    }
}

/// An `[inputs, units]` slice of an arena of its own.
fn weight(case: &mut Case, arena: &str, name: &str, role: Role) -> Result<BufferId> {
    let [_, inputs, units] = case.shape;
    let arena = case.table.arena(arena)?;
    case.table.slice(arena, name, role, Rows::Fixed(inputs), units)
}

fn penalty(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, inputs, units] = shape;
    let mut case = Case::new(shape);
    let weight = weight(&mut case, "parameters", "weight", Role::Parameter)?;
    let slots = Penalty::SLOTS;
    let columns = slots + 1;
    let penalty = case.table.add("penalty", Role::Metric, Element::Real, Rows::One, columns)?;
    case.push(Penalty { weight, penalty, l1: L1, l2: L2 })?;
    let w = values.signed(inputs * units);
    let mut before = values.positive(columns);
    // Half of the shapes count past the last slot, after which the first one comes.
    let slot = if inputs.is_multiple_of(2) { slots } else { units % slots };
    before[slots] = slot as f64;
    let rows = rows as f64;
    let size: f64 = w.iter().map(|w| L1 * w.abs() + L2 * w * w).sum::<f64>() * rows;
    // Each term is itself made of three roundings; all other slots are as they were.
    let terms = inputs * units + 5;
    let added = slot % slots;
    let own = bounds::dot(terms, size + before[added]);
    case.expect(penalty, (0..columns).map(|i| if i == added { own } else { 0.0 }).collect());
    case.fill(weight, w);
    case.fill(penalty, before);
    Ok(case)
}

fn penalty_gradient(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [_, inputs, units] = shape;
    let mut case = Case::new(shape);
    let weight_id = weight(&mut case, "parameters", "weight", Role::Parameter)?;
    let weight_gradient =
        weight(&mut case, "gradients", "weight_gradient", Role::ParameterGradient)?;
    case.push(PenaltyGradient { weight: weight_id, weight_gradient, l1: L1, l2: L2 })?;
    // A weight of exactly 0 has no sign.
    let mut w = values.signed(inputs * units);
    w.iter_mut().step_by(5).for_each(|w| *w = 0.0);
    let g = values.signed(inputs * units);
    let sizes = w.iter().zip(&g).map(|(w, g)| g.abs() + L1 + 2.0 * L2 * w.abs());
    case.expect(weight_gradient, sizes.map(bounds::rounded).collect());
    case.fill(weight_id, w);
    case.fill(weight_gradient, g);
    Ok(case)
}

/// The gradient of a weight in an arena of its own, and a single sum.
fn gradient_and_sum(case: &mut Case) -> Result<[BufferId; 2]> {
    let gradient = weight(case, "gradients", "weight.gradient", Role::ParameterGradient)?;
    let sum = case.table.add("sum", Role::Scratch, Element::Real, Rows::One, 1)?;
    Ok([gradient, sum])
}

fn squared_norm(shape: [usize; 3], first: bool, mut values: Values) -> Result<Case> {
    let mut case = Case::new(shape);
    let [gradient, sum] = gradient_and_sum(&mut case)?;
    case.push(SquaredNorm { gradient, sum, first })?;
    let g = values.signed(shape[1] * shape[2]);
    let before = values.positive(1);
    let kept = if first { 0.0 } else { before[0] };
    let size = g.iter().map(|g| g * g).sum::<f64>() + kept;
    case.expect(sum, vec![bounds::dot(g.len() + 2, size)]);
    case.fill(gradient, g);
    case.fill(sum, before);
    Ok(case)
}

fn clip_by_norm(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let mut case = Case::new(shape);
    let [gradient, squared_norm] = gradient_and_sum(&mut case)?;
    case.push(ClipByNorm { squared_norm, gradient, limit: LIMIT })?;
    let g = values.signed(shape[1] * shape[2]);
    // On either side of the limit's square, 0.39.
    let squared: f64 = if shape[0].is_multiple_of(2) { 0.25 } else { 1.5 };
    let norm = squared.sqrt();
    case.fill(gradient, g);
    case.fill(squared_norm, vec![squared]);
    case.expect_by(gradient, move |result| {
        let clipped = bounds::quotient([LIMIT, 0.0], [norm, bounds::root(norm * norm, 0.0)]);
        // A gradient that is not clipped stays as it was.
        let error = |g: f64| {
            if norm > LIMIT { g.abs() * norm / LIMIT * clipped + bounds::rounded(g) } else { 0.0 }
        };
        result(gradient).into_iter().map(error).collect()
    });
    Ok(case)
}

fn clip_by_value(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let mut case = Case::new(shape);
    let [gradient, _] = gradient_and_sum(&mut case)?;
    case.push(ClipByValue { gradient, limit: LIMIT })?;
    let g = values.signed(shape[1] * shape[2]);
    case.expect(gradient, vec![0.0; g.len()]);
    case.fill(gradient, g);
    Ok(case)
}

/// An arena with a weight and a bias in it: both, and the arena itself.
fn arena(case: &mut Case, name: &str) -> Result<[BufferId; 3]> {
    let [_, inputs, units] = case.shape;
    let arena = case.table.arena(name)?;
    let mut slice = |part, rows| {
        let role = Role::ParameterGradient;
        case.table.slice(arena, format!("{name}.{part}"), role, rows, units)
    };
    Ok([slice("weight", Rows::Fixed(inputs))?, slice("bias", Rows::One)?, arena])
}

/// Fills a gradient and what it is added to, and expects their sum.
fn fill_sum(case: &mut Case, [from, to]: [BufferId; 2], count: usize, values: &mut Values) {
    let (g, sum) = (values.signed(count), values.scaled(count, STEPS as f64));
    let sizes = g.iter().zip(&sum).map(|(g, sum)| g.abs() + sum.abs());
    case.expect(to, sizes.map(bounds::rounded).collect());
    case.fill(from, g);
    case.fill(to, sum);
}

/// Two arenas of a weight and a bias, of which the first is added to the second.
fn sum_of_arenas(
    shape: [usize; 3],
    [from, to]: [&str; 2],
    push: impl FnOnce(&mut Case, [BufferId; 2]) -> Result<()>,
    mut values: Values,
) -> Result<Case> {
    let [_, inputs, units] = shape;
    let mut case = Case::new(shape);
    let [from_weight, from_bias, from] = arena(&mut case, from)?;
    let [to_weight, to_bias, to] = arena(&mut case, to)?;
    push(&mut case, [from, to])?;
    fill_sum(&mut case, [from_weight, to_weight], inputs * units, &mut values);
    fill_sum(&mut case, [from_bias, to_bias], units, &mut values);
    Ok(case)
}

fn keep_shards(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [_, inputs, units] = shape;
    let mut case = Case::new(shape);
    let from = arena(&mut case, "gradients")?;
    let to = arena(&mut case, "kept")?;
    case.push(KeepShards { gradients: from[2], kept: to[2] })?;
    for (part, count) in [inputs * units, units].into_iter().enumerate() {
        // A copy is exact.
        case.expect(to[part], vec![0.0; count]);
        case.fill(from[part], values.signed(count));
        case.fill(to[part], values.signed(count));
    }
    Ok(case)
}

/// The gradient of one parameter, between two others that must stay as they are.
fn accumulate_parameter(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [_, inputs, units] = shape;
    let mut case = Case::new(shape);
    let gradients = weight(&mut case, "gradients", "gradient", Role::ParameterGradient)?;
    let arena = case.table.arena("accumulated")?;
    let mut slice = |name: &str, rows, columns| {
        case.table.slice(arena, name, Role::ParameterGradient, rows, columns)
    };
    slice("guard_0", Rows::One, 64)?;
    let accumulated = slice("sum", Rows::Fixed(inputs), units)?;
    slice("guard_1", Rows::One, 64)?;
    case.push(Accumulate { gradients, accumulated })?;
    fill_sum(&mut case, [gradients, accumulated], inputs * units, &mut values);
    Ok(case)
}

fn take_mean(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [_, inputs, units] = shape;
    let mut case = Case::new(shape);
    let from = arena(&mut case, "accumulated")?;
    let to = arena(&mut case, "gradients")?;
    case.push(TakeMean { accumulated: from[2], gradients: to[2], steps: STEPS })?;
    for (part, count) in [inputs * units, units].into_iter().enumerate() {
        let sum = values.scaled(count, STEPS as f64);
        let bound = |sum: &f64| bounds::quotient([*sum, 0.0], [STEPS as f64, 0.0]);
        case.expect(to[part], sum.iter().map(bound).collect());
        // Zero is exact.
        case.expect(from[part], vec![0.0; count]);
        case.fill(from[part], sum);
    }
    Ok(case)
}
