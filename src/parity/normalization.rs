//! The cases of normalizations, by batch and by layer.

use crate::operation::{self, Op};
use std::rc::Rc;

use super::case::{Bound, Case, Values};
use super::elements::results_of;
use super::operations::finish;
use crate::error::Result;
use crate::number::approximate::Approximate;
use crate::operation::activation::Elementwise;
use crate::program::{BufferId, Element, Pass, ProgramBuilder, Role, Rows};

const MOMENTUM: f64 = 0.99;

/// A layer with a gamma, and one without it and without epsilon.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    epsilon: f64,
    gamma_offset: f64,
}

impl Form {
    pub fn new(with_gamma: bool) -> Self {
        match with_gamma {
            true => Form { epsilon: 1e-3, gamma_offset: 0.0 },
            false => Form { epsilon: 0.0, gamma_offset: 1.0 },
        }
    }

    fn epsilon(self) -> Approximate {
        Approximate::constant(self.epsilon)
    }

    /// What a normalized value is multiplied by.
    fn scale(self, gamma: f64) -> Approximate {
        Approximate::exact(gamma) + Approximate::exact(self.gamma_offset)
    }
}

/// Values far from zero, so that a variance from squares of the values themselves would be wrong.
fn displaced(count: usize, values: &mut Values) -> Vec<f64> {
    values.signed(count).iter().map(|x| f64::from((x + 16.0) as f32)).collect()
}

/// Variances, some of them so small that epsilon counts.
fn variances(units: usize, values: &mut Values) -> Vec<f64> {
    let scaled = |(i, x): (usize, &f64)| if i % 3 == 0 { 0.001 + 0.01 * x } else { 0.05 + x };
    values.positive(units).iter().enumerate().map(|x| f64::from(scaled(x) as f32)).collect()
}

fn vector(builder: &mut ProgramBuilder, name: &str, units: usize) -> Result<BufferId> {
    builder.buffer(name, Role::Scratch, Element::Real, Rows::One, units)
}

/// Parameters lie in an arena, one behind the other.
fn gamma_and_beta(builder: &mut ProgramBuilder, units: usize) -> Result<[BufferId; 2]> {
    let arena = builder.arena("parameters")?;
    let gamma = builder.slice(arena, "gamma", Role::Parameter, Rows::One, units)?;
    let beta = builder.slice(arena, "beta", Role::Parameter, Rows::One, units)?;
    Ok([gamma, beta])
}

/// Their gradients, with guards beside them.
fn gradients(builder: &mut ProgramBuilder, units: usize) -> Result<[BufferId; 2]> {
    let arena = builder.arena("gradients")?;
    let guard = |builder: &mut ProgramBuilder, number: usize| {
        builder.slice(arena, format!("guard_{number}"), Role::OptimizerState, Rows::One, 64)
    };
    let role = Role::ParameterGradient;
    guard(builder, 0)?;
    let gamma = builder.slice(arena, "gamma_gradient", role, Rows::One, units)?;
    guard(builder, 1)?;
    let beta = builder.slice(arena, "beta_gradient", role, Rows::One, units)?;
    guard(builder, 2)?;
    Ok([gamma, beta])
}

/// Bounds that do not depend on the results.
fn bound(of: Vec<Approximate>) -> Bound {
    Box::new(move |_| of.iter().map(|value| value.error).collect())
}

/// Column `unit` of the rows of `units` values.
fn column(values: &[f64], unit: usize, units: usize) -> impl Iterator<Item = f64> + '_ {
    values.iter().skip(unit).step_by(units).copied()
}

pub(super) fn batch_moments(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let input = builder.activation("input", units)?;
    let mean = vector(&mut builder, "mean", units)?;
    let variance = vector(&mut builder, "variance", units)?;
    builder
        .push(Pass::Predict, Op::BatchMoments(operation::BatchMoments { input, mean, variance }))?;
    let x = displaced(rows * units, &mut values);
    let of_unit = |unit| Approximate::moments(&column(&x, unit, units).collect::<Vec<_>>());
    let (means, variances) =
        (0..units).map(of_unit).map(|[mean, variance]| (mean, variance)).unzip();
    let outputs = vec![(mean, bound(means)), (variance, bound(variances))];
    Ok(finish(builder, shape, vec![(input, x)], outputs))
}

pub(super) fn moving_average(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [_, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let value = vector(&mut builder, "value", units)?;
    let average = vector(&mut builder, "average", units)?;
    builder.push(
        Pass::Predict,
        Op::MovingAverage(operation::MovingAverage { value, average, momentum: MOMENTUM }),
    )?;
    let (x, before) = (values.signed(units), values.signed(units));
    let [kept, added] = [MOMENTUM, 1.0 - MOMENTUM].map(Approximate::constant);
    let of = |(&x, &before): (&f64, &f64)| {
        Approximate::exact(before) * kept + Approximate::exact(x) * added
    };
    let after = x.iter().zip(&before).map(of).collect();
    let fills = vec![(value, x), (average, before)];
    Ok(finish(builder, shape, fills, vec![(average, bound(after))]))
}

/// `[normalized value, deviation]` of `x` by the moments of its column.
fn normalized(x: f64, mean: f64, variance: f64, form: Form) -> [Approximate; 2] {
    let deviation = (Approximate::exact(variance) + form.epsilon()).sqrt();
    [(Approximate::exact(x) - Approximate::exact(mean)) / deviation, deviation]
}

pub(super) fn batch_normalize(shape: [usize; 3], form: Form, mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let input = builder.activation("input", units)?;
    let mean = vector(&mut builder, "mean", units)?;
    let variance = vector(&mut builder, "variance", units)?;
    let [gamma, beta] = gamma_and_beta(&mut builder, units)?;
    let output = builder.activation("output", units)?;
    let Form { epsilon, gamma_offset } = form;
    builder.push(
        Pass::Predict,
        Op::BatchNormalize(operation::BatchNormalize {
            input,
            mean,
            variance,
            gamma,
            beta,
            output,
            epsilon,
            gamma_offset,
        }),
    )?;
    let x = values.signed(rows * units);
    let (m, v) = (values.signed(units), variances(units, &mut values));
    let (g, b) = (values.signed(units), values.signed(units));
    let of = |(i, &x): (usize, &f64)| {
        let unit = i % units;
        let [normalized, _] = normalized(x, m[unit], v[unit], form);
        normalized * form.scale(g[unit]) + Approximate::exact(b[unit])
    };
    let results = x.iter().enumerate().map(of).collect();
    let fills = vec![(input, x), (mean, m), (variance, v), (gamma, g), (beta, b)];
    Ok(finish(builder, shape, fills, vec![(output, bound(results))]))
}

/// The sums over the rows of `gradient · normalized` and of `gradient`, for each unit.
fn column_sums(
    gradient: &[f64],
    units: usize,
    normalized: impl Fn(usize) -> Approximate,
) -> [Vec<Approximate>; 2] {
    let of_unit = |unit: usize| {
        let places = (unit..gradient.len()).step_by(units);
        let [mut products, mut terms] = [Vec::new(), Vec::new()];
        for i in places {
            let term = Approximate::exact(gradient[i]);
            products.push(term * normalized(i));
            terms.push(term);
        }
        (Approximate::sum(&products), Approximate::sum(&terms))
    };
    let (products, sums) = (0..units).map(of_unit).unzip();
    [products, sums]
}

pub(super) fn batch_normalize_backward(
    shape: [usize; 3],
    form: Form,
    mut values: Values,
) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let output_gradient = builder.activation("output_gradient", units)?;
    let input = builder.activation("input", units)?;
    let mean = vector(&mut builder, "mean", units)?;
    let variance = vector(&mut builder, "variance", units)?;
    let [gamma_gradient, beta_gradient] = gradients(&mut builder, units)?;
    let epsilon = form.epsilon;
    builder.push(
        Pass::Predict,
        Op::BatchNormalizeBackward(operation::BatchNormalizeBackward {
            output_gradient,
            input,
            mean,
            variance,
            gamma_gradient,
            beta_gradient,
            epsilon,
        }),
    )?;
    let (d, x) = (values.signed(rows * units), values.signed(rows * units));
    let (m, v) = (values.signed(units), variances(units, &mut values));
    let [of_gamma, of_beta] =
        column_sums(&d, units, |i| normalized(x[i], m[i % units], v[i % units], form)[0]);
    let fills = vec![(output_gradient, d), (input, x), (mean, m), (variance, v)];
    let outputs = vec![(gamma_gradient, bound(of_gamma)), (beta_gradient, bound(of_beta))];
    Ok(finish(builder, shape, fills, outputs))
}

/// What `activation` has made, and its derivative there.
fn activated(
    activation: Elementwise,
    count: usize,
    values: &mut Values,
) -> (Vec<f64>, Vec<Approximate>) {
    let x = results_of(activation, count, values);
    let slope = |&x: &f64| Approximate {
        value: activation.derivative(x),
        error: activation.derivative_bound(x),
    };
    let slopes = x.iter().map(slope).collect();
    (x, slopes)
}

pub(super) fn batch_normalize_backward_input(
    shape: [usize; 3],
    form: Form,
    activation: Elementwise,
    mut values: Values,
) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let output_gradient = builder.activation("output_gradient", units)?;
    let input = builder.activation("input", units)?;
    let mean = vector(&mut builder, "mean", units)?;
    let variance = vector(&mut builder, "variance", units)?;
    let [gamma, _] = gamma_and_beta(&mut builder, units)?;
    let [gamma_gradient, beta_gradient] = gradients(&mut builder, units)?;
    let input_gradient = builder.activation("input_gradient", units)?;
    let Form { epsilon, gamma_offset } = form;
    builder.push(
        Pass::Predict,
        Op::BatchNormalizeBackwardInput(operation::BatchNormalizeBackwardInput {
            output_gradient,
            input,
            mean,
            variance,
            gamma,
            gamma_gradient,
            beta_gradient,
            input_gradient,
            epsilon,
            gamma_offset,
            activation,
        }),
    )?;
    let d = values.signed(rows * units);
    let (x, slopes) = activated(activation, rows * units, &mut values);
    let (m, v, g) = (values.signed(units), variances(units, &mut values), values.signed(units));
    // Sums over the rows, so that they weigh as much as the gradient itself.
    let (of_gamma, of_beta) =
        (values.scaled(units, rows as f64), values.scaled(units, rows as f64));
    let inverse_rows = Approximate::constant(1.0 / rows as f64);
    let of = |(i, &x): (usize, &f64)| {
        let unit = i % units;
        let [normalized, deviation] = normalized(x, m[unit], v[unit], form);
        let sums =
            Approximate::exact(of_beta[unit]) + normalized * Approximate::exact(of_gamma[unit]);
        let inner = Approximate::exact(d[i]) - sums * inverse_rows;
        form.scale(g[unit]) / deviation * inner * slopes[i]
    };
    let results = x.iter().enumerate().map(of).collect();
    let fills = vec![
        (output_gradient, d),
        (input, x),
        (mean, m),
        (variance, v),
        (gamma, g),
        (gamma_gradient, of_gamma),
        (beta_gradient, of_beta),
    ];
    Ok(finish(builder, shape, fills, vec![(input_gradient, bound(results))]))
}

pub(super) fn layer_normalize(shape: [usize; 3], form: Form, mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let input = builder.activation("input", units)?;
    let [gamma, beta] = gamma_and_beta(&mut builder, units)?;
    let output = builder.activation("output", units)?;
    let moments = builder.activation("moments", 2)?;
    // A row of one unit has no variance: without epsilon, it has no result.
    let form = Form { epsilon: 1e-3, ..form };
    let Form { epsilon, gamma_offset } = form;
    builder.push(
        Pass::Predict,
        Op::LayerNormalize(operation::LayerNormalize {
            input,
            gamma,
            beta,
            output,
            moments,
            epsilon,
            gamma_offset,
        }),
    )?;
    let x: Vec<f64> =
        values.signed(rows * units).iter().map(|x| f64::from((x + 2.0) as f32)).collect();
    let (g, b) = (values.signed(units), values.signed(units));
    let [mut results, mut of_moments] = [Vec::new(), Vec::new()];
    for row in x.chunks(units) {
        let [mean, variance] = Approximate::moments(row);
        let inverse = Approximate::exact(1.0) / (variance + form.epsilon()).sqrt();
        of_moments.extend([mean, inverse]);
        for (unit, &x) in row.iter().enumerate() {
            let normalized = (Approximate::exact(x) - mean) * inverse;
            results.push(normalized * form.scale(g[unit]) + Approximate::exact(b[unit]));
        }
    }
    let fills = vec![(input, x), (gamma, g), (beta, b)];
    let outputs = vec![(output, bound(results)), (moments, bound(of_moments))];
    Ok(finish(builder, shape, fills, outputs))
}

/// Moments of each row as an input: a mean, and 1 by a deviation.
fn row_moments(rows: usize, values: &mut Values) -> Vec<f64> {
    let of_row = |_| [values.signed(1)[0], f64::from((0.5 + values.positive(1)[0]) as f32)];
    (0..rows).flat_map(of_row).collect()
}

/// The normalized value of each of `x`.
fn normalized_rows(x: &[f64], moments: &[f64], units: usize) -> Rc<[Approximate]> {
    let of = |(i, &x): (usize, &f64)| {
        let [mean, inverse] =
            [0, 1].map(|which| Approximate::exact(moments[i / units * 2 + which]));
        (Approximate::exact(x) - mean) * inverse
    };
    x.iter().enumerate().map(of).collect()
}

pub(super) fn layer_normalize_backward(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let output_gradient = builder.activation("output_gradient", units)?;
    let input = builder.activation("input", units)?;
    let moments = builder.activation("moments", 2)?;
    let [gamma_gradient, beta_gradient] = gradients(&mut builder, units)?;
    builder.push(
        Pass::Predict,
        Op::LayerNormalizeBackward(operation::LayerNormalizeBackward {
            output_gradient,
            input,
            moments,
            gamma_gradient,
            beta_gradient,
        }),
    )?;
    let (d, x) = (values.signed(rows * units), values.signed(rows * units));
    let of_rows = row_moments(rows, &mut values);
    let normalized = normalized_rows(&x, &of_rows, units);
    let [of_gamma, of_beta] = column_sums(&d, units, |i| normalized[i]);
    let fills = vec![(output_gradient, d), (input, x), (moments, of_rows)];
    let outputs = vec![(gamma_gradient, bound(of_gamma)), (beta_gradient, bound(of_beta))];
    Ok(finish(builder, shape, fills, outputs))
}

pub(super) fn layer_normalize_backward_input(
    shape: [usize; 3],
    form: Form,
    activation: Elementwise,
    mut values: Values,
) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let output_gradient = builder.activation("output_gradient", units)?;
    let input = builder.activation("input", units)?;
    let moments = builder.activation("moments", 2)?;
    let [gamma, _] = gamma_and_beta(&mut builder, units)?;
    let input_gradient = builder.activation("input_gradient", units)?;
    let gamma_offset = form.gamma_offset;
    builder.push(
        Pass::Predict,
        Op::LayerNormalizeBackwardInput(operation::LayerNormalizeBackwardInput {
            output_gradient,
            input,
            moments,
            gamma,
            input_gradient,
            gamma_offset,
            activation,
        }),
    )?;
    let d = values.signed(rows * units);
    let (x, slopes) = activated(activation, rows * units, &mut values);
    let of_rows = row_moments(rows, &mut values);
    // Of one sign, so that their mean weighs as much as they do.
    let gammas = values.positive(units);
    let normalized = normalized_rows(&x, &of_rows, units);
    let g: Vec<Approximate> = d
        .iter()
        .enumerate()
        .map(|(i, &d)| Approximate::exact(d) * form.scale(gammas[i % units]))
        .collect();
    let mut results = Vec::new();
    for row in 0..rows {
        let places = row * units..(row + 1) * units;
        let products: Vec<_> = places.clone().map(|i| g[i] * normalized[i]).collect();
        let mean_g = Approximate::mean(&g[places.clone()]);
        let mean_product = Approximate::mean(&products);
        let inverse = Approximate::exact(of_rows[row * 2 + 1]);
        for i in places {
            let inner = g[i] - mean_g - normalized[i] * mean_product;
            results.push(inverse * inner * slopes[i]);
        }
    }
    let fills = vec![(output_gradient, d), (input, x), (moments, of_rows), (gamma, gammas)];
    Ok(finish(builder, shape, fills, vec![(input_gradient, bound(results))]))
}
