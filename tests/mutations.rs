//! Proof that the parity suite can fail: each kernel, broken on purpose, is caught. The mistakes stand
//! beside the cases of each operation.

mod kernels;

use std::collections::HashSet;
use std::sync::Arc;

use minibatch::Gpu;
use minibatch::operation::{KernelClass, Op};
use minibatch::parity::{self, Form, Mutation};

/// Breaks the kernel of `form` and demands that the suite notices at one of its shapes.
fn assert_caught(gpu: &Gpu, form: &Form, class: KernelClass, mutation: Mutation) {
    let Mutation { what, from, to, .. } = mutation;
    let operation = form.operation().to_owned();
    let broken = gpu.clone().with_kernel_class(class).unwrap().with_shader_edit(Arc::new(
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
        let verdict = minibatch::gpu::block_on(parity::operation(&broken, form, shapes));
        !verdict.unwrap_or_else(|error| panic!("{}, {what}: {error}", form.name)).passed()
    });
    assert!(caught, "{} ({class:?}) passed with {what}: {from:?} -> {to:?}", form.name);
}

/// Whether the kernel depends on the class.
fn is_of_a_class(form: &Form) -> bool {
    let kernels = KernelClass::ALL.map(|class| {
        let dispatches = parity::dispatches(form, [7, 5, 3], class).unwrap();
        dispatches.into_iter().map(|dispatch| dispatch.kernel).collect::<Vec<_>>()
    });
    kernels.windows(2).any(|pair| pair[0] != pair[1])
}

/// Tries every mistake of the forms that are `wanted`.
fn assert_all_are_caught(wanted: impl Fn(&Form) -> bool) {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let classes = kernels::classes(&gpu);
    let mut tried = 0;
    for form in parity::forms_for(&gpu).filter(|form| wanted(form)) {
        let own: &[KernelClass] = if is_of_a_class(&form) { &classes } else { &classes[..1] };
        for &mutation in &form.mutations {
            for &class in own.iter().filter(|&&c| mutation.class.is_none_or(|only| only == c)) {
                assert_caught(&gpu, &form, class, mutation);
                tried += 1;
            }
        }
    }
    println!("{tried} broken kernels");
    assert!(tried > 0);
}

#[test]
fn broken_matrix_kernels_are_caught() {
    assert_all_are_caught(is_of_a_class);
}

#[test]
fn broken_kernels_of_updates_losses_and_metrics_are_caught() {
    assert_all_are_caught(|form| !is_of_a_class(form) && form.operation() < "c");
}

#[test]
fn broken_kernels_are_caught() {
    assert_all_are_caught(|form| !is_of_a_class(form) && form.operation() >= "c");
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
