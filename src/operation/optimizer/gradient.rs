//! Updates have no gradient.

use super::{Adagrad, Adam, AmsGrad, RmsProp, Sgd};
use crate::operation::tape::{Differentiable, Rule};

impl Differentiable for Adagrad {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}

impl Differentiable for Adam {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}

impl Differentiable for AmsGrad {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}

impl Differentiable for RmsProp {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}

impl Differentiable for Sgd {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}
