//! The cases: each operation over shapes that are awkward for tiles of 4, 8, 16, 32 and 64.

use super::accumulation::{accumulate, take_mean};
use super::activity::{activity_penalty, activity_penalty_gradient};
use super::case::{Case, Values};
use super::columns::{add, concatenate, slice};
use super::elements::{DROPOUT, activate, activate_backward, dropout, gaussian_noise, results_of};
use super::losses::{LossCase, loss};
use super::metrics::{MetricCase, metric};
use super::normalization::{
    Form, batch_moments, batch_normalize, batch_normalize_backward, batch_normalize_backward_input,
    layer_normalize, layer_normalize_backward, layer_normalize_backward_input, moving_average,
};
use super::parameters::{clip_by_norm, clip_by_value, penalty, penalty_gradient, squared_norm};
use super::updates::{Update, update};
use crate::cpu::{Matrix, Real};
use crate::error::Result;
use crate::gpu::InputKind;
use crate::number::approximate::Approximate;
use crate::number::bounds::{self, Softmax};
use crate::operation::activation::Elementwise;
use crate::operation::{self, Op};
use crate::program::{BufferId, Element, Pass, ProgramBuilder, Role, Rows, Step};

/// An operation whose parity can be tried.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "each variant is the operation of its name")]
pub enum Operation {
    Convert,
    DenseForward(InputKind, Elementwise),
    Softmax,
    SoftmaxBackward,
    Add,
    Concatenate,
    Slice,
    BatchMoments,
    MovingAverage,
    BatchNormalize,
    BatchNormalizeBackward,
    BatchNormalizeBackwardInput(Elementwise),
    LayerNormalize,
    LayerNormalizeBackward,
    LayerNormalizeBackwardInput(Elementwise),
    GaussianNoise,
    ActivityPenalty,
    ActivityPenaltyGradient(Elementwise),
    Loss(LossCase),
    Metric(MetricCase),
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
    Accumulate,
    TakeMean,
    Update(Update),
}

const SCALE: f64 = 1.0 / 255.0;

impl Operation {
    /// Every operation, in all its forms.
    pub fn all() -> Vec<Operation> {
        use InputKind::{F32, U8};
        let fused = || Elementwise::ALL.iter().copied().filter(|activation| activation.is_fused());
        let mut all = vec![Operation::Convert];
        for input in [F32, U8] {
            all.extend(fused().map(|a| Operation::DenseForward(input, a)));
        }
        all.extend([Operation::Softmax, Operation::SoftmaxBackward]);
        all.extend([Operation::Add, Operation::Concatenate, Operation::Slice]);
        all.extend([Operation::BatchMoments, Operation::MovingAverage]);
        all.extend([Operation::BatchNormalize, Operation::BatchNormalizeBackward]);
        all.extend(fused().map(Operation::BatchNormalizeBackwardInput));
        all.extend([Operation::LayerNormalize, Operation::LayerNormalizeBackward]);
        all.extend(fused().map(Operation::LayerNormalizeBackwardInput));
        all.extend([Operation::GaussianNoise, Operation::ActivityPenalty]);
        all.extend(fused().map(Operation::ActivityPenaltyGradient));
        all.extend(LossCase::all().into_iter().map(Operation::Loss));
        all.extend(MetricCase::ALL.map(Operation::Metric));
        all.extend([F32, U8].map(Operation::DenseBackwardWeights));
        all.extend(fused().map(Operation::DenseBackwardInput));
        all.extend(Elementwise::ALL.iter().copied().map(Operation::Activate));
        all.extend(Elementwise::ALL.iter().copied().map(Operation::ActivateBackward));
        all.push(Operation::Dropout);
        all.extend(fused().map(Operation::DropoutBackward));
        all.extend([Operation::Penalty, Operation::PenaltyGradient]);
        all.extend([Operation::SquaredNorm, Operation::ClipByNorm, Operation::ClipByValue]);
        all.extend([Operation::Accumulate, Operation::TakeMean]);
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
            Operation::SoftmaxBackward => "softmax_backward".into(),
            Operation::Add => "add".into(),
            Operation::Concatenate => "concatenate".into(),
            Operation::Slice => "slice".into(),
            Operation::BatchMoments => "batch_moments".into(),
            Operation::MovingAverage => "moving_average".into(),
            Operation::BatchNormalize => "batch_normalize".into(),
            Operation::BatchNormalizeBackward => "batch_normalize_backward".into(),
            Operation::BatchNormalizeBackwardInput(activation) => {
                format!("batch_normalize_backward_input {}", lower(activation))
            }
            Operation::LayerNormalize => "layer_normalize".into(),
            Operation::LayerNormalizeBackward => "layer_normalize_backward".into(),
            Operation::LayerNormalizeBackwardInput(activation) => {
                format!("layer_normalize_backward_input {}", lower(activation))
            }
            Operation::GaussianNoise => "gaussian_noise".into(),
            Operation::ActivityPenalty => "activity_penalty".into(),
            Operation::ActivityPenaltyGradient(activation) => {
                format!("activity_penalty_gradient {}", lower(activation))
            }
            Operation::Loss(case) => case.name(),
            Operation::Metric(case) => case.name(),
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
            Operation::Accumulate => "accumulate".into(),
            Operation::TakeMean => "take_mean".into(),
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
        let form = Form::new(seed.is_multiple_of(2));
        match self {
            Operation::Convert => convert(shape, values),
            Operation::DenseForward(input, activation) => {
                dense_forward(shape, input, activation, values)
            }
            Operation::Softmax => softmax(shape, values),
            Operation::SoftmaxBackward => softmax_backward(shape, values),
            Operation::Add => add(shape, values),
            Operation::Concatenate => concatenate(shape, values),
            Operation::Slice => slice(shape, values),
            Operation::BatchMoments => batch_moments(shape, values),
            Operation::MovingAverage => moving_average(shape, values),
            Operation::BatchNormalize => batch_normalize(shape, form, values),
            Operation::BatchNormalizeBackward => batch_normalize_backward(shape, form, values),
            Operation::BatchNormalizeBackwardInput(activation) => {
                batch_normalize_backward_input(shape, form, activation, values)
            }
            Operation::LayerNormalize => layer_normalize(shape, form, values),
            Operation::LayerNormalizeBackward => layer_normalize_backward(shape, values),
            Operation::LayerNormalizeBackwardInput(activation) => {
                layer_normalize_backward_input(shape, form, activation, values)
            }
            Operation::GaussianNoise => gaussian_noise(shape, values),
            Operation::ActivityPenalty => activity_penalty(shape, values),
            Operation::ActivityPenaltyGradient(activation) => {
                activity_penalty_gradient(shape, activation, values)
            }
            Operation::Loss(case) => loss(shape, case, values),
            Operation::Metric(case) => metric(shape, case, values),
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
            Operation::Accumulate => accumulate(shape, values),
            Operation::TakeMean => take_mean(shape, values),
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
            builder.push(
                Pass::Predict,
                Op::Convert(operation::Convert { input: bytes, output: id, scale: SCALE }),
            )?;
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
    let op = Op::DenseForward(operation::DenseForward {
        input: samples.id,
        weight,
        bias,
        output,
        activation,
    });
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
        exact.iter().zip(errors).map(|(&x, e)| activation.bound(x, e)).collect()
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
    builder.push(Pass::Predict, Op::Softmax(operation::Softmax { input, output }))?;
    let x = logits(rows, units, &mut values);
    let row_bounds: Vec<Softmax> = x.chunks(units).map(Softmax::new).collect();
    let bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| {
        row_bounds.iter().flat_map(|row| (0..units).map(|i| row.probability(i))).collect()
    };
    Ok(finish(builder, shape, vec![(input, x)], vec![(output, Box::new(bound))]))
}

fn softmax_backward(shape: [usize; 3], mut values: Values) -> Result<Case> {
    let [rows, _, units] = shape;
    let mut builder = ProgramBuilder::new();
    let output_gradient = builder.activation("output_gradient", units)?;
    let value = builder.activation("value", units)?;
    let input_gradient = builder.activation("input_gradient", units)?;
    builder.push(
        Pass::Predict,
        Op::SoftmaxBackward(operation::SoftmaxBackward { output_gradient, value, input_gradient }),
    )?;
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
    let of_row = |(d, y): (&[f64], &[f64])| {
        let products: Vec<_> = d.iter().zip(y).map(|(d, y)| exact(d) * exact(y)).collect();
        let sum = Approximate::sum(&products);
        let errors = d.iter().zip(y).map(|(d, y)| (exact(y) * (exact(d) - sum)).error);
        errors.collect::<Vec<f64>>()
    };
    let errors: Vec<f64> = d.chunks(units).zip(y.chunks(units)).flat_map(of_row).collect();
    let bound = move |_: &dyn Fn(BufferId) -> Vec<f64>| errors.clone();
    let fills = vec![(output_gradient, d), (value, y)];
    Ok(finish(builder, shape, fills, vec![(input_gradient, Box::new(bound))]))
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
    let op = Op::DenseBackwardWeights(operation::DenseBackwardWeights {
        input: samples.id,
        output_gradient,
        weight_gradient,
        bias_gradient,
    });
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
    let op = Op::DenseBackwardInput(operation::DenseBackwardInput {
        output_gradient,
        weight,
        input,
        input_gradient,
        activation,
    });
    builder.push(Pass::Predict, op)?;

    let (d, w) = (values.signed(rows * units), values.signed(inputs * units));
    let y = results_of(activation, rows * inputs, &mut values);
    let sizes = product([rows, units, inputs], (&magnitudes(&d), false), (&magnitudes(&w), true));
    let derivatives: Vec<f64> = y.iter().map(|&y| activation.derivative(y)).collect();
    let bound = move |result: &dyn Fn(BufferId) -> Vec<f64>| {
        let results = result(input_gradient).into_iter().zip(&derivatives);
        let of = |(&size, (result, &derivative)): (&f64, (f64, &f64))| {
            let error = bounds::dot(units, size);
            bounds::activation_gradient(error, derivative, result)
                + size * activation.derivative_bound(1.0)
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
