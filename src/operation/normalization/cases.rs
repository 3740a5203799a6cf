//! How the parity suite tries normalizations, by batch and by layer.

use super::{
    BatchMoments, BatchNormalize, BatchNormalizeBackward, BatchNormalizeBackwardInput,
    LayerNormalize, LayerNormalizeBackward, LayerNormalizeBackwardInput, MovingAverage,
};
use crate::error::Result;
use crate::number::approximate::Approximate;
use crate::operation::activation::Elementwise;
use crate::operation::case::{
    Case, Cases, Form, Mistake, ROWS_BEYOND, Values, results_of, with_mistakes,
};
use crate::table::{BufferId, Element, Role, Rows, Table};

/// Mistakes in `shared/column_sum.wgsl` and in the loops over rows around it.
const COLUMN_SUM: [Mistake; 6] = [
    ("the last row left out", "row < rows; row", "row + 1u < rows; row"),
    ("the first rows left out", "row = first_row(local)", "row = first_row(local) + LANES"),
    ("a lost half", "half >= 4u", "half > 4u"),
    (
        "rows beyond the live ones summed",
        "(0u, step.live_rows, quad",
        "(0u, step.live_rows + 1u, quad",
    ),
    ("the sums of another quad", "column_sums[local % 4u]", "column_sums[0]"),
    ("no barrier", "workgroupBarrier();", ""),
];

/// Mistakes in `shared/row_sum.wgsl` and in the loops over quads around it.
const ROW_SUM: [Mistake; 6] = [
    ("the last quad left out", "quad < quads; quad += LANES", "quad + 1u < quads; quad += LANES"),
    ("a lost half", "half > 0u", "half > 1u"),
    ("the sums of another row", "row_sums[local - local % LANES]", "row_sums[0]"),
    ("rows beyond the live ones written", "row < step.live_rows", "row <= step.live_rows"),
    ("no barrier", "workgroupBarrier();", ""),
    ("padding that is not zero", "quad, 0.0));\n    }\n", "quad, 1.0));\n    }\n"),
];

const NO_EPSILON: Mistake = ("no epsilon", "variance[quad] + shape.epsilon", "variance[quad]");
const NO_MEAN: Mistake =
    ("no mean taken off", "vec4<f32>(input[index]) - mean[quad]", "vec4<f32>(input[index])");
const NO_OFFSET: Mistake = ("no offset", "gamma[quad] + shape.gamma_offset", "gamma[quad]");
const NO_BETA: Mistake = ("no beta", "+ beta[quad]", "");
const PADDING: Mistake = ("padding that is not zero", "quad, 0.0)", "quad, 1.0)");

impl Cases for BatchMoments {
    fn forms() -> Vec<Form> {
        let mistakes = [
            (
                "squares before the mean is taken off",
                "column_sum(local, squares) / f32(step.live_rows)",
                "column_sum(local, squares + 2.0 * mean * sums) / f32(step.live_rows) - 2.0 * mean * mean",
            ),
            ("no mean taken off", "quad]) - mean", "quad])"),
            ("a sum for a mean", "sums) / f32(step.live_rows)", "sums)"),
            (
                "a sample's variance",
                "squares) / f32(step.live_rows)",
                "squares) / max(f32(step.live_rows) - 1.0, 1.0)",
            ),
            ("no variance written", "variances[quad] = variance;", ""),
        ];
        let form = Form::new::<Self>("", |shape, seed| batch_moments(shape, Values::new(seed)));
        vec![form.mutations(&COLUMN_SUM).mutations(&mistakes)]
    }
}

impl Cases for MovingAverage {
    fn forms() -> Vec<Form> {
        let mistakes = [
            (
                "the shares swapped",
                "average[index] * constants.momentum",
                "average[index] * constants.one_minus_momentum",
            ),
            (
                "the value added whole",
                "value[index] * constants.one_minus_momentum",
                "value[index]",
            ),
            ("the last values left out", "constants.length / 4u", "(constants.length / 4u - 1u)"),
        ];
        let form = Form::new::<Self>("", |shape, seed| moving_average(shape, Values::new(seed)));
        vec![form.mutations(&mistakes)]
    }
}

impl Cases for BatchNormalize {
    fn forms() -> Vec<Form> {
        let mistakes = [
            NO_MEAN,
            NO_EPSILON,
            (
                "epsilon after the root",
                "sqrt(variance[quad] + shape.epsilon)",
                "(sqrt(variance[quad]) + shape.epsilon)",
            ),
            NO_OFFSET,
            NO_BETA,
            ("the moments of another unit", "index % row_quads()", "0u * index"),
            PADDING,
            ROWS_BEYOND,
        ];
        let form = Form::new::<Self>("", |shape, seed| {
            batch_normalize(shape, Constants::new(seed), Values::new(seed))
        });
        vec![form.mutations(&mistakes)]
    }
}

impl Cases for BatchNormalizeBackward {
    fn forms() -> Vec<Form> {
        let mistakes = [
            NO_EPSILON,
            NO_MEAN,
            ("not by the deviation", "/ sqrt(variance[quad] + shape.epsilon)", ""),
            ("padding of no number", "live_or(normalized, quad, 0.0)", "normalized"),
            (
                "both gradients alike",
                "beta_gradient[quad] = beta_sum",
                "beta_gradient[quad] = gamma_sum",
            ),
        ];
        let form = Form::new::<Self>("", |shape, seed| {
            batch_normalize_backward(shape, Constants::new(seed), Values::new(seed))
        });
        vec![form.mutations(&COLUMN_SUM).mutations(&mistakes)]
    }
}

impl Cases for BatchNormalizeBackwardInput {
    fn forms() -> Vec<Form> {
        let mistakes = [
            NO_EPSILON,
            NO_OFFSET,
            ("the mean's part left out", "beta_gradient[quad] + normalized", "normalized"),
            ("the variance's part left out", "+ normalized * gamma_gradient[quad]", ""),
            ("not by the rows", "* step.inverse_live_rows", ""),
            ("by the rows of the whole batch", "step.inverse_live_rows", "step.inverse_rows"),
            (
                "not by the deviation",
                "(gamma[quad] + shape.gamma_offset) / deviation",
                "(gamma[quad] + shape.gamma_offset)",
            ),
            PADDING,
            ROWS_BEYOND,
        ];
        let form = |activation: Elementwise| {
            let form = Form::new::<Self>(activation.name(), move |shape, seed| {
                let constants = Constants::new(seed);
                batch_normalize_backward_input(shape, constants, activation, Values::new(seed))
            });
            with_mistakes(form, activation, &mistakes)
        };
        Elementwise::fused().map(form).collect()
    }
}

impl Cases for LayerNormalize {
    fn forms() -> Vec<Form> {
        let mistakes = [
            (
                "padding summed",
                "live_or(vec4<f32>(input[first + quad]) - mean, quad, 0.0)",
                "vec4<f32>(input[first + quad]) - mean",
            ),
            ("no epsilon", "variance + shape.epsilon", "variance"),
            ("a sum for a mean", "sums) / f32(shape.units)", "sums)"),
            (
                "a sample's variance",
                "squares) / f32(shape.units)",
                "squares) / max(f32(shape.units) - 1.0, 1.0)",
            ),
            NO_OFFSET,
            NO_BETA,
            ("the deviation itself", "vec4<f32>(mean, inverse,", "vec4<f32>(mean, 1.0 / inverse,"),
            ("padding of the moments", "inverse, 0.0, 0.0)", "inverse, 0.0, 1.0)"),
        ];
        let form = Form::new::<Self>("", |shape, seed| {
            layer_normalize(shape, Constants::new(seed), Values::new(seed))
        });
        vec![form.mutations(&ROW_SUM).mutations(&mistakes)]
    }
}

impl Cases for LayerNormalizeBackward {
    fn forms() -> Vec<Form> {
        let mistakes = [
            (
                "no mean taken off",
                "vec4<f32>(input[index]) - moments[row].x",
                "vec4<f32>(input[index])",
            ),
            ("not by the deviation", "* moments[row].y", ""),
            ("the moments of the first row", "moments[row]", "moments[0]"),
        ];
        let form =
            Form::new::<Self>("", |shape, seed| layer_normalize_backward(shape, Values::new(seed)));
        vec![form.mutations(&COLUMN_SUM).mutations(&mistakes)]
    }
}

impl Cases for LayerNormalizeBackwardInput {
    fn forms() -> Vec<Form> {
        let own = [
            ("no mean of the gradient", "g - mean_g", "g"),
            ("no mean of the product", "- (x - mean) * inverse * mean_product", ""),
            (
                "a mean over the rows",
                "products) / f32(shape.units)",
                "products) * step.inverse_live_rows",
            ),
            NO_OFFSET,
            ("not by the deviation", "inverse * inner", "inner"),
        ];
        let mistakes = [&ROW_SUM[..], &own].concat();
        let form = |activation: Elementwise| {
            let form = Form::new::<Self>(activation.name(), move |shape, seed| {
                let constants = Constants::new(seed);
                layer_normalize_backward_input(shape, constants, activation, Values::new(seed))
            });
            with_mistakes(form, activation, &mistakes)
        };
        Elementwise::fused().map(form).collect()
    }
}

const MOMENTUM: f64 = 0.99;

/// The constants of a layer.
#[derive(Debug, Clone, Copy)]
struct Constants {
    epsilon: f64,
    gamma_offset: f64,
}

impl Constants {
    /// Those of a layer with a gamma for even seeds, of one without it and without epsilon for odd
    /// ones.
    fn new(seed: u64) -> Self {
        match seed.is_multiple_of(2) {
            true => Constants { epsilon: 1e-3, gamma_offset: 0.0 },
            false => Constants { epsilon: 0.0, gamma_offset: 1.0 },
        }
    }

    fn epsilon(self) -> Approximate {
        Approximate::constant(self.epsilon)
    }

    /// What a normalized value is multiplied by.
    fn factor(self, gamma: f64) -> Approximate {
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

fn vector(table: &mut Table, name: &str, units: usize) -> Result<BufferId> {
    table.add(name, Role::Scratch, Element::Real, Rows::One, units)
}

/// Mean and variance of each column.
fn column_moments(table: &mut Table, units: usize) -> Result<[BufferId; 2]> {
    Ok([vector(table, "mean", units)?, vector(table, "variance", units)?])
}

/// Parameters lie in an arena, one behind the other.
fn gamma_and_beta(table: &mut Table, units: usize) -> Result<[BufferId; 2]> {
    let arena = table.arena("parameters")?;
    let gamma = table.slice(arena, "gamma", Role::Parameter, Rows::One, units)?;
    let beta = table.slice(arena, "beta", Role::Parameter, Rows::One, units)?;
    Ok([gamma, beta])
}

/// The gradients of gamma and beta, with guards beside them.
fn gradients(table: &mut Table, units: usize) -> Result<[BufferId; 2]> {
    let arena = table.arena("gradients")?;
    let guard = |table: &mut Table, number: usize| {
        table.slice(arena, format!("guard_{number}"), Role::OptimizerState, Rows::One, 64)
    };
    let role = Role::ParameterGradient;
    guard(table, 0)?;
    let gamma = table.slice(arena, "gamma_gradient", role, Rows::One, units)?;
    guard(table, 1)?;
    let beta = table.slice(arena, "beta_gradient", role, Rows::One, units)?;
    guard(table, 2)?;
    Ok([gamma, beta])
}

fn errors(results: impl IntoIterator<Item = Approximate>) -> Vec<f64> {
    results.into_iter().map(|result| result.error).collect()
}

fn batch_moments(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    let input = case.table.activation("input", units)?;
    let [mean, variance] = column_moments(&mut case.table, units)?;
    case.push(BatchMoments { input, mean, variance })?;
    let x = displaced(rows * units, &mut values);
    let column = |unit| x.iter().skip(unit).step_by(units).copied().collect::<Vec<_>>();
    let moments = (0..units).map(|unit| Approximate::moments(&column(unit)));
    let (means, variances): (Vec<_>, Vec<_>) =
        moments.map(|[mean, variance]| (mean, variance)).unzip();
    case.fill(input, x);
    case.expect(mean, errors(means));
    case.expect(variance, errors(variances));
    Ok(case)
}

fn moving_average(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [_, _, units] = shape;
    let mut case = Case::new(shape);
    let value = vector(&mut case.table, "value", units)?;
    let average = vector(&mut case.table, "average", units)?;
    case.push(MovingAverage { value, average, momentum: MOMENTUM })?;
    let (x, before) = (values.signed(units), values.signed(units));
    let [kept, added] = [MOMENTUM, 1.0 - MOMENTUM].map(Approximate::constant);
    let after = |(&x, &before): (&f64, &f64)| {
        Approximate::exact(before) * kept + Approximate::exact(x) * added
    };
    case.expect(average, errors(x.iter().zip(&before).map(after)));
    case.fill(value, x);
    case.fill(average, before);
    Ok(case)
}

/// `[normalized value, deviation]` of `x` by the moments of its column.
fn normalized(x: f64, mean: f64, variance: f64, constants: Constants) -> [Approximate; 2] {
    let deviation = (Approximate::exact(variance) + constants.epsilon()).sqrt();
    [(Approximate::exact(x) - Approximate::exact(mean)) / deviation, deviation]
}

fn batch_normalize(shape: [usize; 3], constants: Constants, mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    let input = case.table.activation("input", units)?;
    let [mean, variance] = column_moments(&mut case.table, units)?;
    let [gamma, beta] = gamma_and_beta(&mut case.table, units)?;
    let output = case.table.activation("output", units)?;
    let Constants { epsilon, gamma_offset } = constants;
    case.push(BatchNormalize {
        input,
        mean,
        variance,
        gamma,
        beta,
        output,
        epsilon,
        gamma_offset,
    })?;
    let x = values.signed(rows * units);
    let (m, v) = (values.signed(units), variances(units, &mut values));
    let (g, b) = (values.signed(units), values.signed(units));
    let result = |(i, &x): (usize, &f64)| {
        let unit = i % units;
        let [normalized, _] = normalized(x, m[unit], v[unit], constants);
        normalized * constants.factor(g[unit]) + Approximate::exact(b[unit])
    };
    case.expect(output, errors(x.iter().enumerate().map(result)));
    case.fill(input, x);
    case.fill(mean, m);
    case.fill(variance, v);
    case.fill(gamma, g);
    case.fill(beta, b);
    Ok(case)
}

/// The sums over the rows of `gradient · normalized` and of `gradient`, for each unit.
fn column_sums(
    gradient: &[f64],
    units: usize,
    normalized: impl Fn(usize) -> Approximate,
) -> [Vec<Approximate>; 2] {
    let sums_of = |unit: usize| {
        let [mut products, mut terms] = [Vec::new(), Vec::new()];
        for i in (unit..gradient.len()).step_by(units) {
            let term = Approximate::exact(gradient[i]);
            products.push(term * normalized(i));
            terms.push(term);
        }
        (Approximate::sum(&products), Approximate::sum(&terms))
    };
    let (products, sums) = (0..units).map(sums_of).unzip();
    [products, sums]
}

fn batch_normalize_backward(
    shape: [usize; 3],
    constants: Constants,
    mut values: Values,
) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    let output_gradient = case.table.activation("output_gradient", units)?;
    let input = case.table.activation("input", units)?;
    let [mean, variance] = column_moments(&mut case.table, units)?;
    let [gamma_gradient, beta_gradient] = gradients(&mut case.table, units)?;
    case.push(BatchNormalizeBackward {
        output_gradient,
        input,
        mean,
        variance,
        gamma_gradient,
        beta_gradient,
        epsilon: constants.epsilon,
    })?;
    let (d, x) = (values.signed(rows * units), values.signed(rows * units));
    let (m, v) = (values.signed(units), variances(units, &mut values));
    let [gamma_sums, beta_sums] =
        column_sums(&d, units, |i| normalized(x[i], m[i % units], v[i % units], constants)[0]);
    case.fill(output_gradient, d);
    case.fill(input, x);
    case.fill(mean, m);
    case.fill(variance, v);
    case.expect(gamma_gradient, errors(gamma_sums));
    case.expect(beta_gradient, errors(beta_sums));
    Ok(case)
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

fn batch_normalize_backward_input(
    shape: [usize; 3],
    constants: Constants,
    activation: Elementwise,
    mut values: Values,
) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    case.in_a_larger_batch();
    let output_gradient = case.table.activation("output_gradient", units)?;
    let input = case.table.activation("input", units)?;
    let [mean, variance] = column_moments(&mut case.table, units)?;
    let [gamma, _] = gamma_and_beta(&mut case.table, units)?;
    let [gamma_gradient, beta_gradient] = gradients(&mut case.table, units)?;
    let input_gradient = case.table.activation("input_gradient", units)?;
    let Constants { epsilon, gamma_offset } = constants;
    case.push(BatchNormalizeBackwardInput {
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
    })?;
    let d = values.signed(rows * units);
    let (x, slopes) = activated(activation, rows * units, &mut values);
    let (m, v, g) = (values.signed(units), variances(units, &mut values), values.signed(units));
    // Sums over the rows, so that they weigh as much as the gradient itself.
    let (gamma_sums, beta_sums) =
        (values.scaled(units, rows as f64), values.scaled(units, rows as f64));
    let inverse_rows = Approximate::constant(1.0 / rows as f64);
    let result = |(i, &x): (usize, &f64)| {
        let unit = i % units;
        let [normalized, deviation] = normalized(x, m[unit], v[unit], constants);
        let sums =
            Approximate::exact(beta_sums[unit]) + normalized * Approximate::exact(gamma_sums[unit]);
        let inner = Approximate::exact(d[i]) - sums * inverse_rows;
        constants.factor(g[unit]) / deviation * inner * slopes[i]
    };
    case.expect(input_gradient, errors(x.iter().enumerate().map(result)));
    case.fill(output_gradient, d);
    case.fill(input, x);
    case.fill(mean, m);
    case.fill(variance, v);
    case.fill(gamma, g);
    case.fill(gamma_gradient, gamma_sums);
    case.fill(beta_gradient, beta_sums);
    Ok(case)
}

fn layer_normalize(shape: [usize; 3], constants: Constants, mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    let input = case.table.activation("input", units)?;
    let [gamma, beta] = gamma_and_beta(&mut case.table, units)?;
    let output = case.table.activation("output", units)?;
    let moments = case.table.activation("moments", 2)?;
    // A row of one unit has the variance 0: without epsilon, its result would be 0 / 0.
    let constants = Constants { epsilon: 1e-3, ..constants };
    let Constants { epsilon, gamma_offset } = constants;
    case.push(LayerNormalize { input, gamma, beta, output, moments, epsilon, gamma_offset })?;
    let x: Vec<f64> =
        values.signed(rows * units).iter().map(|x| f64::from((x + 2.0) as f32)).collect();
    let (g, b) = (values.signed(units), values.signed(units));
    let [mut results, mut row_moments] = [Vec::new(), Vec::new()];
    for row in x.chunks(units) {
        let [mean, variance] = Approximate::moments(row);
        let inverse = Approximate::exact(1.0) / (variance + constants.epsilon()).sqrt();
        row_moments.extend([mean, inverse]);
        for (unit, &x) in row.iter().enumerate() {
            let normalized = (Approximate::exact(x) - mean) * inverse;
            results.push(normalized * constants.factor(g[unit]) + Approximate::exact(b[unit]));
        }
    }
    case.fill(input, x);
    case.fill(gamma, g);
    case.fill(beta, b);
    case.expect(output, errors(results));
    case.expect(moments, errors(row_moments));
    Ok(case)
}

/// Moments of each row as an input: a mean and a reciprocal deviation.
fn row_moments(rows: usize, values: &mut Values) -> Vec<f64> {
    let moments = |_| [values.signed(1)[0], f64::from((0.5 + values.positive(1)[0]) as f32)];
    (0..rows).flat_map(moments).collect()
}

/// The normalized value of each of `x`.
fn normalized_rows(x: &[f64], moments: &[f64], units: usize) -> Vec<Approximate> {
    let normalized = |(i, &x): (usize, &f64)| {
        let [mean, inverse] =
            [0, 1].map(|which| Approximate::exact(moments[i / units * 2 + which]));
        (Approximate::exact(x) - mean) * inverse
    };
    x.iter().enumerate().map(normalized).collect()
}

fn layer_normalize_backward(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    let output_gradient = case.table.activation("output_gradient", units)?;
    let input = case.table.activation("input", units)?;
    let moments = case.table.activation("moments", 2)?;
    let [gamma_gradient, beta_gradient] = gradients(&mut case.table, units)?;
    case.push(LayerNormalizeBackward {
        output_gradient,
        input,
        moments,
        gamma_gradient,
        beta_gradient,
    })?;
    let (d, x) = (values.signed(rows * units), values.signed(rows * units));
    let by_row = row_moments(rows, &mut values);
    let normalized = normalized_rows(&x, &by_row, units);
    let [gamma_sums, beta_sums] = column_sums(&d, units, |i| normalized[i]);
    case.fill(output_gradient, d);
    case.fill(input, x);
    case.fill(moments, by_row);
    case.expect(gamma_gradient, errors(gamma_sums));
    case.expect(beta_gradient, errors(beta_sums));
    Ok(case)
}

fn layer_normalize_backward_input(
    shape: [usize; 3],
    constants: Constants,
    activation: Elementwise,
    mut values: Values,
) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut case = Case::new(shape);
    let output_gradient = case.table.activation("output_gradient", units)?;
    let input = case.table.activation("input", units)?;
    let moments = case.table.activation("moments", 2)?;
    let [gamma, _] = gamma_and_beta(&mut case.table, units)?;
    let input_gradient = case.table.activation("input_gradient", units)?;
    case.push(LayerNormalizeBackwardInput {
        output_gradient,
        input,
        moments,
        gamma,
        input_gradient,
        gamma_offset: constants.gamma_offset,
        activation,
    })?;
    let d = values.signed(rows * units);
    let (x, slopes) = activated(activation, rows * units, &mut values);
    let by_row = row_moments(rows, &mut values);
    // Of one sign, so that their mean weighs as much as they do.
    let gammas = values.positive(units);
    let normalized = normalized_rows(&x, &by_row, units);
    let scaled =
        |(i, &d): (usize, &f64)| Approximate::exact(d) * constants.factor(gammas[i % units]);
    let g: Vec<Approximate> = d.iter().enumerate().map(scaled).collect();
    let mut results = Vec::new();
    for row in 0..rows {
        let places = row * units..(row + 1) * units;
        let products: Vec<_> = places.clone().map(|i| g[i] * normalized[i]).collect();
        let mean_g = Approximate::mean(&g[places.clone()]);
        let mean_product = Approximate::mean(&products);
        let inverse = Approximate::exact(by_row[row * 2 + 1]);
        for i in places {
            let inner = g[i] - mean_g - normalized[i] * mean_product;
            results.push(inverse * inner * slopes[i]);
        }
    }
    case.fill(output_gradient, d);
    case.fill(input, x);
    case.fill(moments, by_row);
    case.fill(gamma, gammas);
    case.expect(input_gradient, errors(results));
    Ok(case)
}
