//! Proof that the parity suite can fail: each kernel, broken on purpose, is caught. The mistakes stand
//! beside the cases of each operation.

mod kernels;
#[path = "support/sample.rs"]
mod sample;

use std::collections::HashSet;
use std::sync::Arc;

use minibatch::Gpu;
use minibatch::operation::{MatrixForm, Op};
use minibatch::parity::{self, Form, Mutation};

/// Breaks the kernel of `form` and demands that the suite notices at one of its shapes.
fn assert_caught(gpu: &Gpu, case: &Form, form: MatrixForm, mutation: Mutation) {
    let Mutation { what, from, to, .. } = mutation;
    let operation = case.operation().to_owned();
    let broken = gpu.clone().with_matrix_form(form).unwrap().with_shader_edit(Arc::new(
        move |kernel, source: String| {
            if kernel.name != operation {
                return source;
            }
            assert!(source.contains(from), "{kernel:?} has no {from:?} to break");
            source.replace(from, to)
        },
    ));
    // Two shapes at a time have two seeds, an even and an odd one: some cases differ between them.
    let caught = parity::shapes().chunks(2).any(|shapes| {
        let verdict = minibatch::gpu::block_on(parity::operation(&broken, case, shapes));
        !verdict.unwrap_or_else(|error| panic!("{}, {what}: {error}", case.name)).passed()
    });
    assert!(caught, "{} ({form:?}) passed with {what}: {from:?} -> {to:?}", case.name);
}

/// Whether the operation has a matrix kernel, which depends on the form.
fn is_of_a_form(form: &Form) -> bool {
    parity::distinct(form, &MatrixForm::OF_EACH_CLASS).unwrap().len() > 1
}

/// Tries every mistake of the forms that are `wanted`.
fn assert_all_are_caught(wanted: impl Fn(&Form) -> bool) {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let forms = kernels::forms(&gpu);
    let (mut listed, mut tried) = (0, 0);
    for case in parity::forms_for(&gpu).filter(|case| wanted(case)) {
        let shared = parity::distinct(&case, &MatrixForm::OF_EACH_CLASS).unwrap();
        for &mutation in &case.mutations {
            let own = mutation.form.map_or(shared.clone(), |form| vec![form]);
            for &form in own.iter().filter(|form| forms.contains(form)) {
                if sample::is_tried(listed) {
                    assert_caught(&gpu, &case, form, mutation);
                    tried += 1;
                }
                listed += 1;
            }
        }
    }
    println!("{tried} of {listed} broken kernels");
    assert!(tried > 0);
}

#[test]
fn broken_matrix_kernels_are_caught() {
    assert_all_are_caught(is_of_a_form);
}

#[test]
fn broken_kernels_of_updates_losses_and_metrics_are_caught() {
    assert_all_are_caught(|form| !is_of_a_form(form) && form.operation() < "c");
}

#[test]
fn broken_kernels_are_caught() {
    assert_all_are_caught(|form| !is_of_a_form(form) && form.operation() >= "c");
}

/// An operation whose forms list no mistake has a parity test that nothing shows to work.
#[test]
fn every_operation_has_mistakes_to_catch() {
    let forms = parity::forms();
    // Rows beyond the live ones say nothing of what is computed.
    let own = |mutation: &Mutation| mutation.what != "rows beyond the live ones written";
    let tried: HashSet<&str> =
        forms.iter().filter(|form| form.mutations.iter().any(own)).map(Form::operation).collect();
    let missing: Vec<_> = Op::NAMES.iter().filter(|name| !tried.contains(*name)).collect();
    assert!(missing.is_empty(), "no mistake is listed for {missing:?}");
}
