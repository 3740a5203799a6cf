//! What a model says that it takes of a device's memory, against what wgpu's allocator has given it.

#[path = "support/host.rs"]
mod host;

use std::collections::BTreeMap;
use std::sync::Arc;

use host::Host;
use minibatch::data::synthetic_digits;
use minibatch::gpu::{Faults, block_on};
use minibatch::{
    Activation, Adam, Batch, Compiled, DataOn, Error, Evaluate, Fit, Input, Loss, MemoryUse,
    Metric, Sequential,
};

/// The most bytes that lie before a buffer so that it begins where the device wants it to.
const ALIGNMENT: u64 = 64;

/// Of each label of this project bytes and number of the buffers that bear it.
fn allocated(host: &Host) -> BTreeMap<String, (u64, u64)> {
    // What is no longer used is given back when the device is polled.
    host.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    host.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    let report = host.device.generate_allocator_report().expect("lavapipe has such a report");
    let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    // A probe asks whether the device is lost, and belongs to no model.
    let ours = |name: &str| name.starts_with("minibatch.") && name != "minibatch.probe";
    for one in report.allocations.iter().filter(|one| ours(&one.name)) {
        let (bytes, count) = found.entry(one.name.clone()).or_default();
        *bytes += one.size;
        *count += 1;
    }
    found
}

/// That the account is what the allocator has given, but for what aligns each buffer.
fn assert_within_alignment(host: &Host, memory: MemoryUse, when: &str) {
    let allocated = allocated(host);
    let [bytes, count] = allocated
        .values()
        .fold([0, 0], |[bytes, count], (more, number)| [bytes + more, count + number]);
    let range = memory.total()..=memory.total() + ALIGNMENT * count;
    assert!(range.contains(&bytes), "{when}: {bytes} bytes\n{memory}\n{allocated:#?}");
}

/// The same to the byte: of each label as many buffers as the allocator knows, those that were made last.
fn assert_exact(host: &Host, made: &Faults, memory: MemoryUse, when: &str) {
    assert_within_alignment(host, memory, when);
    let made = made.made();
    let mut total = 0;
    for (label, (_, count)) in allocated(host) {
        let alike = made.iter().rev().filter(|(other, _)| *other == label);
        total += alike.take(count as usize).map(|(_, bytes)| bytes).sum::<u64>();
    }
    assert_eq!(memory.total(), total, "{when}:\n{memory}\n{made:#?}");
}

fn compiled() -> Compiled {
    Sequential::new(Input::pixels(&[28, 28]))
        .flatten()
        .dense(19, Activation::Relu)
        .batch_normalization()
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
}

/// Several kinds of models.
fn models() -> Vec<(&'static str, Compiled)> {
    let small = || Sequential::new(Input::floats(&[784])).dense(10, Activation::Sigmoid);
    let squares = |model: Sequential| model.compile(Adam::default(), Loss::MeanSquaredError, []);
    vec![
        ("a classifier", compiled()),
        ("memory shared", compiled().reuse_memory(true)),
        ("nothing fused", compiled().fusion(false)),
        ("accumulating", compiled().gradient_accumulation_steps(3)),
        ("more slots", compiled().upload_slots(5)),
        ("one layer", squares(small())),
        ("in parts", squares(small()).micro_batch_size(7)),
    ]
}

#[test]
fn what_is_told_before_is_what_the_allocator_has_given_then() {
    for (name, compiled) in models() {
        for rows in [1, 33] {
            let (host, faults) = (Host::with_default_limits(), Arc::default());
            let gpu = host.gpu().with_faults(&faults);
            let told = compiled.memory(&gpu, rows).unwrap();
            let mut model = compiled.clone().build(&gpu).unwrap();
            block_on(model.prepare_steps(rows)).unwrap();
            let made = model.memory();
            assert_exact(&host, &faults, made, name);
            // Scores are read back through one more buffer.
            let mut unread = told;
            unread.readback = 0;
            assert_eq!(unread, made, "{name}, {rows} rows");
            assert_eq!(model.memory_for(rows).unwrap(), told, "{name}, {rows} rows");
            assert!(allocated(&host).len() > 5, "{name}");
        }
    }
}

#[test]
fn what_is_told_now_is_what_the_allocator_has_given() {
    let host = Host::with_default_limits();
    let data = synthetic_digits(200, 0).unwrap();
    let gpu = host.gpu();
    let mut model = compiled().build(&gpu).unwrap();
    assert_within_alignment(&host, model.memory(), "built");
    for data_on in [DataOn::Host, DataOn::Device] {
        let fit = Fit::new().epochs(1).batch_size(32).data_on(data_on);
        model.fit(&data, fit).unwrap();
        assert_within_alignment(&host, model.memory(), "trained");
        model.evaluate(&data, Evaluate::new().batch_size(70)).unwrap();
        assert_within_alignment(&host, model.memory(), "evaluated");
    }
    drop(model);
    assert!(allocated(&host).is_empty(), "{:?}", allocated(&host));
}

#[test]
fn scores_are_read_through_what_was_told() {
    let host = Host::with_default_limits();
    let data = synthetic_digits(50, 0).unwrap();
    let faults = Arc::default();
    let gpu = host.gpu().with_faults(&faults);
    let told = compiled().memory(&gpu, 50).unwrap();
    let mut model = compiled().build(&gpu).unwrap();
    block_on(model.prepare_steps(50)).unwrap();
    let indices: Vec<u32> = (0..50).collect();
    let mut encoder = host.device.create_command_encoder(&Default::default());
    model.record_step(&mut encoder, Batch { data: &data, indices: &indices }).unwrap();
    host.queue.submit([encoder.finish()]);
    block_on(model.take_scores()).unwrap().unwrap();
    assert_exact(&host, &faults, model.memory(), "scores taken");
    assert_eq!(model.memory(), told);
}

#[test]
fn what_is_beyond_the_limits_is_refused_before_it_is_built() {
    let host = Host::with_default_limits();
    let refused = |rows: usize, expected: &str| {
        let error = compiled().memory(&host.gpu(), rows).unwrap_err();
        assert!(matches!(error, Error::Argument { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    };
    refused(0, "batch_size");
    // 784 bytes each, of which this device binds 128 MiB.
    refused(200_000, "this device binds at most 134217728");
}

#[test]
fn it_is_a_small_table() {
    let host = Host::with_default_limits();
    let memory = compiled().memory(&host.gpu(), 32).unwrap();
    let text = memory.to_string();
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("total") && last.ends_with(&format!("{} bytes", memory.total())));
    let bytes = |line: &str| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap();
    let parts: u64 = text.lines().rev().skip(1).map(bytes).sum();
    assert_eq!(parts, memory.total(), "{text}");
    assert!(memory.parameters >= 4 * (784 * 19 + 19 + 4 * 19 + 19 * 10 + 10), "{text}");
}
