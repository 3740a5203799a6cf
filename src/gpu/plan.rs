//! From a program's operations to the dispatches of one compute pass.

use crate::operation::{self, Op};
use std::collections::HashMap;

use super::kernel::{InputKind, Kernel as OldKernel, LossKind, MetricKind};
use crate::error::{Error, Result};
use crate::loss::PointwiseLoss;
use crate::metric::{PointwiseMetric, Thresholds};
use crate::operation::kernel::Target;
use crate::operation::{Access, Dispatch, Kernel, KernelClass};
use crate::program::{AdamRule, BufferId, Program, dropout_threshold};
use crate::table::Table;

/// The dispatches of `ops`. A conversion that only operations read which load bytes by themselves,
/// and that is no output, is none of its own.
///
/// # Errors
/// [`Error::Argument`] if a size does not fit the kernels' 32-bit counts.
pub(crate) fn plan(program: &Program, ops: &[Op], class: KernelClass) -> Result<Vec<Dispatch>> {
    let mut conversions = conversions(ops);
    conversions.retain(|id, _| program.outputs().iter().all(|(_, output)| output != id));
    let target = Target { table: program.table(), class, conversions: &conversions };
    let converted = |op: &&Op| match op {
        Op::Convert(convert) => !conversions.contains_key(&convert.output),
        _ => true,
    };
    ops.iter().filter(converted).map(|op| op.dispatch(&target)).collect()
}

/// Conversions that need no dispatch, by their output: `(input, scale)`.
fn conversions(ops: &[Op]) -> HashMap<BufferId, (BufferId, f64)> {
    let mut found = HashMap::new();
    for op in ops {
        if let &Op::Convert(operation::Convert { input, output, scale }) = op {
            let mut uses = Vec::new();
            for op in ops {
                op.each(&mut |access, id| {
                    uses.extend((id == output && access != Access::Write).then_some(access));
                });
            }
            if !uses.is_empty() && uses.iter().all(|&access| access == Access::Load) {
                found.insert(output, (input, scale));
            }
        }
    }
    found
}

/// What a dispatch was before each operation said it of itself.
struct Old {
    kernel: OldKernel,
    constants: [u32; 8],
    buffers: Vec<BufferId>,
    inputs: u32,
    units: u32,
}

pub(crate) fn legacy(target: &Target<'_>, op: &Op) -> Result<Dispatch> {
    let Old { kernel, constants, buffers, inputs, units } =
        dispatch(target.table, op, target.class, target.conversions)?;
    let grid = kernel.grid(inputs, units);
    let shared_out = matches!(kernel, OldKernel::Penalty | OldKernel::SquaredNorm);
    let bindings = kernel.bindings().to_vec();
    let text = vec![kernel.source().into()];
    let new = Kernel::legacy(kernel.name(), bindings, text);
    let dispatch = Dispatch {
        kernel: new,
        constants: bytemuck::bytes_of(&constants).to_vec(),
        buffers,
        grid,
        terms: if shared_out { inputs / 64 } else { 0 },
    };
    Ok(dispatch.overrides(kernel.constants()))
}

fn dispatch(
    program: &Table,
    op: &Op,
    class: KernelClass,
    fused: &HashMap<BufferId, (BufferId, f64)>,
) -> Result<Old> {
    let columns = |id: BufferId| size(program.buffer(id).columns);
    let load = |id: BufferId| match fused.get(&id) {
        Some(&(bytes, scale)) => (bytes, InputKind::U8, scale as f32),
        None => (id, InputKind::F32, 1.0),
    };
    let shape = |inputs: u32, units: u32, scale: f32| padded([inputs, units, scale.to_bits(), 0]);
    let loss = |kernel: OldKernel, units: u32, [scale, parameter]: [f64; 2]| Old {
        kernel,
        constants: padded([0, units, (scale as f32).to_bits(), (parameter as f32).to_bits()]),
        buffers: [op.reads(), op.writes()].concat(),
        inputs: 0,
        units,
    };
    let metric =
        |kernel: OldKernel, units: u32, weighted: bool, [count, threshold]: [u32; 2]| Old {
            kernel,
            constants: padded([units, u32::from(weighted), count, threshold]),
            buffers: [op.reads(), op.writes()].concat(),
            inputs: 0,
            units,
        };
    let elements = |kernel: OldKernel, units: u32, [scale, layer, threshold]: [u32; 3]| Old {
        kernel,
        constants: [0, units, scale, 0, layer, threshold, 0, 0],
        buffers: [op.reads(), op.writes()].concat(),
        inputs: 0,
        units,
    };
    // Over rows of `units`, with two constants of the operation's own.
    let rows = |kernel: OldKernel, inputs: u32, units: u32, [a, b]: [u32; 2]| Old {
        kernel,
        constants: padded([inputs, units, a, b]),
        buffers: [op.reads(), op.writes()].concat(),
        inputs,
        units,
    };
    let dropped = |rate: f64, layer: u32| {
        [((1.0 / (1.0 - rate)) as f32).to_bits(), layer, dropout_threshold(rate)]
    };
    let bits = |value: f64| (value as f32).to_bits();
    // Over the values of one parameter, or of its gradient.
    let of_parameter = |kernel: OldKernel, id: BufferId, [a, b]: [u32; 2]| -> Result<Old> {
        let length = size(program.buffer(id).allocated(0))?;
        let constants = padded([length, a, b, 0]);
        let buffers = [op.reads(), op.writes()].concat();
        Ok(Old { kernel, constants, buffers, inputs: length, units: 0 })
    };
    let adam = |rule: AdamRule| [1.0 - rule.beta_1, 1.0 - rule.beta_2, rule.epsilon];
    // The arenas lie in binding order, what is only read first; all are of one length.
    let update = |kernel: OldKernel, constants: [f64; 3]| -> Result<Old> {
        let buffers = [op.reads(), op.writes()].concat();
        let length = buffers.first().map_or(Ok(0), |&arena| columns(arena))?;
        let [a, b, c] = constants.map(|constant| (constant as f32).to_bits());
        let constants = padded([length, a, b, c]);
        Ok(Old { kernel, constants, buffers, inputs: length, units: 0 })
    };
    Ok(match *op {
        Op::Convert(operation::Convert { input, output, scale }) => Old {
            kernel: OldKernel::Convert,
            constants: padded([columns(input)?, 0, (scale as f32).to_bits(), 0]),
            buffers: vec![input, output],
            inputs: columns(input)?,
            units: 0,
        },
        Op::DenseForward(operation::DenseForward { input, weight, bias, output, activation }) => {
            let (inputs, units) = (columns(input)?, columns(output)?);
            let (input, kind, scale) = load(input);
            Old {
                kernel: OldKernel::DenseForward { class, input: kind, activation },
                constants: shape(inputs, units, scale),
                buffers: vec![input, weight, bias, output],
                inputs,
                units,
            }
        }
        Op::Activate(operation::Activate { input, activation, .. }) => {
            elements(OldKernel::Activate { activation }, columns(input)?, [0; 3])
        }
        Op::ActivateBackward(operation::ActivateBackward { value, activation, .. }) => {
            elements(OldKernel::ActivateBackward { activation }, columns(value)?, [0; 3])
        }
        Op::Dropout(operation::Dropout { input, rate, layer, .. }) => {
            elements(OldKernel::Dropout, columns(input)?, dropped(rate, layer))
        }
        Op::DropoutBackward(operation::DropoutBackward {
            input, activation, rate, layer, ..
        }) => {
            let kernel = OldKernel::DropoutBackward { activation };
            elements(kernel, columns(input)?, dropped(rate, layer))
        }
        Op::Softmax(operation::Softmax { input, output }) => Old {
            kernel: OldKernel::Softmax,
            constants: shape(0, columns(input)?, 1.0),
            buffers: vec![input, output],
            inputs: 0,
            units: columns(input)?,
        },
        Op::SoftmaxBackward(operation::SoftmaxBackward { value, .. }) => {
            rows(OldKernel::SoftmaxBackward, 0, columns(value)?, [0; 2])
        }
        Op::Add(operation::Add { first, .. }) => rows(OldKernel::Add, 0, columns(first)?, [0; 2]),
        Op::Concatenate(operation::Concatenate { first, output, .. }) => {
            rows(OldKernel::Concatenate, columns(first)?, columns(output)?, [0; 2])
        }
        Op::Slice(operation::Slice { input, output, offset }) => {
            rows(OldKernel::Slice, columns(input)?, columns(output)?, [size(offset)?, 0])
        }
        Op::GaussianNoise(operation::GaussianNoise {
            input, standard_deviation, layer, ..
        }) => {
            let constants = [bits(standard_deviation), layer, 0];
            elements(OldKernel::GaussianNoise, columns(input)?, constants)
        }
        Op::BatchMoments(operation::BatchMoments { input, .. }) => {
            rows(OldKernel::BatchMoments, 0, columns(input)?, [0; 2])
        }
        Op::MovingAverage(operation::MovingAverage { value, momentum, .. }) => {
            let constants = [bits(momentum), bits(1.0 - momentum)];
            of_parameter(OldKernel::MovingAverage, value, constants)?
        }
        Op::BatchNormalize(operation::BatchNormalize { input, epsilon, gamma_offset, .. }) => {
            let constants = [bits(epsilon), bits(gamma_offset)];
            rows(OldKernel::BatchNormalize, 0, columns(input)?, constants)
        }
        Op::BatchNormalizeBackward(operation::BatchNormalizeBackward {
            input, epsilon, ..
        }) => rows(OldKernel::BatchNormalizeBackward, 0, columns(input)?, [bits(epsilon), 0]),
        Op::BatchNormalizeBackwardInput(operation::BatchNormalizeBackwardInput {
            input,
            epsilon,
            gamma_offset,
            activation,
            ..
        }) => {
            let kernel = OldKernel::BatchNormalizeBackwardInput { activation };
            rows(kernel, 0, columns(input)?, [bits(epsilon), bits(gamma_offset)])
        }
        Op::LayerNormalize(operation::LayerNormalize { input, epsilon, gamma_offset, .. }) => {
            let constants = [bits(epsilon), bits(gamma_offset)];
            rows(OldKernel::LayerNormalize, 0, columns(input)?, constants)
        }
        Op::LayerNormalizeBackward(operation::LayerNormalizeBackward { input, .. }) => {
            rows(OldKernel::LayerNormalizeBackward, 0, columns(input)?, [0; 2])
        }
        Op::LayerNormalizeBackwardInput(operation::LayerNormalizeBackwardInput {
            input,
            gamma_offset,
            activation,
            ..
        }) => {
            let kernel = OldKernel::LayerNormalizeBackwardInput { activation };
            rows(kernel, 0, columns(input)?, [0, bits(gamma_offset)])
        }
        Op::ActivityPenalty(operation::ActivityPenalty { value, l1, l2, .. }) => {
            rows(OldKernel::ActivityPenalty, 0, columns(value)?, [bits(l1), bits(l2)])
        }
        Op::ActivityPenaltyGradient(operation::ActivityPenaltyGradient {
            value,
            activation,
            l1,
            l2,
            ..
        }) => {
            let kernel = OldKernel::ActivityPenaltyGradient { activation };
            rows(kernel, 0, columns(value)?, [bits(l1), bits(l2)])
        }
        Op::SoftmaxCrossEntropy(operation::SoftmaxCrossEntropy { logits, scale, .. }) => {
            loss(OldKernel::SoftmaxCrossEntropy, columns(logits)?, [scale, 0.0])
        }
        Op::CategoricalCrossEntropy(operation::CategoricalCrossEntropy {
            logits,
            scale,
            label_smoothing,
            ..
        }) => loss(OldKernel::CategoricalCrossEntropy, columns(logits)?, [scale, label_smoothing]),
        Op::PointwiseLoss(operation::PointwiseLoss {
            outputs,
            scale,
            function,
            activation,
            ..
        }) => {
            let (kind, parameter) = match function {
                PointwiseLoss::BinaryCrossentropy { label_smoothing } => {
                    (LossKind::BinaryCrossentropy, label_smoothing)
                }
                PointwiseLoss::MeanSquaredError => (LossKind::MeanSquaredError, 0.0),
                PointwiseLoss::MeanAbsoluteError => (LossKind::MeanAbsoluteError, 0.0),
                PointwiseLoss::Huber { delta } => (LossKind::Huber, delta),
            };
            let kernel = OldKernel::PointwiseLoss { loss: kind, activation };
            loss(kernel, columns(outputs)?, [scale, parameter])
        }
        Op::Argmax(operation::Argmax { input, .. }) => {
            loss(OldKernel::Argmax, columns(input)?, [1.0, 0.0])
        }
        Op::TopK(operation::TopK { predictions, k, weighted, .. }) => {
            metric(OldKernel::TopK, columns(predictions)?, weighted, [size(k)?, 0])
        }
        Op::PointwiseMetric(operation::PointwiseMetric {
            predictions, function, weighted, ..
        }) => {
            let (kind, threshold) = match function {
                PointwiseMetric::SquaredError => (MetricKind::SquaredError, 0.0),
                PointwiseMetric::AbsoluteError => (MetricKind::AbsoluteError, 0.0),
                PointwiseMetric::BinaryAccuracy { threshold } => {
                    (MetricKind::BinaryAccuracy, threshold)
                }
            };
            let kernel = OldKernel::PointwiseMetric { metric: kind };
            metric(kernel, columns(predictions)?, weighted, [0, bits(threshold)])
        }
        Op::BinaryHistogram(operation::BinaryHistogram {
            predictions,
            thresholds,
            weighted,
            ..
        }) => {
            let (even, threshold) = match thresholds {
                Thresholds::One(threshold) => (false, threshold),
                Thresholds::Even(_) => (true, 0.0),
            };
            let constants = [size(thresholds.buckets())?, bits(threshold)];
            let kernel = OldKernel::BinaryHistogram { even };
            metric(kernel, columns(predictions)?, weighted, constants)
        }
        Op::ConfusionMatrix(operation::ConfusionMatrix { matrix, weighted, .. }) => {
            metric(OldKernel::ConfusionMatrix, columns(matrix)?, weighted, [0, 0])
        }
        Op::SquaredNorm(operation::SquaredNorm { gradient, first, .. }) => {
            of_parameter(OldKernel::SquaredNorm, gradient, [u32::from(first), 0])?
        }
        Op::ClipByNorm(operation::ClipByNorm { gradient, limit, .. }) => {
            of_parameter(OldKernel::ClipByNorm, gradient, [bits(limit), 0])?
        }
        Op::ClipByValue(operation::ClipByValue { gradient, limit }) => {
            of_parameter(OldKernel::ClipByValue, gradient, [bits(limit), 0])?
        }
        Op::Penalty(operation::Penalty { weight, l1, l2, .. }) => {
            of_parameter(OldKernel::Penalty, weight, [bits(l1), bits(l2)])?
        }
        Op::PenaltyGradient(operation::PenaltyGradient { weight, l1, l2, .. }) => {
            of_parameter(OldKernel::PenaltyGradient, weight, [bits(l1), bits(l2)])?
        }
        Op::DenseBackwardWeights(operation::DenseBackwardWeights {
            input,
            output_gradient,
            weight_gradient,
            bias_gradient,
        }) => {
            let (inputs, units) = (columns(input)?, columns(output_gradient)?);
            let (input, kind, scale) = load(input);
            Old {
                kernel: OldKernel::DenseBackwardWeights { class, input: kind },
                constants: shape(inputs, units, scale),
                buffers: vec![input, output_gradient, weight_gradient, bias_gradient],
                inputs,
                units,
            }
        }
        Op::DenseBackwardInput(operation::DenseBackwardInput {
            output_gradient,
            weight,
            input,
            input_gradient,
            activation,
        }) => {
            let (inputs, units) = (columns(input)?, columns(output_gradient)?);
            Old {
                kernel: OldKernel::DenseBackwardInput { class, activation },
                constants: shape(inputs, units, 1.0),
                buffers: vec![output_gradient, weight, input, input_gradient],
                inputs,
                units,
            }
        }
        Op::Accumulate(operation::Accumulate { .. }) => update(OldKernel::Accumulate, [0.0; 3])?,
        Op::TakeMean(operation::TakeMean { steps, .. }) => {
            update(OldKernel::TakeMean, [steps as f64, 0.0, 0.0])?
        }
        Op::Adam(operation::Adam { rule, .. }) => update(OldKernel::Adam, adam(rule))?,
        Op::AmsGrad(operation::AmsGrad { rule, .. }) => update(OldKernel::AmsGrad, adam(rule))?,
        Op::Sgd(operation::Sgd { momentum, nesterov, .. }) => {
            update(OldKernel::Sgd { nesterov }, [momentum, 0.0, 0.0])?
        }
        Op::RmsProp(operation::RmsProp { rho, momentum, epsilon, centered, .. }) => {
            update(OldKernel::RmsProp { centered }, [1.0 - rho, momentum, epsilon])?
        }
        Op::Adagrad(operation::Adagrad { epsilon, .. }) => {
            update(OldKernel::Adagrad, [epsilon, 0.0, 0.0])?
        }
        Op::Map(_) | Op::RowSum(_) | Op::SampleLoss(_) | Op::SampleMetric(_) => {
            let problem = format!("{} makes its dispatch by itself", op.name());
            return Err(Error::argument("op", problem));
        }
    })
}

/// Most kernels read the first four only.
fn padded([a, b, c, d]: [u32; 4]) -> [u32; 8] {
    [a, b, c, d, 0, 0, 0, 0]
}

/// Sizes and counts are u32 in the kernels.
pub(super) fn size(value: usize) -> Result<u32> {
    u32::try_from(value).map_err(|_| {
        Error::argument("size", format!("{value} is beyond the 2^32 - 1 that a kernel can count"))
    })
}
