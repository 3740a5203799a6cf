//! How the parity suite tries dense layers over sparse rows.

use super::{SparseBackwardWeights, SparseForward};
use crate::error::Result;
use crate::number::bounds;
use crate::operation::activation::Elementwise;
use crate::operation::case::{Case, Cases, Form, Mistake, Values};
use crate::operation::matrix_form::MatrixForm::{Register, Subgroup, Tile32};
use crate::table::{BufferId, Element, Role, Rows, Table};

impl Cases for SparseForward {
    fn forms() -> Vec<Form> {
        let form = |activation: Elementwise| {
            let form = Form::new::<Self>(activation.name(), move |shape, seed| {
                forward(shape, activation, seed)
            });
            match activation {
                Elementwise::Linear => form.large([66_000, 9, 260]).mutations(&[
                    ("the last value left out", "begin + shape.most;", "begin + shape.most - 1u;"),
                    ("the first value left out", "place = begin;", "place = begin + 1u;"),
                    (
                        "the last column left out",
                        "column >= shape.inputs",
                        "column >= shape.inputs - 1u",
                    ),
                    ("no bias", "bias[quad];", "vec4<f32>();"),
                    ("the values of another row", "row * 2u", "row"),
                    ("the columns in place of the values", "[place + shape.most]", "[place]"),
                    (
                        "rows beyond the live ones written",
                        "index >= step.live_rows * width",
                        "index >= 2u * step.live_rows * width",
                    ),
                ]),
                Elementwise::Sigmoid => {
                    let [mistakes, _] = activation.mutations();
                    form.mutations(mistakes).mutations(&[(
                        "padding that is activated",
                        "select(vec4<f32>(), activate(sum), live)",
                        "activate(sum)",
                    )])
                }
                _ => form,
            }
        };
        Elementwise::fused().map(form).collect()
    }
}

impl Cases for SparseBackwardWeights {
    fn forms() -> Vec<Form> {
        let search: Mistake = ("a search past the column", "- 1u] < column", "- 1u] <= column");
        let serial: [Mistake; 9] = [
            (
                "sums that do not begin at zero",
                "weight_gradient[at + 2u * width] = vec4<f32>();",
                "",
            ),
            (
                "the last row left out",
                "row < step.live_rows; row++",
                "row + 1u < step.live_rows; row++",
            ),
            ("the last value left out", "place < row_end &&", "place + 1u < row_end &&"),
            ("the eighth value left out", "add(place + 7u, factor, width, quad);", ""),
            ("nine values in the place of eight", "place += 8u;", "place += 9u;"),
            ("values of the next slice", "&& input[place + 7u] < end", ""),
            (
                "a slice that ends early",
                "first + shape.slice, shape.inputs",
                "first + shape.slice - 1u, shape.inputs",
            ),
            ("rows of padding left", "(shape.inputs + 3u) / 4u * 4u", "shape.inputs / 4u * 4u"),
            ("no bias gradient", "bias_gradient[quad] = sums;", ""),
        ];
        let tiled: [Mistake; 8] = [
            (
                "sums that do not begin at zero",
                "var sums = mat4x4<f32>();",
                "var sums = mat4x4<f32>(vec4<f32>(0.01), vec4<f32>(), vec4<f32>(), vec4<f32>());",
            ),
            ("no barrier", "workgroupBarrier();", ""),
            ("the last row of a block left out", "let rows = min(16u,", "let rows = min(15u,"),
            ("a value left out", "place = values.x;", "place = values.x + 1u;"),
            ("the values of another slice", "slice * 16u + thread / 16u * 4u", "slice * 16u"),
            ("a search for other columns", "slice * 16u + thread % 4u * 4u", "slice * 16u"),
            ("a range that ends early", "min(searched + 4u,", "min(searched + 3u,"),
            ("no bias gradient", "bias_gradient[quad] = sums;", ""),
        ];
        let form = Form::new::<Self>("", backward_weights);
        vec![
            form.mutations(&[search])
                .mutations_of(Register, &serial)
                .mutations_of(Subgroup, &serial)
                .mutations_of(Tile32, &tiled),
        ]
    }
}

/// Sparse rows, and the same values as a dense matrix. Rows are empty, full, of the first and the last
/// column, or of any columns, in turn. A full row has every column where the seed is even.
fn samples(
    case: &mut Case,
    [rows, inputs]: [usize; 2],
    seed: u64,
    values: &mut Values,
) -> Result<(BufferId, Vec<f64>)> {
    let most = if seed.is_multiple_of(2) { inputs.min(4096) } else { inputs.min(4096) / 3 + 1 };
    let element = Element::Sparse { width: inputs };
    let id = case.table.add("input", Role::Input, element, Rows::Batch, 2 * most)?;
    let mut words = Vec::with_capacity(2 * rows * most);
    let mut dense = vec![0.0; rows * inputs];
    for row in 0..rows {
        let columns = match (row as u64 + seed) % 4 {
            0 => Vec::new(),
            1 if most == inputs => (0..inputs).collect(),
            2 if inputs > 1 && most > 1 => vec![0, inputs - 1],
            kind => {
                let count = if kind == 1 { most } else { 1 + most / 2 };
                let mut columns: Vec<usize> =
                    values.below(count, inputs as u64).into_iter().map(|x| x as usize).collect();
                columns.sort_unstable();
                columns.dedup();
                columns
            }
        };
        let own = values.signed(columns.len());
        for (&column, &value) in columns.iter().zip(&own) {
            dense[row * inputs + column] = value;
        }
        let unused = most - columns.len();
        words.extend(columns.iter().map(|&column| column as f64));
        words.extend(std::iter::repeat_n(f64::from(Element::NO_COLUMN), unused));
        words.extend(own.iter().map(|&value| f64::from((value as f32).to_bits())));
        words.extend(std::iter::repeat_n(0.0, unused));
    }
    case.fill(id, words);
    Ok((id, dense))
}

fn forward(shape: [usize; 3], activation: Elementwise, seed: u64) -> Result<Case> {
    let [rows, inputs, units] = shape;
    let values = &mut Values::new(seed);
    let mut case = Case::new(shape);
    let (input, x) = samples(&mut case, [rows, inputs], seed, values)?;
    let arena = case.table.arena("parameters")?;
    let weight = case.table.slice(arena, "weight", Role::Parameter, Rows::Fixed(inputs), units)?;
    let bias = case.table.slice(arena, "bias", Role::Parameter, Rows::One, units)?;
    let output = case.table.activation("output", units)?;
    case.push(SparseForward { input, weight, bias, output, activation })?;

    let (w, b) = (values.signed(inputs * units), values.signed(units));
    let mut errors = Vec::with_capacity(rows * units);
    for row in x.chunks_exact(inputs) {
        let (mut exact, mut sizes) = (b.clone(), b.iter().map(|b| b.abs()).collect::<Vec<_>>());
        let mut terms = 1;
        for (&x, weights) in row.iter().zip(w.chunks_exact(units)).filter(|(x, _)| **x != 0.0) {
            terms += 1;
            for ((exact, size), w) in exact.iter_mut().zip(&mut sizes).zip(weights) {
                *exact += x * w;
                *size += (x * w).abs();
            }
        }
        let bounds = exact.iter().zip(sizes);
        errors.extend(bounds.map(|(&x, size)| activation.bound(x, bounds::dot(terms, size))));
    }
    case.fill(weight, w);
    case.fill(bias, b);
    case.expect(output, errors);
    Ok(case)
}

fn backward_weights(shape: [usize; 3], seed: u64) -> Result<Case> {
    let [rows, inputs, units] = shape;
    let values = &mut Values::new(seed);
    let mut case = Case::new(shape);
    let (input, x) = samples(&mut case, [rows, inputs], seed, values)?;
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
    case.push(SparseBackwardWeights { input, output_gradient, weight_gradient, bias_gradient })?;

    let d = values.signed(rows * units);
    let mut sizes = vec![0.0; inputs * units];
    let mut terms = vec![0; inputs];
    let mut sums = vec![0.0; units];
    for (row, d) in x.chunks_exact(inputs).zip(d.chunks_exact(units)) {
        let columns = row.iter().zip(sizes.chunks_exact_mut(units)).zip(&mut terms);
        for ((x, sizes), terms) in columns.filter(|((x, _), _)| **x != 0.0) {
            *terms += 1;
            sizes.iter_mut().zip(d).for_each(|(size, d)| *size += (x * d).abs());
        }
        sums.iter_mut().zip(d).for_each(|(sum, d)| *sum += d.abs());
    }
    let bounds = sizes.iter().enumerate().map(|(i, &size)| bounds::dot(terms[i / units], size));
    case.expect(weight_gradient, bounds.collect());
    case.expect(bias_gradient, sums.iter().map(|&size| bounds::dot(rows, size)).collect());
    case.fill(output_gradient, d);
    Ok(case)
}
