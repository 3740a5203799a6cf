//! What `verify` found wrong on an adapter: a small file in the user's cache directory, which the other
//! commands read.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use minibatch::gpu::{AdapterInfo, KernelForm, KernelForms, adapter_key};
use minibatch::{Gpu, atomic_write};
use serde::{Deserialize, Serialize};

use crate::caches;

/// What is not to be used on an adapter, and why.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Found {
    /// The adapter, its driver and our version: for other ones it says nothing.
    key: String,
    /// By the probes.
    pub probes: Part,
    /// By the operations, fused steps and trainings.
    pub operations: Part,
}

/// What one part of `verify` found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Part {
    /// What failed, by name.
    pub failed: Vec<String>,
    /// Names of forms that are not used.
    pub forms: Vec<String>,
    /// Whether something failed that nothing can take the place of.
    pub adapter: bool,
}

impl Part {
    pub(crate) fn new(failed: Vec<String>, forms: KernelForms, adapter: bool) -> Self {
        let forms = forms.iter().map(|form| form.name().into()).collect();
        Part { failed, forms, adapter }
    }
}

impl Found {
    /// Nothing is wrong.
    pub(crate) fn nothing(info: &AdapterInfo) -> Self {
        Found { key: adapter_key(info), ..Found::default() }
    }

    /// What was found of that adapter with its driver; `None` if it was not verified, or the file cannot
    /// be read.
    pub(crate) fn read(info: &AdapterInfo) -> Option<Self> {
        let bytes = fs::read(path(info)?).ok()?;
        let found: Found = serde_json::from_slice(&bytes).ok()?;
        (found.key == adapter_key(info)).then_some(found)
    }

    /// Keeps it for the other commands; where, or `None` where the system has no cache directory.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn write(&self, info: &AdapterInfo) -> anyhow::Result<Option<PathBuf>> {
        let Some(path) = path(info) else { return Ok(None) };
        let directory = path.parent().context("the cache directory has no name")?;
        fs::create_dir_all(directory).with_context(|| format!("cannot make {directory:?}"))?;
        atomic_write(&path, &serde_json::to_vec_pretty(self)?)?;
        Ok(Some(path))
    }

    /// The forms that are not used.
    pub(crate) fn forms(&self) -> KernelForms {
        let names = self.probes.forms.iter().chain(&self.operations.forms);
        names.filter_map(|name| KernelForm::named(name)).collect()
    }

    /// All that failed.
    pub(crate) fn failed(&self) -> Vec<&str> {
        let all = self.probes.failed.iter().chain(&self.operations.failed);
        all.map(String::as_str).collect()
    }
}

/// A device as the other commands use it.
pub(crate) struct Masked {
    pub gpu: Gpu,
    /// What is not used, in words, if anything is not.
    pub note: Option<String>,
    /// Whether results can be trusted, as far as `verify` knows.
    pub is_trusted: bool,
}

/// The same device without what `verify` found wrong there.
pub(crate) fn masked(gpu: Gpu) -> Masked {
    match Found::read(gpu.info()) {
        Some(found) => masked_by(gpu, &found),
        None => Masked { gpu, note: None, is_trusted: true },
    }
}

fn masked_by(gpu: Gpu, found: &Found) -> Masked {
    let gpu = gpu.without_forms(found.forms().iter());
    let is_trusted = !found.probes.adapter && !found.operations.adapter && gpu.has_matrix_form();
    let note = match (is_trusted, gpu.ruled_out().is_empty()) {
        (false, _) => {
            let failed = listed(&found.failed());
            Some(format!("mnist-gpu verify found it wrong ({failed}): do not trust its results"))
        }
        (true, false) => {
            Some(format!("without {}, found wrong by mnist-gpu verify", gpu.ruled_out()))
        }
        (true, true) => None,
    };
    Masked { gpu, note, is_trusted }
}

/// The first of them, and how many there are besides.
pub(crate) fn listed(names: &[&str]) -> String {
    const MOST: usize = 4;
    match names.split_at_checked(MOST) {
        Some((first, rest)) if !rest.is_empty() => {
            format!("{} and {} more", first.join(", "), rest.len())
        }
        _ => names.join(", "),
    }
}

fn path(info: &AdapterInfo) -> Option<PathBuf> {
    let mut crc = flate2::Crc::new();
    crc.update(adapter_key(info).as_bytes());
    let name = format!("{:08x}.json", crc.sum());
    Some(caches::directory()?.join("verified").join(name))
}

#[cfg(test)]
mod tests {
    use minibatch::gpu::MatrixForm;

    use super::*;

    fn gpu() -> Gpu {
        Gpu::new().unwrap_or_else(|error| panic!("{error}"))
    }

    fn found(forms: &[&str], adapter: bool) -> Found {
        let forms = forms.iter().map(|&form| form.into()).collect();
        let probes = Part { failed: vec!["a-probe".into()], forms, adapter };
        Found { probes, ..Found::default() }
    }

    #[test]
    fn what_was_found_is_not_used_and_said_in_a_line() {
        let masked = masked_by(gpu(), &found(&["fused_steps", "f16"], false));
        assert_eq!(
            masked.note.as_deref(),
            Some("without fused_steps, f16, found wrong by mnist-gpu verify")
        );
        assert!(masked.is_trusted && !masked.gpu.has_halves());
        let nothing = masked_by(gpu(), &Found::default());
        assert!(nothing.note.is_none() && nothing.is_trusted);
        // A name that another version wrote.
        assert!(masked_by(gpu(), &found(&["tile1024"], false)).note.is_none());
        let wrong = masked_by(gpu(), &found(&[], true));
        assert_eq!(
            wrong.note.as_deref(),
            Some("mnist-gpu verify found it wrong (a-probe): do not trust its results")
        );
        assert!(!wrong.is_trusted);
        let all: Vec<&str> = MatrixForm::ALL.iter().map(|form| form.name()).collect();
        assert!(!masked_by(gpu(), &found(&all, false)).is_trusted);
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(listed(&["a", "b", "c", "d"]), "a, b, c, d");
        assert_eq!(listed(&["a", "b", "c", "d", "e", "f"]), "a, b, c, d and 2 more");
        assert_eq!(listed(&[]), "");
    }
}
