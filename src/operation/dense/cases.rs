//! How the parity suite tries the dense operations.

use super::{DenseBackwardInput, DenseBackwardWeights, DenseForward};
use crate::error::Result;
use crate::number::{Block, Matrix, Real, bounds};
use crate::operation::activation::Elementwise;
use crate::operation::case::{Case, Cases, Form, Mistake, Values, results_of};
use crate::operation::elementwise::Convert;
use crate::operation::matrix_form::MatrixForm::{
    Register, Subgroup, Tile8Parts64, Tile16Parts16, Tile32, Tile64, Tile64x32, Tile128,
};
use crate::table::{BufferId, Element, Role, Rows, Table};

const NOT_ZEROED: &str = "sums that do not begin at zero";
const NO_BARRIER: Mistake = ("no barrier", "workgroupBarrier();", "");
const ROWS_BEYOND: &str = "rows beyond the live ones written";
const SERIAL_ROWS_BEYOND: Mistake = (ROWS_BEYOND, "row + 3u < step.live_rows", "true");
const LAST_CHUNK: Mistake =
    ("the last chunk left out", "start < terms; start", "start + CHUNK < terms; start");
const NO_BARRIER_OF_PARTS: Mistake = (
    "no barrier before parts are added",
    "    workgroupBarrier();\n    for (var half = PARTS",
    "    for (var half = PARTS",
);
const BYTES: [Mistake; 2] = [
    ("no scaling", "* shape.scale", ""),
    ("bytes in another order", "(0u, 8u, 16u, 24u)", "(8u, 0u, 16u, 24u)"),
];

/// A mistake in which sums of the name before `=` begin with another number.
macro_rules! not_zeroed {
    ($sums:literal) => {
        (
            NOT_ZEROED,
            concat!($sums, " = mat4x4<f32>();"),
            concat!(
                $sums,
                " = mat4x4<f32>(vec4<f32>(0.01), vec4<f32>(0.01), vec4<f32>(0.01), vec4<f32>(0.01));"
            ),
        )
    };
}

/// How the input of a dense operation is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    Reals,
    Bytes,
}

impl Stored {
    fn name(self) -> &'static str {
        match self {
            Stored::Reals => "f32",
            Stored::Bytes => "u8",
        }
    }
}

impl Cases for DenseForward {
    fn forms() -> Vec<Form> {
        let form = |stored: Stored, activation: Elementwise| {
            let name = format!("{} {}", stored.name(), activation.name());
            let [mistakes, _] = activation.mutations();
            let form = Form::new::<Self>(&name, move |shape, seed| {
                forward(shape, stored, activation, Values::new(seed))
            });
            match (stored, activation) {
                (Stored::Bytes, Elementwise::Linear) => form.mutations(&BYTES),
                (Stored::Bytes, _) => form.of_shared_text(),
                (Stored::Reals, Elementwise::Linear) => forward_mistakes(form),
                (Stored::Reals, Elementwise::Sigmoid) => {
                    let padding = "padding that is activated";
                    let tile = (
                        padding,
                        "select(vec4<f32>(), activate(sums + bias[column]), live)",
                        "activate(sums + bias[column])",
                    );
                    let serial = (
                        padding,
                        "select(zero, activate(sums[0] + offset), live)",
                        "activate(sums[0] + offset)",
                    );
                    form.of_shared_text()
                        .mutations(mistakes)
                        .mutations_of(Tile32, &[tile])
                        .mutations_of(Register, &[serial])
                        .mutations_of(Subgroup, &[serial])
                }
                // Results of this size do not overflow: that is tried by the activation alone.
                (Stored::Reals, _) => form
                    .of_shared_text()
                    .mutations(mistakes.iter().filter(|(what, ..)| *what != "overflow")),
            }
        };
        let stored = [Stored::Reals, Stored::Bytes].into_iter();
        stored.flat_map(|stored| Elementwise::fused().map(move |f| form(stored, f))).collect()
    }
}

/// What the tile kernels share is broken once for all products: how they end and how much a thread
/// computes, each in two files, and what all of them share.
fn forward_mistakes(form: Form) -> Form {
    let last_inputs = "the last inputs left out";
    let no_bias = ("no bias", "activate(sums[1] + offset)", "activate(sums[1])");
    form.mutations_of(
        Register,
        &[
            (last_inputs, "k < end", "k + 1u < end"),
            not_zeroed!("sum11"),
            no_bias,
            SERIAL_ROWS_BEYOND,
        ],
    )
    .mutations_of(
        Subgroup,
        &[
            (last_inputs, "k < depth; k++", "k + 1u < depth; k++"),
            not_zeroed!("sums7"),
            no_bias,
            SERIAL_ROWS_BEYOND,
        ],
    )
    .mutations_of(
        Tile128,
        &[
            LAST_CHUNK,
            not_zeroed!("sums11"),
            NO_BARRIER,
            ("inputs beyond the last one", "term >= term_quads()", "false"),
            ("a quarter without a term", "sums10 = add_products(sums10, rows1, columns0);", ""),
            ("quarters transposed", "(quarter / 2u, quarter % 2u)", "(quarter % 2u, quarter / 2u)"),
            ("a term twice", "chunk[left1 + 3u * LEFT_BLOCKS]", "chunk[left1 + 2u * LEFT_BLOCKS]"),
        ],
    )
    .mutations_of(
        Tile32,
        &[
            LAST_CHUNK,
            ("the last inputs of each chunk left out", "terms - start)", "terms - start) - 1u"),
            ("a row of a block lost", "store(row + 3u, at.y, sums[3]);", ""),
            ("no bias", "activate(sums + bias[column])", "activate(sums)"),
            (ROWS_BEYOND, "if row < step.live_rows && column", "if column"),
            ("units beyond the last one written", "&& column < width", ""),
        ],
    )
}

impl Cases for DenseBackwardWeights {
    fn forms() -> Vec<Form> {
        let form = |stored: Stored| {
            let form = Form::new::<Self>(stored.name(), move |shape, seed| {
                backward_weights(shape, stored, Values::new(seed))
            });
            match stored {
                Stored::Reals => backward_weights_mistakes(form),
                Stored::Bytes => form.mutations(&BYTES),
            }
        };
        [Stored::Reals, Stored::Bytes].into_iter().map(form).collect()
    }
}

fn backward_weights_mistakes(form: Form) -> Form {
    let last_row = "the last row left out";
    let beyond = ("rows beyond the live ones summed", "row + 3u < step.live_rows", "true");
    let no_bias = "no bias gradient";
    let serial = [
        beyond,
        (no_bias, "bias_gradient[column] = sums;", ""),
        ("a transposed block", "transpose(", "("),
        ("a gradient row overwritten", "weight_gradient[at + 3u * width]", "weight_gradient[at]"),
        ("units beyond the last one written", "column < width", "true"),
    ];
    form.mutations_of(Register, &serial)
        .mutations_of(
            Register,
            &[(last_row, "row < end;", "row + 1u < end;"), not_zeroed!("sum10")],
        )
        .mutations_of(Subgroup, &serial)
        .mutations_of(
            Subgroup,
            &[
                (
                    last_row,
                    "row < step.live_rows; row += 4u",
                    "row + 1u < step.live_rows; row += 4u",
                ),
                not_zeroed!("sums3"),
            ],
        )
        .mutations_of(
            Tile16Parts16,
            &[
                LAST_CHUNK,
                beyond,
                not_zeroed!("sums"),
                NO_BARRIER,
                NO_BARRIER_OF_PARTS,
                ("the second half of the parts left out", "half = PARTS / 2u", "half = PARTS / 4u"),
                ("the terms of a part left out", "term += PARTS", "term += 2u * PARTS"),
                (no_bias, "bias_gradient[column] = sums;", ""),
                (
                    "a bias gradient without half of the rows",
                    "half = CHUNK / 2u",
                    "half = CHUNK / 4u",
                ),
                (
                    "a gradient row overwritten",
                    "[row * width + column] = sums",
                    "[row / 2u * 2u * width + column] = sums",
                ),
                ("units beyond the last one written", "&& column < width", ""),
            ],
        )
        .mutations_of(
            Tile8Parts64,
            &[("the last row left out", "(step.live_rows + 3u)", "(step.live_rows + 2u)")],
        )
}

impl Cases for DenseBackwardInput {
    fn forms() -> Vec<Form> {
        let form = |activation: Elementwise| {
            let [_, mistakes] = activation.mutations();
            let form = Form::new::<Self>(activation.name(), move |shape, seed| {
                backward_input(shape, activation, Values::new(seed))
            });
            match activation {
                Elementwise::Linear => backward_input_mistakes(form),
                _ => form.of_shared_text().mutations(mistakes),
            }
        };
        Elementwise::fused().map(form).collect()
    }
}

fn backward_input_mistakes(form: Form) -> Form {
    let last_units = "the last units left out";
    let not_transposed = ("the weights not transposed", "transpose(", "(");
    form.mutations_of(
        Register,
        &[
            (last_units, "n < end", "n + 1u < end"),
            not_zeroed!("sum01"),
            not_transposed,
            SERIAL_ROWS_BEYOND,
        ],
    )
    .mutations_of(
        Subgroup,
        &[
            (last_units, "n < width; n++", "n + 1u < width; n++"),
            not_zeroed!("sums5"),
            not_transposed,
            SERIAL_ROWS_BEYOND,
        ],
    )
    .mutations_of(
        Tile64,
        &[
            LAST_CHUNK,
            not_zeroed!("sums01"),
            not_transposed,
            NO_BARRIER,
            NO_BARRIER_OF_PARTS,
            (
                "no barrier between quarters",
                "writes again.\n    workgroupBarrier();",
                "writes again.\n",
            ),
            ("terms of a part left out", "i < CHUNK; i += PARTS", "i < PARTS; i += PARTS"),
            (ROWS_BEYOND, "if row < step.live_rows && column", "if column"),
            ("inputs beyond the last one written", "&& column < depth", ""),
        ],
    )
    .mutations_of(Tile64x32, &[("threads beyond the blocks copy", "right < RIGHT_BLOCKS", "true")])
}

/// The buffer that the operation reads as reals, and what the reals will be.
fn samples(
    case: &mut Case,
    stored: Stored,
    [rows, columns]: [usize; 2],
    values: &mut Values,
) -> Result<(BufferId, Vec<f64>)> {
    const SCALE: f64 = 1.0 / 255.0;
    match stored {
        Stored::Reals => {
            let id = case.table.activation("input", columns)?;
            let x = values.signed(rows * columns);
            case.fill(id, x.clone());
            Ok((id, x))
        }
        Stored::Bytes => {
            let bytes = case.table.add("bytes", Role::Input, Element::U8, Rows::Batch, columns)?;
            let id = case.table.activation("input", columns)?;
            case.push(Convert { input: bytes, output: id, scale: SCALE })?;
            let x = values.below(rows * columns, 256);
            let scaled = x.iter().map(|x| x * SCALE).collect();
            case.fill(bytes, x);
            Ok((id, scaled))
        }
    }
}

fn magnitudes(values: &[f64]) -> Vec<f64> {
    values.iter().map(|x| x.abs()).collect()
}

/// `a[m,k] · b[k,n]` of row-major matrices, either given transposed.
fn product(
    [m, k, n]: [usize; 3],
    (a, a_transposed): (&[f64], bool),
    (b, b_transposed): (&[f64], bool),
) -> Vec<f64> {
    let a = if a_transposed { Matrix::new(a, m).transposed() } else { Matrix::new(a, k) };
    let b = if b_transposed { Matrix::new(b, k).transposed() } else { Matrix::new(b, n) };
    let mut c = vec![0.0; m * n];
    f64::gemm([m, k, n], a, b, 0.0, &mut Block::new(&mut c, n));
    c
}

fn forward(
    shape: [usize; 3],
    stored: Stored,
    activation: Elementwise,
    mut values: Values,
) -> Result<Case> {
    let [rows, inputs, units] = shape;
    let mut case = Case::new(shape);
    let (input, x) = samples(&mut case, stored, [rows, inputs], &mut values)?;
    let arena = case.table.arena("parameters")?;
    let weight = case.table.slice(arena, "weight", Role::Parameter, Rows::Fixed(inputs), units)?;
    let bias = case.table.slice(arena, "bias", Role::Parameter, Rows::One, units)?;
    let output = case.table.activation("output", units)?;
    case.push(DenseForward { input, weight, bias, output, activation })?;

    let (w, b) = (values.signed(inputs * units), values.signed(units));
    let mut exact = product(shape, (&x, false), (&w, false));
    let mut sizes = product(shape, (&magnitudes(&x), false), (&magnitudes(&w), false));
    for (i, (exact, size)) in exact.iter_mut().zip(&mut sizes).enumerate() {
        *exact += b[i % units];
        *size += b[i % units].abs();
    }
    // The bias is one more term, the conversion of bytes one more rounding of each.
    let errors = sizes.iter().map(|&size| bounds::dot(inputs + 2, size));
    let bounds = exact.iter().zip(errors).map(|(&x, error)| activation.bound(x, error)).collect();
    case.fill(weight, w);
    case.fill(bias, b);
    case.expect(output, bounds);
    Ok(case)
}

fn backward_weights(shape: [usize; 3], stored: Stored, mut values: Values) -> Result<Case> {
    let [rows, inputs, units] = shape;
    let mut case = Case::new(shape);
    let (input, x) = samples(&mut case, stored, [rows, inputs], &mut values)?;
    let output_gradient = case.table.activation("output_gradient", units)?;
    let arena = case.table.arena("gradients")?;
    let guard = |table: &mut Table, number: usize| {
        table.slice(arena, format!("guard_{number}"), Role::OptimizerState, Rows::One, 64)
    };
    let role = Role::ParameterGradient;
    guard(&mut case.table, 0)?;
    let weight_gradient =
        case.table.slice(arena, "weight_gradient", role, Rows::Fixed(inputs), units)?;
    guard(&mut case.table, 1)?;
    let bias_gradient = case.table.slice(arena, "bias_gradient", role, Rows::One, units)?;
    guard(&mut case.table, 2)?;
    case.push(DenseBackwardWeights { input, output_gradient, weight_gradient, bias_gradient })?;

    let d = values.signed(rows * units);
    let sizes = product([inputs, rows, units], (&magnitudes(&x), true), (&magnitudes(&d), false));
    let sums = product([1, rows, units], (&vec![1.0; rows], false), (&magnitudes(&d), false));
    case.fill(output_gradient, d);
    let bounds = |terms: usize, sizes: Vec<f64>| {
        sizes.into_iter().map(|size| bounds::dot(terms, size)).collect()
    };
    case.expect(weight_gradient, bounds(rows + 1, sizes));
    case.expect(bias_gradient, bounds(rows, sums));
    Ok(case)
}

fn backward_input(shape: [usize; 3], activation: Elementwise, mut values: Values) -> Result<Case> {
    let [rows, inputs, units] = shape;
    let mut case = Case::new(shape);
    let output_gradient = case.table.activation("output_gradient", units)?;
    let arena = case.table.arena("parameters")?;
    let weight = case.table.slice(arena, "weight", Role::Parameter, Rows::Fixed(inputs), units)?;
    let input = case.table.activation("input", inputs)?;
    let input_gradient = case.table.activation("input_gradient", inputs)?;
    case.push(DenseBackwardInput { output_gradient, weight, input, input_gradient, activation })?;

    let (d, w) = (values.signed(rows * units), values.signed(inputs * units));
    let y = results_of(activation, rows * inputs, &mut values);
    let sizes = product([rows, units, inputs], (&magnitudes(&d), false), (&magnitudes(&w), true));
    let derivatives: Vec<f64> = y.iter().map(|&y| activation.derivative(y)).collect();
    case.fill(output_gradient, d);
    case.fill(weight, w);
    case.fill(input, y);
    case.expect_by(input_gradient, move |result| {
        let results = result(input_gradient).into_iter().zip(&derivatives);
        let bound = |(&size, (result, &derivative)): (&f64, (f64, &f64))| {
            bounds::activation_gradient(bounds::dot(units, size), derivative, result)
                + size * activation.derivative_bound(1.0)
        };
        sizes.iter().zip(results).map(bound).collect()
    });
    Ok(case)
}
