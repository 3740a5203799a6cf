//! How the parity suite tries the multiresolution hash grid.

use crate::error::Result;
use crate::number::bounds::{self, EPSILON, ULP};
use crate::operation::access::Buffers;
use crate::operation::case::{Case, Cases, Form, Mistake, Values};
use crate::operation::encoding::hash_grid_scatter::sums_of;
use crate::operation::encoding::largest_gradient::SLOTS;
use crate::operation::encoding::{
    GridSizes, HashGrid, HashGridBackwardInput, HashGridCollect, HashGridScatter, LargestGradient,
    Level,
};
use crate::table::{BufferId, Element, Role, Rows, Table};

/// A grid that is tried. Its first levels have an entry for each corner, the last ones are hashed.
#[derive(Debug, Clone, Copy)]
struct Tried {
    name: &'static str,
    dimensions: usize,
    sizes: GridSizes,
}

const fn tried(
    name: &'static str,
    dimensions: usize,
    [levels, features]: [u32; 2],
    log2_table_size: u32,
    [base_resolution, finest_resolution]: [u32; 2],
) -> Tried {
    let sizes = GridSizes { levels, features, log2_table_size, base_resolution, finest_resolution };
    Tried { name, dimensions, sizes }
}

/// Every number of dimensions and of features; some leave padding in a row.
const GRIDS: [Tried; 4] = [
    tried("of 2 inputs", 2, [5, 2], 7, [4, 37]),
    tried("of 3 inputs", 3, [3, 4], 6, [2, 11]),
    tried("of 1 input", 1, [7, 1], 5, [3, 100]),
    tried("of 4 inputs", 4, [2, 8], 5, [1, 5]),
];

/// Mistakes in where a corner has its entry, and in what it counts, which three kernels share.
const OF_CELLS: [Mistake; 5] = [
    ("another prime", "2654435761u", "2654435769u"),
    ("no hash", "level.is_hashed == 1u", "false"),
    ("a side without its last corner", "level.resolution + 1u", "level.resolution"),
    ("a corner dropped", "number < (1u << DIMENSIONS)", "number + 1u < (1u << DIMENSIONS)"),
    ("shares of the opposite corner", "sides == vec4<u32>(1u)", "sides == vec4<u32>()"),
];
const ROWS_ALONE_BEYOND: Mistake =
    ("rows beyond the live ones written", "row >= step.live_rows", "row >= 2u * step.live_rows");

/// A form for each grid, with the mistakes for its number of dimensions.
fn forms<'a, O: Buffers>(
    case: fn([usize; 3], Tried, u64) -> Result<Case>,
    mistakes: impl Fn(usize) -> &'a [Mistake],
) -> Vec<Form> {
    let form = |grid: Tried| {
        let form = Form::new::<O>(grid.name, move |shape, seed| case(shape, grid, seed));
        form.mutations(mistakes(grid.dimensions))
    };
    GRIDS.into_iter().map(form).collect()
}

impl Cases for HashGrid {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("the next level", "level_of(column / FEATURES)", "level_of(column / FEATURES + 1u)"),
            ("the features of the level before", "return level.first +", "return"),
            (
                "positions that are not clamped",
                "clamp(position, vec4<f32>(), vec4<f32>(1.0))",
                "position",
            ),
            ("one feature for all", "table_value(first + i)", "table_value(first)"),
            ("the padding filled", "column < columns()", "true"),
            ROWS_ALONE_BEYOND,
        ];
        let mistakes = [&OF_CELLS[..], &mistakes].concat();
        forms::<Self>(forward, |dimensions| match dimensions {
            2 => &mistakes,
            3 => &[("another third prime", "805459861u", "805459863u")],
            4 => &[("another fourth prime", "3674653429u", "3674653431u")],
            _ => &[],
        })
    }
}

impl Cases for HashGridScatter {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("no carry", "((before ^ after) & (value ^ after)) < 0", "false"),
            ("a carry that is taken away", "select(1, -1, value < 0)", "select(-1, 1, value < 0)"),
            ("a carry for either sign", "& (value ^ after)", ""),
            (
                "the gradients of the level before",
                "+ id.y * FEATURES",
                "+ max(id.y, 1u) * FEATURES - FEATURES",
            ),
            ("the next level", "shape.levels[id.y]", "shape.levels[id.y + 1u]"),
            ("one feature for all", "gradients[i])", "gradients[0])"),
            ("a unit that is too large", "* unit.scale", "* (unit.scale / 65536.0)"),
            ROWS_ALONE_BEYOND,
        ];
        let mistakes = [&OF_CELLS[..], &mistakes].concat();
        forms::<Self>(backward, |dimensions| if dimensions == 2 { &mistakes } else { &[] })
    }
}

impl Cases for HashGridCollect {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("sums that stay", "sums[2u * index] = vec4<i32>();", ""),
            ("sums of which every second stays", "sums[2u * index + 1u] = vec4<i32>();", ""),
            ("no upper word", "upper * 4294967296.0", "upper * 0.0"),
            ("an upper word that counts half", "4294967296.0", "2147483648.0"),
            ("another unit", "* unit.inverse", "* 2.0 * unit.inverse"),
            (
                "the words swapped",
                "vec4<i32>(first.xz, second.xz)",
                "vec4<i32>(first.yw, second.xz)",
            ),
            ("a slot left out", "i < 4u; i += 1u", "i < 3u; i += 1u"),
        ];
        let grid = GRIDS[0];
        let form = Form::new::<Self>("", move |shape, seed| backward(shape, grid, seed));
        vec![form.mutations(&mistakes)]
    }
}

impl Cases for LargestGradient {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("gradients with their sign", "& vec4<u32>(0x7fffffffu)", ""),
            ("the last row of a slot left out", "+ SLOTS - 1u - slot)", "+ SLOTS - 2u - slot)"),
            ("the first columns alone", "index % quads]", "0u]"),
            ("one value of four", "max(max(most.x, most.y), max(most.z, most.w))", "most.x"),
            ("one invocation alone", "half > 0u; half", "false; half"),
            ("another slot", "largest[slot]", "largest[15u - slot]"),
        ];
        vec![Form::new::<Self>("", largest).mutations(&mistakes)]
    }
}

impl Cases for HashGridBackwardInput {
    fn forms() -> Vec<Form> {
        let mistakes = [
            ("no resolution", "value *= f32(level.resolution);", ""),
            ("slopes of one sign", "select(-value, value, sides[i] == 1u)", "value"),
            ("all shares", "select(shares[j], 1.0, i == j)", "shares[j]"),
            ("no shares", "select(shares[j], 1.0, i == j)", "1.0"),
            (
                "the last level left out",
                "column < shape.units; column",
                "column + FEATURES < shape.units; column",
            ),
            (
                "a slope beyond the cube",
                "vec4<f32>(), slopes, is_within",
                "slopes, slopes, is_within",
            ),
            ("one feature for all", "table[first + i]", "table[first]"),
            ROWS_ALONE_BEYOND,
        ];
        let mistakes = [&OF_CELLS[..], &mistakes].concat();
        forms::<Self>(backward_input, |dimensions| if dimensions == 2 { &mistakes } else { &[] })
    }
}

/// Positions of which every second one is a multiple of 2^-10, the ends of the cube among them: its cell
/// is exact. Some lie beyond the cube. If they are all to be `exact`, none is any other number.
fn positions(rows: usize, grid: Tried, exact: bool, values: &mut Values) -> Vec<f64> {
    let mut one = |i: usize| {
        let numbers = match (exact || i.is_multiple_of(2), i % 8) {
            (true, 2) => vec![0.0],
            (true, 4) => vec![1.0],
            (true, _) => values.below(1, 1100).into_iter().map(|x| (x - 30.0) / 1024.0).collect(),
            (false, _) => values.signed(1).into_iter().map(|x| 0.5 + 0.625 * x).collect(),
        };
        numbers.first().copied().unwrap_or_default()
    };
    // So that the coordinates of one row are of different kinds.
    (0..rows * grid.dimensions).map(|i| one(i + i / grid.dimensions)).collect()
}

/// How far what a corner counts may be off, all corners of a cell together: a position that is scaled is off by
/// an ULP, and its distance from the corner by as much. That moves the share of a corner in one dimension from
/// one side to the other. Then a share is a product, and a difference from 1.
fn share_error(grid: Tried, resolution: u32) -> f64 {
    let of_one = ULP * (f64::from(resolution) + 1.0);
    grid.dimensions as f64 * (2.0 * of_one + 4.0 * ULP)
}

/// The table `[entries, features]` of a grid.
fn table_of(case: &mut Case, grid: Tried, name: &str, role: Role) -> Result<(BufferId, usize)> {
    let entries = grid.sizes.levels(grid.dimensions).entries();
    let features = grid.sizes.features as usize;
    let arena = case.table.arena(format!("{name}s"))?;
    let guard = |table: &mut Table, number: usize| {
        table.slice(arena, format!("guard_{number}"), Role::OptimizerState, Rows::One, 64)
    };
    guard(&mut case.table, 0)?;
    let table = case.table.slice(arena, name, role, Rows::Packed(entries), features)?;
    guard(&mut case.table, 1)?;
    Ok((table, entries * features))
}

fn forward(shape: [usize; 3], grid: Tried, seed: u64) -> Result<Case> {
    let [rows, ..] = shape;
    let values = &mut Values::new(seed);
    let mut case = Case::new(shape);
    let input = case.table.activation("input", grid.dimensions)?;
    let (table, numbers) = table_of(&mut case, grid, "table", Role::Parameter)?;
    let output = case.table.activation("output", grid.sizes.outputs())?;
    case.push(HashGrid { input, table, output, sizes: grid.sizes })?;
    case.fill(input, positions(rows, grid, false, values));
    case.fill(table, values.signed(numbers));
    // Shares are 1 together, and no number of the table is above 1.
    let sum = bounds::dot(1 << grid.dimensions, 1.0);
    let mut of_row = Vec::new();
    for level in grid.sizes.levels(grid.dimensions).each() {
        let error = sum + share_error(grid, level.resolution);
        of_row.extend(vec![error; grid.sizes.features as usize]);
    }
    case.expect(output, of_row.repeat(rows));
    Ok(case)
}

/// The gradient of a table: three operations one after the other. Its sums begin and end as zeros.
fn backward(shape: [usize; 3], grid: Tried, seed: u64) -> Result<Case> {
    let [rows, ..] = shape;
    let (sizes, values) = (grid.sizes, &mut Values::new(seed));
    let mut case = Case::new(shape);
    let output_gradient = case.table.activation("output_gradient", sizes.outputs())?;
    let input = case.table.activation("input", grid.dimensions)?;
    let (table_gradient, numbers) =
        table_of(&mut case, grid, "table_gradient", Role::ParameterGradient)?;
    let words = sums_of(case.table.buffer(table_gradient).allocated(0));
    let mut scratch =
        |name, columns| case.table.add(name, Role::Scratch, Element::Real, Rows::One, columns);
    let (largest, sums) = (scratch("largest", SLOTS)?, scratch("sums", words)?);
    case.push(LargestGradient { gradient: output_gradient, largest })?;
    case.push(HashGridScatter { largest, output_gradient, input, sums, sizes })?;
    case.push(HashGridCollect { largest, sums, table_gradient })?;
    case.fill(input, positions(rows, grid, false, values));
    case.fill(sums, vec![0.0; words]);
    // Some features have gradients of one sign, so that their sums leave the lower word.
    let columns = sizes.outputs();
    let of_row = |row: usize| {
        let mut d = values.signed(columns);
        d.iter_mut().step_by(3).for_each(|d| *d = d.abs());
        // The largest one of all is in another slot from shape to shape.
        d.iter_mut().take(1).filter(|_| row + 1 == rows).for_each(|d| *d = 1.5);
        d
    };
    let d: Vec<f64> = (0..rows).flat_map(of_row).collect();
    // Each row of the batch may add to an entry with each of its corners, rounded to a half of the unit.
    let largest_d = d.iter().fold(0.0, |most: f64, d| most.max(d.abs()));
    let rounding = (rows << grid.dimensions) as f64 * largest_d * f64::powi(2.0, -30);
    let mut errors = Vec::with_capacity(numbers);
    let mut column = 0;
    for level in sizes.levels(grid.dimensions).each() {
        let of_entry: Vec<f64> = (column..column + sizes.features as usize)
            .map(|column| {
                let size: f64 = d.iter().skip(column).step_by(columns).map(|d| d.abs()).sum();
                let of_share = share_error(grid, level.resolution) + 4.0 * EPSILON;
                size * (of_share + 8.0 * EPSILON) + rounding + bounds::smallest()
            })
            .collect();
        column += of_entry.len();
        errors.extend(of_entry.repeat(level.entries as usize));
    }
    case.fill(output_gradient, d);
    case.expect(table_gradient, errors);
    case.expect(sums, vec![0.0; words]);
    Ok(case)
}

fn largest(shape: [usize; 3], seed: u64) -> Result<Case> {
    let [rows, _, units] = shape;
    let values = &mut Values::new(seed);
    let mut case = Case::new(shape);
    let gradient = case.table.activation("gradient", units)?;
    let (role, element) = (Role::Scratch, Element::Real);
    let largest = case.table.add("largest", role, element, Rows::One, SLOTS)?;
    case.push(LargestGradient { gradient, largest })?;
    case.fill(gradient, values.signed(rows * units));
    // Nothing is computed, so nothing is rounded.
    case.expect(largest, vec![0.0; SLOTS]);
    Ok(case)
}

fn backward_input(shape: [usize; 3], grid: Tried, seed: u64) -> Result<Case> {
    let [rows, ..] = shape;
    let (sizes, values) = (grid.sizes, &mut Values::new(seed));
    let mut case = Case::new(shape);
    let output_gradient = case.table.activation("output_gradient", sizes.outputs())?;
    let input = case.table.activation("input", grid.dimensions)?;
    let (table, numbers) = table_of(&mut case, grid, "table", Role::Parameter)?;
    let input_gradient = case.table.activation("input_gradient", grid.dimensions)?;
    case.push(HashGridBackwardInput { output_gradient, input, table, input_gradient, sizes })?;
    // In which cell a position lies decides about its slope.
    case.fill(input, positions(rows, grid, true, values));
    case.fill(table, values.signed(numbers));
    let columns = sizes.outputs();
    let d = values.signed(rows * columns);
    let levels = sizes.levels(grid.dimensions);
    let (features, corners) = (sizes.features as usize, 1 << grid.dimensions);
    let terms = levels.each().len() * features * corners + grid.dimensions + 2;
    let mut errors = Vec::with_capacity(rows * grid.dimensions);
    for d in d.chunks_exact(columns) {
        // The shares of the corners on one side are 1 together, and no number of the table is above 1.
        let of_level = |(level, d): (&Level, &[f64])| {
            2.0 * f64::from(level.resolution) * d.iter().map(|d| d.abs()).sum::<f64>()
        };
        let size = levels.each().iter().zip(d.chunks_exact(features)).map(of_level).sum();
        errors.extend(vec![bounds::dot(terms, size); grid.dimensions]);
    }
    case.fill(output_gradient, d);
    case.expect(input_gradient, errors);
    Ok(case)
}
