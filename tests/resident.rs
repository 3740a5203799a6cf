//! Rows that lie on the device: the steps that gather theirs there are those that the host feeds.

use std::sync::Arc;
use std::time::Duration;

use minibatch::data::{Batch, BatchOrder, Dataset, Features, Shuffle, Targets};
use minibatch::gpu::{GatherFeed, GpuExecutor, Resident, ShaderEdit, block_on};
use minibatch::model::{Compiled, Dropout, Input, Objective, lower};
use minibatch::program::{BufferId, Column, Feed, Metrics, Pass, Program, Role, Step};
use minibatch::training::fill;
use minibatch::{Activation, Adam, DataOn, Error, Fit, Functional, Gpu, Loss, Metric};

/// A device that binds at most so many bytes, where it is given.
fn device(bytes: Option<u64>) -> (wgpu::Device, wgpu::Queue) {
    pollster::block_on(async {
        let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        let adapter = wgpu::Instance::new(descriptor)
            .request_adapter(&wgpu::RequestAdapterOptions::default())
            .await
            .unwrap_or_else(|error| panic!("{error}; run: apt-get install -y mesa-vulkan-drivers"));
        let mut limits = wgpu::Limits::default();
        limits.max_storage_buffer_binding_size =
            bytes.unwrap_or(limits.max_storage_buffer_binding_size);
        let descriptor =
            wgpu::DeviceDescriptor { required_limits: limits, ..wgpu::DeviceDescriptor::default() };
        adapter.request_device(&descriptor).await.unwrap()
    })
}

fn gpu(bytes: Option<u64>) -> Gpu {
    let (device, queue) = device(bytes);
    // How many steps make a submission must not depend on how long they take.
    Gpu::from_device(device, queue).with_submit_time(Duration::MAX)
}

/// Two inputs, floats whose rows are padded on the device and bytes, and two outputs, one of classes
/// and one of three floats; with dropout, so that what is random shows too.
fn compiled() -> Compiled {
    let mut model = Functional::new();
    let floats = model.input("floats", 5);
    let floats = model.dense(floats, 6, Activation::Relu);
    let pixels = model.input("pixels", Input::pixels(&[3, 9]));
    let pixels = model.dense(pixels, 4, Activation::Relu);
    let both = model.concatenate([floats, pixels]);
    let both = model.layer(both, Dropout { rate: 0.25 });
    let classes = model.dense(both, 3, Activation::Softmax);
    model.output("class", classes);
    let values = model.dense(both, 3, Activation::Linear);
    model.output("values", values);
    let class = Objective::new(Loss::SparseCategoricalCrossentropy).metrics([Metric::Accuracy]);
    model.compile(
        Adam::default(),
        [("class", class), ("values", Objective::new(Loss::MeanSquaredError))],
    )
}

fn data(samples: usize) -> Dataset {
    let floats: Vec<f32> = (0..samples * 5).map(|i| (i * 29 % 101) as f32 / 101.0 - 0.4).collect();
    let pixels: Vec<u8> = (0..samples * 27).map(|i| (i * 37 % 251) as u8).collect();
    let labels: Vec<u32> = (0..samples as u32).map(|i| i * 7 % 3).collect();
    let values: Vec<f32> = (0..samples * 3).map(|i| (i * 13 % 97) as f32 / 97.0).collect();
    let inputs = [
        ("floats", Features::F32(Arc::new(floats)), &[5][..]),
        ("pixels", Features::U8(Arc::new(pixels)), &[3, 9]),
    ];
    let targets = [("class", labels.into()), ("values", Targets::values(values, 3))];
    let weights = (0..samples).map(|i| 0.5 + (i % 5) as f32 * 0.25).collect();
    Dataset::named(inputs, targets).unwrap().with_sample_weights(weights).unwrap()
}

fn executor(gpu: &Gpu, program: &Arc<Program>) -> GpuExecutor {
    let mut executor = block_on(GpuExecutor::new(gpu, Arc::clone(program))).unwrap();
    executor.set_steps_per_submit(8).unwrap();
    for (id, parameter) in program.of_role(Role::Parameter) {
        let count = parameter.live_rows(0) * parameter.columns;
        let values: Vec<f64> = (0..count).map(|i| (i % 7) as f64 / 7.0 - 0.4).collect();
        block_on(executor.write(id, &values)).unwrap();
    }
    executor
}

fn parameters(executor: &mut GpuExecutor) -> Vec<u64> {
    let program = Arc::clone(executor.program());
    let parameters = program.of_role(Role::Parameter);
    let values = parameters.flat_map(|(id, _)| block_on(executor.read(id, 0)).unwrap());
    values.map(f64::to_bits).collect()
}

/// The inputs of `data` on the device.
fn inputs(gpu: &Gpu, program: &Program, data: &Dataset) -> Vec<(BufferId, Resident)> {
    let inputs = program.of_role(Role::Input).enumerate();
    let resident = inputs.map(|(number, (id, buffer))| {
        let rows = (0..data.len()).map(|i| data.sample(i).map(|sample| sample.input(number)));
        (id, block_on(Resident::upload(gpu, buffer, data.len(), rows)).unwrap())
    });
    resident.collect()
}

/// Fills the columns that are not on the device.
fn fill_rest(feed: &mut GatherFeed, program: &Program, batch: Batch<'_>) {
    feed.gather(batch.indices.iter().copied()).unwrap();
    let of_role = |role| program.of_role(role).enumerate();
    for (number, (id, _)) in of_role(Role::Target) {
        let mut column = feed.column(id).unwrap();
        batch.samples().for_each(|sample| column.push(sample.unwrap().target(number)).unwrap());
    }
    for (number, (id, _)) in of_role(Role::SampleWeight) {
        let mut column = feed.column(id).unwrap();
        for sample in batch.samples() {
            column.push(&sample.unwrap().weight(number).to_ne_bytes()).unwrap();
        }
    }
}

/// Parts of a batch's indices with the step of each.
fn parts(indices: &[u32], rows: usize, step: Step) -> impl Iterator<Item = (&[u32], Step)> {
    indices.chunks(rows).scan(0, move |first, part| {
        let step = step.part(*first, part.len());
        *first += part.len();
        Some((part, step))
    })
}

/// Trains three epochs of shuffled batches, the last one smaller, and evaluates after each on data of
/// the host's; with `part` rows at a time.
fn train(gpu: &Gpu, compiled: &Compiled, part: usize, resident: bool) -> (Vec<u64>, Vec<Metrics>) {
    const BATCH_SIZE: usize = 17;
    let program = Arc::new(lower(compiled).unwrap());
    let (data, validation) = (data(500), data(40));
    let mut executor = executor(gpu, &program);
    if resident {
        let columns = inputs(gpu, &program, &data);
        block_on(executor.attach(columns)).unwrap();
    }
    let mut metrics = Vec::new();
    let mut number = 0;
    for epoch in 0..3 {
        let order = BatchOrder::new(data.len(), BATCH_SIZE, Shuffle::Full, 3, epoch);
        for index in 0..order.len() {
            number += 1;
            let indices = order.batch(index);
            let step = compiled.optimizer.step(indices.len(), number, 0.01).with_noise(3);
            for (indices, step) in parts(&indices, part, step) {
                let batch = Batch { data: &data, indices };
                if resident {
                    let mut feed = block_on(executor.gather_feed(indices.len())).unwrap();
                    fill_rest(&mut feed, &program, batch);
                    block_on(executor.run_gathered(Pass::Train, feed, &step)).unwrap();
                } else {
                    let mut feed = block_on(executor.feed(indices.len())).unwrap();
                    fill(&mut feed, &program, Pass::Train, batch).unwrap();
                    block_on(executor.run(Pass::Train, feed, &step)).unwrap();
                }
            }
        }
        metrics.push(block_on(executor.read_metrics()).unwrap());
        executor.clear_metrics().unwrap();
        let indices: Vec<u32> = (0..validation.len() as u32).collect();
        let batch = Batch { data: &validation, indices: &indices };
        let mut feed = block_on(executor.feed(batch.len())).unwrap();
        fill(&mut feed, &program, Pass::Evaluate, batch).unwrap();
        block_on(executor.run(Pass::Evaluate, feed, &Step::forward(batch.len()))).unwrap();
        metrics.push(block_on(executor.read_metrics()).unwrap());
        executor.clear_metrics().unwrap();
    }
    (parameters(&mut executor), metrics)
}

#[test]
fn steps_on_resident_rows_end_in_the_same_bits() {
    let gpu = gpu(None);
    let whole = compiled();
    let expected = train(&gpu, &whole, 17, false);
    assert_eq!(train(&gpu, &whole, 17, true), expected);
    // The parts of a batch, the last one smaller.
    let cut = compiled().micro_batch_size(5);
    assert_eq!(train(&gpu, &cut, 5, true), train(&gpu, &cut, 5, false));
}

#[test]
fn rows_that_are_more_than_the_device_binds_lie_in_several_buffers() {
    // 500 rows of 32 and of 28 bytes are four times as much each.
    let small = gpu(Some(4096));
    let expected = train(&small, &compiled(), 17, false);
    assert_eq!(train(&small, &compiled(), 17, true), expected);
}

#[test]
fn several_steps_on_resident_rows_are_one_submission() {
    let gpu = gpu(None);
    let compiled = compiled();
    let (program, data) = (Arc::new(lower(&compiled).unwrap()), data(40));
    let mut executor = executor(&gpu, &program);
    block_on(executor.attach(inputs(&gpu, &program, &data))).unwrap();
    for number in 1..=20 {
        let batch = Batch { data: &data, indices: &[3, 39, 0] };
        let mut feed = block_on(executor.gather_feed(batch.len())).unwrap();
        fill_rest(&mut feed, &program, batch);
        let step = compiled.optimizer.step(batch.len(), number, 0.1);
        block_on(executor.run_gathered(Pass::Train, feed, &step)).unwrap();
    }
    // What is left over goes when it is asked for.
    block_on(executor.read_metrics()).unwrap();
    assert_eq!(executor.submits(), 3, "20 steps, eight at a time");
}

#[test]
fn what_does_not_fit_the_resident_rows_is_refused() {
    let gpu = gpu(None);
    let compiled = compiled();
    let (program, data) = (Arc::new(lower(&compiled).unwrap()), data(9));
    let mut executor = executor(&gpu, &program);
    let before = parameters(&mut executor);
    let refused = |result: Result<(), Error>, what: &str| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Argument { .. } | Error::Shape { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    };
    refused(block_on(executor.gather_feed(1)).map(|_| ()), "not attached");
    let columns = inputs(&gpu, &program, &data);
    let [(floats, rows), (pixels, _)] = &columns[..] else { panic!("two inputs") };
    refused(block_on(executor.attach(Vec::new())), "no column");
    refused(block_on(executor.attach(vec![(*pixels, rows.clone())])), "expected 9 of 28");
    let twice = vec![(*floats, rows.clone()), (*floats, rows.clone())];
    refused(block_on(executor.attach(twice)), "twice");
    let output = program.outputs()[0].1;
    refused(block_on(executor.attach(vec![(output, rows.clone())])), "does not fill");

    let buffer = program.buffer(*floats);
    let upload = |count: usize, rows: &[&[u8]]| {
        let rows = rows.iter().map(|row| Ok(*row));
        block_on(Resident::upload(&gpu, buffer, count, rows)).map(|_| ())
    };
    refused(upload(0, &[]), "are 0");
    refused(upload(2, &[&[0; 20]]), "has 1 rows");
    refused(upload(1, &[&[0; 20], &[0; 20]]), "more than the 1 announced");
    refused(upload(1, &[&[0; 19]]), "19 bytes");

    block_on(executor.attach(columns.clone())).unwrap();
    let step = compiled.optimizer.step(2, 1, 0.1);
    let mut feed = block_on(executor.gather_feed(2)).unwrap();
    refused(feed.gather([0, 9]), "9 was asked for of a set of 9");
    refused(feed.gather([0]), "are 1 numbers for a feed of 2");
    refused(feed.gather([0, 1, 2]), "more numbers");
    refused(feed.column(*floats).map(|_| ()), "no such column");
    refused(block_on(executor.run_gathered(Pass::Train, feed, &step)), "the numbers of 0 rows");
    let mut feed = block_on(executor.gather_feed(2)).unwrap();
    feed.gather([0, 1]).unwrap();
    refused(block_on(executor.run_gathered(Pass::Train, feed, &step)), "the step needs 2");
    let mut feed = block_on(executor.gather_feed(2)).unwrap();
    fill_rest(&mut feed, &program, Batch { data: &data, indices: &[0, 1] });
    let three = compiled.optimizer.step(3, 1, 0.1);
    refused(block_on(executor.run_gathered(Pass::Train, feed, &three)), "2 rows and the step 3");
    let mut feed = block_on(executor.gather_feed(2)).unwrap();
    fill_rest(&mut feed, &program, Batch { data: &data, indices: &[0, 1] });
    block_on(executor.attach(columns)).unwrap();
    refused(block_on(executor.run_gathered(Pass::Train, feed, &step)), "other resident rows");
    refused(block_on(executor.gather_feed(0)).map(|_| ()), "are 0");
    assert_eq!(parameters(&mut executor), before, "something ran");
    executor.detach().unwrap();
    refused(block_on(executor.gather_feed(1)).map(|_| ()), "not attached");
}

/// Once it has run, a step on resident rows takes memory that is there: no buffer is made for it.
#[test]
fn a_steady_step_on_resident_rows_allocates_nothing_on_the_device() {
    let (device, queue) = device(None);
    let gpu = Gpu::from_device(device.clone(), queue).with_submit_time(Duration::MAX);
    let compiled = compiled();
    let (program, data) = (Arc::new(lower(&compiled).unwrap()), data(64));
    let mut executor = executor(&gpu, &program);
    block_on(executor.attach(inputs(&gpu, &program, &data))).unwrap();
    let indices: Vec<u32> = (0..64).rev().collect();
    let mut number = 0;
    let mut steps = |count: usize| {
        for _ in 0..count {
            number += 1;
            let mut feed = block_on(executor.gather_feed(indices.len())).unwrap();
            fill_rest(&mut feed, &program, Batch { data: &data, indices: &indices });
            let step = compiled.optimizer.step(indices.len(), number, 0.1);
            block_on(executor.run_gathered(Pass::Train, feed, &step)).unwrap();
        }
        let report = device.generate_allocator_report().expect("Vulkan tells its allocations");
        let mut names: Vec<_> = report.allocations.into_iter().map(|made| made.name).collect();
        names.sort();
        names
    };
    let before = steps(40);
    assert!(before.iter().any(|name| name.contains("minibatch.resident")), "{before:?}");
    for _ in 0..5 {
        assert_eq!(steps(16), before);
    }
}

/// The same, as users say it.
#[test]
fn where_the_data_live_changes_no_bit_of_a_fit() {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let gpu = gpu.with_submit_time(Duration::MAX);
    let data = data(333);
    for micro in [None, Some(7)] {
        let fit = |data_on: DataOn| {
            let mut compiled = compiled();
            compiled.micro_batch_size = micro;
            let mut model = compiled.build(&gpu).unwrap();
            let arguments = || {
                let fit = Fit::new().batch_size(16).validation_split(0.1).data_on(data_on);
                fit.epochs(3)
            };
            let history = model.fit(&data, arguments()).unwrap();
            let submits = model.gpu().unwrap().submits();
            // A fit that was cancelled leaves a model that works.
            {
                let mut future = std::pin::pin!(model.fit_async(&data, arguments()));
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                for _ in 0..5 {
                    assert!(future.as_mut().poll(&mut context).is_pending());
                }
            }
            let made = model.steps();
            model.fit(&data, arguments()).unwrap();
            let scores: Vec<_> = history
                .epochs
                .into_iter()
                .map(|epoch| (epoch.training, epoch.validation))
                .collect();
            let weights = model.weights().unwrap();
            let bits: Vec<u32> =
                weights.into_iter().flat_map(|(_, _, values)| values).map(f32::to_bits).collect();
            (submits, (scores, made, bits))
        };
        let (by_host, expected) = fit(DataOn::Host);
        let (by_device, own) = fit(DataOn::Device);
        assert_eq!(own, expected, "micro-batches of {micro:?}");
        assert!(2 * by_device < by_host, "{by_device} and {by_host} submissions");
        let (by_itself, own) = fit(DataOn::Auto);
        assert_eq!(own, expected, "micro-batches of {micro:?}");
        // 19 batches go to the device by themselves, unless its memory is the host's.
        assert_eq!(by_itself, if gpu.is_software() { by_host } else { by_device });
    }
    // What takes more than a quarter of the budget stays on the host.
    let submits = |budget: u64| {
        let mut model = compiled().build(&gpu.clone().with_memory_budget(budget)).unwrap();
        model.fit(&data, Fit::new().batch_size(16)).unwrap();
        model.gpu().unwrap().submits()
    };
    // 333 rows of 32 and of 28 bytes.
    let grouped = if gpu.is_software() { 21 } else { 1 };
    assert_eq!(submits(4 * 333 * 60), grouped);
    assert_eq!(submits(4 * 333 * 60 - 1), 21);
}

const ROWS: usize = 7;
/// Rows beyond those of the step, which nothing may be written to.
const GUARD_ROWS: usize = 3;
const POISON: u32 = 0x7fc0_dead;

/// Whether a step finds its rows in their places, its padding zero, and nothing written beyond: the
/// second of two steps of one submission.
fn finds_its_rows(gpu: &Gpu) -> bool {
    let compiled = compiled();
    let (program, data) = (Arc::new(lower(&compiled).unwrap()), data(500));
    let mut executor = executor(gpu, &program);
    block_on(executor.reserve(ROWS + GUARD_ROWS)).unwrap();
    block_on(executor.attach(inputs(gpu, &program, &data))).unwrap();
    let fed: Vec<_> =
        program.buffers().filter(|(_, buffer)| Pass::Train.reads(buffer.role)).collect();
    let words = |id: BufferId, executor: &mut GpuExecutor| -> Vec<u32> {
        let raw = block_on(executor.read_raw(id, ROWS + GUARD_ROWS)).unwrap();
        raw.chunks_exact(4).map(bytemuck::pod_read_unaligned).collect()
    };
    for (id, _) in &fed {
        let poison = vec![POISON; words(*id, &mut executor).len()];
        executor.write_raw(*id, bytemuck::cast_slice(&poison)).unwrap();
    }
    // One from the first and the last row of each buffer that the rows are shared out over.
    let batches = [[1u32, 2, 3, 4], [499, 127, 128, 0]];
    let indices = batches.map(|some| [&some[..], &[145, 146, 300]].concat());
    for indices in &indices {
        let mut feed = block_on(executor.gather_feed(ROWS)).unwrap();
        fill_rest(&mut feed, &program, Batch { data: &data, indices });
        let step = Step::forward(ROWS);
        block_on(executor.run_gathered(Pass::Evaluate, feed, &step)).unwrap();
    }
    fed.iter().all(|&(id, buffer)| {
        let number = program.of_role(buffer.role).position(|(other, _)| other == id).unwrap();
        let mut expected: Vec<u8> = Vec::new();
        for &index in &indices[1] {
            let sample = data.sample(index as usize).unwrap();
            match buffer.role {
                Role::Input => expected.extend(sample.input(number)),
                Role::Target => expected.extend(sample.target(number)),
                _ => expected.extend(sample.weight(number).to_ne_bytes()),
            }
            expected.resize(expected.len().next_multiple_of(4), 0);
            let in_four = buffer.stride() != buffer.columns;
            if in_four && buffer.row_bytes().is_multiple_of(4) {
                expected.resize(expected.len().next_multiple_of(16), 0);
            }
        }
        let mut expected: Vec<u32> =
            expected.chunks_exact(4).map(bytemuck::pod_read_unaligned).collect();
        let found = words(id, &mut executor);
        expected.resize(found.len(), POISON);
        found == expected
    })
}

/// Mistakes in the kernel that gathers rows: what, a text of it, what stands there instead.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "the row after",
        "= number * columns.gathered + word",
        "= (number + 1u) * columns.gathered + word",
    ),
    ("one word twice", "= resident[source + 3u]", "= resident[source + 2u]"),
    (
        "a wrong stride on the device",
        "source = number * columns.gathered",
        "source = number * (columns.gathered + 1u)",
    ),
    (
        "a wrong stride in the input",
        "at = row * columns.gathered",
        "at = row * (columns.gathered + 1u)",
    ),
    ("rows of another buffer", "number >= columns.rows", "false"),
    ("numbers within the wrong buffer", "- columns.from_row", ""),
    ("the end of a row forgotten", "i < left", "i + 1u < left"),
    ("words beyond the end of a row", "left >= 4u", "left >= 1u"),
    (
        "rows beyond the live ones",
        "index >= step.live_rows * row_quads",
        "index >= 2u * step.live_rows * row_quads",
    ),
    ("the numbers of the first step", "uploads[step.uploads_at + row]", "uploads[row]"),
    (
        "the first column of the first step",
        "step.uploads_at + step.live_rows * columns.before_first",
        "step.live_rows * columns.before_first",
    ),
    (
        "the second column of the first step",
        "step.uploads_at + step.live_rows * columns.before_second",
        "step.live_rows * columns.before_second",
    ),
    (
        "the first column in the place of the second",
        "columns.before_second;",
        "columns.before_first;",
    ),
    (
        "the row after in the first column",
        "first[number] = uploads[place + number]",
        "first[number] = uploads[place + number + columns.first]",
    ),
    (
        "the row after in the second column",
        "second[number] = uploads[place + number]",
        "second[number] = uploads[place + number + columns.second]",
    ),
    ("a column shifted", "word -= 4u * first_quads", "word -= 4u * first_quads - 1u"),
];

#[test]
fn the_rows_of_a_step_lie_where_its_kernels_read_them() {
    for bytes in [None, Some(4096)] {
        assert!(finds_its_rows(&gpu(bytes)), "with {bytes:?} bytes a binding");
    }
}

#[test]
fn a_broken_kernel_is_caught() {
    let plain = gpu(Some(4096));
    for &(what, from, to) in MISTAKES {
        let edit: Arc<ShaderEdit> = Arc::new(move |kernel, source: String| {
            if kernel.name != "gather" {
                return source;
            }
            assert!(source.contains(from), "the kernel has no {from:?} to break");
            source.replace(from, to)
        });
        assert!(!finds_its_rows(&plain.clone().with_shader_edit(edit)), "{what} passed");
    }
}
