//! How the parity suite tries dropout and noise.

use super::normal::{BRANCH, CENTRE, TAILS, uniform};
use super::{Dropout, DropoutBackward, GaussianNoise};
use crate::error::Result;
use crate::number::approximate::Approximate;
use crate::number::bounds::{self, EPSILON};
use crate::operation::activation::Elementwise;
use crate::operation::case::{Case, Cases, Form, ROWS_BEYOND, Values, results_of};
use crate::random::noise;

const NOISE: u64 = 0x0123_4567_89ab_cdef;
const LAYER: u32 = 3;
const RATE: f64 = 0.3;
const DEVIATION: f64 = 0.25;

const NO_PLACE: (&str, &str, &str) =
    ("the place in this part alone", "(step.first_row * row_quads() + quad)", "quad");

impl Cases for Dropout {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("other bits", "0x7feb352du", "0x7feb352fu"),
            ("no layer", "+ layer)", ")"),
            ("half the noise", "^ step.noise_1", ""),
            ("no scale", "kept[i] = shape.scale", "kept[i] = 1.0"),
            NO_PLACE,
        ];
        let form = Form::new::<Self>("", |shape, seed| dropout(shape, Values::new(seed)));
        vec![form.mutations(&mistakes)]
    }
}

impl Cases for DropoutBackward {
    fn forms() -> Vec<Form> {
        let another_mask =
            ("another mask", "place_in_batch(quad) + i)", "place_in_batch(quad) + i + 1u)");
        let no_derivative =
            ("no derivative", "activation_derivative(vec4<f32>(input[index])) * ", "");
        let form = |activation: Elementwise| {
            let form = Form::new::<Self>(activation.name(), move |shape, seed| {
                dropout_backward(shape, activation, Values::new(seed))
            });
            if activation == Elementwise::Linear {
                form.mutations(&[another_mask])
            } else if activation == Elementwise::Relu {
                form.mutations(&[no_derivative])
            } else {
                form
            }
        };
        Elementwise::fused().map(form).collect()
    }
}

impl Cases for GaussianNoise {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("other bits", "0x7feb352du", "0x7feb352fu"),
            ("no layer", "+ layer)", ")"),
            ("half the noise", "^ step.noise_1", ""),
            (
                "the noise of the next value",
                "place_in_batch(index) + i)",
                "place_in_batch(index) + i + 1u)",
            ),
            ("another deviation", "shape.standard_deviation * z", "z"),
            NO_PLACE,
            ("noise alone", "vec4<f32>(input[index]) + shape", "shape"),
            ("no root of 2", "1.41421356 * p", "p"),
            ("a uniform distribution", "p * x", "x"),
            ("the centre's polynomial in the tails", "w < 5.0", "true"),
            ("a tail without root", "sqrt(w) - 3.0", "w - 3.0"),
            ("a coarser polynomial", "-0.00125372503", "-0.00125"),
            ("a coarser polynomial of the tails", "0.00943887047", "0.00943"),
            ("padding that is not zero", "% row_quads(), 0.0)", "% row_quads(), 1.0)"),
            ROWS_BEYOND,
        ];
        let form = Form::new::<Self>("", |shape, seed| gaussian_noise(shape, Values::new(seed)));
        vec![form.mutations(&mistakes)]
    }
}

fn dropout(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    case.step.noise = NOISE;
    case.in_a_larger_batch();
    let input = case.table.activation("input", units)?;
    let output = case.table.activation("output", units)?;
    case.push(Dropout { input, output, rate: RATE, layer: LAYER })?;
    case.fill(input, values.signed(rows * units));
    case.expect_by(output, move |result| {
        // What is dropped is exactly zero.
        let bound = |result: f64| if result == 0.0 { 0.0 } else { bounds::rounded(result) };
        result(output).into_iter().map(bound).collect()
    });
    Ok(case)
}

fn dropout_backward(
    shape: [usize; 3],
    activation: Elementwise,
    mut values: Values,
) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    case.step.noise = NOISE;
    case.in_a_larger_batch();
    let output_gradient = case.table.activation("output_gradient", units)?;
    let input = case.table.activation("value", units)?;
    let input_gradient = case.table.activation("input_gradient", units)?;
    case.push(DropoutBackward {
        output_gradient,
        input,
        input_gradient,
        activation,
        rate: RATE,
        layer: LAYER,
    })?;
    let d = values.signed(rows * units);
    let y = results_of(activation, rows * units, &mut values);
    let scale = 1.0 / (1.0 - RATE);
    let error = |(d, &y): (&f64, &f64)| d.abs() * scale * activation.derivative_bound(y);
    let errors: Vec<f64> = d.iter().zip(&y).map(error).collect();
    case.fill(output_gradient, d);
    case.fill(input, y);
    case.expect_by(input_gradient, move |result| {
        let bound = |(result, error): (f64, &f64)| {
            // What is dropped is exactly zero. With an activation, a zero may also be a derivative
            // that the kernel only approximates.
            if result == 0.0 && activation == Elementwise::Linear {
                0.0
            } else {
                error + bounds::rounded(result)
            }
        };
        result(input_gradient).into_iter().zip(&errors).map(bound).collect()
    });
    Ok(case)
}

fn gaussian_noise(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    case.step.noise = NOISE;
    case.in_a_larger_batch();
    let input = case.table.activation("input", units)?;
    let output = case.table.activation("output", units)?;
    case.push(GaussianNoise { input, output, standard_deviation: DEVIATION, layer: LAYER })?;
    let stride = units.next_multiple_of(4);
    let x = values.signed(rows * units);
    let error = |(i, &x): (usize, &f64)| {
        let index = (rows + 3 + i / units) * stride + i % units;
        let bits = noise(NOISE, LAYER, index as u32);
        (Approximate::exact(x) + Approximate::constant(DEVIATION) * standard_normal(bits)).error
    };
    case.expect(output, x.iter().enumerate().map(error).collect());
    case.fill(input, x);
    Ok(case)
}

/// `standard_normal` in the steps of the kernel, with the error of each.
fn standard_normal(bits: u32) -> Approximate {
    let (x, w) = uniform::<f64>(bits);
    // One rounding of the product, and the logarithm's own error: 2^-21 between 0.5 and 2, else
    // 3 ULP.
    let log_error = if w <= std::f64::consts::LN_2 { 1.0 / 2_097_152.0 } else { 6.0 * EPSILON * w };
    let w = Approximate { value: w, error: 2.0 * EPSILON + log_error };
    let constant = Approximate::exact;
    let polynomial = |tail: bool| {
        let (coefficients, c) = match tail {
            false => (CENTRE, w - constant(2.5)),
            true => (TAILS, w.sqrt() - constant(3.0)),
        };
        let horner = |p: Approximate, &k: &f32| p * c + constant(f64::from(k));
        coefficients.iter().fold(constant(0.0), horner)
    };
    let mut p = polynomial(w.value >= BRANCH);
    // Where the error of w lets the kernel take the other polynomial, it may be off by the difference
    // between the two.
    if (w.value - BRANCH).abs() <= w.error {
        let other = polynomial(w.value < BRANCH);
        p.error = p.error.max(other.error) + (p.value - other.value).abs();
    }
    Approximate::constant(std::f64::consts::SQRT_2) * p * constant(x)
}
