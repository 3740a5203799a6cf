//! What a profile says of a run.

use std::collections::{BTreeMap, HashMap, HashSet};

use minibatch::callbacks::LambdaCallback;
use minibatch::data::{Dataset, synthetic_digits};
use minibatch::model::Input;
use minibatch::program::Pass;
use minibatch::training::Backend;
use minibatch::{
    Activation, Adam, Cpu, Evaluate, Fit, Gpu, Loss, Metric, Model, Profile, Sequential,
};
use serde_json::Value;

const STEPS: usize = 4;

fn digits() -> Dataset {
    synthetic_digits(32 * STEPS - 5, 0).unwrap().with_classes(10).unwrap()
}

fn model(backend: impl Into<Backend>) -> Model {
    Sequential::new(Input::pixels(&[28, 28]))
        .dense(8, Activation::Relu)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .build(backend.into())
        .unwrap()
}

/// A span of a trace, in microseconds.
#[derive(Debug, Clone)]
struct Span {
    name: String,
    category: String,
    thread: [u64; 2],
    begin: f64,
    end: f64,
    number: Option<u64>,
}

/// The spans of a trace, and the names of its threads.
fn trace(profile: &Profile) -> (Vec<Span>, HashMap<[u64; 2], String>) {
    let trace: Value = serde_json::from_str(&profile.to_json()).unwrap();
    let (mut spans, mut threads) = (Vec::new(), HashMap::new());
    for event in trace["traceEvents"].as_array().unwrap() {
        let thread = ["pid", "tid"].map(|name| event[name].as_u64().unwrap());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        match event["ph"].as_str().unwrap() {
            "X" => {
                let (begin, duration) =
                    (event["ts"].as_f64().unwrap(), event["dur"].as_f64().unwrap());
                assert!(begin >= 0.0 && duration >= 0.0, "{event}");
                let number = event["args"].as_object().and_then(|args| args.values().next());
                spans.push(Span {
                    name: text(&event["name"]),
                    category: text(&event["cat"]),
                    thread,
                    begin,
                    end: begin + duration,
                    number: number.map(|number| number.as_u64().unwrap()),
                });
            }
            "M" if event["name"] == "thread_name" => {
                threads.insert(thread, text(&event["args"]["name"]));
            }
            "M" => assert_eq!(event["name"], "process_name"),
            other => panic!("{other}: {event}"),
        }
    }
    (spans, threads)
}

/// For each span, the names of those around it, innermost last. They must nest.
fn nested(spans: &[Span]) -> Vec<(Vec<String>, Span)> {
    let mut by_thread: BTreeMap<[u64; 2], Vec<Span>> = BTreeMap::new();
    for span in spans {
        by_thread.entry(span.thread).or_default().push(span.clone());
    }
    let mut nested = Vec::new();
    for mut spans in by_thread.into_values() {
        spans.sort_by(|a, b| a.begin.total_cmp(&b.begin).then(b.end.total_cmp(&a.end)));
        let mut open: Vec<Span> = Vec::new();
        for span in spans {
            // Times are written in thousandths.
            open.retain(|outer| outer.end > span.begin + 0.002);
            if let Some(outer) = open.last() {
                assert!(span.end <= outer.end + 0.002, "{span:?} begins in {outer:?}");
            }
            nested.push((open.iter().map(|outer| outer.name.clone()).collect(), span.clone()));
            open.push(span);
        }
    }
    nested
}

fn count(spans: &[Span], name: &str) -> usize {
    spans.iter().filter(|span| span.name == name).count()
}

#[test]
fn a_fit_is_a_tree_of_spans_and_its_threads() {
    let data = digits();
    let profile = Profile::new();
    let mut model = model(&Cpu::new());
    model.set_profile(&profile).unwrap();
    let mut callback = LambdaCallback::new();
    let fit = Fit::new().epochs(2).workers(2).callback(&mut callback);
    model.fit(&data, fit).unwrap();

    let (spans, threads) = trace(&profile);
    assert_eq!(count(&spans, "epoch"), 2);
    let steps: Vec<u64> =
        spans.iter().filter(|span| span.name == "step").filter_map(|span| span.number).collect();
    assert_eq!(steps, [1, 2, 3, 4, 1, 2, 3, 4]);
    assert_eq!(count(&spans, "load batch"), 2 * STEPS);
    assert_eq!(count(&spans, "wait for scores"), 2);
    let program = model.program();
    let operations: Vec<&str> = [Pass::Train, Pass::Accumulate, Pass::Update]
        .into_iter()
        .flat_map(|pass| program.ops(pass))
        .map(minibatch::operation::Op::name)
        .collect();
    let ran: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    let ran: Vec<&str> = ran.into_iter().filter(|name| operations.contains(name)).collect();
    assert_eq!(ran, operations.repeat(2 * STEPS));
    for (around, span) in nested(&spans) {
        let around: Vec<&str> = around.iter().map(String::as_str).collect();
        match span.name.as_str() {
            "epoch" => assert_eq!(around, Vec::<&str>::new()),
            "step" => assert_eq!(around, ["epoch"]),
            name if operations.contains(&name) => assert_eq!(around, ["epoch", "step"]),
            "fill upload memory" => assert_eq!(around, ["load batch"]),
            "load batch" => {
                assert_eq!(around, Vec::<&str>::new());
                let thread = &threads[&span.thread];
                assert!(thread.starts_with("minibatch-loader-"), "{thread}");
            }
            _ => {}
        }
    }
    let on_main: HashSet<_> = spans.iter().filter(|s| s.name == "step").map(|s| s.thread).collect();
    assert_eq!(on_main.len(), 1);

    // What comes after it is ended is not recorded.
    model.set_profile(&Profile::default()).unwrap();
    model.evaluate(&data, Evaluate::new()).unwrap();
    assert_eq!(trace(&profile).0.len(), spans.len());
}

#[test]
fn a_gpu_tells_when_each_kernel_ran_and_computes_the_same() {
    let data = digits();
    let weights = |gpu: &Gpu, profile: &Profile| {
        let mut model = model(gpu);
        model.set_profile(profile).unwrap();
        model.fit(&data, Fit::new().epochs(2)).unwrap();
        let kernels = model.gpu().unwrap().kernels(Pass::Train, 32);
        let names: Vec<&str> = kernels.iter().map(|kernel| kernel.name).collect();
        (model.save_bytes().unwrap(), names)
    };
    let gpu = Gpu::with_timestamps(None).unwrap();
    let profile = Profile::new();
    let (profiled, names) = weights(&gpu, &profile);
    let (plain, _) = weights(&Gpu::new().unwrap(), &Profile::default());
    assert!(profiled == plain, "the weights differ");

    let (spans, threads) = trace(&profile);
    nested(&spans);
    for name in ["encode", "submit", "fill upload memory"] {
        assert_eq!(count(&spans, name), 2 * STEPS, "{name}");
    }
    let kernels: Vec<&Span> = spans.iter().filter(|span| span.category == "kernel").collect();
    if !gpu.has_timestamps() {
        assert!(kernels.is_empty());
        return;
    }
    let recorded: Vec<&str> = kernels.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(recorded, names.repeat(2 * STEPS));
    assert!(kernels.iter().all(|kernel| threads[&kernel.thread] == "kernels"));
    // The kernels of a step begin after its submission has begun, and all of them fit between the
    // first submission and the end of the last epoch, whose scores were waited for.
    let submits = spans.iter().filter(|span| span.name == "submit");
    for (submit, kernels) in submits.clone().zip(kernels.chunks(names.len())) {
        assert!(
            kernels.iter().all(|kernel| kernel.begin >= submit.begin),
            "{submit:?} {kernels:?}"
        );
    }
    let all: f64 = kernels.iter().map(|kernel| kernel.end - kernel.begin).sum();
    let begin = submits.clone().map(|span| span.begin).fold(f64::INFINITY, f64::min);
    let end = spans.iter().filter(|s| s.name == "epoch").map(|s| s.end).fold(0.0, f64::max);
    assert!(all > 0.0 && all <= end - begin, "{all} of {}", end - begin);
}

#[test]
fn a_device_without_timestamp_queries_records_what_the_host_does() {
    let gpu = Gpu::new().unwrap();
    assert!(!gpu.has_timestamps());
    let profile = Profile::new();
    let mut model = model(&gpu);
    model.set_profile(&profile).unwrap();
    model.fit(digits(), Fit::new()).unwrap();
    let (spans, _) = trace(&profile);
    assert_eq!(count(&spans, "submit"), STEPS);
    assert!(spans.iter().all(|span| span.category == "host"));
}
