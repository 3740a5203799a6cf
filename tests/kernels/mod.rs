//! Which forms of the matrix kernels a test has to run on this machine's adapter.

use std::io::Write;

use minibatch::Gpu;
use minibatch::operation::{Kernel, MatrixForm};
use minibatch::parity::{self, Form};

/// The forms of matrix kernels that this adapter can run. They are written past the test runner's
/// capture, so that every log says which forms were tested.
pub(crate) fn forms(gpu: &Gpu) -> Vec<MatrixForm> {
    let forms = gpu.matrix_forms();
    let info = gpu.info();
    // An adapter without subgroups claims sizes of 4 to 128.
    let subgroups = info.subgroup_min_size == 8 && info.subgroup_max_size == 8;
    let mut expected = MatrixForm::ALL.to_vec();
    expected.retain(|&form| subgroups || form != MatrixForm::Subgroup);
    assert_eq!(forms, expected, "{}", gpu.describe());
    let mut log = std::io::stderr().lock();
    let _ = writeln!(log, "{} runs matrix kernels of the forms {forms:?}", gpu.describe());
    forms
}

/// Those of `forms` that give `case` other kernels than the ones before them, and of a case that tries
/// text which several share the first of each class; the first alone for an operation that has no
/// matrix kernel.
pub(crate) fn distinct(case: &Form, forms: &[MatrixForm]) -> Vec<MatrixForm> {
    let mut distinct = forms.to_vec();
    if case.of_shared_text {
        distinct = first_of_each_class(forms);
    }
    let mut kernels: Vec<Vec<Kernel>> = Vec::new();
    distinct.retain(|&form| {
        let dispatches = parity::dispatches(case, [7, 5, 3], form).unwrap();
        let own = dispatches.into_iter().map(|dispatch| dispatch.kernel).collect();
        let new = !kernels.contains(&own);
        kernels.push(own);
        new
    });
    distinct
}

/// Those of `forms` that stand for all that are written for the same adapters.
pub(crate) fn first_of_each_class(forms: &[MatrixForm]) -> Vec<MatrixForm> {
    let mut first = forms.to_vec();
    first.dedup_by_key(|form| form.class());
    first
}
