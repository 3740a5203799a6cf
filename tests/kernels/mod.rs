//! Which forms of the matrix kernels a test has to run on this machine's adapter.

use std::io::Write;

use minibatch::Gpu;
use minibatch::gpu::KernelClass;

/// The kernel classes that this adapter can run, its own among them. They are written past the
/// test runner's capture, so that every log says which forms were tested.
pub(crate) fn classes(gpu: &Gpu) -> Vec<KernelClass> {
    let classes = gpu.kernel_classes();
    let info = gpu.info();
    let mut expected = vec![KernelClass::Tiled, KernelClass::Register];
    // An adapter without subgroups claims sizes of 4 to 128.
    if info.subgroup_min_size == 8 && info.subgroup_max_size == 8 {
        expected.push(KernelClass::Subgroup);
    }
    assert_eq!(classes, expected, "{}", gpu.describe());
    assert!(classes.contains(&gpu.kernel_class()), "{}", gpu.describe());
    let mut log = std::io::stderr().lock();
    let _ = writeln!(log, "{} runs the kernels {classes:?}", gpu.describe());
    classes
}
