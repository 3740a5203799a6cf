//! A training step in two dispatches: against the CPU executors, broken on purpose, and refused where an
//! operation has no part in it.

use std::sync::Arc;

use minibatch::Gpu;
use minibatch::gpu::{FusedSteps, block_on};
use minibatch::parity::{self, FusedForm};

fn gpu() -> Gpu {
    Gpu::new().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn fused_steps_agree_with_the_oracle() {
    for checked in [false, true] {
        let gpu = gpu().with_checked_shaders(checked);
        for (number, form) in parity::fused_forms().iter().enumerate() {
            // The shapes are the same text for all forms but for losses, updates and activations.
            let shapes = parity::fused_shapes();
            let shapes = if number < 2 && !checked { &shapes[..] } else { &shapes[1..4] };
            let verdict = block_on(parity::fused_step(&gpu, form, shapes)).unwrap();
            println!(
                "{:50} {:.3} of the bound, {:.2} s",
                verdict.name,
                verdict.worst.ratio(),
                verdict.seconds
            );
            assert!(
                verdict.passed(),
                "{}: {} times the bound: {}; stray: {:?}",
                verdict.name,
                verdict.worst.ratio(),
                verdict.worst.place,
                verdict.stray
            );
        }
    }
}

#[test]
fn broken_fused_steps_are_caught() {
    let gpu = gpu();
    let mut tried = 0;
    for form in &parity::fused_forms() {
        for &(kernel_name, (what, from, to)) in &form.mutations {
            let broken = gpu.clone().with_shader_edit(Arc::new(move |kernel, source: String| {
                if kernel.name != kernel_name {
                    return source;
                }
                assert!(source.contains(from), "{kernel:?} has no {from:?} to break");
                source.replace(from, to)
            }));
            assert!(
                is_caught(&broken, form),
                "{} passed with {what}: {from:?} -> {to:?}",
                form.name
            );
            tried += 1;
        }
    }
    println!("{tried} broken kernels");
    assert!(tried > 20);
}

fn is_caught(broken: &Gpu, form: &FusedForm) -> bool {
    parity::fused_shapes().chunks(1).skip(1).any(|shapes| {
        let verdict = block_on(parity::fused_step(broken, form, shapes));
        !verdict.unwrap_or_else(|error| panic!("{}: {error}", form.name)).passed()
    })
}

#[test]
fn fused_steps_can_be_switched() {
    let _ = FusedSteps::Never;
}
