//! How the parity suite tries softmax and the gradient through it.

use super::{Softmax, SoftmaxBackward};
use crate::error::Result;
use crate::number::approximate::Approximate;
use crate::number::bounds;
use crate::operation::case::{Case, Cases, Form, Values, logits};

const ROWS_BEYOND: (&str, &str, &str) =
    ("rows beyond the live ones written", "row >= step.live_rows", "false");

impl Cases for Softmax {
    fn forms() -> Vec<Form> {
        let mistakes = [
            (
                "overflow",
                "exp(vec4<f32>(input[first + quad]) - largest)",
                "exp(vec4<f32>(input[first + quad]))",
            ),
            ("padding summed", "- largest), quad, 0.0)", "- largest), quad, 1.0)"),
            ROWS_BEYOND,
        ];
        let form = Form::new::<Self>("", |shape, seed| softmax(shape, Values::new(seed)));
        vec![form.mutations(&mistakes)]
    }
}

impl Cases for SoftmaxBackward {
    fn forms() -> Vec<Form> {
        let mistakes = [
            (
                "no sum",
                "(vec4<f32>(output_gradient[first + quad]) - sum)",
                "vec4<f32>(output_gradient[first + quad])",
            ),
            ("not by the value", "= vec4<f32>(value[first + quad]) * (", "= ("),
            ("a sum without the values", "* vec4<f32>(value[first + quad]);", ";"),
            ("padding that is not zero", "live_or(gradient, quad, 0.0)", "gradient - sum"),
            ROWS_BEYOND,
        ];
        let form = Form::new::<Self>("", |shape, seed| softmax_backward(shape, Values::new(seed)));
        vec![form.mutations(&mistakes)]
    }
}

fn softmax(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    let input = case.table.activation("input", units)?;
    let output = case.table.activation("output", units)?;
    case.push(Softmax { input, output })?;
    let x = logits(rows, units, &mut values);
    let row_bounds = |row: &[f64]| {
        let bounds = bounds::Softmax::new(row);
        (0..units).map(move |i| bounds.probability(i))
    };
    case.expect(output, x.chunks(units).flat_map(row_bounds).collect());
    case.fill(input, x);
    Ok(case)
}

fn softmax_backward(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    let output_gradient = case.table.activation("output_gradient", units)?;
    let value = case.table.activation("value", units)?;
    let input_gradient = case.table.activation("input_gradient", units)?;
    case.push(SoftmaxBackward { output_gradient, value, input_gradient })?;
    let d = values.signed(rows * units);
    let probabilities = |row: &[f64]| {
        let largest = row.iter().copied().fold(f64::MIN, f64::max);
        let powers: Vec<f64> = row.iter().map(|x| (x - largest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.into_iter().map(move |power| f64::from((power / sum) as f32))
    };
    let x = logits(rows, units, &mut values);
    let y: Vec<f64> = x.chunks(units).flat_map(probabilities).collect();
    let exact = |&x: &f64| Approximate::exact(x);
    let row_errors = |(d, y): (&[f64], &[f64])| {
        let products: Vec<_> = d.iter().zip(y).map(|(d, y)| exact(d) * exact(y)).collect();
        let sum = Approximate::sum(&products);
        let errors = d.iter().zip(y).map(|(d, y)| (exact(y) * (exact(d) - sum)).error);
        errors.collect::<Vec<f64>>()
    };
    let errors = d.chunks(units).zip(y.chunks(units)).flat_map(row_errors).collect();
    case.fill(output_gradient, d);
    case.fill(value, y);
    case.expect(input_gradient, errors);
    Ok(case)
}
