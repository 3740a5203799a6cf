//! Forms of kernels that can be ruled out on an adapter, each of which has another in its place.

use super::matrix_form::MatrixForm;

/// A way to run a step that an adapter can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KernelForm {
    /// Matrix kernels of that form; others take their place.
    Matrix(MatrixForm),
    /// [Fused](crate::operation::fused_step) training steps; a kernel for each operation takes their
    /// place.
    FusedSteps,
    /// Kernels that store f16: half precision is refused.
    Halves,
    /// Kernels with atomic operations, such as those that add up the gradient of a hash grid: models that
    /// need one are refused.
    Atomics,
}

impl KernelForm {
    /// Each of them.
    pub fn all() -> impl Iterator<Item = KernelForm> {
        let matrix = MatrixForm::ALL.into_iter().map(KernelForm::Matrix);
        matrix.chain([KernelForm::FusedSteps, KernelForm::Halves, KernelForm::Atomics])
    }

    /// Its name in tables and files: that of the matrix form, `fused_steps`, `f16` or
    /// `atomics`.
    pub const fn name(self) -> &'static str {
        match self {
            KernelForm::Matrix(form) => form.name(),
            KernelForm::FusedSteps => "fused_steps",
            KernelForm::Halves => "f16",
            KernelForm::Atomics => "atomics",
        }
    }

    /// The form of that name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|form| form.name() == name)
    }

    const fn bit(self) -> u16 {
        match self {
            // MatrixForm::ALL has fewer than 13.
            KernelForm::Matrix(form) => 1 << form as u16,
            KernelForm::Atomics => 1 << 13,
            KernelForm::FusedSteps => 1 << 14,
            KernelForm::Halves => 1 << 15,
        }
    }
}

/// A set of forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct KernelForms(u16);

impl KernelForms {
    /// None of them.
    pub const NONE: KernelForms = KernelForms(0);

    /// The same set with `form`.
    #[must_use]
    pub const fn with(self, form: KernelForm) -> Self {
        KernelForms(self.0 | form.bit())
    }

    /// Whether `form` is one of them.
    pub const fn contains(self, form: KernelForm) -> bool {
        self.0 & form.bit() != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = KernelForm> {
        KernelForm::all().filter(move |&form| self.contains(form))
    }
}

impl FromIterator<KernelForm> for KernelForms {
    fn from_iter<I: IntoIterator<Item = KernelForm>>(forms: I) -> Self {
        forms.into_iter().fold(Self::NONE, Self::with)
    }
}

impl Extend<KernelForm> for KernelForms {
    fn extend<I: IntoIterator<Item = KernelForm>>(&mut self, forms: I) {
        *self = forms.into_iter().fold(*self, KernelForms::with);
    }
}

impl std::fmt::Display for KernelForms {
    /// Their names with commas between.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.iter().map(KernelForm::name).collect();
        f.write_str(&names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_a_name_and_a_place_of_its_own() {
        let mut all = KernelForms::NONE;
        for form in KernelForm::all() {
            assert!(!all.contains(form), "{form:?} has the place of another");
            all = all.with(form);
            assert!(all.contains(form));
            assert_eq!(KernelForm::named(form.name()), Some(form));
        }
        assert_eq!(all.iter().count(), MatrixForm::ALL.len() + 3);
        assert_eq!(KernelForm::named("tile"), None);
        assert!(KernelForms::NONE.is_empty() && !all.is_empty());
        let some: KernelForms = [KernelForm::Halves, KernelForm::FusedSteps].into_iter().collect();
        assert_eq!(some.to_string(), "fused_steps, f16");
    }
}
