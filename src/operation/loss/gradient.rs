//! The gradient rules of what adds to the loss. A loss writes its gradient by itself.

use super::{
    ActivityPenalty, ActivityPenaltyGradient, CategoricalCrossentropy, PointwiseLoss,
    SoftmaxCrossentropy,
};
use crate::operation::activation::Elementwise;
use crate::operation::loss_scale::LossScale;
use crate::operation::tape::{Differentiable, Rule};

impl Differentiable for SoftmaxCrossentropy {
    const RULE: Rule<Self> = Rule::Begins(|op, tape| {
        tape.contribute(op.logits, op.gradient);
        Ok(())
    });
}

impl Differentiable for CategoricalCrossentropy {
    const RULE: Rule<Self> = Rule::Begins(|op, tape| {
        tape.contribute(op.logits, op.gradient);
        Ok(())
    });
}

impl Differentiable for PointwiseLoss {
    const RULE: Rule<Self> = Rule::Begins(|op, tape| {
        tape.contribute(op.outputs, op.gradient);
        Ok(())
    });
}

impl Differentiable for ActivityPenalty {
    const RULE: Rule<Self> = Rule::Begins(|op, tape| {
        if !tape.wants(op.value) {
            return Ok(());
        }
        let input_gradient = tape.gradient(op.value)?;
        let loss_scale = tape.table.find(LossScale::NAME);
        tape.push(ActivityPenaltyGradient {
            value: op.value,
            input_gradient,
            loss_scale,
            activation: Elementwise::Linear,
            l1: op.l1,
            l2: op.l2,
        })
    });
}

impl Differentiable for ActivityPenaltyGradient {
    const RULE: Rule<Self> = Rule::Stops("second derivatives are not taken");
}
