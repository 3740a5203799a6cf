//! From a program's operations to the dispatches of one compute pass.

use std::collections::HashMap;

use super::kernel::{InputKind, Kernel, KernelClass, LossKind, MetricKind};
use crate::error::{Error, Result};
use crate::loss::PointwiseLoss;
use crate::metric::{PointwiseMetric, Thresholds};
use crate::program::{AdamRule, BufferId, Op, Program, dropout_threshold};

/// One dispatch: a kernel, its constants and its storage buffers in binding order.
#[derive(Debug, Clone)]
pub(super) struct Dispatch {
    pub kernel: Kernel,
    /// The uniform at binding 1.
    pub constants: [u32; 8],
    pub buffers: Vec<BufferId>,
    /// Columns of the input; for an update, the number of parameters.
    pub inputs: u32,
    /// Columns of the output.
    pub units: u32,
}

impl Dispatch {
    /// Workgroups for a batch of `live_rows`.
    pub fn workgroups(&self, live_rows: u32) -> [u32; 3] {
        self.kernel.workgroups(live_rows, self.inputs, self.units)
    }
}

/// The dispatches of `ops`. A conversion that only dense operations read, and that is no output, is
/// none of its own: they load the bytes themselves.
///
/// # Errors
/// [`Error::Argument`] if a size does not fit the kernels' 32-bit counts.
pub(super) fn plan(program: &Program, ops: &[Op], class: KernelClass) -> Result<Vec<Dispatch>> {
    let mut fused = fused_conversions(ops);
    fused.retain(|id, _| program.outputs().iter().all(|(_, output)| output != id));
    ops.iter()
        .filter(|op| !matches!(op, Op::Convert { output, .. } if fused.contains_key(output)))
        .map(|op| dispatch(program, op, class, &fused))
        .collect()
}

/// Conversions that need no dispatch, by their output: `(input, scale)`.
fn fused_conversions(ops: &[Op]) -> HashMap<BufferId, (BufferId, f64)> {
    let conversions = ops.iter().filter_map(|op| match *op {
        Op::Convert { input, output, scale } => Some((output, (input, scale))),
        _ => None,
    });
    conversions
        .filter(|(output, _)| {
            ops.iter().filter(|op| op.reads().contains(output)).all(|op| match op {
                Op::DenseForward { input, .. } | Op::DenseBackwardWeights { input, .. } => {
                    input == output
                }
                _ => false,
            }) && ops.iter().any(|op| op.reads().contains(output))
        })
        .collect()
}

fn dispatch(
    program: &Program,
    op: &Op,
    class: KernelClass,
    fused: &HashMap<BufferId, (BufferId, f64)>,
) -> Result<Dispatch> {
    let columns = |id: BufferId| size(program.buffer(id).columns);
    let load = |id: BufferId| match fused.get(&id) {
        Some(&(bytes, scale)) => (bytes, InputKind::U8, scale as f32),
        None => (id, InputKind::F32, 1.0),
    };
    let shape = |inputs: u32, units: u32, scale: f32| padded([inputs, units, scale.to_bits(), 0]);
    let loss = |kernel: Kernel, units: u32, [scale, parameter]: [f64; 2]| Dispatch {
        kernel,
        constants: padded([0, units, (scale as f32).to_bits(), (parameter as f32).to_bits()]),
        buffers: [op.reads(), op.writes()].concat(),
        inputs: 0,
        units,
    };
    let metric =
        |kernel: Kernel, units: u32, weighted: bool, [count, threshold]: [u32; 2]| Dispatch {
            kernel,
            constants: padded([units, u32::from(weighted), count, threshold]),
            buffers: [op.reads(), op.writes()].concat(),
            inputs: 0,
            units,
        };
    let elements = |kernel: Kernel, units: u32, [scale, layer, threshold]: [u32; 3]| Dispatch {
        kernel,
        constants: [0, units, scale, 0, layer, threshold, 0, 0],
        buffers: [op.reads(), op.writes()].concat(),
        inputs: 0,
        units,
    };
    // Over rows of `units`, with two constants of the operation's own.
    let rows = |kernel: Kernel, inputs: u32, units: u32, [a, b]: [u32; 2]| Dispatch {
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
    let of_parameter = |kernel: Kernel, id: BufferId, [a, b]: [u32; 2]| -> Result<Dispatch> {
        let length = size(program.buffer(id).allocated(0))?;
        let constants = padded([length, a, b, 0]);
        let buffers = [op.reads(), op.writes()].concat();
        Ok(Dispatch { kernel, constants, buffers, inputs: length, units: 0 })
    };
    let adam = |rule: AdamRule| [1.0 - rule.beta_1, 1.0 - rule.beta_2, rule.epsilon];
    // The arenas lie in binding order, what is only read first; all are of one length.
    let update = |kernel: Kernel, constants: [f64; 3]| -> Result<Dispatch> {
        let buffers = [op.reads(), op.writes()].concat();
        let length = buffers.first().map_or(Ok(0), |&arena| columns(arena))?;
        let [a, b, c] = constants.map(|constant| (constant as f32).to_bits());
        let constants = padded([length, a, b, c]);
        Ok(Dispatch { kernel, constants, buffers, inputs: length, units: 0 })
    };
    Ok(match *op {
        Op::Convert { input, output, scale } => Dispatch {
            kernel: Kernel::Convert,
            constants: padded([columns(input)?, 0, (scale as f32).to_bits(), 0]),
            buffers: vec![input, output],
            inputs: columns(input)?,
            units: 0,
        },
        Op::DenseForward { input, weight, bias, output, activation } => {
            let (inputs, units) = (columns(input)?, columns(output)?);
            let (input, kind, scale) = load(input);
            Dispatch {
                kernel: Kernel::DenseForward { class, input: kind, activation },
                constants: shape(inputs, units, scale),
                buffers: vec![input, weight, bias, output],
                inputs,
                units,
            }
        }
        Op::Activate { input, activation, .. } => {
            elements(Kernel::Activate { activation }, columns(input)?, [0; 3])
        }
        Op::ActivateBackward { value, activation, .. } => {
            elements(Kernel::ActivateBackward { activation }, columns(value)?, [0; 3])
        }
        Op::Dropout { input, rate, layer, .. } => {
            elements(Kernel::Dropout, columns(input)?, dropped(rate, layer))
        }
        Op::DropoutBackward { input, activation, rate, layer, .. } => {
            let kernel = Kernel::DropoutBackward { activation };
            elements(kernel, columns(input)?, dropped(rate, layer))
        }
        Op::Softmax { input, output } => Dispatch {
            kernel: Kernel::Softmax,
            constants: shape(0, columns(input)?, 1.0),
            buffers: vec![input, output],
            inputs: 0,
            units: columns(input)?,
        },
        Op::SoftmaxBackward { value, .. } => {
            rows(Kernel::SoftmaxBackward, 0, columns(value)?, [0; 2])
        }
        Op::Add { first, .. } => rows(Kernel::Add, 0, columns(first)?, [0; 2]),
        Op::Concatenate { first, output, .. } => {
            rows(Kernel::Concatenate, columns(first)?, columns(output)?, [0; 2])
        }
        Op::Slice { input, output, offset } => {
            rows(Kernel::Slice, columns(input)?, columns(output)?, [size(offset)?, 0])
        }
        Op::GaussianNoise { input, standard_deviation, layer, .. } => {
            let constants = [bits(standard_deviation), layer, 0];
            elements(Kernel::GaussianNoise, columns(input)?, constants)
        }
        Op::BatchMoments { input, .. } => rows(Kernel::BatchMoments, 0, columns(input)?, [0; 2]),
        Op::MovingAverage { value, momentum, .. } => {
            let constants = [bits(momentum), bits(1.0 - momentum)];
            of_parameter(Kernel::MovingAverage, value, constants)?
        }
        Op::BatchNormalize { input, epsilon, gamma_offset, .. } => {
            let constants = [bits(epsilon), bits(gamma_offset)];
            rows(Kernel::BatchNormalize, 0, columns(input)?, constants)
        }
        Op::BatchNormalizeBackward { input, epsilon, .. } => {
            rows(Kernel::BatchNormalizeBackward, 0, columns(input)?, [bits(epsilon), 0])
        }
        Op::BatchNormalizeBackwardInput { input, epsilon, gamma_offset, activation, .. } => {
            let kernel = Kernel::BatchNormalizeBackwardInput { activation };
            rows(kernel, 0, columns(input)?, [bits(epsilon), bits(gamma_offset)])
        }
        Op::LayerNormalize { input, epsilon, gamma_offset, .. } => {
            let constants = [bits(epsilon), bits(gamma_offset)];
            rows(Kernel::LayerNormalize, 0, columns(input)?, constants)
        }
        Op::LayerNormalizeBackward { input, .. } => {
            rows(Kernel::LayerNormalizeBackward, 0, columns(input)?, [0; 2])
        }
        Op::LayerNormalizeBackwardInput { input, gamma_offset, activation, .. } => {
            let kernel = Kernel::LayerNormalizeBackwardInput { activation };
            rows(kernel, 0, columns(input)?, [0, bits(gamma_offset)])
        }
        Op::ActivityPenalty { value, l1, l2, .. } => {
            rows(Kernel::ActivityPenalty, 0, columns(value)?, [bits(l1), bits(l2)])
        }
        Op::ActivityPenaltyGradient { value, activation, l1, l2, .. } => {
            let kernel = Kernel::ActivityPenaltyGradient { activation };
            rows(kernel, 0, columns(value)?, [bits(l1), bits(l2)])
        }
        Op::SoftmaxCrossEntropy { logits, scale, .. } => {
            loss(Kernel::SoftmaxCrossEntropy, columns(logits)?, [scale, 0.0])
        }
        Op::CategoricalCrossEntropy { logits, scale, label_smoothing, .. } => {
            loss(Kernel::CategoricalCrossEntropy, columns(logits)?, [scale, label_smoothing])
        }
        Op::PointwiseLoss { outputs, scale, function, activation, .. } => {
            let (kind, parameter) = match function {
                PointwiseLoss::BinaryCrossentropy { label_smoothing } => {
                    (LossKind::BinaryCrossentropy, label_smoothing)
                }
                PointwiseLoss::MeanSquaredError => (LossKind::MeanSquaredError, 0.0),
                PointwiseLoss::MeanAbsoluteError => (LossKind::MeanAbsoluteError, 0.0),
                PointwiseLoss::Huber { delta } => (LossKind::Huber, delta),
            };
            let kernel = Kernel::PointwiseLoss { loss: kind, activation };
            loss(kernel, columns(outputs)?, [scale, parameter])
        }
        Op::Argmax { input, .. } => loss(Kernel::Argmax, columns(input)?, [1.0, 0.0]),
        Op::TopK { predictions, k, weighted, .. } => {
            metric(Kernel::TopK, columns(predictions)?, weighted, [size(k)?, 0])
        }
        Op::PointwiseMetric { predictions, function, weighted, .. } => {
            let (kind, threshold) = match function {
                PointwiseMetric::SquaredError => (MetricKind::SquaredError, 0.0),
                PointwiseMetric::AbsoluteError => (MetricKind::AbsoluteError, 0.0),
                PointwiseMetric::BinaryAccuracy { threshold } => {
                    (MetricKind::BinaryAccuracy, threshold)
                }
            };
            let kernel = Kernel::PointwiseMetric { metric: kind };
            metric(kernel, columns(predictions)?, weighted, [0, bits(threshold)])
        }
        Op::BinaryHistogram { predictions, thresholds, weighted, .. } => {
            let (even, threshold) = match thresholds {
                Thresholds::One(threshold) => (false, threshold),
                Thresholds::Even(_) => (true, 0.0),
            };
            let constants = [size(thresholds.buckets())?, bits(threshold)];
            let kernel = Kernel::BinaryHistogram { even };
            metric(kernel, columns(predictions)?, weighted, constants)
        }
        Op::ConfusionMatrix { matrix, weighted, .. } => {
            metric(Kernel::ConfusionMatrix, columns(matrix)?, weighted, [0, 0])
        }
        Op::SquaredNorm { gradient, first, .. } => {
            of_parameter(Kernel::SquaredNorm, gradient, [u32::from(first), 0])?
        }
        Op::ClipByNorm { gradient, limit, .. } => {
            of_parameter(Kernel::ClipByNorm, gradient, [bits(limit), 0])?
        }
        Op::ClipByValue { gradient, limit } => {
            of_parameter(Kernel::ClipByValue, gradient, [bits(limit), 0])?
        }
        Op::Penalty { weight, l1, l2, .. } => {
            of_parameter(Kernel::Penalty, weight, [bits(l1), bits(l2)])?
        }
        Op::PenaltyGradient { weight, l1, l2, .. } => {
            of_parameter(Kernel::PenaltyGradient, weight, [bits(l1), bits(l2)])?
        }
        Op::DenseBackwardWeights { input, output_gradient, weight_gradient, bias_gradient } => {
            let (inputs, units) = (columns(input)?, columns(output_gradient)?);
            let (input, kind, scale) = load(input);
            Dispatch {
                kernel: Kernel::DenseBackwardWeights { class, input: kind },
                constants: shape(inputs, units, scale),
                buffers: vec![input, output_gradient, weight_gradient, bias_gradient],
                inputs,
                units,
            }
        }
        Op::DenseBackwardInput { output_gradient, weight, input, input_gradient, activation } => {
            let (inputs, units) = (columns(input)?, columns(output_gradient)?);
            Dispatch {
                kernel: Kernel::DenseBackwardInput { class, activation },
                constants: shape(inputs, units, 1.0),
                buffers: vec![output_gradient, weight, input, input_gradient],
                inputs,
                units,
            }
        }
        Op::Accumulate { .. } => update(Kernel::Accumulate, [0.0; 3])?,
        Op::TakeMean { steps, .. } => update(Kernel::TakeMean, [steps as f64, 0.0, 0.0])?,
        Op::Adam { rule, .. } => update(Kernel::Adam, adam(rule))?,
        Op::AmsGrad { rule, .. } => update(Kernel::AmsGrad, adam(rule))?,
        Op::Sgd { momentum, nesterov, .. } => {
            update(Kernel::Sgd { nesterov }, [momentum, 0.0, 0.0])?
        }
        Op::RmsProp { rho, momentum, epsilon, centered, .. } => {
            update(Kernel::RmsProp { centered }, [1.0 - rho, momentum, epsilon])?
        }
        Op::Adagrad { epsilon, .. } => update(Kernel::Adagrad, [epsilon, 0.0, 0.0])?,
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
