//! What follows from how all attempts ended.

use super::attempt::Attempt;
use super::contract::RulesOut;
use super::outcome::Outcome;
use crate::operation::{KernelForm, KernelForms};

/// What is not to be used on an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RuledOut {
    /// Forms of kernels, for [`Gpu::without_forms`](crate::Gpu::without_forms).
    pub forms: KernelForms,
    /// Whether something failed that nothing can take the place of: then no result can be trusted.
    pub adapter: bool,
}

/// What follows from attempts that ended so. A pure function: the same outcomes always rule out the
/// same forms.
pub fn ruled_out<'a>(outcomes: impl IntoIterator<Item = (&'a Attempt, &'a Outcome)>) -> RuledOut {
    let mut all = RuledOut::default();
    for (attempt, _) in outcomes.into_iter().filter(|(_, outcome)| outcome.is_failure()) {
        match attempt.probe.rules_out {
            RulesOut::Forms(forms) => all.forms.extend(forms.iter().copied()),
            RulesOut::TriedForm => all.forms.extend(attempt.form.map(KernelForm::Matrix)),
            RulesOut::Adapter => all.adapter = true,
        }
    }
    all
}
