//! What a model says that it takes of a device's memory, against what wgpu's allocator has given it.

#[path = "support/host.rs"]
mod host;

use std::collections::BTreeMap;

use host::Host;
use minibatch::data::synthetic_digits;
use minibatch::gpu::block_on;
use minibatch::{
    Activation, Adam, Batch, Clip, Compiled, Cpu, DataOn, Dataset, Error, Evaluate, Fit, Gpu,
    Input, Loss, MemoryUse, Metric, Model, Sequential,
};

/// Bytes of the device's buffers that bear a label of this project, each rounded up as the allocator
/// does: `(label, bytes, how many)`.
fn allocated(host: &Host) -> BTreeMap<String, (u64, u64)> {
    // What is no longer used is given back when the device is polled.
    host.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    host.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    let report = host.device.generate_allocator_report().expect("lavapipe has such a report");
    let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for one in report.allocations.iter().filter(|one| one.name.starts_with("minibatch.")) {
        let (bytes, count) = found.entry(one.name.clone()).or_default();
        *bytes += one.size;
        *count += 1;
    }
    found
}

#[test]
fn print_them() {
    let host = Host::with_default_limits();
    let mut model = compiled().build(&host.gpu()).unwrap();
    block_on(model.prepare_steps(33)).unwrap();
    for (name, (bytes, count)) in allocated(&host) {
        println!("{name:40} {bytes:>10} {count}");
    }
    println!("{}", model.memory());
    println!("{}", compiled().memory(&host.gpu(), 33).unwrap());
}

fn compiled() -> Compiled {
    Sequential::new(Input::pixels(&[28, 28]))
        .flatten()
        .dense(19, Activation::Relu)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
}
