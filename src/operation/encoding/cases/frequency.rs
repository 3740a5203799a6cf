//! How the parity suite tries the frequency encoding.

use crate::error::Result;
use crate::number::approximate::Approximate;
use crate::operation::case::{Case, Cases, Form, ROWS_BEYOND, Values};
use crate::operation::encoding::{Frequencies, FrequencyEncoding, FrequencyEncodingBackward};

/// The most inputs that are tried; each has many outputs.
const MOST_INPUTS: usize = 65;

fn frequencies(count: u32, with_input: bool) -> Frequencies {
    Frequencies { count, with_input }
}

impl Cases for FrequencyEncoding {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("half the frequency", "126u + column / 2u", "125u + column / 2u"),
            ("one frequency for all", "(126u + column / 2u)", "126u"),
            ("quarters that are not taken away", "turns - 0.25 * quarter", "turns"),
            ("cosines first", "+ column % 2u;", "+ 1u - column % 2u;"),
            ("quarters without their sign", "(quadrant & 2u) == 2u", "false"),
            ("a sine in the place of a cosine", "quadrant % 2u == 1u", "false"),
            ("a coarser sine", "-1.0 / 5040.0", "-1.0 / 4000.0"),
            ("a coarser cosine", "-1.0 / 720.0", "-1.0 / 700.0"),
            ("the waves of the next input", "place / WAVES", "place / WAVES + 1u"),
            (
                "rows beyond the live ones written",
                "row >= step.live_rows",
                "row >= 2u * step.live_rows",
            ),
        ];
        let of_input = [
            ("waves in the place of the input", "column < shape.first", "false"),
            ("waves that begin too early", "column - shape.first", "column"),
            ("the padding filled", "column < shape.units", "true"),
        ];
        let form =
            |name, waves| Form::new::<Self>(name, move |shape, seed| forward(shape, waves, seed));
        vec![
            form("of 10", frequencies(10, false)).mutations(&mistakes),
            form("of 3 with input", frequencies(3, true)).mutations(&of_input),
            form("of 1", frequencies(1, false)),
        ]
    }
}

impl Cases for FrequencyEncodingBackward {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("slopes that stay", "slope *= 2.0;", ""),
            ("a cosine that rises", "(of_sine - of_cosine)", "(of_sine + of_cosine)"),
            ("the derivative of the sine lost", "(of_sine - of_cosine)", "(-of_cosine)"),
            ("the last frequency left out", "waves + WAVES;", "waves + WAVES - 2u;"),
            ("the waves of another input", "column * WAVES", "0u"),
            ("the padding filled", "column >= shape.units", "false"),
            ROWS_BEYOND,
        ];
        let of_input = [("no gradient of the input itself", "column < shape.first", "false")];
        let form =
            |name, waves| Form::new::<Self>(name, move |shape, seed| backward(shape, waves, seed));
        vec![
            form("of 10", frequencies(10, false)).mutations(&mistakes),
            form("of 3 with input", frequencies(3, true)).mutations(&of_input),
        ]
    }
}

/// Coordinates as they should be, and so large that their sines have an argument of many turns; what an f16
/// can hold.
fn coordinates(count: usize, values: &mut Values) -> Vec<f64> {
    let sizes = [1.0, 1.0, 1000.0, 6e4];
    let one = |i: usize| values.scaled(1, sizes[i % 4]).first().copied().unwrap_or_default();
    (0..count).map(one).collect()
}

fn forward([rows, inputs, units]: [usize; 3], waves: Frequencies, seed: u64) -> Result<Case> {
    let inputs = inputs.min(MOST_INPUTS);
    let values = &mut Values::new(seed);
    let mut case = Case::new([rows, inputs, units]);
    let input = case.table.activation("input", inputs)?;
    let output = case.table.activation("output", waves.outputs(inputs))?;
    case.push(FrequencyEncoding { input, output, frequencies: waves })?;
    case.fill(input, coordinates(rows * inputs, values));
    let first = waves.first(inputs);
    let of_wave = wave_error();
    let of_row =
        (0..waves.outputs(inputs)).map(|column| if column < first { 0.0 } else { of_wave });
    let of_row: Vec<f64> = of_row.collect();
    case.expect(output, of_row.repeat(rows));
    Ok(case)
}

/// How far a wave of the kernel may be off: the steps of `wave` at its largest angle, an eighth of a turn,
/// where each of them has its largest error; and what Taylor's polynomials leave out, which is less than
/// the first term left out as the signs alternate.
fn wave_error() -> f64 {
    let eighth = Approximate::exact(0.125);
    let y = Approximate::constant(std::f64::consts::TAU) * eighth;
    let z = y * y;
    let polynomial = |factorials: &[f64]| {
        let last = Approximate::exact(0.0);
        factorials.iter().rev().fold(last, |p, &factorial| {
            p * z + Approximate::exact(1.0) / Approximate::exact(factorial)
        })
    };
    // The signs make every sum smaller, and no error larger.
    let sine = y * (Approximate::exact(1.0) + z * polynomial(&[6.0, 120.0, 5040.0, 362_880.0]));
    let cosine =
        Approximate::exact(1.0) + z * polynomial(&[2.0, 24.0, 720.0, 40_320.0, 3_628_800.0]);
    let left_out = [y.value.powi(11) / 39_916_800.0, y.value.powi(12) / 479_001_600.0];
    (sine.error + left_out[0]).max(cosine.error + left_out[1])
}

fn backward([rows, inputs, units]: [usize; 3], waves: Frequencies, seed: u64) -> Result<Case> {
    let inputs = inputs.min(MOST_INPUTS);
    let values = &mut Values::new(seed);
    let mut case = Case::new([rows, inputs, units]);
    let outputs = waves.outputs(inputs);
    let output_gradient = case.table.activation("output_gradient", outputs)?;
    let output = case.table.activation("output", outputs)?;
    let input_gradient = case.table.activation("input_gradient", inputs)?;
    case.push(FrequencyEncodingBackward {
        output_gradient,
        output,
        input_gradient,
        frequencies: waves,
    })?;
    let (d, y) = (values.signed(rows * outputs), values.signed(rows * outputs));
    let first = waves.first(inputs);
    let mut errors = Vec::with_capacity(rows * inputs);
    for (d, y) in d.chunks_exact(outputs).zip(y.chunks_exact(outputs)) {
        let ((of_input, d), y) = (d.split_at(first), &y[first..]);
        let pairs = d.chunks_exact(waves.waves()).zip(y.chunks_exact(waves.waves()));
        for (i, (d, y)) in pairs.enumerate() {
            let terms = d.chunks_exact(2).zip(y.chunks_exact(2)).zip(0..).map(|((d, y), k)| {
                let product = |d: f64, y: f64| Approximate::exact(d) * Approximate::exact(y);
                let power = Approximate::exact(f64::powi(2.0, k));
                let slope = Approximate::constant(std::f64::consts::PI) * power;
                slope * (product(d[0], y[1]) - product(d[1], y[0]))
            });
            let own = of_input.get(i).map(|&d| Approximate::exact(d));
            errors.push(Approximate::sum(&terms.chain(own).collect::<Vec<_>>()).error);
        }
    }
    case.fill(output_gradient, d);
    case.fill(output, y);
    case.expect(input_gradient, errors);
    Ok(case)
}
