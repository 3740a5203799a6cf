//! Updates have no gradient.

use super::{AdagradUpdate, AdamUpdate, AmsGradUpdate, RmsPropUpdate, SgdUpdate};
use crate::operation::tape::{Differentiable, Rule};

impl Differentiable for AdagradUpdate {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}

impl Differentiable for AdamUpdate {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}

impl Differentiable for AmsGradUpdate {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}

impl Differentiable for RmsPropUpdate {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}

impl Differentiable for SgdUpdate {
    const RULE: Rule<Self> = Rule::Stops("it comes after the gradients");
}
