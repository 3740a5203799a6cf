//! The probes of drivers: they pass on this adapter, each notices its mistake, and what fails is not
//! used.

use std::collections::HashSet;
use std::time::Duration;

use minibatch::data::synthetic_digits;
use minibatch::gpu::{KernelForm, KernelForms, MatrixForm, block_on};
use minibatch::model::{Input, lower};
use minibatch::operation::{Adapter, AdapterClass};
use minibatch::parity::probe::{ALL, Attempt, Need, Outcome, RulesOut, kernels, ruled_out};
use minibatch::program::{Pass, plan};
use minibatch::{Activation, Adam, Error, Fit, Gpu, Loss, Precision, Sequential};

fn gpu() -> Gpu {
    Gpu::new().unwrap_or_else(|error| panic!("{error}"))
}

fn is_skipped(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Skipped(_))
}

#[test]
fn every_probe_passes_here() {
    let gpu = gpu();
    for attempt in Attempt::all(&gpu) {
        let outcome = block_on(attempt.run(&gpu)).unwrap();
        let name = attempt.name();
        let may_skip = match attempt.probe.needs {
            Need::Nothing => false,
            Need::Subgroups => !gpu.has_subgroups(),
            Need::Halves => !gpu.has_halves(),
        };
        assert_eq!(is_skipped(&outcome), may_skip, "{name}: {outcome}");
        assert!(!outcome.is_failure(), "{name}: {outcome}, {:?}", outcome.fault());
    }
}

#[test]
fn every_probe_notices_a_broken_kernel() {
    let gpu = gpu();
    for attempt in Attempt::all(&gpu) {
        let outcome = block_on(attempt.run_broken(&gpu)).unwrap();
        let (name, what) = (attempt.name(), attempt.probe.mistake.0);
        if is_skipped(&outcome) {
            continue;
        }
        assert!(matches!(outcome, Outcome::Wrong(_)), "{name} with {what}: {outcome}");
    }
}

/// What a mistake replaces stands in the kernels, or `run_broken` would break nothing.
#[test]
fn kernels_of_probes_are_bound_as_they_say_and_have_the_text_that_is_broken() {
    for kernel in kernels() {
        let probe = ALL.iter().find(|probe| probe.name == kernel.name).unwrap();
        let source = kernel.source();
        assert!(source.contains(probe.mistake.1) || probe.name == "zeroed-workgroup", "{kernel:?}");
    }
}

#[test]
fn names_are_told_apart_and_found_again() {
    let mut seen = HashSet::new();
    for attempt in Attempt::all(&gpu()) {
        let name = attempt.name();
        assert!(seen.insert(name.clone()), "{name} twice");
        assert_eq!(Attempt::named(&name).map(|found| found.name()), Some(name));
    }
    for name in ["", "small-matrices", "small-matrices/tile", "many-workgroups/tile64", "no-probe"]
    {
        assert!(Attempt::named(name).is_none(), "{name}");
    }
    for probe in ALL {
        assert!(probe.checks.len() > 20 && !probe.known.is_empty(), "{}", probe.name);
    }
}

#[test]
fn what_failed_is_ruled_out_and_nothing_else() {
    let attempt = |name| Attempt::named(name).unwrap();
    let failures = [
        Outcome::Wrong("a value".into()),
        Outcome::Crashed("signal 11".into()),
        Outcome::TimedOut(Duration::from_secs(60)),
    ];
    let others = [Outcome::Passed, Outcome::Skipped(Need::Halves)];
    let rule = |name, outcome: &Outcome| ruled_out([(&attempt(name), outcome)]);
    for failure in &failures {
        let matrix = rule("small-matrices/tile64", failure);
        assert_eq!(matrix.forms, KernelForms::NONE.with(KernelForm::Matrix(MatrixForm::Tile64)));
        assert!(!matrix.adapter);
        let halves = rule("f16-storage", failure);
        assert_eq!(halves.forms, KernelForms::NONE.with(KernelForm::Halves));
        let staged = rule("zeroed-workgroup", failure);
        for form in MatrixForm::ALL {
            let expected = form.class() == AdapterClass::Hardware;
            assert_eq!(staged.forms.contains(KernelForm::Matrix(form)), expected, "{form:?}");
        }
        assert!(staged.forms.contains(KernelForm::FusedSteps) && !staged.adapter);
        let atomics = rule("integer-atomics", failure);
        assert_eq!(atomics.forms, KernelForms::NONE.with(KernelForm::Atomics));
        let all = rule("workgroup-barrier", failure);
        assert!(all.adapter && all.forms.is_empty());
    }
    for other in &others {
        for probe in ALL.iter().filter(|probe| Attempt::named(probe.name).is_some()) {
            assert_eq!(rule(probe.name, other), Default::default());
        }
    }
    // Together.
    let (first, second) = (attempt("small-matrices/register"), attempt("fused-steps"));
    let both = ruled_out([(&first, &failures[0]), (&second, &failures[1])]);
    assert_eq!(both.forms.to_string(), "register, fused_steps");
}

/// Each probe says what must not be used where it fails.
#[test]
fn probes_in_forms_rule_out_their_form() {
    for attempt in Attempt::all(&gpu()) {
        let of_form = matches!(attempt.probe.rules_out, RulesOut::TriedForm);
        assert_eq!(of_form, attempt.form.is_some(), "{}", attempt.name());
    }
}

#[test]
fn what_is_ruled_out_is_refused_or_replaced() {
    let gpu = gpu();
    let form = gpu.matrix_forms().into_iter().find(|form| form.class() == gpu.adapter_class());
    let form = form.unwrap();
    let without = gpu.clone().without_forms([KernelForm::Matrix(form), KernelForm::Halves]);
    assert!(!without.has_halves());
    assert!(!without.matrix_forms().contains(&form));
    let refused = without.clone().with_matrix_form(form).unwrap_err();
    assert!(refused.to_string().contains("ruled out"), "{refused}");
    // Clones stay so, and more can be added.
    let more = without.clone().without_forms([KernelForm::FusedSteps]).ruled_out();
    assert_eq!(more.iter().count(), 3);
    assert!(Adapter::new(gpu.adapter_class()).may_use(KernelForm::Matrix(form)));
}

/// The forms of the matrix kernels of a training step, and whether it is fused.
fn planned(adapter: Adapter) -> Result<(Vec<MatrixForm>, bool), Error> {
    let compiled = Sequential::new(Input::pixels(&[28, 28]))
        .dense(128, Activation::Relu)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, []);
    let program = lower(&compiled)?;
    let dispatches = plan(&program, Pass::Train.of_whole_batch(), 32, adapter)?;
    let forms = dispatches.iter().filter_map(|dispatch| dispatch.arithmetic.form()).collect();
    Ok((forms, dispatches.iter().any(|dispatch| dispatch.kernel.name.starts_with("fused"))))
}

#[test]
fn no_step_is_planned_with_what_is_ruled_out() -> Result<(), Error> {
    let without = |forms: &[KernelForm], class| {
        let without = forms.iter().copied().collect();
        Adapter { without, ..Adapter::new(class) }
    };
    let hardware = AdapterClass::Hardware;
    let (_, fused) = planned(without(&[], hardware))?;
    let (mut forms, unfused) = planned(without(&[KernelForm::FusedSteps], hardware))?;
    assert!(fused && !unfused && !forms.is_empty());
    // Whatever would be chosen is ruled out, one form after the other, until none of a GPU is left.
    let mut out = vec![KernelForm::FusedSteps];
    while forms[0] != MatrixForm::Register {
        out.extend(forms.iter().map(|&form| KernelForm::Matrix(form)));
        forms = planned(without(&out, hardware))?.0;
        let is_out = |form: &MatrixForm| out.contains(&KernelForm::Matrix(*form));
        assert!(!forms.is_empty() && !forms.iter().any(is_out), "{forms:?} of {out:?}");
    }
    out.push(KernelForm::Matrix(MatrixForm::Register));
    assert!(matches!(planned(without(&out, hardware)), Err(Error::Argument { .. })));

    let software = AdapterClass::SoftwareSubgroups;
    let all_are = |forms: Vec<MatrixForm>, expected| forms.iter().all(|form| *form == expected);
    assert!(all_are(planned(without(&[], software))?.0, MatrixForm::Subgroup));
    let subgroup = KernelForm::Matrix(MatrixForm::Subgroup);
    assert!(all_are(planned(without(&[subgroup], software))?.0, MatrixForm::Register));
    Ok(())
}

/// The same on this device: what is ruled out is not even compiled.
#[test]
fn a_device_without_subgroups_trains_without_them() {
    let gpu = gpu().without_forms([KernelForm::Matrix(MatrixForm::Subgroup), KernelForm::Atomics]);
    let data = synthetic_digits(60, 0).unwrap();
    let built = |precision| {
        Sequential::new(Input::pixels(data.sample_shape()))
            .dense(32, Activation::Relu)
            .dense(10, Activation::Softmax)
            .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
            .precision(precision)
            .build(&gpu)
    };
    let mut model = built(Precision::Float32).unwrap();
    model.fit(&data, Fit::new().batch_size(24)).unwrap();
    let kernels = gpu.compiled_kernels();
    assert!(kernels.len() > 2 && !kernels.iter().any(|kernel| kernel.subgroups), "{kernels:?}");
    // Half precision flags gradients that are not finite by atomic operations.
    if gpu.has_halves() {
        let error = built(Precision::MixedFloat16).err().map(|error| error.to_string());
        assert!(error.as_ref().is_some_and(|error| error.contains("atomic")), "{error:?}");
    }
}
