//! From nodes to the operations on the way back.

use crate::operation::{self, Op};
use std::collections::HashMap;

use super::node::{DenseNode, Gradients, Node, Value};
use crate::error::Result;
use crate::operation::activation::Elementwise;
use crate::program::{BufferId, Pass, ProgramBuilder};

/// The loss' derivatives by each value, before the fused activation that made it: one from each
/// operation that the value goes into.
#[derive(Debug, Default)]
pub(super) struct Derivatives {
    of: HashMap<BufferId, Vec<BufferId>>,
}

impl Derivatives {
    /// A buffer for one more derivative by `value`.
    pub fn add(&mut self, builder: &mut ProgramBuilder, value: Value) -> Result<BufferId> {
        let number = self.of.get(&value.buffer).map_or(0, Vec::len) + 1;
        let name = format!("{}.gradient", builder.name(value.buffer));
        let name = if number == 1 { name } else { format!("{name}_{number}") };
        let gradient = builder.activation(name, value.width)?;
        self.of.entry(value.buffer).or_default().push(gradient);
        Ok(gradient)
    }

    /// Adds what `push`ed operations write to the buffer that they are given: the derivative by
    /// `value` as it is, after its activation. In training the way back through that follows.
    pub fn add_after_activation(
        &mut self,
        builder: &mut ProgramBuilder,
        value: Value,
        push: impl FnOnce(&mut ProgramBuilder, BufferId) -> Result<()>,
    ) -> Result<()> {
        let input_gradient = self.add(builder, value)?;
        if value.made_by == Elementwise::Linear {
            return push(builder, input_gradient);
        }
        let name = format!("{}.activated", builder.name(input_gradient));
        let output_gradient = builder.activation(name, value.width)?;
        push(builder, output_gradient)?;
        let activation = value.made_by;
        let value = value.buffer;
        let back = Op::ActivateBackward(operation::ActivateBackward {
            output_gradient,
            value,
            input_gradient,
            activation,
        });
        builder.push(Pass::Train, back)
    }

    /// The sum of all derivatives by `value`; `None` if the loss does not depend on it.
    fn total(&mut self, builder: &mut ProgramBuilder, value: Value) -> Result<Option<BufferId>> {
        let parts = self.of.remove(&value.buffer).unwrap_or_default();
        let Some((&first, others)) = parts.split_first() else { return Ok(None) };
        let mut sum = first;
        for (number, &second) in (1..).zip(others) {
            let name = format!("{}.gradient.sum_{number}", builder.name(value.buffer));
            let output = builder.activation(name, value.width)?;
            builder.push(Pass::Train, Op::Add(operation::Add { first: sum, second, output }))?;
            sum = output;
        }
        Ok(Some(sum))
    }
}

/// Pushes the way back, from the derivatives by the values that the loss is computed of to those
/// by all parameters.
pub(super) fn push_backward(
    builder: &mut ProgramBuilder,
    nodes: &[Node],
    mut derivatives: Derivatives,
) -> Result<()> {
    for node in nodes.iter().rev().filter(|node| node.output().trained) {
        match derivatives.total(builder, node.output())? {
            Some(output_gradient) => push_node(builder, node, output_gradient, &mut derivatives)?,
            None => push_zeros(builder, node)?,
        }
    }
    Ok(())
}

/// Where the loss does not depend on a dense layer but its regularizers add to its gradients, these
/// begin each step with zeros: the products of buffers to which nothing writes.
fn push_zeros(builder: &mut ProgramBuilder, node: &Node) -> Result<()> {
    let Node::Dense(DenseNode { layer, input, output, gradients: Some(gradients), .. }) = node
    else {
        return Ok(());
    };
    if layer.weight_regularizer.is_none() && layer.bias_regularizer.is_none() {
        return Ok(());
    }
    let mut zeros = |of: &str, width| {
        let name = format!("{}.{of}", builder.name(gradients.weight));
        builder.activation(name, width)
    };
    let (input, output_gradient) =
        (zeros("no_input", input.width)?, zeros("no_output_gradient", output.width)?);
    builder.push(
        Pass::Train,
        Op::DenseBackwardWeights(operation::DenseBackwardWeights {
            input,
            output_gradient,
            weight_gradient: gradients.weight,
            bias_gradient: gradients.written_bias,
        }),
    )
}

fn push_node(
    builder: &mut ProgramBuilder,
    node: &Node,
    output_gradient: BufferId,
    derivatives: &mut Derivatives,
) -> Result<()> {
    match *node {
        Node::Convert { .. } => {}
        Node::Dense(DenseNode { input, weight, gradients, .. }) => {
            if let Some(Gradients { weight: weight_gradient, written_bias, .. }) = gradients {
                builder.push(
                    Pass::Train,
                    Op::DenseBackwardWeights(operation::DenseBackwardWeights {
                        input: input.buffer,
                        output_gradient,
                        weight_gradient,
                        bias_gradient: written_bias,
                    }),
                )?;
            }
            if input.trained {
                let input_gradient = derivatives.add(builder, input)?;
                builder.push(
                    Pass::Train,
                    Op::DenseBackwardInput(operation::DenseBackwardInput {
                        output_gradient,
                        weight,
                        input: input.buffer,
                        input_gradient,
                        activation: input.made_by,
                    }),
                )?;
            }
        }
        Node::Activate { input, output, activation } => {
            let value = if activation.is_fused() { output.buffer } else { input.buffer };
            let op = |input_gradient| {
                Op::ActivateBackward(operation::ActivateBackward {
                    output_gradient,
                    value,
                    input_gradient,
                    activation,
                })
            };
            derivatives.add_after_activation(builder, input, |builder, gradient| {
                builder.push(Pass::Train, op(gradient))
            })?;
        }
        Node::Softmax { input, output } => {
            let value = output.buffer;
            let op = |input_gradient| {
                Op::SoftmaxBackward(operation::SoftmaxBackward {
                    output_gradient,
                    value,
                    input_gradient,
                })
            };
            derivatives.add_after_activation(builder, input, |builder, gradient| {
                builder.push(Pass::Train, op(gradient))
            })?;
        }
        Node::Dropout { input, rate, number, .. } => {
            let input_gradient = derivatives.add(builder, input)?;
            builder.push(
                Pass::Train,
                Op::DropoutBackward(operation::DropoutBackward {
                    output_gradient,
                    input: input.buffer,
                    input_gradient,
                    activation: input.made_by,
                    rate,
                    layer: number,
                }),
            )?;
        }
        Node::GaussianNoise { input, .. } => pass_on(builder, input, output_gradient, derivatives)?,
        Node::Add { first, second, .. } => {
            for input in [first, second] {
                pass_on(builder, input, output_gradient, derivatives)?;
            }
        }
        Node::Concatenate { first, second, .. } => {
            for (input, offset) in [(first, 0), (second, first.width)] {
                if input.trained {
                    let op = |output| {
                        Op::Slice(operation::Slice { input: output_gradient, output, offset })
                    };
                    derivatives.add_after_activation(builder, input, |builder, gradient| {
                        builder.push(Pass::Train, op(gradient))
                    })?;
                }
            }
        }
        Node::Normalize { input, mean, variance, batch, affine, epsilon, .. } => {
            let (mean, variance) = batch.map_or((mean, variance), |b| (b.mean, b.variance));
            let [gamma_gradient, beta_gradient] = affine.written;
            if batch.is_some() {
                builder.push(
                    Pass::Train,
                    Op::BatchNormalizeBackward(operation::BatchNormalizeBackward {
                        output_gradient,
                        input: input.buffer,
                        mean,
                        variance,
                        gamma_gradient,
                        beta_gradient,
                        epsilon,
                    }),
                )?;
            }
            if input.trained {
                let input_gradient = derivatives.add(builder, input)?;
                builder.push(
                    Pass::Train,
                    Op::BatchNormalizeBackwardInput(operation::BatchNormalizeBackwardInput {
                        output_gradient,
                        input: input.buffer,
                        mean,
                        variance,
                        gamma: affine.gamma,
                        gamma_gradient,
                        beta_gradient,
                        input_gradient,
                        epsilon,
                        gamma_offset: affine.gamma_offset,
                        activation: input.made_by,
                    }),
                )?;
            }
        }
        Node::LayerNormalize { input, moments, affine, .. } => {
            if affine.gradients.iter().any(Option::is_some) {
                let [gamma_gradient, beta_gradient] = affine.written;
                builder.push(
                    Pass::Train,
                    Op::LayerNormalizeBackward(operation::LayerNormalizeBackward {
                        output_gradient,
                        input: input.buffer,
                        moments,
                        gamma_gradient,
                        beta_gradient,
                    }),
                )?;
            }
            if input.trained {
                let input_gradient = derivatives.add(builder, input)?;
                builder.push(
                    Pass::Train,
                    Op::LayerNormalizeBackwardInput(operation::LayerNormalizeBackwardInput {
                        output_gradient,
                        input: input.buffer,
                        moments,
                        gamma: affine.gamma,
                        input_gradient,
                        gamma_offset: affine.gamma_offset,
                        activation: input.made_by,
                    }),
                )?;
            }
        }
    }
    Ok(())
}

/// The derivative by `input` where the node adds something to it: that by its result.
fn pass_on(
    builder: &mut ProgramBuilder,
    input: Value,
    output_gradient: BufferId,
    derivatives: &mut Derivatives,
) -> Result<()> {
    if !input.trained {
        return Ok(());
    }
    let input_gradient = derivatives.add(builder, input)?;
    builder.push(
        Pass::Train,
        // A copy, if that is linear.
        Op::ActivateBackward(operation::ActivateBackward {
            output_gradient,
            value: input.buffer,
            input_gradient,
            activation: input.made_by,
        }),
    )
}
