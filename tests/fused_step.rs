//! A fused training step, of two dispatches or of three: against the CPU executors, broken on purpose, and
//! refused where an operation has no part in it.

#[path = "support/sample.rs"]
mod sample;
#[path = "support/verdict.rs"]
mod verdict;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use approx::assert_abs_diff_eq;
use minibatch::gpu::{FusedFrom, FusedSteps, block_on};
use minibatch::model::{Compiled, Dense, lower};
use minibatch::operation::{Adapter, AdapterClass, DeviceModel};
use minibatch::parity::{self, FusedForm};
use minibatch::program::{Pass, plan};
use minibatch::random::{Random, Stream};
use minibatch::{
    Activation, Adam, Backend, Batch, Clip, Dataset, Features, Fit, Gpu, Input, Loss, Metric,
    Model, Regularizer, Sequential, Sgd, Shuffle, wgpu,
};
use verdict::assert_passed;

fn gpu() -> Gpu {
    Gpu::new().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn fused_steps_agree_with_the_oracle() {
    for checked in [false, true] {
        let gpu = gpu().with_checked_shaders(checked);
        for form in &parity::fused_forms() {
            // The shapes are the same text for all forms but for losses, updates and activations.
            let shapes = parity::fused_shapes();
            let all = !checked && !form.mutations.is_empty();
            let shapes = if all { &shapes[..] } else { &shapes[1..4] };
            let verdict = block_on(parity::fused_step(&gpu, form, shapes)).unwrap();
            println!(
                "{:50} {:.3} of the bound, {:.2} s",
                verdict.name,
                verdict.worst.ratio(),
                verdict.seconds
            );
            assert_passed(&verdict);
        }
    }
}

#[test]
fn broken_fused_steps_are_caught() {
    let gpu = gpu();
    let (mut listed, mut tried) = (0, 0);
    for form in &parity::fused_forms() {
        for &(kernel_name, (what, from, to)) in &form.mutations {
            listed += 1;
            if !sample::is_tried(listed - 1) {
                continue;
            }
            // Each number of rows a workgroup has text of its own.
            let is_broken = Arc::new(AtomicBool::new(false));
            let breaks = Arc::clone(&is_broken);
            let broken = gpu.clone().with_shader_edit(Arc::new(move |kernel, source: String| {
                if kernel.name != kernel_name || !source.contains(from) {
                    return source;
                }
                breaks.store(true, Ordering::Relaxed);
                source.replace(from, to)
            }));
            assert!(is_caught(&broken, form), "{} passed with {what}: {from:?}", form.name);
            assert!(is_broken.load(Ordering::Relaxed), "no kernel has {from:?} to break");
            tried += 1;
        }
    }
    println!("{tried} of {listed} broken kernels");
    assert!(tried > 0 && listed > 20);
}

fn is_caught(broken: &Gpu, form: &FusedForm) -> bool {
    parity::fused_shapes().chunks(1).skip(1).any(|shapes| {
        let verdict = block_on(parity::fused_step(broken, form, shapes));
        !verdict.unwrap_or_else(|error| panic!("{}: {error}", form.name)).passed()
    })
}

/// A two-layer classifier, 12-16-10.
fn layers() -> Sequential {
    Sequential::new(Input::floats(&[12])).dense(16, Activation::Relu).dense(10, Activation::Softmax)
}

fn compiled(layers: Sequential) -> Compiled {
    layers.compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
}

/// 70 samples, so that the last of three batches of 32 is smaller.
fn data() -> Dataset {
    let mut random = Random::new(3, Stream::Parity);
    let features: Vec<f32> = (0..70 * 12).map(|_| random.uniform() as f32).collect();
    let labels: Vec<u32> = (0..70).map(|_| random.below(10) as u32).collect();
    Dataset::new(Features::F32(Arc::new(features)), &[12], labels).unwrap()
}

fn always(from: FusedFrom) -> Gpu {
    gpu().with_fused_steps(FusedSteps::Always(from))
}

/// The names of the kernels of a training step of 32 rows.
fn kernels(model: &mut Model) -> Vec<&'static str> {
    let executor = model.gpu().unwrap();
    executor.kernels(Pass::Train, 32).iter().map(|kernel| kernel.name).collect()
}

const FUSED: [&str; 2] = ["fused_step_rows", "fused_step_weights"];

/// The names of the kernels of a fused step.
fn fused(from: FusedFrom) -> Vec<&'static str> {
    match from {
        FusedFrom::FirstLayer => FUSED.to_vec(),
        FusedFrom::SecondLayer => [&["dense_forward"], &FUSED[..]].concat(),
    }
}

#[test]
fn a_fused_training_has_the_same_bits_run_after_run() {
    let run = |from| {
        let mut model = compiled(layers()).build(&always(from)).unwrap();
        let history = model.fit(data(), Fit::new().batch_size(32).epochs(3)).unwrap();
        assert_eq!(kernels(&mut model), fused(from));
        let losses: Vec<_> =
            history.epochs.iter().map(|epoch| epoch.training.loss.to_bits()).collect();
        let weights: Vec<u32> =
            ["dense_1.weight", "dense_1.bias", "dense_2.weight", "dense_2.bias"]
                .iter()
                .flat_map(|name| model.weight(name).unwrap())
                .map(f32::to_bits)
                .collect();
        (losses, weights)
    };
    for from in FusedFrom::ALL {
        let first = run(from);
        assert!(first.0[2] < first.0[0], "it does not learn: {:?}", first.0);
        assert_eq!(first, run(from), "{from:?}");
    }
}

#[test]
fn steps_recorded_for_the_host_are_fused_too() {
    FusedFrom::ALL.into_iter().for_each(recorded_steps_are_fused);
}

fn recorded_steps_are_fused(from: FusedFrom) {
    let (device, queue) = block_on(async {
        let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        let instance = wgpu::Instance::new(descriptor);
        let adapter = instance.request_adapter(&Default::default()).await.unwrap();
        adapter.request_device(&wgpu::DeviceDescriptor::default()).await.unwrap()
    });
    let steps = FusedSteps::Always(from);
    let gpu = Gpu::from_device(device.clone(), queue.clone()).with_fused_steps(steps);
    let data = data();
    let mut fitted = compiled(layers()).build(&gpu).unwrap();
    fitted.fit(&data, Fit::new().batch_size(32).epochs(1).shuffle(Shuffle::Off)).unwrap();
    let mut recorded = compiled(layers()).build(&gpu).unwrap();
    block_on(recorded.prepare_steps(32)).unwrap();
    for first in [0u32, 32, 64] {
        let indices: Vec<u32> = (first..70.min(first + 32)).collect();
        let mut encoder = device.create_command_encoder(&Default::default());
        recorded.record_step(&mut encoder, Batch { data: &data, indices: &indices }).unwrap();
        queue.submit([encoder.finish()]);
    }
    assert_eq!(kernels(&mut recorded), fused(from));
    let weight = |model: &mut Model| model.weight("dense_1.weight").unwrap();
    assert_eq!(weight(&mut recorded), weight(&mut fitted));
}

/// What stands between gradient and update, or is computed beside the chain: the operations run one by one.
#[test]
fn what_two_kernels_cannot_compute_is_not_fused() {
    let adam = |clip| Adam { clip, ..Adam::default() };
    let with = |optimizer: Adam| {
        layers().compile(optimizer, Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
    };
    let first = |layer: Dense| {
        compiled(Sequential::new(Input::floats(&[12])).layer(layer).dense(10, Activation::Softmax))
    };
    let dense = || Dense::new(16, Activation::Relu);
    let top = Metric::TopKCategoricalAccuracy { k: 3 };
    let refused: Vec<(&str, Compiled)> = vec![
        ("fusion off", compiled(layers()).fusion(false)),
        ("clipped by value", with(adam(Clip::Value(0.5)))),
        ("clipped by norm", with(adam(Clip::Norm(0.5)))),
        ("clipped by the norm of all", with(adam(Clip::GlobalNorm(0.5)))),
        ("accumulated", compiled(layers()).gradient_accumulation_steps(2)),
        ("in parts", compiled(layers()).micro_batch_size(8)),
        ("a penalty on weights", first(dense().weight_regularizer(Regularizer::l2(0.01)))),
        ("a penalty on activities", first(dense().activity_regularizer(Regularizer::l2(0.01)))),
        ("frozen", first(dense().frozen())),
        ("told by its input", first(Dense::new(16, Activation::Gelu))),
        ("a softmax between", first(Dense::new(16, Activation::Softmax))),
        ("too wide", first(Dense::new(1100, Activation::Relu))),
        (
            "too many values",
            compiled({
                let wide = |model: Sequential| model.dense(1000, Activation::Relu);
                wide(wide(wide(wide(Sequential::new(Input::floats(&[12]))))))
                    .dense(10, Activation::Softmax)
            }),
        ),
        (
            "dropout",
            compiled({
                let model = Sequential::new(Input::floats(&[12])).dense(16, Activation::Relu);
                model.dropout(0.5).dense(10, Activation::Softmax)
            }),
        ),
        (
            "a metric of its own",
            layers().compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [top]),
        ),
    ];
    let both = |(what, compiled): (&'static str, Compiled)| {
        FusedFrom::ALL.map(|from| (format!("{what} {from:?}"), compiled.clone(), from))
    };
    for (what, compiled, from) in refused.into_iter().flat_map(both) {
        let mut model = compiled.build(&always(from)).unwrap();
        model.fit(data(), Fit::new().batch_size(32).epochs(1)).unwrap();
        let executor = model.gpu().unwrap();
        // Eight rows are a part of a batch that runs in parts.
        let ran: Vec<_> = [32, 8].map(|rows| executor.kernels(Pass::Train, rows)).concat();
        let named = |name| ran.iter().filter(|kernel| kernel.name == name).count();
        assert!(named("dense_forward") > 0, "{what}: {ran:?}");
        assert_eq!(FUSED.map(named), [0, 0], "{what}");
    }
    // And what is near to these is fused.
    let near = [
        compiled(layers()),
        first(dense().without_bias()),
        first(Dense::new(1000, Activation::Relu)),
    ];
    for (compiled, from) in near.iter().flat_map(|one| FusedFrom::ALL.map(|from| (one, from))) {
        let mut model = compiled.clone().build(&always(from)).unwrap();
        model.fit(data(), Fit::new().batch_size(32).epochs(1)).unwrap();
        assert_eq!(kernels(&mut model), fused(from));
    }
}

#[test]
fn gradients_are_in_memory_where_somebody_looks_at_them() {
    let data = data();
    let batch = || Batch { data: &data, indices: &[0, 1, 2, 3, 4] };
    for from in FusedFrom::ALL {
        values_are_kept_for_those_who_ask(&data, from);
    }
    // Step by step each operation runs by itself.
    let eager = compiled(layers()).run_eagerly(true);
    let mut eager = eager.build(&always(FusedFrom::FirstLayer)).unwrap();
    eager.train_on_batch(batch()).unwrap();
    assert_eq!(eager.read("dense_1.weight.gradient").unwrap().len(), 12 * 16);
}

fn values_are_kept_for_those_who_ask(data: &Dataset, from: FusedFrom) {
    let batch = || Batch { data, indices: &[0, 1, 2, 3, 4] };
    let mut fused = compiled(layers()).build(&always(from)).unwrap();
    fused.train_on_batch(batch()).unwrap();
    let error = fused.read("dense_1.weight.gradient").unwrap_err().to_string();
    assert!(error.contains("fusion(false)"), "{error}");
    let error = fused.read("dense_1.output").unwrap_err().to_string();
    assert!(error.contains("was not kept"), "{error}");
    // A prediction makes the values anew, and the gradients of a batch can be asked for.
    fused.predict_on_batch(batch()).unwrap();
    assert_eq!(fused.read("dense_1.output").unwrap().len(), 5 * 16);
    assert!(fused.read("dense_1.weight.gradient").is_err());
    fused.gradients(batch()).unwrap();
    assert_eq!(fused.read("dense_1.weight.gradient").unwrap().len(), 12 * 16);
}

/// A GPU of the size of NVIDIA's H100, told from its numbers.
#[test]
fn small_batches_of_small_networks_are_fused_on_large_gpus() {
    let adapter = Adapter::new(AdapterClass::Hardware).with_model(DeviceModel::DISCRETE);
    let planned = |steps, inputs: usize, units: &[usize], rows: usize| {
        let mut model = Sequential::new(Input::pixels(&[inputs]));
        for &units in units {
            model = model.dense(units, Activation::Relu);
        }
        let program = lower(&compiled(model.dense(10, Activation::Softmax))).unwrap();
        let adapter = Adapter { fused_steps: steps, ..adapter };
        let planned = plan(&program, Pass::Train.of_whole_batch(), rows, adapter).unwrap();
        let us =
            planned.iter().map(|one| adapter.model.us(&one.work(program.table(), rows as u32)));
        let us: f64 = us.sum();
        let names: Vec<_> = planned.iter().map(|one| one.kernel.name).collect();
        println!("{inputs}-{units:?}-10 x {rows}: {names:?}, {us:.1} us");
        (names, us)
    };
    let chosen = |inputs, units, rows| planned(FusedSteps::WhereFaster, inputs, units, rows);
    // Ten dispatches one by one, of 1.3 microseconds each before they do anything.
    let (names, us) = chosen(16, &[64, 32], 64);
    assert_eq!(names, FUSED);
    assert!(us < 13.0, "{us}");
    // The first layer has 100,000 weights, which no workgroup is to read alone.
    let (names, us) = chosen(784, &[128], 32);
    assert_eq!(names, fused(FusedFrom::SecondLayer));
    assert!(us <= 15.0, "{us}");
    for other in [FusedSteps::Never, FusedSteps::Always(FusedFrom::FirstLayer)] {
        let (_, others) = planned(other, 784, &[128], 32);
        assert!(us < others, "{us} is not less than the {others} of {other:?}");
    }
    let is_fused = |names: Vec<&str>| names.iter().any(|name| FUSED.contains(name));
    assert!(!is_fused(chosen(784, &[1024, 1024], 256).0));
    assert!(!is_fused(chosen(784, &[512], 65_536).0));
}

/// Whether a step is fused must not depend on the rows: there is memory for what the two kernels hand over,
/// or there is not.
#[test]
fn a_step_of_any_number_of_rows_is_fused_within_the_limits_of_a_dispatch() {
    let model = DeviceModel { processors: 1 << 20, ..DeviceModel::DISCRETE };
    for from in FusedFrom::ALL {
        let mut adapter = Adapter::new(AdapterClass::Hardware).with_model(model);
        adapter.fused_steps = FusedSteps::Always(from);
        let program = lower(&compiled(layers())).unwrap();
        for rows in [1, 65_536, 262_144, 1 << 20] {
            let planned = plan(&program, Pass::Train.of_whole_batch(), rows, adapter).unwrap();
            let names: Vec<_> = planned.iter().map(|one| one.kernel.name).collect();
            assert_eq!(names, fused(from), "{rows} rows");
            for dispatch in &planned {
                let groups = dispatch.grid.workgroups(rows as u32);
                assert!(groups.iter().all(|&count| count <= 65_535), "{rows} rows: {groups:?}");
            }
        }
    }
}

#[test]
fn more_rows_than_one_dimension_of_a_dispatch_has_workgroups_are_computed_right() {
    let rows = 70_000;
    let mut random = Random::new(5, Stream::Parity);
    let features: Vec<f32> = (0..rows * 2).map(|_| random.uniform() as f32).collect();
    let labels: Vec<u32> = features.chunks(2).map(|row| u32::from(row[0] > row[1])).collect();
    let data = Dataset::new(Features::F32(Arc::new(features)), &[2], labels).unwrap();
    let trained = |backend: Backend| {
        let mut model = Sequential::new(Input::floats(&[2]))
            .dense(4, Activation::Tanh)
            .dense(2, Activation::Softmax)
            .compile(Sgd::new(0.5), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
            .build(backend)
            .unwrap();
        let fit = Fit::new().batch_size(rows).epochs(1).shuffle(Shuffle::Off);
        let loss = model.fit(&data, fit).unwrap().epochs[0].training.loss;
        let names = ["dense_1.weight", "dense_1.bias", "dense_2.weight", "dense_2.bias"];
        let weights = names.iter().flat_map(|name| model.weight(name).unwrap());
        (loss, weights.collect::<Vec<f32>>())
    };
    // So many processors that each workgroup takes one row.
    let model = DeviceModel { processors: 1 << 20, ..DeviceModel::DISCRETE };
    let (loss, weights) = trained(Backend::CpuInF64);
    for from in FusedFrom::ALL {
        let gpu = gpu().planned_as(model).with_fused_steps(FusedSteps::Always(from));
        let (gpu_loss, gpu_weights) = trained(Backend::from(&gpu));
        // A mean of 70,000 terms of about the same size, added up in a tree.
        assert_abs_diff_eq!(gpu_loss, loss, epsilon = 1e-5);
        for (gpu, oracle) in gpu_weights.iter().zip(&weights) {
            assert_abs_diff_eq!(gpu, oracle, epsilon = 1e-5);
        }
    }
}
