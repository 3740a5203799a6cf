//! What a step reads: filled on any thread, or copied from the host's buffers.

#[path = "support/host.rs"]
mod host;

use std::sync::Arc;

use minibatch::data::{Batch, Dataset, Features};
use minibatch::gpu::{GpuExecutor, GpuFeed, block_on};
use minibatch::model::{Compiled, Input, Objective, lower};
use minibatch::program::{BufferId, Column, Element, Feed, Metrics, Pass, Program, Role};
use minibatch::training::fill;
use minibatch::{Activation, Adam, Error, Functional, Gpu, Loss};

fn host() -> (wgpu::Device, wgpu::Queue) {
    let host = host::Host::with_default_limits();
    (host.device, host.queue)
}

/// A program of two inputs, floats that are padded on the device and bytes, and data for it.
fn two_inputs(samples: usize) -> (Arc<Program>, Compiled, Dataset) {
    let mut model = Functional::new();
    let floats = model.input("floats", 5);
    let floats = model.dense(floats, 3, Activation::Relu);
    let pixels = model.input("pixels", Input::pixels(&[2, 4]));
    let pixels = model.dense(pixels, 4, Activation::Relu);
    let both = model.concatenate([floats, pixels]);
    let classes = model.dense(both, 3, Activation::Softmax);
    model.output("class", classes);
    let objective = Objective::new(Loss::SparseCategoricalCrossentropy);
    let compiled = model.compile(Adam::default(), [("class", objective)]);
    let program = Arc::new(lower(&compiled).unwrap());
    let floats: Vec<f32> = (0..samples * 5).map(|i| (i % 17) as f32 / 17.0 - 0.4).collect();
    let pixels: Vec<u8> = (0..samples * 8).map(|i| (i * 37 % 251) as u8).collect();
    let labels: Vec<u32> = (0..samples as u32).map(|i| i % 3).collect();
    let inputs = [
        ("floats", Features::F32(Arc::new(floats)), &[5][..]),
        ("pixels", Features::U8(Arc::new(pixels)), &[2, 4]),
    ];
    let data = Dataset::named(inputs, [("class", labels.into())]).unwrap();
    (program, compiled, data)
}

fn executor(gpu: &Gpu, program: &Arc<Program>) -> GpuExecutor {
    let mut executor = block_on(GpuExecutor::new(gpu, Arc::clone(program))).unwrap();
    for (id, parameter) in program.of_role(Role::Parameter) {
        let count = parameter.live_rows(0) * parameter.columns;
        let values: Vec<f64> = (0..count).map(|i| (i % 7) as f64 / 7.0 - 0.4).collect();
        block_on(executor.write(id, &values)).unwrap();
    }
    executor
}

fn parameters(executor: &mut GpuExecutor) -> Vec<f64> {
    let program = Arc::clone(executor.program());
    let parameters = program.of_role(Role::Parameter);
    parameters.flat_map(|(id, _)| block_on(executor.read(id, 0)).unwrap()).collect()
}

#[test]
fn a_feed_may_be_filled_on_other_threads_or_copied_from_the_hosts_buffers() {
    const ROWS: usize = 6;
    let (device, queue) = host();
    let (program, compiled, data) = two_inputs(2 * ROWS);
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let batch = |step: usize| -> Vec<u32> {
        (0..ROWS as u32).map(|row| row + (step * ROWS) as u32).collect()
    };
    let run = |executor: &mut GpuExecutor, feed: GpuFeed, number: u64| {
        let step = compiled.optimizer.step(ROWS, number, 0.1);
        block_on(executor.run(Pass::Train, feed, &step)).unwrap();
    };

    let mut plain = executor(&gpu, &program);
    for step in 0..2 {
        let mut feed = block_on(plain.feed(ROWS)).unwrap();
        let batch = Batch { data: &data, indices: &batch(step) };
        fill(&mut feed, &program, Pass::Train, batch).unwrap();
        run(&mut plain, feed, step as u64 + 1);
    }
    let expected = parameters(&mut plain);
    assert_ne!(expected, parameters(&mut executor(&gpu, &program)));

    // The second is filled before the first has run; each column on a thread of its own.
    let rows_of = |id: BufferId, step: usize| -> Vec<Vec<u8>> {
        let part = |index: u32| {
            let sample = data.sample(index as usize).unwrap();
            match program.buffer(id).role {
                Role::Target => sample.target(0).to_vec(),
                Role::SampleWeight => 1f32.to_ne_bytes().to_vec(),
                _ if program.buffer(id).element == Element::U8 => sample.input(1).to_vec(),
                _ => sample.input(0).to_vec(),
            }
        };
        batch(step).into_iter().map(part).collect()
    };
    let mut threaded = executor(&gpu, &program);
    let feeds = [0, 1].map(|step| (step, block_on(threaded.feed(ROWS)).unwrap()));
    let feeds = feeds.map(|(step, mut feed)| {
        std::thread::scope(|scope| {
            for (id, mut column) in feed.columns() {
                let rows = rows_of(id, step);
                scope.spawn(move || rows.iter().for_each(|row| column.push(row).unwrap()));
            }
        });
        feed
    });
    for (number, feed) in (1..).zip(feeds) {
        run(&mut threaded, feed, number);
    }
    assert_eq!(parameters(&mut threaded), expected);

    let mut mirrored = executor(&gpu, &program);
    for step in 0..2 {
        let mut feed = block_on(mirrored.feed(ROWS)).unwrap();
        let filled = program.buffers().filter(|(_, buffer)| Pass::Train.reads(buffer.role));
        for (id, _) in filled {
            let bytes = rows_of(id, step).concat();
            let buffer = device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: 8 + bytes.len() as u64,
                usage: wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            queue.write_buffer(&buffer, 8, &bytes);
            feed.copy_from(id, &buffer, 8).unwrap();
            assert!(feed.copy_from(id, &buffer, 12).is_err(), "beyond its end");
            assert!(feed.copy_from(id, &buffer, 6).is_err(), "not at a multiple of four bytes");
        }
        run(&mut mirrored, feed, step as u64 + 1);
    }
    assert_eq!(parameters(&mut mirrored), expected);
}

#[test]
fn a_feed_that_does_not_fit_its_step_is_refused() {
    let (device, queue) = host();
    let (program, compiled, data) = two_inputs(4);
    let mut executor = executor(&Gpu::from_device(device.clone(), queue), &program);
    let step = |rows| compiled.optimizer.step(rows, 1, 0.1);
    let refused = |result: Result<(), Error>, what: &str| {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Argument { .. } | Error::Shape { .. }), "{error}");
        assert!(error.to_string().contains(what), "{error}");
    };
    let before = parameters(&mut executor);
    let inputs: Vec<BufferId> = program.of_role(Role::Input).map(|(id, _)| id).collect();
    let (floats, pixels) = (inputs[0], inputs[1]);
    let batch = Batch { data: &data, indices: &[0, 1, 2] };

    let mut feed = block_on(executor.feed(3)).unwrap();
    refused(feed.column(floats).unwrap().push(&[0; 19]), "19 bytes");
    refused(feed.column(program.outputs()[0].1).map(|_| ()), "no such column");
    fill(&mut feed, &program, Pass::Train, batch).unwrap();
    refused(feed.column(pixels).unwrap().push(&[0; 8]), "gets more");
    refused(block_on(executor.run(Pass::Train, feed, &step(2))), "3 rows and the step 2");
    // Slots that came to nothing are lent again.
    for _ in 0..10 {
        let mut feed = block_on(executor.feed(3)).unwrap();
        let mut column = feed.column(floats).unwrap();
        column.push(&[0; 20]).unwrap();
        refused(block_on(executor.run(Pass::Train, feed, &step(3))), "the step needs 3");
    }
    let unusable = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 1024,
        usage: wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut feed = block_on(executor.feed(3)).unwrap();
    refused(feed.copy_from(floats, &unusable, 0), "COPY_SRC");
    fill(&mut feed, &program, Pass::Train, batch).unwrap();
    block_on(executor.reserve(4)).unwrap();
    refused(block_on(executor.run(Pass::Train, feed, &step(3))), "take a new one");
    refused(block_on(executor.feed(0)).map(|_| ()), "rows");
    assert_eq!(parameters(&mut executor), before, "something ran");
}

#[test]
fn what_runs_on_the_device_may_be_awaited_on_any_thread() {
    fn sent<T: Send>(value: T) -> T {
        value
    }
    let (device, queue) = host();
    let (program, compiled, data) = two_inputs(3);
    let gpu = Gpu::from_device(device, queue);
    let batch = Batch { data: &data, indices: &[0, 1, 2] };
    let step = compiled.optimizer.step(3, 1, 0.1);
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            let mut executor =
                block_on(sent(GpuExecutor::new(&gpu, Arc::clone(&program)))).unwrap();
            let feed = block_on(sent(executor.feed(3))).unwrap();
            (executor, feed)
        });
        let (mut executor, mut feed) = work.join().unwrap();
        fill(&mut feed, &program, Pass::Train, batch).unwrap();
        let ran = scope.spawn(move || {
            block_on(sent(executor.run(Pass::Train, feed, &step))).unwrap();
            block_on(sent(executor.read_metrics())).unwrap()
        });
        assert_ne!(ran.join().unwrap(), Metrics::default());
    });
}
