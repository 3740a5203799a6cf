//! Which forms of the matrix kernels a test has to run on this machine's adapter.

use std::io::Write;

use minibatch::Gpu;
use minibatch::operation::MatrixForm;

/// The forms of matrix kernels that this adapter can run. They are written past the test runner's
/// capture, so that every log says which forms were tested.
pub(crate) fn forms(gpu: &Gpu) -> Vec<MatrixForm> {
    let forms = gpu.matrix_forms();
    let info = gpu.info();
    // An adapter without subgroups claims sizes of 4 to 128.
    let subgroups =
        gpu.has_subgroups() && info.subgroup_min_size == 8 && info.subgroup_max_size == 8;
    let mut expected = MatrixForm::ALL.to_vec();
    expected.retain(|&form| subgroups || form != MatrixForm::Subgroup);
    assert_eq!(forms, expected, "{}", gpu.describe());
    let mut log = std::io::stderr().lock();
    let _ = writeln!(log, "{} runs matrix kernels of the forms {forms:?}", gpu.describe());
    forms
}
