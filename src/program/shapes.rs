//! What each operation demands of its buffers.

use super::{BufferId, Element, Op, Program, Role, Rows};
use crate::error::{Error, Result};
use crate::metric::{PointwiseMetric, Thresholds};

/// Whether the shapes and element types of the operation's buffers fit each other, and it does not
/// write what it also reads.
///
/// # Errors
/// [`Error::Shape`] or [`Error::Argument`] naming what does not fit.
pub(super) fn check(program: &Program, op: &Op) -> Result<()> {
    use Element::{Real, U8, U32};
    use Rows::{Batch, Fixed, One};
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
    if let Op::DenseForward { activation, .. }
    | Op::DenseBackwardInput { activation, .. }
    | Op::DropoutBackward { activation, .. }
    | Op::BatchNormalizeBackwardInput { activation, .. }
    | Op::LayerNormalizeBackwardInput { activation, .. }
    | Op::ActivityPenaltyGradient { activation, .. }
    | Op::PointwiseLoss { activation, .. } = *op
        && !activation.is_fused()
    {
        let problem = format!("{activation:?} cannot be part of {}", op.name());
        return Err(Error::argument("activation", problem));
    }
    match *op {
        Op::Convert { input, output, .. } => {
            expect(input, U8, Batch, columns(input))?;
            expect(output, Real, Batch, columns(input))?;
        }
        Op::DenseForward { input, weight, bias, output, .. } => {
            expect(input, Real, Batch, columns(input))?;
            expect(weight, Real, Fixed(columns(input)), columns(output))?;
            expect(bias, Real, One, columns(output))?;
            expect(output, Real, Batch, columns(output))?;
        }
        Op::Softmax { input, output }
        | Op::Activate { input, output, .. }
        | Op::Dropout { input, output, .. }
        | Op::GaussianNoise { input, output, .. } => {
            expect(input, Real, Batch, columns(input))?;
            expect(output, Real, Batch, columns(input))?;
        }
        Op::Add { first, second, output } => {
            all(&[first, second, output], Batch, columns(first))?;
        }
        Op::Concatenate { first, second, output } => {
            expect(first, Real, Batch, columns(first))?;
            expect(second, Real, Batch, columns(second))?;
            expect(output, Real, Batch, columns(first).saturating_add(columns(second)))?;
        }
        Op::Slice { input, output, offset } => {
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
        Op::BatchMoments { input, mean, variance } => {
            all(&[input], Batch, columns(input))?;
            all(&[mean, variance], One, columns(input))?;
        }
        Op::BatchNormalize { input, mean, variance, gamma, beta, output, .. } => {
            all(&[input, output], Batch, columns(input))?;
            all(&[mean, variance, gamma, beta], One, columns(input))?;
        }
        Op::BatchNormalizeBackward {
            output_gradient,
            input,
            mean,
            variance,
            gamma_gradient,
            beta_gradient,
            ..
        } => {
            all(&[output_gradient, input], Batch, columns(input))?;
            all(&[mean, variance, gamma_gradient, beta_gradient], One, columns(input))?;
        }
        Op::BatchNormalizeBackwardInput {
            output_gradient,
            input,
            mean,
            variance,
            gamma,
            gamma_gradient,
            beta_gradient,
            input_gradient,
            ..
        } => {
            all(&[output_gradient, input, input_gradient], Batch, columns(input))?;
            let vectors = [mean, variance, gamma, gamma_gradient, beta_gradient];
            all(&vectors, One, columns(input))?;
        }
        Op::LayerNormalize { input, gamma, beta, output, moments, .. } => {
            all(&[input, output], Batch, columns(input))?;
            all(&[gamma, beta], One, columns(input))?;
            expect(moments, Real, Batch, 2)?;
        }
        Op::LayerNormalizeBackward {
            output_gradient,
            input,
            moments,
            gamma_gradient,
            beta_gradient,
        } => {
            all(&[output_gradient, input], Batch, columns(input))?;
            all(&[gamma_gradient, beta_gradient], One, columns(input))?;
            expect(moments, Real, Batch, 2)?;
        }
        Op::LayerNormalizeBackwardInput {
            output_gradient,
            input,
            moments,
            gamma,
            input_gradient,
            ..
        } => {
            all(&[output_gradient, input, input_gradient], Batch, columns(input))?;
            all(&[gamma], One, columns(input))?;
            expect(moments, Real, Batch, 2)?;
        }
        Op::MovingAverage { value, average, .. } => {
            all(&[value, average], One, columns(value))?;
        }
        Op::ActivityPenalty { value, loss, .. } => {
            expect(value, Real, Batch, columns(value))?;
            expect(loss, Real, Batch, 1)?;
        }
        Op::ActivityPenaltyGradient { value, input_gradient, .. } => {
            all(&[value, input_gradient], Batch, columns(value))?;
        }
        Op::ActivateBackward { output_gradient, value: input, input_gradient, .. }
        | Op::SoftmaxBackward { output_gradient, value: input, input_gradient }
        | Op::DropoutBackward { output_gradient, input, input_gradient, .. } => {
            for id in [output_gradient, input, input_gradient] {
                expect(id, Real, Batch, columns(input))?;
            }
        }
        Op::SoftmaxCrossEntropy { logits: outputs, labels: targets, .. }
        | Op::CategoricalCrossEntropy { logits: outputs, targets, .. }
        | Op::PointwiseLoss { outputs, targets, .. } => {
            let units = columns(outputs);
            expect(outputs, Real, Batch, units)?;
            match op {
                Op::SoftmaxCrossEntropy { .. } => expect(targets, U32, Batch, 1)?,
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
        Op::Argmax { input, index } => {
            expect(input, Real, Batch, columns(input))?;
            expect(index, U32, Batch, 1)?;
        }
        Op::TopK { predictions, labels: targets, sample_weights, sums, .. }
        | Op::PointwiseMetric { predictions, targets, sample_weights, sums, .. }
        | Op::BinaryHistogram { predictions, targets, sample_weights, sums, .. } => {
            let units = columns(predictions);
            expect(predictions, Real, Batch, units)?;
            match op {
                Op::TopK { .. } => expect(targets, U32, Batch, 1)?,
                _ => expect(targets, Real, Batch, units)?,
            }
            expect(sample_weights, Real, Batch, 1)?;
            match *op {
                Op::BinaryHistogram { thresholds, .. } => {
                    check_thresholds(thresholds)?;
                    expect(sums, Real, Batch, thresholds.buckets().saturating_mul(2))?;
                }
                _ => expect(sums, Real, Batch, 2)?,
            }
            unpadded(sums)?;
            match *op {
                Op::TopK { k: 0, .. } => {
                    return Err(Error::argument("k", "is 0; give at least 1"));
                }
                Op::PointwiseMetric {
                    function: PointwiseMetric::BinaryAccuracy { threshold },
                    ..
                } => check_thresholds(Thresholds::One(threshold))?,
                _ => {}
            }
        }
        Op::ConfusionMatrix { labels, predicted, sample_weights, matrix, .. } => {
            expect(labels, U32, Batch, 1)?;
            expect(predicted, U32, Batch, 1)?;
            expect(sample_weights, Real, Batch, 1)?;
            expect(matrix, Real, Fixed(columns(matrix)), columns(matrix))?;
            unpadded(matrix)?;
        }
        Op::SquaredNorm { gradient, sum, .. }
        | Op::ClipByNorm { squared_norm: sum, gradient, .. } => {
            expect(gradient, Real, program.buffer(gradient).rows, columns(gradient))?;
            expect(sum, Real, One, 1)?;
        }
        Op::ClipByValue { gradient, .. } => {
            expect(gradient, Real, program.buffer(gradient).rows, columns(gradient))?;
        }
        Op::Penalty { weight, penalty, .. } => {
            expect(weight, Real, program.buffer(weight).rows, columns(weight))?;
            expect(penalty, Real, One, Program::PENALTY_SLOTS + 1)?;
        }
        Op::PenaltyGradient { weight, weight_gradient, .. } => {
            let rows = program.buffer(weight).rows;
            expect(weight, Real, rows, columns(weight))?;
            expect(weight_gradient, Real, rows, columns(weight))?;
        }
        Op::DenseBackwardWeights { input, output_gradient, weight_gradient, bias_gradient } => {
            let (inputs, units) = (columns(input), columns(output_gradient));
            expect(input, Real, Batch, inputs)?;
            expect(output_gradient, Real, Batch, units)?;
            expect(weight_gradient, Real, Fixed(inputs), units)?;
            expect(bias_gradient, Real, One, units)?;
        }
        Op::DenseBackwardInput { output_gradient, weight, input, input_gradient, .. } => {
            let (inputs, units) = (columns(input), columns(output_gradient));
            expect(output_gradient, Real, Batch, units)?;
            expect(weight, Real, Fixed(inputs), units)?;
            expect(input, Real, Batch, inputs)?;
            expect(input_gradient, Real, Batch, inputs)?;
        }
        Op::TakeMean { steps: 0, .. } => {
            return Err(Error::argument("steps", "are 0; give at least 1"));
        }
        Op::Accumulate { gradients, .. }
        | Op::TakeMean { gradients, .. }
        | Op::Adam { gradients, .. }
        | Op::AmsGrad { gradients, .. }
        | Op::Sgd { gradients, .. }
        | Op::RmsProp { gradients, .. }
        | Op::Adagrad { gradients, .. } => {
            for arena in op.writes() {
                expect(arena, Real, One, columns(gradients))?;
            }
        }
    }
    let writes = op.writes();
    if let Some(both) = op.reads().into_iter().find(|read| writes.contains(read)) {
        return Err(Error::argument(
            "op",
            format!("{} reads and writes {}", op.name(), program.buffer(both).name),
        ));
    }
    if let Some((_, twice)) =
        writes.iter().enumerate().find(|(i, write)| writes[..*i].contains(write))
    {
        return Err(Error::argument(
            "op",
            format!("{} writes {} twice", op.name(), program.buffer(*twice).name),
        ));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::activation::Elementwise;
    use crate::program::{Pass, ProgramBuilder};

    /// A builder with rows `a` and `b` of 5, `c` of 3 and `d` of 8 columns, and a vector of 5.
    fn builder() -> (ProgramBuilder, [BufferId; 5]) {
        let mut builder = ProgramBuilder::new();
        let rows = [("a", 5), ("b", 5), ("c", 3), ("d", 8)];
        let [a, b, c, d] = rows.map(|(name, columns)| builder.activation(name, columns).unwrap());
        let vector = builder.buffer("vector", Role::Scratch, Element::Real, Rows::One, 5).unwrap();
        (builder, [a, b, c, d, vector])
    }

    #[track_caller]
    fn assert_refused(op: impl Fn([BufferId; 5]) -> Op, expected: &str) {
        let (mut builder, ids) = builder();
        let error = builder.push(Pass::Predict, op(ids)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
        assert!(builder.build().ops(Pass::Predict).is_empty());
    }

    #[test]
    fn rows_that_do_not_fit_beside_each_other_are_refused() {
        assert_refused(|[a, _, c, d, _]| Op::Add { first: a, second: c, output: d }, "c in add");
        assert_refused(|[a, b, _, d, _]| Op::Concatenate { first: a, second: b, output: d }, "10]");
        let (mut builder, [a, _, c, d, _]) = builder();
        builder.push(Pass::Predict, Op::Concatenate { first: a, second: c, output: d }).unwrap();
    }

    #[test]
    fn a_slice_ends_within_its_input() {
        for offset in [3, usize::MAX] {
            assert_refused(|[a, _, c, ..]| Op::Slice { input: a, output: c, offset }, "c in slice");
        }
        let (mut builder, [a, _, c, ..]) = builder();
        builder.push(Pass::Predict, Op::Slice { input: a, output: c, offset: 2 }).unwrap();
    }

    #[test]
    fn a_normalization_takes_one_value_a_unit_and_writes_each_buffer_once() {
        assert_refused(
            |[a, _, c, _, vector]| Op::BatchMoments { input: a, mean: vector, variance: c },
            "c in batch_moments",
        );
        assert_refused(
            |[a, _, _, _, vector]| Op::BatchMoments { input: a, mean: vector, variance: vector },
            "writes vector twice",
        );
        assert_refused(
            |[a, b, c, _, vector]| Op::LayerNormalize {
                input: a,
                gamma: vector,
                beta: vector,
                output: b,
                moments: c,
                epsilon: 1e-3,
                gamma_offset: 0.0,
            },
            "c in layer_normalize",
        );
    }

    #[test]
    fn a_gradient_takes_along_no_activation_that_its_result_does_not_tell() {
        assert_refused(
            |[a, b, ..]| Op::ActivityPenaltyGradient {
                value: a,
                input_gradient: b,
                activation: Elementwise::Gelu,
                l1: 0.5,
                l2: 0.5,
            },
            "Gelu cannot be part of activity_penalty_gradient",
        );
    }
}
