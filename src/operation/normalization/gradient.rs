//! The gradient rules of normalizations, each taken as a whole with its statistics.

use super::{
    BatchMoments, BatchNormalize, BatchNormalizeBackward, BatchNormalizeBackwardInput,
    LayerNormalize, LayerNormalizeBackward, LayerNormalizeBackwardInput, MovingAverage,
};
use crate::operation::activation::Elementwise;
use crate::operation::list::Op;
use crate::operation::tape::{Differentiable, Rule};

impl Differentiable for BatchNormalize {
    const RULE: Rule<Self> = Rule::Reverse(|op, tape| {
        let Some(output_gradient) = tape.total(op.output)? else { return Ok(()) };
        let of_batch = matches!(tape.maker(op.mean), Some(Op::BatchMoments(_)));
        let mut gradients = None;
        if of_batch || tape.wants(op.gamma) || tape.wants(op.beta) {
            let (gamma_gradient, beta_gradient) = (tape.written(op.gamma)?, tape.written(op.beta)?);
            gradients = Some((gamma_gradient, beta_gradient));
            tape.push(BatchNormalizeBackward {
                output_gradient,
                input: op.input,
                mean: op.mean,
                variance: op.variance,
                gamma_gradient,
                beta_gradient,
                epsilon: op.epsilon,
            })?;
        }
        if !tape.wants(op.input) {
            return Ok(());
        }
        // Zeros say that mean and variance do not depend on the input.
        let (gamma_gradient, beta_gradient) = match gradients.filter(|_| of_batch) {
            Some(gradients) => gradients,
            None => (tape.unwanted(op.gamma)?, tape.unwanted(op.beta)?),
        };
        let input_gradient = tape.gradient(op.input)?;
        tape.push(BatchNormalizeBackwardInput {
            output_gradient,
            input: op.input,
            mean: op.mean,
            variance: op.variance,
            gamma: op.gamma,
            gamma_gradient,
            beta_gradient,
            input_gradient,
            epsilon: op.epsilon,
            gamma_offset: op.gamma_offset,
            activation: Elementwise::Linear,
        })
    });
}

impl Differentiable for LayerNormalize {
    const RULE: Rule<Self> = Rule::Reverse(|op, tape| {
        let Some(output_gradient) = tape.total(op.output)? else { return Ok(()) };
        if tape.wants(op.gamma) || tape.wants(op.beta) {
            let (gamma_gradient, beta_gradient) = (tape.written(op.gamma)?, tape.written(op.beta)?);
            tape.push(LayerNormalizeBackward {
                output_gradient,
                input: op.input,
                moments: op.moments,
                gamma_gradient,
                beta_gradient,
            })?;
        }
        if !tape.wants(op.input) {
            return Ok(());
        }
        let input_gradient = tape.gradient(op.input)?;
        tape.push(LayerNormalizeBackwardInput {
            output_gradient,
            input: op.input,
            moments: op.moments,
            gamma: op.gamma,
            input_gradient,
            gamma_offset: op.gamma_offset,
            activation: Elementwise::Linear,
        })
    });
}

impl Differentiable for BatchMoments {
    const RULE: Rule<Self> = Rule::Stops("the rule of batch_normalize includes its statistics");
}

impl Differentiable for MovingAverage {
    const RULE: Rule<Self> = Rule::Stops("it is read outside training only");
}

impl Differentiable for BatchNormalizeBackward {
    const RULE: Rule<Self> = Rule::Stops("second derivatives are not taken");
}

impl Differentiable for BatchNormalizeBackwardInput {
    const RULE: Rule<Self> = Rule::Stops("second derivatives are not taken");
}

impl Differentiable for LayerNormalizeBackward {
    const RULE: Rule<Self> = Rule::Stops("second derivatives are not taken");
}

impl Differentiable for LayerNormalizeBackwardInput {
    const RULE: Rule<Self> = Rule::Stops("second derivatives are not taken");
}
