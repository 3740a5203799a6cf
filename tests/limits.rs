//! Devices with lower limits than WebGPU's defaults: what runs has the same bits, and what cannot run is
//! refused with the limit, what is needed, and what there is.

use minibatch::data::{Dataset, Shuffle, synthetic_digits};
use minibatch::model::{Compiled, Input};
use minibatch::{
    Activation, Adam, DataOn, Error, Evaluate, Fit, Loss, Metric, Predict, Sequential, Sgd,
};
use wgpu::Limits;

#[path = "support/watched_host.rs"]
mod host;
use host::Host;

fn data() -> Dataset {
    synthetic_digits(40, 0).unwrap().with_classes(10).unwrap()
}

fn layers() -> Sequential {
    Sequential::new(Input::pixels(&[28, 28]))
        .dense(16, Activation::Relu)
        .batch_normalization()
        .dense(10, Activation::Softmax)
}

fn with_adam() -> Compiled {
    let metrics = [Metric::Accuracy, Metric::ConfusionMatrix];
    layers().compile(Adam::default(), Loss::SparseCategoricalCrossentropy, metrics)
}

fn with_sgd() -> Compiled {
    Sequential::new(Input::pixels(&[28, 28]))
        .dense(16, Activation::Relu)
        .dense(10, Activation::Softmax)
        .compile(Sgd::default(), Loss::SparseCategoricalCrossentropy, [])
}

/// What an undisturbed training comes to, or where it was refused: at the build, or by a call that said
/// how large the batches are.
#[derive(Debug)]
enum End {
    Ran(Vec<u8>, Vec<f32>),
    Build(String),
    Batch(String),
}

fn message(error: &Error) -> String {
    assert!(matches!(error, Error::Argument { .. }), "{error:?} is no refused argument");
    error.to_string()
}

fn train(compiled: Compiled, limits: Limits) -> End {
    let host = Host::with(limits);
    let end = (|| {
        let mut model = match compiled.build(&host.gpu()) {
            Ok(model) => model,
            Err(error) => return End::Build(message(&error)),
        };
        let data = data();
        let fit = Fit::new().batch_size(16).shuffle(Shuffle::Off).data_on(DataOn::Host);
        let ran = model
            .fit(&data, fit)
            .and_then(|_| model.evaluate(&data, Evaluate::new().batch_size(9)))
            .and_then(|_| model.predict(&data, Predict::new().batch_size(40)))
            .and_then(|values| Ok(End::Ran(model.save_bytes()?, values)));
        ran.unwrap_or_else(|error| End::Batch(message(&error)))
    })();
    assert_eq!(host.uncaptured(), [""; 0]);
    end
}

/// Trains with these limits; how it ended.
fn check(compiled: fn() -> Compiled, what: &str, limits: Limits, expected: &End) -> End {
    let end = train(compiled(), limits);
    match (&end, expected) {
        (End::Ran(bytes, values), End::Ran(expected_bytes, expected_values)) => {
            assert!(bytes == expected_bytes && values == expected_values, "{what}: other bits");
        }
        (End::Ran(..), _) => panic!("{what}: nothing to compare with"),
        (End::Build(_) | End::Batch(_), _) => {}
    }
    end
}

#[test]
fn webgpus_defaults_and_what_is_above_them_have_the_same_bits() {
    for compiled in [with_adam, with_sgd] {
        let expected = train(compiled(), Limits::default());
        let more = Limits { max_storage_buffers_per_shader_stage: 10, ..Limits::default() };
        let end = check(compiled, "more storage buffers", more, &expected);
        assert!(matches!(end, End::Ran(..)), "{end:?}");
        // The largest alignments that a device may ask for.
        let aligned = Limits {
            min_uniform_buffer_offset_alignment: 256,
            min_storage_buffer_offset_alignment: 256,
            ..Limits::default()
        };
        let end = check(compiled, "alignments of 256", aligned, &expected);
        assert!(matches!(end, End::Ran(..)), "{end:?}");
    }
}

#[test]
fn what_needs_more_than_a_limit_is_refused_by_its_name_with_the_numbers() {
    type Set = fn(&mut Limits, u64);
    let limits: [(&str, &[u64], Set); 11] = [
        ("max_storage_buffers_per_shader_stage", &[0, 2, 4, 5, 6, 7], |limits, value| {
            limits.max_storage_buffers_per_shader_stage = value as u32;
        }),
        ("max_uniform_buffers_per_shader_stage", &[0, 1, 2], |limits, value| {
            limits.max_uniform_buffers_per_shader_stage = value as u32;
        }),
        ("max_dynamic_uniform_buffers_per_pipeline_layout", &[0, 1], |limits, value| {
            limits.max_dynamic_uniform_buffers_per_pipeline_layout = value as u32;
        }),
        ("max_bind_groups", &[0, 1], |limits, value| limits.max_bind_groups = value as u32),
        ("max_bindings_per_bind_group", &[4, 10], |limits, value| {
            limits.max_bindings_per_bind_group = value as u32;
        }),
        ("max_compute_invocations_per_workgroup", &[0, 16, 32, 64, 128], |limits, value| {
            limits.max_compute_invocations_per_workgroup = value as u32;
        }),
        ("max_compute_workgroup_size_x", &[0, 8, 64], |limits, value| {
            limits.max_compute_workgroup_size_x = value as u32;
        }),
        ("max_compute_workgroup_storage_size", &[0, 256, 1024, 4096, 16352], |limits, value| {
            limits.max_compute_workgroup_storage_size = value as u32;
        }),
        ("max_compute_workgroups_per_dimension", &[0, 1, 3, 50, 1000], |limits, value| {
            limits.max_compute_workgroups_per_dimension = value as u32;
        }),
        ("max_storage_buffer_binding_size", &[4, 1000, 20_000, 1 << 17], |limits, value| {
            limits.max_storage_buffer_binding_size = value;
        }),
        ("max_buffer_size", &[256, 10_000, 60_000, 1 << 20], |limits, value| {
            limits.max_buffer_size = value;
        }),
    ];
    // The second needs no memory of a workgroup, and fewer storage buffers.
    for (compiled, needs_all) in [(with_adam as fn() -> Compiled, true), (with_sgd, false)] {
        let expected = train(compiled(), Limits::default());
        assert!(matches!(expected, End::Ran(..)), "{expected:?}");
        for (name, values, set) in limits {
            let mut ends = Vec::new();
            for &value in values {
                let mut lower = Limits::default();
                set(&mut lower, value);
                let what = format!("{name} {value}");
                let end = check(compiled, &what, lower, &expected);
                if let End::Build(message) | End::Batch(message) = &end {
                    println!("{what}: {message}");
                    let numbers = message.split(|c: char| !c.is_ascii_digit());
                    let numbers: Vec<u64> = numbers.filter_map(|n| n.parse().ok()).collect();
                    assert!(numbers.contains(&value), "{what}: {message}");
                    assert!(numbers.iter().any(|&needed| needed > value), "{what}: {message}");
                }
                // What a kernel takes does not depend on a batch.
                let of_kernels = message_of(&end).is_some_and(|message| message.contains("kernel"));
                assert!(!(of_kernels && matches!(end, End::Batch(_))), "{what}: {end:?}");
                ends.push(matches!(end, End::Ran(..)));
            }
            println!("{name}: {values:?} ran: {ends:?}");
            // With more, no less runs.
            assert!(ends.is_sorted() && !(needs_all && ends[0]), "{name}: {ends:?}");
        }
    }
}

fn message_of(end: &End) -> Option<&str> {
    match end {
        End::Ran(..) => None,
        End::Build(message) | End::Batch(message) => Some(message),
    }
}

#[test]
fn devices_of_lower_classes_run_a_model_or_say_why_not() {
    let expected = train(with_adam(), Limits::default());
    // Four storage buffers are too few for a step with Adam.
    let downlevel = check(with_adam, "downlevel_defaults", Limits::downlevel_defaults(), &expected);
    let End::Build(message) = &downlevel else { panic!("{downlevel:?}") };
    assert!(
        message.contains("max_storage_buffers_per_shader_stage of this device is 4"),
        "{message}"
    );
    // No compute at all.
    let webgl = Limits::downlevel_webgl2_defaults();
    let webgl = check(with_adam, "downlevel_webgl2_defaults", webgl, &expected);
    let End::Build(message) = &webgl else { panic!("{webgl:?}") };
    assert!(message.contains(" 0"), "{message}");
    // With the storage buffers of the default limits, the rest of the lower class is enough.
    let limits = Limits { max_storage_buffers_per_shader_stage: 8, ..Limits::downlevel_defaults() };
    let end = check(with_adam, "downlevel with eight storage buffers", limits, &expected);
    assert!(matches!(end, End::Ran(..)), "{end:?}");
}
