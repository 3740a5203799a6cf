//! Every operation and a whole training, GPU against the f64 oracle.

mod kernels;
#[path = "support/verdict.rs"]
mod verdict;

use std::collections::HashSet;

use minibatch::Gpu;
use minibatch::operation::{DeviceModel, MatrixForm, Op};
use minibatch::parity::{self, Training};
use verdict::assert_passed;

fn gpu() -> Gpu {
    Gpu::new().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_operation_agrees_with_the_oracle() {
    let gpu = gpu();
    let forms = kernels::forms(&gpu);
    for checked in [false, true] {
        let gpu = gpu.clone().with_checked_shaders(checked);
        for case in parity::forms_for(&gpu) {
            for form in parity::distinct(&case, &forms).unwrap() {
                let gpu = gpu.clone().with_matrix_form(form).unwrap();
                let shapes = parity::shapes_of(&case, form).unwrap();
                let verdict = parity::operation(&gpu, &case, &shapes);
                let verdict = minibatch::gpu::block_on(verdict).unwrap();
                println!(
                    "{:40} {form:?}: {:.3} of the bound, {:.2} s",
                    verdict.name,
                    verdict.worst.ratio(),
                    verdict.seconds
                );
                assert_passed(&verdict);
            }
        }
    }
}

/// The list of operations is the truth here: one whose home lists no form is run by no test.
#[test]
fn every_operation_has_a_form() {
    let forms = parity::forms();
    for name in Op::NAMES {
        assert!(forms.iter().any(|form| form.operation() == *name), "{name} has no form");
    }
    let names: HashSet<&str> = forms.iter().map(|form| form.name.as_str()).collect();
    assert_eq!(names.len(), forms.len(), "two forms have the same name");
}

#[test]
fn whole_trainings_agree_with_the_oracle() {
    let mut forms = kernels::forms(&gpu());
    forms.retain(|form| MatrixForm::OF_EACH_CLASS.contains(form));
    let mut gpus: Vec<Gpu> =
        forms.into_iter().map(|form| gpu().with_matrix_form(form).unwrap()).collect();
    // With the forms that such a device is given, one for each product.
    gpus.push(gpu().planned_as(DeviceModel::DISCRETE));
    for gpu in gpus {
        for checked in [false, true] {
            let gpu = gpu.clone().with_checked_shaders(checked);
            for training in Training::ALL.into_iter().filter(|training| training.runs_on(&gpu)) {
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
    let forms = parity::forms();
    let large = forms.iter().filter_map(|form| Some((form, form.large_shape?)));
    for (form, shape) in large {
        assert_passed(&minibatch::gpu::block_on(parity::operation(&gpu, form, &[shape])).unwrap());
    }
}
