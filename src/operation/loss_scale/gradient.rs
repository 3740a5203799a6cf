//! Loss scaling comes after the gradients.

use super::{AdjustLossScale, UnscaleGradients};
use crate::operation::tape::{Differentiable, Rule};

impl Differentiable for UnscaleGradients {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}

impl Differentiable for AdjustLossScale {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}
