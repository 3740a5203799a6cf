//! Every operation and a whole training, GPU against the f64 oracle.

use std::collections::HashSet;

use minibatch::Gpu;
use minibatch::gpu::{Kernel, KernelClass};
use minibatch::parity::{self, Operation, Training, Verdict};

/// All of them run on the software adapter that the suite is usually run on; a GPU whose subgroups
/// have another size cannot run the subgroup kernels.
const CLASSES: [KernelClass; 3] =
    [KernelClass::Register, KernelClass::Tiled, KernelClass::Subgroup];

fn gpu() -> Gpu {
    Gpu::new().unwrap_or_else(|error| panic!("{error}"))
}

fn assert_passed(verdict: &Verdict) {
    assert!(
        verdict.passed(),
        "{}: {} times the bound: {}; stray: {:?}",
        verdict.name,
        verdict.worst.ratio(),
        verdict.worst.place,
        verdict.stray
    );
}

fn every_operation(class: KernelClass, checked: bool) -> HashSet<Kernel> {
    let gpu = gpu().with_kernel_class(class).unwrap().with_checked_shaders(checked);
    let mut kernels = HashSet::new();
    for operation in Operation::all() {
        let verdict =
            minibatch::gpu::block_on(parity::operation(&gpu, operation, &operation.shapes()))
                .unwrap();
        println!(
            "{:40} {:.3} of the bound, {:.2} s",
            verdict.name,
            verdict.worst.ratio(),
            verdict.seconds
        );
        assert_passed(&verdict);
        kernels.extend(verdict.kernels);
    }
    kernels
}

#[test]
fn every_operation_agrees_with_the_oracle() {
    let mut kernels = HashSet::new();
    for class in CLASSES {
        for checked in [false, true] {
            kernels.extend(every_operation(class, checked));
        }
    }
    let missing: Vec<Kernel> =
        Kernel::all().into_iter().filter(|kernel| !kernels.contains(kernel)).collect();
    assert!(missing.is_empty(), "no case runs {missing:?}");
}

#[test]
fn whole_trainings_agree_with_the_oracle() {
    for class in CLASSES {
        for checked in [false, true] {
            let gpu = gpu().with_kernel_class(class).unwrap().with_checked_shaders(checked);
            for training in Training::ALL {
                let verdict = minibatch::gpu::block_on(parity::training(&gpu, training)).unwrap();
                println!("{:40} {:.3} of the bound", verdict.name, verdict.worst.ratio());
                assert_passed(&verdict);
            }
        }
    }
}

#[test]
fn more_elements_than_one_dimension_of_workgroups() {
    let gpu = gpu();
    for operation in Operation::all() {
        if let Some(shape) = operation.large_shape() {
            assert_passed(
                &minibatch::gpu::block_on(parity::operation(&gpu, operation, &[shape])).unwrap(),
            );
        }
    }
}
