//! Operations whose parts still stand elsewhere.

use super::case::{Cases, Form};
use super::contract::{Buffers, Operation};
use super::kernel::{Dispatch, Target};
use super::list::Op;
use super::run::Run;
use super::shapes::Shapes;
use crate::error::{Error, Result};
use crate::metric::{PointwiseMetric, Thresholds};
use crate::number::Real;
use crate::operation;
use crate::table::{BufferId, Element, Role, Rows};

macro_rules! legacy {
    ($($name:ident),+ $(,)?) => {
        $(impl Operation for operation::$name {
            fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
                check(shapes, &Op::from(*self))
            }
            fn run<T: Real>(&self, on: &Run<'_, T>) {
                crate::cpu::operations::run(&Op::from(*self), on)
            }
            fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
                crate::gpu::plan::legacy(target, &Op::from(*self))
            }
        }
        impl Cases for operation::$name {
            fn forms() -> Vec<Form> {
                crate::parity::legacy_forms(<Self as Buffers>::NAME)
            }
        })+
    };
}
legacy!(
    Dropout,
    DropoutBackward,
    Softmax,
    SoftmaxBackward,
    Concatenate,
    Slice,
    GaussianNoise,
    BatchMoments,
    MovingAverage,
    BatchNormalize,
    BatchNormalizeBackward,
    BatchNormalizeBackwardInput,
    LayerNormalize,
    LayerNormalizeBackward,
    LayerNormalizeBackwardInput,
    ActivityPenalty,
    ActivityPenaltyGradient,
    SoftmaxCrossEntropy,
    CategoricalCrossEntropy,
    PointwiseLoss,
    Argmax,
    TopK,
    PointwiseMetric,
    BinaryHistogram,
    ConfusionMatrix,
    Penalty,
    PenaltyGradient,
    SquaredNorm,
    ClipByNorm,
    ClipByValue,
    Accumulate,
    TakeMean,
    Adam,
    AmsGrad,
    Sgd,
    RmsProp,
    Adagrad,
);

fn check(shapes: &Shapes<'_>, op: &Op) -> Result<()> {
    use Element::{Real, U8, U32};
    use Rows::{Batch, Fixed, One};
    let program = shapes.table();
    let columns = |id: BufferId| program.buffer(id).columns;
    let expect = |id: BufferId, element: Element, rows: Rows, columns: usize| {
        let buffer = program.buffer(id);
        if (buffer.element, buffer.rows, buffer.columns) == (element, rows, columns) {
            return Ok(());
        }
        Err(Error::Shape {
            what: format!("{} in {}", buffer.name, op.name()),
            actual: format!("{:?} [{:?}, {}]", buffer.element, buffer.rows, buffer.columns),
            expected: format!("{element:?} [{rows:?}, {columns}]"),
        })
    };
    let all = |ids: &[BufferId], rows: Rows, columns: usize| {
        ids.iter().try_for_each(|&id| expect(id, Real, rows, columns))
    };
    // Sums lie without padding, as those of metrics do.
    let unpadded = |id: BufferId| {
        let buffer = program.buffer(id);
        if buffer.role == Role::Metric {
            return Ok(());
        }
        Err(Error::Shape {
            what: format!("{} in {}", buffer.name, op.name()),
            actual: format!("the role {:?}", buffer.role),
            expected: format!("{:?}", Role::Metric),
        })
    };
    // A derivative that is not told by the result cannot be part of these.
    if let Op::DenseForward(operation::DenseForward { activation, .. })
    | Op::DenseBackwardInput(operation::DenseBackwardInput { activation, .. })
    | Op::DropoutBackward(operation::DropoutBackward { activation, .. })
    | Op::BatchNormalizeBackwardInput(operation::BatchNormalizeBackwardInput {
        activation,
        ..
    })
    | Op::LayerNormalizeBackwardInput(operation::LayerNormalizeBackwardInput {
        activation,
        ..
    })
    | Op::ActivityPenaltyGradient(operation::ActivityPenaltyGradient { activation, .. })
    | Op::PointwiseLoss(operation::PointwiseLoss { activation, .. }) = *op
        && !activation.is_fused()
    {
        let problem = format!("{activation:?} cannot be part of {}", op.name());
        return Err(Error::argument("activation", problem));
    }
    match *op {
        Op::Convert(operation::Convert { input, output, .. }) => {
            expect(input, U8, Batch, columns(input))?;
            expect(output, Real, Batch, columns(input))?;
        }
        Op::DenseForward(operation::DenseForward { input, weight, bias, output, .. }) => {
            expect(input, Real, Batch, columns(input))?;
            expect(weight, Real, Fixed(columns(input)), columns(output))?;
            expect(bias, Real, One, columns(output))?;
            expect(output, Real, Batch, columns(output))?;
        }
        Op::Softmax(operation::Softmax { input, output })
        | Op::Activate(operation::Activate { input, output, .. })
        | Op::Dropout(operation::Dropout { input, output, .. })
        | Op::GaussianNoise(operation::GaussianNoise { input, output, .. }) => {
            expect(input, Real, Batch, columns(input))?;
            expect(output, Real, Batch, columns(input))?;
        }
        Op::Add(operation::Add { first, second, output }) => {
            all(&[first, second, output], Batch, columns(first))?;
        }
        Op::Concatenate(operation::Concatenate { first, second, output }) => {
            expect(first, Real, Batch, columns(first))?;
            expect(second, Real, Batch, columns(second))?;
            expect(output, Real, Batch, columns(first).saturating_add(columns(second)))?;
        }
        Op::Slice(operation::Slice { input, output, offset }) => {
            expect(input, Real, Batch, columns(input))?;
            expect(output, Real, Batch, columns(output))?;
            let (width, of) = (columns(output), columns(input));
            if offset.checked_add(width).is_none_or(|end| end > of) {
                return Err(Error::Shape {
                    what: format!("{} in slice", program.buffer(output).name),
                    actual: format!("columns {offset} to {offset} + {width}"),
                    expected: format!("columns of the {of} of {}", program.buffer(input).name),
                });
            }
        }
        Op::BatchMoments(operation::BatchMoments { input, mean, variance }) => {
            all(&[input], Batch, columns(input))?;
            all(&[mean, variance], One, columns(input))?;
        }
        Op::BatchNormalize(operation::BatchNormalize {
            input,
            mean,
            variance,
            gamma,
            beta,
            output,
            ..
        }) => {
            all(&[input, output], Batch, columns(input))?;
            all(&[mean, variance, gamma, beta], One, columns(input))?;
        }
        Op::BatchNormalizeBackward(operation::BatchNormalizeBackward {
            output_gradient,
            input,
            mean,
            variance,
            gamma_gradient,
            beta_gradient,
            ..
        }) => {
            all(&[output_gradient, input], Batch, columns(input))?;
            all(&[mean, variance, gamma_gradient, beta_gradient], One, columns(input))?;
        }
        Op::BatchNormalizeBackwardInput(operation::BatchNormalizeBackwardInput {
            output_gradient,
            input,
            mean,
            variance,
            gamma,
            gamma_gradient,
            beta_gradient,
            input_gradient,
            ..
        }) => {
            all(&[output_gradient, input, input_gradient], Batch, columns(input))?;
            let vectors = [mean, variance, gamma, gamma_gradient, beta_gradient];
            all(&vectors, One, columns(input))?;
        }
        Op::LayerNormalize(operation::LayerNormalize {
            input,
            gamma,
            beta,
            output,
            moments,
            ..
        }) => {
            all(&[input, output], Batch, columns(input))?;
            all(&[gamma, beta], One, columns(input))?;
            expect(moments, Real, Batch, 2)?;
        }
        Op::LayerNormalizeBackward(operation::LayerNormalizeBackward {
            output_gradient,
            input,
            moments,
            gamma_gradient,
            beta_gradient,
        }) => {
            all(&[output_gradient, input], Batch, columns(input))?;
            all(&[gamma_gradient, beta_gradient], One, columns(input))?;
            expect(moments, Real, Batch, 2)?;
        }
        Op::LayerNormalizeBackwardInput(operation::LayerNormalizeBackwardInput {
            output_gradient,
            input,
            moments,
            gamma,
            input_gradient,
            ..
        }) => {
            all(&[output_gradient, input, input_gradient], Batch, columns(input))?;
            all(&[gamma], One, columns(input))?;
            expect(moments, Real, Batch, 2)?;
        }
        Op::MovingAverage(operation::MovingAverage { value, average, .. }) => {
            all(&[value, average], One, columns(value))?;
        }
        Op::ActivityPenalty(operation::ActivityPenalty { value, loss, .. }) => {
            expect(value, Real, Batch, columns(value))?;
            expect(loss, Real, Batch, 1)?;
        }
        Op::ActivityPenaltyGradient(operation::ActivityPenaltyGradient {
            value,
            input_gradient,
            ..
        }) => {
            all(&[value, input_gradient], Batch, columns(value))?;
        }
        Op::ActivateBackward(operation::ActivateBackward {
            output_gradient,
            value: input,
            input_gradient,
            ..
        })
        | Op::SoftmaxBackward(operation::SoftmaxBackward {
            output_gradient,
            value: input,
            input_gradient,
        })
        | Op::DropoutBackward(operation::DropoutBackward {
            output_gradient,
            input,
            input_gradient,
            ..
        }) => {
            for id in [output_gradient, input, input_gradient] {
                expect(id, Real, Batch, columns(input))?;
            }
        }
        Op::SoftmaxCrossEntropy(operation::SoftmaxCrossEntropy {
            logits: outputs,
            labels: targets,
            ..
        })
        | Op::CategoricalCrossEntropy(operation::CategoricalCrossEntropy {
            logits: outputs,
            targets,
            ..
        })
        | Op::PointwiseLoss(operation::PointwiseLoss { outputs, targets, .. }) => {
            let units = columns(outputs);
            expect(outputs, Real, Batch, units)?;
            match op {
                Op::SoftmaxCrossEntropy(operation::SoftmaxCrossEntropy { .. }) => {
                    expect(targets, U32, Batch, 1)?;
                }
                _ => expect(targets, Real, Batch, units)?,
            }
            if let Some(&sample_weights) = op.reads().last() {
                expect(sample_weights, Real, Batch, 1)?;
            }
            if let [loss, counts, gradient] = op.writes()[..] {
                expect(loss, Real, Batch, 1)?;
                expect(counts, U32, Batch, 2)?;
                expect(gradient, Real, Batch, units)?;
            }
        }
        Op::Argmax(operation::Argmax { input, index }) => {
            expect(input, Real, Batch, columns(input))?;
            expect(index, U32, Batch, 1)?;
        }
        Op::TopK(operation::TopK {
            predictions, labels: targets, sample_weights, sums, ..
        })
        | Op::PointwiseMetric(operation::PointwiseMetric {
            predictions,
            targets,
            sample_weights,
            sums,
            ..
        })
        | Op::BinaryHistogram(operation::BinaryHistogram {
            predictions,
            targets,
            sample_weights,
            sums,
            ..
        }) => {
            let units = columns(predictions);
            expect(predictions, Real, Batch, units)?;
            match op {
                Op::TopK(operation::TopK { .. }) => expect(targets, U32, Batch, 1)?,
                _ => expect(targets, Real, Batch, units)?,
            }
            expect(sample_weights, Real, Batch, 1)?;
            match *op {
                Op::BinaryHistogram(operation::BinaryHistogram { thresholds, .. }) => {
                    check_thresholds(thresholds)?;
                    expect(sums, Real, Batch, thresholds.buckets().saturating_mul(2))?;
                }
                _ => expect(sums, Real, Batch, 2)?,
            }
            unpadded(sums)?;
            match *op {
                Op::TopK(operation::TopK { k: 0, .. }) => {
                    return Err(Error::argument("k", "is 0; give at least 1"));
                }
                Op::PointwiseMetric(operation::PointwiseMetric {
                    function: PointwiseMetric::BinaryAccuracy { threshold },
                    ..
                }) => check_thresholds(Thresholds::One(threshold))?,
                _ => {}
            }
        }
        Op::ConfusionMatrix(operation::ConfusionMatrix {
            labels,
            predicted,
            sample_weights,
            matrix,
            ..
        }) => {
            expect(labels, U32, Batch, 1)?;
            expect(predicted, U32, Batch, 1)?;
            expect(sample_weights, Real, Batch, 1)?;
            expect(matrix, Real, Fixed(columns(matrix)), columns(matrix))?;
            unpadded(matrix)?;
        }
        Op::SquaredNorm(operation::SquaredNorm { gradient, sum, .. })
        | Op::ClipByNorm(operation::ClipByNorm { squared_norm: sum, gradient, .. }) => {
            expect(gradient, Real, program.buffer(gradient).rows, columns(gradient))?;
            expect(sum, Real, One, 1)?;
        }
        Op::ClipByValue(operation::ClipByValue { gradient, .. }) => {
            expect(gradient, Real, program.buffer(gradient).rows, columns(gradient))?;
        }
        Op::Penalty(operation::Penalty { weight, penalty, .. }) => {
            expect(weight, Real, program.buffer(weight).rows, columns(weight))?;
            expect(penalty, Real, One, crate::program::Program::PENALTY_SLOTS + 1)?;
        }
        Op::PenaltyGradient(operation::PenaltyGradient { weight, weight_gradient, .. }) => {
            let rows = program.buffer(weight).rows;
            expect(weight, Real, rows, columns(weight))?;
            expect(weight_gradient, Real, rows, columns(weight))?;
        }
        Op::DenseBackwardWeights(operation::DenseBackwardWeights {
            input,
            output_gradient,
            weight_gradient,
            bias_gradient,
        }) => {
            let (inputs, units) = (columns(input), columns(output_gradient));
            expect(input, Real, Batch, inputs)?;
            expect(output_gradient, Real, Batch, units)?;
            expect(weight_gradient, Real, Fixed(inputs), units)?;
            expect(bias_gradient, Real, One, units)?;
        }
        Op::DenseBackwardInput(operation::DenseBackwardInput {
            output_gradient,
            weight,
            input,
            input_gradient,
            ..
        }) => {
            let (inputs, units) = (columns(input), columns(output_gradient));
            expect(output_gradient, Real, Batch, units)?;
            expect(weight, Real, Fixed(inputs), units)?;
            expect(input, Real, Batch, inputs)?;
            expect(input_gradient, Real, Batch, inputs)?;
        }
        Op::TakeMean(operation::TakeMean { steps: 0, .. }) => {
            return Err(Error::argument("steps", "are 0; give at least 1"));
        }
        Op::Accumulate(operation::Accumulate { gradients, .. })
        | Op::TakeMean(operation::TakeMean { gradients, .. })
        | Op::Adam(operation::Adam { gradients, .. })
        | Op::AmsGrad(operation::AmsGrad { gradients, .. })
        | Op::Sgd(operation::Sgd { gradients, .. })
        | Op::RmsProp(operation::RmsProp { gradients, .. })
        | Op::Adagrad(operation::Adagrad { gradients, .. }) => {
            for arena in op.writes() {
                expect(arena, Real, One, columns(gradients))?;
            }
        }
        Op::Map(op) => op.check(shapes)?,
        Op::RowSum(op) => op.check(shapes)?,
        Op::SampleLoss(op) => op.check(shapes)?,
        Op::SampleMetric(op) => op.check(shapes)?,
    }
    Ok(())
}

/// Refuses thresholds that are none.
fn check_thresholds(thresholds: Thresholds) -> Result<()> {
    match thresholds {
        Thresholds::One(threshold) if threshold.is_nan() => {
            Err(Error::argument("threshold", "is NaN; give a number such as 0.5"))
        }
        Thresholds::Even(count) if count < 2 => {
            let problem = format!("{count} are too few; give at least 2, 200 are usual");
            Err(Error::argument("thresholds", problem))
        }
        Thresholds::One(_) | Thresholds::Even(_) => Ok(()),
    }
}
