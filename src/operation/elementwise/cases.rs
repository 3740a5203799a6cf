//! How the parity suite tries the operations on each value by itself.

use super::{Activate, ActivateBackward, Add, Convert};
use crate::error::Result;
use crate::number::bounds;
use crate::operation::activation::Elementwise;
use crate::operation::case::{Case, Cases, Form, ROWS_BEYOND, Values, results_of};
use crate::table::{Element, Role, Rows};

impl Cases for Convert {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("a lost bit", "vec4<u32>(255u)", "vec4<u32>(127u)"),
            ("no scaling", "* constants.scale", ""),
            ("rows beyond the live ones written", "step.live_rows *", "(step.live_rows + 1u) *"),
        ];
        let form = Form::new::<Self>("", |shape, seed| convert(shape, Values::new(seed)));
        vec![form.mutations(&mistakes).large([66_000, 260, 1])]
    }
}

impl Cases for Activate {
    fn forms() -> Vec<Form> {
        let form = |activation: Elementwise| {
            let [mistakes, _] = activation.mutations();
            let form = Form::new::<Self>(activation.name(), move |shape, seed| {
                activate(shape, activation, Values::new(seed))
            });
            form.mutations(mistakes).mutations(&[ROWS_BEYOND])
        };
        Elementwise::ALL.iter().copied().map(form).collect()
    }
}

impl Cases for ActivateBackward {
    fn forms() -> Vec<Form> {
        let form = |activation: Elementwise| {
            let [_, mistakes] = activation.mutations();
            let form = Form::new::<Self>(activation.name(), move |shape, seed| {
                activate_backward(shape, activation, Values::new(seed))
            });
            form.mutations(mistakes)
        };
        Elementwise::ALL.iter().copied().map(form).collect()
    }
}

impl Cases for Add {
    fn forms() -> Vec<Form> {
        let mistakes = [
            (
                "the first alone",
                "vec4<f32>(first[index]) + vec4<f32>(second[index])",
                "vec4<f32>(first[index])",
            ),
            ROWS_BEYOND,
        ];
        let form = Form::new::<Self>("", |shape, seed| add(shape, Values::new(seed)));
        vec![form.mutations(&mistakes)]
    }
}

fn convert(shape: [usize; 3], mut values: Values) -> Result<Case> {
    const SCALE: f64 = 1.0 / 255.0;
    let [rows, columns, _] = shape;
    let mut case = Case::new(shape);
    let input = case.table.add("bytes", Role::Input, Element::U8, Rows::Batch, columns)?;
    let output = case.table.activation("output", columns)?;
    case.push(Convert { input, output, scale: SCALE })?;
    let x = values.below(rows * columns, 256);
    case.expect(output, x.iter().map(|x| 2.0 * bounds::EPSILON * x * SCALE).collect());
    case.fill(input, x);
    Ok(case)
}

fn activate(shape: [usize; 3], activation: Elementwise, mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    let input = case.table.activation("input", units)?;
    let output = case.table.activation("output", units)?;
    case.push(Activate { input, output, activation })?;
    let mut x = values.scaled(rows * units, 6.0);
    // Where exp would overflow or vanish.
    let extremes = [0.0, -30.0, 30.0, 100.0, -100.0];
    for (x, extreme) in x.iter_mut().step_by(7).zip(extremes.iter().cycle()) {
        *x = *extreme;
    }
    case.expect(output, x.iter().map(|&x| activation.bound(x, 0.0)).collect());
    case.fill(input, x);
    Ok(case)
}

fn activate_backward(
    shape: [usize; 3],
    activation: Elementwise,
    mut values: Values,
) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    let output_gradient = case.table.activation("output_gradient", units)?;
    let value = case.table.activation("value", units)?;
    let input_gradient = case.table.activation("input_gradient", units)?;
    case.push(ActivateBackward { output_gradient, value, input_gradient, activation })?;
    let d = values.signed(rows * units);
    let y = results_of(activation, rows * units, &mut values);
    let error = |(d, &y): (&f64, &f64)| d.abs() * activation.derivative_bound(y);
    let errors: Vec<f64> = d.iter().zip(&y).map(error).collect();
    case.fill(output_gradient, d);
    case.fill(value, y);
    case.expect_by(input_gradient, move |result| {
        let results = result(input_gradient).into_iter().zip(&errors);
        results.map(|(result, error)| error + bounds::rounded(result)).collect()
    });
    Ok(case)
}

fn add(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    let first = case.table.activation("first", units)?;
    let second = case.table.activation("second", units)?;
    let output = case.table.activation("output", units)?;
    case.push(Add { first, second, output })?;
    let (a, b) = (values.signed(rows * units), values.signed(rows * units));
    case.expect(output, a.iter().zip(&b).map(|(a, b)| bounds::rounded(a + b)).collect());
    case.fill(first, a);
    case.fill(second, b);
    Ok(case)
}
