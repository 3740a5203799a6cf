//! The cases: each operation over shapes that are awkward for tiles of 4, 8, 16, 32 and 64.

use super::bounds::{self, Softmax};
use super::case::{Case, Values};
use super::losses::{LossCase, loss};
use super::updates::{Update, update};
use crate::activation::Elementwise;
use crate::cpu::activation::apply;
use crate::cpu::{Matrix, Real};
use crate::error::Result;
use crate::gpu::InputKind;
use crate::program::{BufferId, Element, Op, Pass, Program, ProgramBuilder, Role, Rows, Step};

/// An operation whose parity can be tried.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "each variant is the operation of its name")]
pub enum Operation {
    Convert,
    DenseForward(InputKind, Elementwise),
    Softmax,
    Loss(LossCase),
    DenseBackwardWeights(InputKind),
    DenseBackwardInput(Elementwise),
    Activate(Elementwise),
    ActivateBackward(Elementwise),
    Dropout,
    DropoutBackward(Elementwise),
    Penalty,
    PenaltyGradient,
    SquaredNorm,
    ClipByNorm,
    ClipByValue,
    Update(Update),
}

const SCALE: f64 = 1.0 / 255.0;

impl Operation {
    /// Every operation, in all its forms.
    pub fn all() -> Vec<Operation> {
        use InputKind::{F32, U8};
        let fused = || Elementwise::ALL.into_iter().filter(|activation| activation.is_fused());
        let mut all = vec![Operation::Convert];
        for input in [F32, U8] {
            all.extend(fused().map(|a| Operation::DenseForward(input, a)));
        }
        all.push(Operation::Softmax);
        all.extend(LossCase::all().into_iter().map(Operation::Loss));
        all.extend([F32, U8].map(Operation::DenseBackwardWeights));
        all.extend(fused().map(Operation::DenseBackwardInput));
        all.extend(Elementwise::ALL.map(Operation::Activate));
        all.extend(Elementwise::ALL.map(Operation::ActivateBackward));
        all.push(Operation::Dropout);
        all.extend(fused().map(Operation::DropoutBackward));
        all.extend([Operation::Penalty, Operation::PenaltyGradient]);
        all.extend([Operation::SquaredNorm, Operation::ClipByNorm, Operation::ClipByValue]);
        all.extend(Update::ALL.map(Operation::Update));
        all
    }

    /// Name and form: `dense_forward u8 relu`.
    pub fn name(self) -> String {
        let input = |input| match input {
            InputKind::F32 => "f32",
            InputKind::U8 => "u8",
        };
        let lower = |activation: Elementwise| {
            let name = format!("{activation:?}").to_lowercase();
            name.split(' ').next().unwrap_or_default().to_owned()
        };
        match self {
            Operation::Convert => "convert".into(),
            Operation::DenseForward(kind, activation) => {
                format!("dense_forward {} {}", input(kind), lower(activation))
            }
            Operation::Softmax => "softmax".into(),
            Operation::Loss(case) => case.name(),
            Operation::DenseBackwardWeights(kind) => {
                format!("dense_backward_weights {}", input(kind))
            }
            Operation::DenseBackwardInput(activation) => {
                format!("dense_backward_input {}", lower(activation))
            }
            Operation::Activate(activation) => format!("activate {}", lower(activation)),
            Operation::ActivateBackward(activation) => {
                format!("activate_backward {}", lower(activation))
            }
            Operation::Dropout => "dropout".into(),
            Operation::DropoutBackward(activation) => {
                format!("dropout_backward {}", lower(activation))
            }
            Operation::Penalty => "penalty".into(),
            Operation::PenaltyGradient => "penalty_gradient".into(),
            Operation::SquaredNorm => "squared_norm".into(),
            Operation::ClipByNorm => "clip_by_norm".into(),
            Operation::ClipByValue => "clip_by_value".into(),
            Operation::Update(update) => update.name().into(),
        }
    }

    /// The shapes tried, `[rows, inputs, units]`. Each awkward size stands in each place, beside
    /// others; the first one is the smallest that shows a mistake in any kernel's loops.
    pub fn shapes(self) -> Vec<[usize; 3]> {
        const SIZES: [usize; 15] = [1, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 257];
        let n = SIZES.len();
        let mut shapes: Vec<[usize; 3]> = (0..n)
            .flat_map(|i| {
                let (j, k) = ((i * 4 + 3) % n, (i * 7 + 5) % n);
                [[SIZES[i], SIZES[j], SIZES[k]], [SIZES[i], SIZES[k], SIZES[j]]]
            })
            .collect();
        shapes.extend([[1, 1, 1], [2, 3, 2], [8, 8, 8], [128, 784, 128], [33, 128, 10]]);
        shapes.push([1000, 16, 10]);
        shapes
    }

    /// A shape that takes more workgroups than one dimension of a dispatch may have, for the
    /// operations whose workgroups run over elements; all updates count theirs by one function.
    pub fn large_shape(self) -> Option<[usize; 3]> {
        matches!(self, Operation::Update(Update::Adam) | Operation::Convert)
            .then_some([66_000, 260, 1])
    }

    pub(super) fn case(self, shape: [usize; 3], seed: u64) -> Result<Case> {
        let values = Values::new(seed);
        match self {
            Operation::Convert => convert(shape, values),
            Operation::DenseForward(input, activation) => {
                dense_forward(shape, input, activation, values)
            }
            Operation::Softmax => softmax(shape, values),
            Operation::Loss(case) => loss(shape, case, values),
            Operation::DenseBackwardWeights(input) => dense_backward_weights(shape, input, values),
            Operation::DenseBackwardInput(activation) => {
                dense_backward_input(shape, activation, values)
            }
            Operation::Activate(activation) => activate(shape, activation, values),
            Operation::ActivateBackward(activation) => {
                activate_backward(shape, activation, None, values)
            }
            Operation::Dropout => dropout(shape, values),
            Operation::DropoutBackward(activation) => {
                activate_backward(shape, activation, Some(DROPOUT), values)
            }
            Operation::Penalty => penalty(shape, values),
            Operation::PenaltyGradient => penalty_gradient(shape, values),
            Operation::SquaredNorm => squared_norm(shape, seed.is_multiple_of(2), values),
            Operation::ClipByNorm => clip_by_norm(shape, values),
            Operation::ClipByValue => clip_by_value(shape, values),
            Operation::Update(rule) => update(shape, rule, values),
        }
    }
}

/// The buffer that the operation reads as reals, and what to fill and convert to get it there.
struct Samples {
    id: BufferId,
    fill: (BufferId, Vec<f64>),
    /// What the reals will be.
    values: Vec<f64>,
}

fn samples(
    builder: &mut ProgramBuilder,
    kind: InputKind,
    [rows, columns]: [usize; 2],
    values: &mut Values,
) -> Result<Samples> {
    match kind {
        InputKind::F32 => {
            let id = builder.activation("input", columns)?;
            let x = values.signed(rows * columns);
            Ok(Samples { id, fill: (id, x.clone()), values: x })
        }
        InputKind::U8 => {
            let bytes = builder.buffer("bytes", Role::Input, Element::U8, Rows::Batch, columns)?;
            let id = builder.activation("input", columns)?;
            builder.push(Pass::Predict, Op::Convert { input: bytes, output: id, scale: SCALE })?;
            let x = values.below(rows * columns, 256);
            let scaled = x.iter().map(|x| x * SCALE).collect();
            Ok(Samples { id, fill: (bytes, x), values: scaled })
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
    f64::gemm([m, k, n], a, b, 0.0, Matrix::new(&mut c, n));
    c
}

pub(super) fn finish(
    builder: ProgramBuilder,
    shape: [usize; 3],
    inputs: Vec<(BufferId, Vec<f64>)>,
    outputs: Vec<(BufferId, super::case::Bound)>,
) -> Case {
    Case { program: builder.build(), inputs, outputs, step: Step::forward(shape[0]), shape }
}

fn convert(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, columns, _] = shape;
    let mut builder = ProgramBuilder::new();
    let samples = samples(&mut builder, InputKind::U8, [rows, columns], &mut values)?;
    let expected = samples.values;
    let bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| {
        expected.iter().map(|x| 2.0 * bounds::EPSILON * x).collect()
    };
    Ok(finish(builder, shape, vec![samples.fill], vec![(samples.id, Box::new(bound))]))
}

fn dense_forward(
    shape: [usize; 3],
    kind: InputKind,
    activation: Elementwise,
    mut values: Values,
) -> Result<Case> {
    let [rows, inputs, units] = shape;
    let mut builder = ProgramBuilder::new();
    let samples = samples(&mut builder, kind, [rows, inputs], &mut values)?;
    let arena = builder.arena("parameters")?;
    let weight = builder.slice(arena, "weight", Role::Parameter, Rows::Fixed(inputs), units)?;
    let bias = builder.slice(arena, "bias", Role::Parameter, Rows::One, units)?;
    let output = builder.activation("output", units)?;
    let op = Op::DenseForward { input: samples.id, weight, bias, output, activation };
    builder.push(Pass::Predict, op)?;

    let (w, b) = (values.signed(inputs * units), values.signed(units));
    let mut exact = product(shape, (&samples.values, false), (&w, false));
    let mut sizes = product(shape, (&magnitudes(&samples.values), false), (&magnitudes(&w), false));
    for (i, (exact, size)) in exact.iter_mut().zip(&mut sizes).enumerate() {
        *exact += b[i % units];
        *size += b[i % units].abs();
    }
    let bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| {
        // The bias is one more term, the conversion of bytes one more rounding of each.
        let errors = sizes.iter().map(|&size| bounds::dot(inputs + 2, size));
        exact.iter().zip(errors).map(|(&x, e)| bounds::activation(activation, x, e)).collect()
    };
    let fills = vec![samples.fill, (weight, w), (bias, b)];
    Ok(finish(builder, shape, fills, vec![(output, Box::new(bound))]))
}

/// Logits as networks make them: close together, with ties, and so far apart that exp of one of
/// them would overflow.
pub(super) fn logits(rows: usize, units: usize, values: &mut Values) -> Vec<f64> {
    let row_of = |row: usize| match row % 4 {
        0 => values.scaled(units, 1.0),
        1 => values.scaled(units, 4.0).into_iter().map(f64::round).collect(),
        2 => values.scaled(units, 8.0),
        _ => values.scaled(units, 200.0),
    };
    (0..rows).flat_map(row_of).collect()
}

fn softmax(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let input = builder.activation("input", units)?;
    let output = builder.activation("output", units)?;
    builder.push(Pass::Predict, Op::Softmax { input, output })?;
    let x = logits(rows, units, &mut values);
    let row_bounds: Vec<Softmax> = x.chunks(units).map(Softmax::new).collect();
    let bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| {
        row_bounds.iter().flat_map(|row| (0..units).map(|i| row.probability(i))).collect()
    };
    Ok(finish(builder, shape, vec![(input, x)], vec![(output, Box::new(bound))]))
}

fn dense_backward_weights(shape: [usize; 3], kind: InputKind, mut values: Values) -> Result<Case> {
    let [rows, inputs, units] = shape;
    let mut builder = ProgramBuilder::new();
    let samples = samples(&mut builder, kind, [rows, inputs], &mut values)?;
    let output_gradient = builder.activation("output_gradient", units)?;
    let arena = builder.arena("gradients")?;
    let guard = |builder: &mut ProgramBuilder, number: usize| {
        builder.slice(arena, format!("guard_{number}"), Role::OptimizerState, Rows::One, 64)
    };
    guard(&mut builder, 0)?;
    let role = Role::ParameterGradient;
    let weight_gradient =
        builder.slice(arena, "weight_gradient", role, Rows::Fixed(inputs), units)?;
    guard(&mut builder, 1)?;
    let bias_gradient = builder.slice(arena, "bias_gradient", role, Rows::One, units)?;
    guard(&mut builder, 2)?;
    let op = Op::DenseBackwardWeights {
        input: samples.id,
        output_gradient,
        weight_gradient,
        bias_gradient,
    };
    builder.push(Pass::Predict, op)?;

    let d = values.signed(rows * units);
    let sizes = product(
        [inputs, rows, units],
        (&magnitudes(&samples.values), true),
        (&magnitudes(&d), false),
    );
    let sums = product([1, rows, units], (&vec![1.0; rows], false), (&magnitudes(&d), false));
    let weight_bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| {
        sizes.iter().map(|&size| bounds::dot(rows + 1, size)).collect()
    };
    let bias_bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| {
        sums.iter().map(|&size| bounds::dot(rows, size)).collect()
    };
    Ok(finish(
        builder,
        shape,
        vec![samples.fill, (output_gradient, d)],
        vec![(weight_gradient, Box::new(weight_bound)), (bias_gradient, Box::new(bias_bound))],
    ))
}

fn dense_backward_input(
    shape: [usize; 3],
    activation: Elementwise,
    mut values: Values,
) -> Result<Case> {
    let [rows, inputs, units] = shape;
    let mut builder = ProgramBuilder::new();
    let output_gradient = builder.activation("output_gradient", units)?;
    let arena = builder.arena("parameters")?;
    let weight = builder.slice(arena, "weight", Role::Parameter, Rows::Fixed(inputs), units)?;
    let input = builder.activation("input", inputs)?;
    let input_gradient = builder.activation("input_gradient", inputs)?;
    let op = Op::DenseBackwardInput { output_gradient, weight, input, input_gradient, activation };
    builder.push(Pass::Predict, op)?;

    let (d, w) = (values.signed(rows * units), values.signed(inputs * units));
    let y = results_of(activation, rows * inputs, &mut values);
    let sizes = product([rows, units, inputs], (&magnitudes(&d), false), (&magnitudes(&w), true));
    let derivatives: Vec<f64> = y.iter().map(|&y| derivative(y, activation)).collect();
    let bound = move |result: &dyn Fn(BufferId) -> Vec<f64>| {
        let results = result(input_gradient).into_iter().zip(&derivatives);
        let of = |(&size, (result, &derivative)): (&f64, (f64, &f64))| {
            let error = bounds::dot(units, size);
            bounds::activation_gradient(error, derivative, result)
                + size * bounds::activation_derivative(activation, 1.0)
        };
        sizes.iter().zip(results).map(of).collect()
    };
    Ok(finish(
        builder,
        shape,
        vec![(output_gradient, d), (weight, w), (input, y)],
        vec![(input_gradient, Box::new(bound))],
    ))
}

pub(super) use crate::cpu::activation::derivative;

/// What such an activation may have made; for one that is told from its input, any number.
pub(super) fn results_of(activation: Elementwise, count: usize, values: &mut Values) -> Vec<f64> {
    let x = values.scaled(count, 3.0);
    let of = |x: f64| match activation {
        activation if !activation.is_fused() => x,
        // A dead unit is exactly 0.
        Elementwise::Relu => x.max(0.0),
        Elementwise::Linear => x,
        activation => f64::from(apply(x, activation) as f32),
    };
    x.into_iter().map(of).collect()
}

/// `[noise, rate]` of the cases.
const NOISE: u64 = 0x0123_4567_89ab_cdef;
const LAYER: u32 = 3;
const DROPOUT: f64 = 0.3;

fn activate(shape: [usize; 3], activation: Elementwise, mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let input = builder.activation("input", units)?;
    let output = builder.activation("output", units)?;
    builder.push(Pass::Predict, Op::Activate { input, output, activation })?;
    let mut x = values.scaled(rows * units, 6.0);
    // Where exp would overflow or vanish.
    for (x, extreme) in
        x.iter_mut().step_by(7).zip([0.0, -30.0, 30.0, 100.0, -100.0].iter().cycle())
    {
        *x = *extreme;
    }
    let inputs = x.clone();
    let bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| {
        inputs.iter().map(|&x| bounds::activation(activation, x, 0.0)).collect()
    };
    Ok(finish(builder, shape, vec![(input, x)], vec![(output, Box::new(bound))]))
}

fn activate_backward(
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
        None => Op::ActivateBackward { output_gradient, value, input_gradient, activation },
        Some(rate) => Op::DropoutBackward {
            output_gradient,
            input: value,
            input_gradient,
            activation,
            rate,
            layer: LAYER,
        },
    };
    builder.push(Pass::Predict, op)?;
    let d = values.signed(rows * units);
    let y = results_of(activation, rows * units, &mut values);
    let scale = dropped.map_or(1.0, |rate| 1.0 / (1.0 - rate));
    let errors: Vec<f64> = d
        .iter()
        .zip(&y)
        .map(|(d, &y)| d.abs() * scale * bounds::activation_derivative(activation, y))
        .collect();
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

fn dropout(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let input = builder.activation("input", units)?;
    let output = builder.activation("output", units)?;
    builder.push(Pass::Predict, Op::Dropout { input, output, rate: DROPOUT, layer: LAYER })?;
    let x = values.signed(rows * units);
    let bound = move |result: &dyn Fn(BufferId) -> Vec<f64>| {
        // What is dropped is exactly zero.
        let of = |result: f64| if result == 0.0 { 0.0 } else { bounds::rounded(result) };
        result(output).into_iter().map(of).collect()
    };
    let case = finish(builder, shape, vec![(input, x)], vec![(output, Box::new(bound))]);
    Ok(Case { step: Step { noise: NOISE, ..case.step }, ..case })
}

const L1: f64 = 0.375;
const L2: f64 = 0.0625;

fn penalty(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [_, inputs, units] = shape;
    let mut builder = ProgramBuilder::new();
    let arena = builder.arena("parameters")?;
    let weight = builder.slice(arena, "weight", Role::Parameter, Rows::Fixed(inputs), units)?;
    let slots = Program::PENALTY_SLOTS;
    let columns = slots + 1;
    let penalty =
        builder.buffer(Program::PENALTY, Role::Metric, Element::Real, Rows::One, columns)?;
    builder.push(Pass::Predict, Op::Penalty { weight, penalty, l1: L1, l2: L2 })?;
    let w = values.signed(inputs * units);
    let mut before = values.positive(columns);
    // Now and then the last slot, after which the first one comes.
    let slot = if inputs.is_multiple_of(2) { slots } else { units % slots };
    before[slots] = slot as f64;
    let rows = shape[0] as f64;
    let size: f64 = w.iter().map(|w| L1 * w.abs() + L2 * w * w).sum::<f64>() * rows;
    // Each term is itself made of three roundings; all other slots are as they were.
    let terms = inputs * units + 5;
    let added = slot % slots;
    let own = bounds::dot(terms, size + before[added]);
    let bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| {
        (0..columns).map(|i| if i == added { own } else { 0.0 }).collect()
    };
    let fills = vec![(weight, w), (penalty, before)];
    Ok(finish(builder, shape, fills, vec![(penalty, Box::new(bound))]))
}

fn penalty_gradient(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [_, inputs, units] = shape;
    let mut builder = ProgramBuilder::new();
    let arena = builder.arena("parameters")?;
    let weight = builder.slice(arena, "weight", Role::Parameter, Rows::Fixed(inputs), units)?;
    let gradients = builder.arena("gradients")?;
    let role = Role::ParameterGradient;
    let weight_gradient =
        builder.slice(gradients, "weight_gradient", role, Rows::Fixed(inputs), units)?;
    let op = Op::PenaltyGradient { weight, weight_gradient, l1: L1, l2: L2 };
    builder.push(Pass::Predict, op)?;
    // A weight of exactly 0 has no sign.
    let mut w = values.signed(inputs * units);
    w.iter_mut().step_by(5).for_each(|w| *w = 0.0);
    let g = values.signed(inputs * units);
    let sizes: Vec<f64> =
        w.iter().zip(&g).map(|(w, g)| g.abs() + L1 + 2.0 * L2 * w.abs()).collect();
    let bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| {
        sizes.iter().map(|&size| bounds::rounded(size)).collect()
    };
    let fills = vec![(weight, w), (weight_gradient, g)];
    Ok(finish(builder, shape, fills, vec![(weight_gradient, Box::new(bound))]))
}

/// The gradient of a weight in an arena of its own, and a single sum.
fn gradient_and_sum(builder: &mut ProgramBuilder, shape: [usize; 3]) -> Result<[BufferId; 2]> {
    let [_, inputs, units] = shape;
    let arena = builder.arena("gradients")?;
    let role = Role::ParameterGradient;
    let gradient = builder.slice(arena, "weight.gradient", role, Rows::Fixed(inputs), units)?;
    let sum = builder.buffer("sum", Role::Scratch, Element::Real, Rows::One, 1)?;
    Ok([gradient, sum])
}

fn squared_norm(shape: [usize; 3], first: bool, mut values: Values) -> Result<Case> {
    let mut builder = ProgramBuilder::new();
    let [gradient, sum] = gradient_and_sum(&mut builder, shape)?;
    builder.push(Pass::Predict, Op::SquaredNorm { gradient, sum, first })?;
    let g = values.signed(shape[1] * shape[2]);
    let before = values.positive(1);
    let kept = if first { 0.0 } else { before[0] };
    let size = g.iter().map(|g| g * g).sum::<f64>() + kept;
    let terms = g.len() + 2;
    let bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| vec![bounds::dot(terms, size)];
    let fills = vec![(gradient, g), (sum, before)];
    Ok(finish(builder, shape, fills, vec![(sum, Box::new(bound))]))
}

const LIMIT: f64 = 0.625;

fn clip_by_norm(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let mut builder = ProgramBuilder::new();
    let [gradient, squared_norm] = gradient_and_sum(&mut builder, shape)?;
    builder.push(Pass::Predict, Op::ClipByNorm { squared_norm, gradient, limit: LIMIT })?;
    let g = values.signed(shape[1] * shape[2]);
    // On either side of the limit's square, 0.39.
    let squared = if shape[0].is_multiple_of(2) { vec![0.25] } else { vec![1.5] };
    let norm = squared[0].sqrt();
    let bound = move |result: &dyn Fn(BufferId) -> Vec<f64>| {
        // An unclipped gradient is as it was.
        let error = |g: f64| {
            let clipped = bounds::quotient([LIMIT, 0.0], [norm, bounds::root(norm * norm, 0.0)]);
            if norm > LIMIT { g.abs() * norm / LIMIT * clipped + bounds::rounded(g) } else { 0.0 }
        };
        result(gradient).into_iter().map(error).collect()
    };
    let fills = vec![(gradient, g), (squared_norm, squared)];
    Ok(finish(builder, shape, fills, vec![(gradient, Box::new(bound))]))
}

fn clip_by_value(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let mut builder = ProgramBuilder::new();
    let [gradient, _] = gradient_and_sum(&mut builder, shape)?;
    builder.push(Pass::Predict, Op::ClipByValue { gradient, limit: LIMIT })?;
    let g = values.signed(shape[1] * shape[2]);
    let exact = vec![0.0; g.len()];
    let bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| exact.clone();
    Ok(finish(builder, shape, vec![(gradient, g)], vec![(gradient, Box::new(bound))]))
}
