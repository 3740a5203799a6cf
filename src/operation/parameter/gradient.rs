//! Operations on parameters and their gradients.

use super::{
    Accumulate, AddShards, ClipByNorm, ClipByValue, KeepShards, Penalty, PenaltyGradient,
    SquaredNorm, TakeMean,
};
use crate::operation::tape::{Differentiable, Rule};

impl Differentiable for Penalty {
    const RULE: Rule<Self> =
        Rule::Stops("its gradient belongs to the update, so that no part of a batch adds it twice");
}

impl Differentiable for PenaltyGradient {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}

impl Differentiable for SquaredNorm {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}

impl Differentiable for ClipByNorm {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}

impl Differentiable for ClipByValue {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}

impl Differentiable for Accumulate {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}

impl Differentiable for TakeMean {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}

impl Differentiable for AddShards {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}

impl Differentiable for KeepShards {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}
