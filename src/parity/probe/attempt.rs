//! Running probes.

use std::sync::Arc;

use super::contract::{Check, Judged, Need, Probe};
use super::list::ALL;
use super::outcome::Outcome;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, Kernel, MatrixForm};
use crate::parity::{self, Verdict};

/// A probe, and the form of matrix kernels that it is tried in, if it is.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// What is tried.
    pub probe: &'static Probe,
    /// In which form.
    pub form: Option<MatrixForm>,
}

impl Attempt {
    /// All that are worth while on `gpu`: matrix kernels are tried in each form that it may be given.
    pub fn all(gpu: &Gpu) -> Vec<Attempt> {
        let mut forms = gpu.matrix_forms();
        forms.retain(|form| form.class() == gpu.adapter_class() || *form == MatrixForm::Register);
        let attempts = ALL.iter().flat_map(|&probe| match probe.check {
            Check::Kernels(_) | Check::FusedSteps { .. } => vec![Attempt { probe, form: None }],
            Check::Operations { .. } => {
                forms.iter().map(|&form| Attempt { probe, form: Some(form) }).collect()
            }
        });
        attempts.collect()
    }

    /// The attempt of that [name](Self::name), if there is one.
    pub fn named(name: &str) -> Option<Attempt> {
        let forms = || MatrixForm::ALL.into_iter().map(Some).chain([None]);
        let mut all =
            ALL.iter().flat_map(|&probe| forms().map(move |form| Attempt { probe, form }));
        all.find(|attempt| attempt.name() == name && attempt.form.is_some() == attempt.has_form())
    }

    /// The probe's name, and the form: `small-matrices/tile64`.
    pub fn name(&self) -> String {
        match self.form {
            Some(form) => format!("{}/{}", self.probe.name, form.name()),
            None => self.probe.name.into(),
        }
    }

    fn has_form(&self) -> bool {
        matches!(self.probe.check, Check::Operations { .. })
    }

    /// Runs it on `gpu`. Where the driver crashes or hangs, so does the caller: `mnist-gpu verify` runs
    /// each attempt in a process of its own.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub async fn run(&self, gpu: &Gpu) -> Result<Outcome> {
        if self.probe.needs.is_missing(gpu) {
            return Ok(Outcome::Skipped(self.probe.needs));
        }
        match self.probe.check {
            Check::Kernels(kernels) => {
                for judged in kernels() {
                    if let Some(fault) = judged.fault(gpu).await? {
                        return Ok(Outcome::Wrong(fault));
                    }
                }
                Ok(Outcome::Passed)
            }
            Check::Operations { names, shapes } => {
                let form = self.form.ok_or_else(|| Error::argument("form", "is missing"))?;
                let gpu = gpu.clone().with_matrix_form(form)?;
                for case in parity::forms().iter().filter(|case| names.contains(&&*case.name)) {
                    let verdict = parity::operation(&gpu, case, &shapes()).await?;
                    if let Some(fault) = fault_of(verdict) {
                        return Ok(Outcome::Wrong(fault));
                    }
                }
                Ok(Outcome::Passed)
            }
            Check::FusedSteps { names, shapes } => {
                let forms = parity::fused_forms();
                for form in forms.iter().filter(|form| names.contains(&&*form.name)) {
                    let verdict = parity::fused_step(gpu, form, &shapes()).await?;
                    if let Some(fault) = fault_of(verdict) {
                        return Ok(Outcome::Wrong(fault));
                    }
                }
                Ok(Outcome::Passed)
            }
        }
    }

    /// [`run`](Self::run) with the probe's [mistake](Probe::mistake) in every kernel that has its text:
    /// to prove that it is noticed.
    ///
    /// # Errors
    /// As `run`.
    pub async fn run_broken(&self, gpu: &Gpu) -> Result<Outcome> {
        let (_, from, to) = self.probe.mistake;
        let edit = move |_: &Kernel, source: String| source.replace(from, to);
        self.run(&gpu.clone().with_shader_edit(Arc::new(edit))).await
    }
}

/// The kernels of all probes that have some of their own.
pub fn kernels() -> Vec<Kernel> {
    let own = ALL.iter().filter_map(|probe| match probe.check {
        Check::Kernels(kernels) => Some(kernels()),
        Check::Operations { .. } | Check::FusedSteps { .. } => None,
    });
    own.flatten().map(|judged| judged.trial.kernel).collect()
}

impl Need {
    fn is_missing(self, gpu: &Gpu) -> bool {
        match self {
            Need::Nothing => false,
            Need::Subgroups => !gpu.has_subgroups(),
            Need::Halves => !gpu.has_halves(),
        }
    }
}

impl Judged {
    async fn fault(&self, gpu: &Gpu) -> Result<Option<String>> {
        let tried = if self.zeroes_workgroup_memory {
            gpu.clone().with_checked_shaders(true).try_kernel(&self.trial).await?
        } else {
            gpu.try_kernel(&self.trial).await?
        };
        let beyond = || tried.is_beyond.then(|| "something was written beside a binding".into());
        Ok((self.judge)(&tried).or_else(beyond))
    }
}

/// What is wrong with what the parity suite found.
fn fault_of(verdict: Verdict) -> Option<String> {
    if verdict.passed() {
        return None;
    }
    let ratio = verdict.worst.ratio();
    let stray = verdict.stray;
    let place = verdict.worst.place;
    Some(stray.unwrap_or_else(|| format!("{}: {place}, {ratio:.1} times its bound", verdict.name)))
}
