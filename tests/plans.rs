//! Which kernels a step runs depends on its rows alone, so that its bits do not depend on what there is
//! room for or on what ran before.

use minibatch::data::{Batch, Dataset, Shuffle, synthetic_digits};
use minibatch::gpu::block_on;
use minibatch::model::Input;
use minibatch::operation::DeviceModel;
use minibatch::program::Pass;
use minibatch::{Activation, Adam, Evaluate, Fit, Gpu, Loss, Metric, Model, Predict, Sequential};

/// This machine's adapter with the kernels that a large GPU is given.
fn gpu() -> Gpu {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    gpu.planned_as(DeviceModel::DISCRETE)
}

fn model(gpu: &Gpu, data: &Dataset, micro_batch_size: Option<usize>) -> Model {
    let compiled = Sequential::new(Input::pixels(data.sample_shape()))
        .dense(33, Activation::Tanh)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy]);
    let compiled = match micro_batch_size {
        Some(rows) => compiled.micro_batch_size(rows),
        None => compiled,
    };
    compiled.build(gpu).unwrap()
}

/// What the model is after steps of these sizes.
fn trained(model: &mut Model, data: &Dataset, sizes: &[u32]) -> Vec<u8> {
    for (step, &rows) in (0..).zip(sizes) {
        let indices: Vec<u32> = (0..rows).map(|row| (step + row) % data.len() as u32).collect();
        model.train_on_batch(Batch { data, indices: &indices }).unwrap();
    }
    model.save_bytes().unwrap()
}

const SIZES: [u32; 5] = [32, 7, 300, 32, 7];

#[test]
fn a_gpu_is_given_kernels_by_the_rows_of_a_step() {
    let (gpu, data) = (gpu(), synthetic_digits(400, 0).unwrap());
    let mut model = model(&gpu, &data, None);
    trained(&mut model, &data, &[7, 300]);
    let executor = model.gpu().unwrap();
    let few = executor.kernels(Pass::Train, 7);
    assert!(!few.is_empty());
    assert_ne!(few, executor.kernels(Pass::Train, 300), "the tests below would show nothing");
    // Batches that are about as large have the same plan, and others have none yet.
    assert_eq!(few, executor.kernels(Pass::Train, 5));
    assert_eq!(executor.dispatches(Pass::Train, 32), 0);
}

#[test]
fn bits_do_not_depend_on_room_or_on_what_ran_before() {
    let (gpu, data) = (gpu(), synthetic_digits(600, 0).unwrap());
    for micro_batch_size in [None, Some(20)] {
        let fresh = trained(&mut model(&gpu, &data, micro_batch_size), &data, &SIZES);
        let mut used = model(&gpu, &data, micro_batch_size);
        used.evaluate(&data, Evaluate::new().batch_size(500)).unwrap();
        used.predict(&data, Predict::new().batch_size(64)).unwrap();
        let indices: Vec<u32> = (0..100).collect();
        used.gradients(Batch { data: &data, indices: &indices }).unwrap();
        let used = trained(&mut used, &data, &SIZES);
        assert!(fresh == used, "with parts of {micro_batch_size:?}");
    }
}

#[test]
fn steps_in_an_encoder_of_the_hosts_have_the_bits_of_fit() {
    let (gpu, data) = (gpu(), synthetic_digits(100, 0).unwrap());
    let mut fitted = model(&gpu, &data, None);
    let fit = Fit::new().batch_size(40).epochs(2).shuffle(Shuffle::Off);
    fitted.fit(&data, fit).unwrap();

    let (device, queue) = device();
    let host = Gpu::from_device(device.clone(), queue.clone());
    let host = host.planned_as(DeviceModel::DISCRETE);
    let mut guest = model(&host, &data, None);
    // Room for more than any batch has: every size up to there can be recorded.
    block_on(guest.prepare_steps(77)).unwrap();
    let indices: Vec<u32> = (0..100).collect();
    for _ in 0..2 {
        for indices in indices.chunks(40) {
            let mut encoder = device.create_command_encoder(&Default::default());
            guest.record_step(&mut encoder, Batch { data: &data, indices }).unwrap();
            queue.submit([encoder.finish()]);
            device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        }
    }
    for name in ["dense_1.weight", "dense_1.bias", "dense_2.weight", "dense_2.bias"] {
        assert_eq!(fitted.weight(name).unwrap(), guest.weight(name).unwrap(), "{name}");
    }
}

/// A device as a plain WebGPU application has it: default limits, no feature.
fn device() -> (wgpu::Device, wgpu::Queue) {
    pollster::block_on(async {
        let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        let adapter = wgpu::Instance::new(descriptor)
            .request_adapter(&wgpu::RequestAdapterOptions::default())
            .await
            .unwrap_or_else(|error| panic!("{error}; run: apt-get install -y mesa-vulkan-drivers"));
        adapter.request_device(&wgpu::DeviceDescriptor::default()).await.unwrap()
    })
}
