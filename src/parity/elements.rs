//! The cases of operations on each value by itself: activations, dropout and noise.

use super::case::{Case, Values};
use super::operations::finish;
use crate::cpu::gaussian_noise::{BRANCH, CENTRE, TAILS, uniform};
use crate::error::Result;
use crate::number::approximate::Approximate;
use crate::number::bounds::{self, EPSILON};
use crate::operation::activation::Elementwise;
use crate::operation::{self, Op};
use crate::program::{BufferId, Pass, ProgramBuilder, Step};
use crate::random::noise;

/// What such an activation may have made; for one that is told from its input, any number.
pub(super) fn results_of(activation: Elementwise, count: usize, values: &mut Values) -> Vec<f64> {
    let x = values.scaled(count, 3.0);
    let of = |x: f64| match activation {
        activation if !activation.is_fused() => x,
        // A dead unit is exactly 0.
        Elementwise::Relu => x.max(0.0),
        Elementwise::Linear => x,
        activation => f64::from(activation.value(x) as f32),
    };
    x.into_iter().map(of).collect()
}

/// `[noise, rate]` of the cases.
const NOISE: u64 = 0x0123_4567_89ab_cdef;
const LAYER: u32 = 3;
pub(super) const DROPOUT: f64 = 0.3;

pub(super) fn activate(
    shape: [usize; 3],
    activation: Elementwise,
    mut values: Values,
) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let input = builder.activation("input", units)?;
    let output = builder.activation("output", units)?;
    builder.push(Pass::Predict, Op::Activate(operation::Activate { input, output, activation }))?;
    let mut x = values.scaled(rows * units, 6.0);
    // Where exp would overflow or vanish.
    for (x, extreme) in
        x.iter_mut().step_by(7).zip([0.0, -30.0, 30.0, 100.0, -100.0].iter().cycle())
    {
        *x = *extreme;
    }
    let inputs = x.clone();
    let bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| {
        inputs.iter().map(|&x| activation.bound(x, 0.0)).collect()
    };
    Ok(finish(builder, shape, vec![(input, x)], vec![(output, Box::new(bound))]))
}

pub(super) fn activate_backward(
    shape: [usize; 3],
    activation: Elementwise,
    dropped: Option<f64>,
    mut values: Values,
) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let output_gradient = builder.activation("output_gradient", units)?;
    let value = builder.activation("value", units)?;
    let input_gradient = builder.activation("input_gradient", units)?;
    let op = match dropped {
        None => Op::ActivateBackward(operation::ActivateBackward {
            output_gradient,
            value,
            input_gradient,
            activation,
        }),
        Some(rate) => Op::DropoutBackward(operation::DropoutBackward {
            output_gradient,
            input: value,
            input_gradient,
            activation,
            rate,
            layer: LAYER,
        }),
    };
    builder.push(Pass::Predict, op)?;
    let d = values.signed(rows * units);
    let y = results_of(activation, rows * units, &mut values);
    let scale = dropped.map_or(1.0, |rate| 1.0 / (1.0 - rate));
    let errors: Vec<f64> =
        d.iter().zip(&y).map(|(d, &y)| d.abs() * scale * activation.derivative_bound(y)).collect();
    let bound = move |result: &dyn Fn(BufferId) -> Vec<f64>| {
        let results = result(input_gradient).into_iter().zip(&errors);
        // What is dropped is exactly zero.
        let of = |(result, error): (f64, &f64)| {
            if dropped.is_some() && result == 0.0 && activation == Elementwise::Linear {
                0.0
            } else {
                error + bounds::rounded(result)
            }
        };
        results.map(of).collect()
    };
    let fills = vec![(output_gradient, d), (value, y)];
    let case = finish(builder, shape, fills, vec![(input_gradient, Box::new(bound))]);
    Ok(Case { step: Step { noise: NOISE, ..case.step }, ..case })
}

pub(super) fn dropout(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let input = builder.activation("input", units)?;
    let output = builder.activation("output", units)?;
    builder.push(
        Pass::Predict,
        Op::Dropout(operation::Dropout { input, output, rate: DROPOUT, layer: LAYER }),
    )?;
    let x = values.signed(rows * units);
    let bound = move |result: &dyn Fn(BufferId) -> Vec<f64>| {
        // What is dropped is exactly zero.
        let of = |result: f64| if result == 0.0 { 0.0 } else { bounds::rounded(result) };
        result(output).into_iter().map(of).collect()
    };
    let case = finish(builder, shape, vec![(input, x)], vec![(output, Box::new(bound))]);
    Ok(Case { step: Step { noise: NOISE, ..case.step }, ..case })
}

pub(super) const DEVIATION: f64 = 0.25;

pub(super) fn gaussian_noise(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let input = builder.activation("input", units)?;
    let output = builder.activation("output", units)?;
    let op = Op::GaussianNoise(operation::GaussianNoise {
        input,
        output,
        standard_deviation: DEVIATION,
        layer: LAYER,
    });
    builder.push(Pass::Predict, op)?;
    let stride = units.next_multiple_of(4);
    let x = values.signed(rows * units);
    let of = |(i, &x): (usize, &f64)| {
        let index = i / units * stride + i % units;
        let bits = noise(NOISE, LAYER, index as u32);
        (Approximate::exact(x) + Approximate::constant(DEVIATION) * standard_normal(bits)).error
    };
    let errors: Vec<f64> = x.iter().enumerate().map(of).collect();
    let bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| errors.clone();
    let case = finish(builder, shape, vec![(input, x)], vec![(output, Box::new(bound))]);
    Ok(Case { step: Step { noise: NOISE, ..case.step }, ..case })
}

/// The number that the noise makes of `bits`, in the kernel's operations.
fn standard_normal(bits: u32) -> Approximate {
    let (x, w) = uniform::<f64>(bits);
    // One rounding of the product, and the logarithm's own: 2^-21 between 0.5 and 2, else 3 ULP.
    let of_log = if w <= std::f64::consts::LN_2 { 1.0 / 2_097_152.0 } else { 6.0 * EPSILON * w };
    let w = Approximate { value: w, error: 2.0 * EPSILON + of_log };
    let constant = Approximate::exact;
    let of = |tail: bool| {
        let (coefficients, c) = match tail {
            false => (CENTRE, w - constant(2.5)),
            true => (TAILS, w.sqrt() - constant(3.0)),
        };
        let horner = |p: Approximate, &k: &f32| p * c + constant(f64::from(k));
        coefficients.iter().fold(constant(0.0), horner)
    };
    let mut p = of(w.value >= BRANCH);
    // Where the kernel may take the other polynomial, it is off by what they differ by.
    if (w.value - BRANCH).abs() <= w.error {
        let other = of(w.value < BRANCH);
        p.error = p.error.max(other.error) + (p.value - other.value).abs();
    }
    Approximate::constant(std::f64::consts::SQRT_2) * p * constant(x)
}
