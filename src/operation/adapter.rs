//! What is known of an adapter when kernels are chosen for it; plain numbers, nothing here knows a GPU.

use super::device_model::DeviceModel;
use super::kernel_form::{KernelForm, KernelForms};
use super::matrix_form::{AdapterClass, MatrixForm};
use crate::error::{Error, Result};

/// What is known of an adapter when dispatches are planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Adapter {
    /// What it is.
    pub class: AdapterClass,
    /// The one form that all matrix kernels take, whatever would be chosen: for tests.
    pub form: Option<MatrixForm>,
    /// Which training steps are fused.
    pub fused_steps: FusedSteps,
    /// How long such a device takes for what. Only of [`Hardware`](AdapterClass::Hardware) it makes a
    /// difference.
    pub model: DeviceModel,
    /// Forms of kernels that are not used, as they computed wrong numbers there.
    pub without: KernelForms,
}

/// Which training steps are [fused](crate::operation::fused_step), of those that can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FusedSteps {
    /// Those that this makes faster, as far as their shapes tell.
    #[default]
    WhereFaster,
    /// All of them, from that layer on: for tests.
    Always(FusedFrom),
    /// None.
    Never,
}

/// Where the kernels of a fused step begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FusedFrom {
    /// With the batch: two kernels are the whole step.
    FirstLayer,
    /// With what the first layer puts out, which a matrix kernel computes before: three dispatches. It
    /// suits networks whose first layer has most of the weights.
    SecondLayer,
}

impl FusedFrom {
    /// Each of them.
    pub const ALL: [FusedFrom; 2] = [FusedFrom::FirstLayer, FusedFrom::SecondLayer];

    /// How many layers go forward before.
    pub(crate) const fn layers_before(self) -> usize {
        match self {
            FusedFrom::FirstLayer => 0,
            FusedFrom::SecondLayer => 1,
        }
    }
}

impl Adapter {
    /// An adapter that is given the forms that suit it.
    pub fn new(class: AdapterClass) -> Self {
        let (form, fused_steps) = (None, FusedSteps::WhereFaster);
        let without = KernelForms::NONE;
        Adapter { class, form, fused_steps, model: DeviceModel::OTHER, without }
    }

    /// An adapter of the class that `form` is written for, which is given no other form, and no step
    /// without matrix kernels.
    pub fn with_form(form: MatrixForm) -> Self {
        let fused_steps = FusedSteps::Never;
        Adapter { form: Some(form), fused_steps, ..Adapter::new(form.class()) }
    }

    /// The same adapter with another model of its device.
    #[must_use]
    pub fn with_model(self, model: DeviceModel) -> Self {
        Adapter { model, ..self }
    }

    /// Whether kernels of that form may be used.
    pub fn may_use(&self, form: KernelForm) -> bool {
        !self.without.contains(form)
    }

    /// The form of matrix kernels where nothing tells which of several is faster: the usual one of the
    /// class, else another that is not ruled out. [`Register`](MatrixForm::Register) runs on every
    /// adapter, and [`Subgroup`](MatrixForm::Subgroup) on none of another class. A pure function, so that the
    /// same program on the same adapter always runs the same kernels.
    ///
    /// # Errors
    /// [`Error::Argument`] if all of them are ruled out.
    pub fn usual_form(&self) -> Result<MatrixForm> {
        if let Some(form) = self.form {
            return Ok(form);
        }
        let usual = match self.class {
            AdapterClass::Hardware => MatrixForm::Tile64,
            AdapterClass::Software => MatrixForm::Register,
            AdapterClass::SoftwareSubgroups => MatrixForm::Subgroup,
        };
        let of_class = MatrixForm::ALL.into_iter().filter(|form| form.class() == self.class);
        let mut all = [usual].into_iter().chain(of_class).chain([MatrixForm::Register]);
        all.find(|&form| self.may_use(KernelForm::Matrix(form))).ok_or_else(|| {
            let problem = "has no form of matrix kernels left: all were ruled out, as they computed \
                           wrong numbers there";
            Error::argument("adapter", problem)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ruled_out_is_never_the_usual_form() -> Result<()> {
        for class in AdapterClass::ALL {
            let mut adapter = Adapter::new(class);
            let mut taken = Vec::new();
            while let Ok(form) = adapter.usual_form() {
                assert!(!taken.contains(&form), "{form:?} of {class:?} after it was ruled out");
                let runs = form.class() == class || form == MatrixForm::Register;
                assert!(runs, "{form:?} is not for {class:?}");
                taken.push(form);
                adapter.without = adapter.without.with(KernelForm::Matrix(form));
            }
            let expected = match class {
                AdapterClass::Hardware => (MatrixForm::Tile64, 10),
                AdapterClass::Software => (MatrixForm::Register, 1),
                AdapterClass::SoftwareSubgroups => (MatrixForm::Subgroup, 2),
            };
            assert_eq!((taken[0], taken.len()), expected);
            assert_eq!(*taken.last().unwrap(), MatrixForm::Register);
        }
        Ok(())
    }
}
