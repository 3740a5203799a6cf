//! From nodes to the operations on the way forward.

use crate::operation::{self, Op};
use std::collections::{HashMap, HashSet};

use super::node::{DenseNode, Node};
use crate::error::Result;
use crate::operation::activation::Elementwise;
use crate::program::{BufferId, Pass, ProgramBuilder};

/// Pushes what it takes to compute `wanted` in `pass`. What acts in training only is left out of
/// the other passes, or copies its input if that is wanted.
pub(super) fn push_forward(
    builder: &mut ProgramBuilder,
    pass: Pass,
    nodes: &[Node],
    wanted: &[BufferId],
) -> Result<()> {
    let training = pass == Pass::Train;
    let mut needed: HashSet<BufferId> = wanted.iter().copied().collect();
    for node in nodes.iter().rev() {
        if needed.contains(&node.output().buffer) {
            needed.extend(node.inputs().iter().map(|input| input.buffer));
        }
    }
    let mut held: HashMap<BufferId, BufferId> = HashMap::new();
    for node in nodes.iter().filter(|node| needed.contains(&node.output().buffer)) {
        let read = |id: BufferId| held.get(&id).copied().unwrap_or(id);
        let made = node.output().buffer;
        let op = match *node {
            Node::Convert { bytes, output, scale } => {
                Op::Convert(operation::Convert { input: bytes, output: output.buffer, scale })
            }
            Node::Dense(DenseNode { input, output, weight, bias, .. }) => {
                Op::DenseForward(operation::DenseForward {
                    input: read(input.buffer),
                    weight,
                    bias,
                    output: output.buffer,
                    activation: output.made_by,
                })
            }
            Node::Activate { input, output, activation } => Op::Activate(operation::Activate {
                input: read(input.buffer),
                output: output.buffer,
                activation,
            }),
            Node::Softmax { input, output } => {
                Op::Softmax(operation::Softmax { input: read(input.buffer), output: output.buffer })
            }
            Node::Dropout { input, .. } | Node::GaussianNoise { input, .. } if !training => {
                if !wanted.contains(&made) {
                    held.insert(made, read(input.buffer));
                    continue;
                }
                let activation = Elementwise::Linear;
                Op::Activate(operation::Activate {
                    input: read(input.buffer),
                    output: made,
                    activation,
                })
            }
            Node::Dropout { input, output, rate, number } => Op::Dropout(operation::Dropout {
                input: input.buffer,
                output: output.buffer,
                rate,
                layer: number,
            }),
            Node::GaussianNoise { input, output, standard_deviation, number } => {
                Op::GaussianNoise(operation::GaussianNoise {
                    input: input.buffer,
                    output: output.buffer,
                    standard_deviation,
                    layer: number,
                })
            }
            Node::Add { first, second, output } => Op::Add(operation::Add {
                first: read(first.buffer),
                second: read(second.buffer),
                output: output.buffer,
            }),
            Node::Concatenate { first, second, output } => {
                Op::Concatenate(operation::Concatenate {
                    first: read(first.buffer),
                    second: read(second.buffer),
                    output: output.buffer,
                })
            }
            Node::Normalize { input, output, mean, variance, batch, affine, epsilon } => {
                let input = read(input.buffer);
                let (mut of_mean, mut of_variance) = (mean, variance);
                if let Some(batch) = batch.filter(|_| training) {
                    (of_mean, of_variance) = (batch.mean, batch.variance);
                    let moments = Op::BatchMoments(operation::BatchMoments {
                        input,
                        mean: of_mean,
                        variance: of_variance,
                    });
                    builder.push(pass, moments)?;
                    for (value, average) in [(of_mean, mean), (of_variance, variance)] {
                        let momentum = batch.momentum;
                        builder.push(
                            pass,
                            Op::MovingAverage(operation::MovingAverage {
                                value,
                                average,
                                momentum,
                            }),
                        )?;
                    }
                }
                Op::BatchNormalize(operation::BatchNormalize {
                    input,
                    mean: of_mean,
                    variance: of_variance,
                    gamma: affine.gamma,
                    beta: affine.beta,
                    output: output.buffer,
                    epsilon,
                    gamma_offset: affine.gamma_offset,
                })
            }
            Node::LayerNormalize { input, output, moments, affine, epsilon } => {
                Op::LayerNormalize(operation::LayerNormalize {
                    input: read(input.buffer),
                    gamma: affine.gamma,
                    beta: affine.beta,
                    output: output.buffer,
                    moments,
                    epsilon,
                    gamma_offset: affine.gamma_offset,
                })
            }
        };
        builder.push(pass, op)?;
    }
    Ok(())
}
