//! Steps that a guest records on rows of the host's buffers: the same bits as the same steps alone.

use std::sync::Arc;

use minibatch::data::{Batch, Dataset, Features, Targets};
use minibatch::gpu::block_on;
use minibatch::model::{Dropout, Input, Objective};
use minibatch::{
    Activation, Adam, DeviceColumns, DeviceElement, DeviceRows, Functional, Gpu, Loss, Metric,
    Model,
};
use wgpu::util::DeviceExt;

fn host() -> (wgpu::Device, wgpu::Queue) {
    pollster::block_on(async {
        let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        let adapter = wgpu::Instance::new(descriptor)
            .request_adapter(&wgpu::RequestAdapterOptions::default())
            .await
            .unwrap_or_else(|error| panic!("{error}; run: apt-get install -y mesa-vulkan-drivers"));
        adapter.request_device(&wgpu::DeviceDescriptor::default()).await.unwrap()
    })
}

fn model(gpu: &Gpu) -> Model {
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
    let values = Objective::new(Loss::MeanSquaredError);
    let objectives = [("class", class), ("values", values)];
    model.compile(Adam::default(), objectives).build(gpu).unwrap()
}

const SAMPLES: usize = 50;

#[test]
fn steps_on_the_hosts_rows_are_those_of_the_hosts_memory() {
    let (device, queue) = host();
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let floats: Vec<f32> = (0..SAMPLES * 5).map(|i| (i * 29 % 101) as f32 / 101.0 - 0.4).collect();
    let pixels: Vec<u8> = (0..SAMPLES * 27).map(|i| (i * 37 % 251) as u8).collect();
    let labels: Vec<u32> = (0..SAMPLES as u32).map(|i| i * 7 % 3).collect();
    let values: Vec<f32> = (0..SAMPLES * 3).map(|i| (i * 13 % 97) as f32 / 97.0).collect();
    let buffer = |contents: &[u8]| {
        let mut contents = contents.to_vec();
        contents.resize(contents.len().next_multiple_of(4), 0);
        device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents: &contents,
            usage: wgpu::BufferUsages::STORAGE,
        })
    };
    let rows = |contents: &[u8]| DeviceRows::new(&buffer(contents), SAMPLES as u32);
    let columns = DeviceColumns::new()
        .input("floats", rows(bytemuck::cast_slice(&floats)))
        .input("pixels", rows(&pixels).element(DeviceElement::U8))
        .target("class", rows(bytemuck::cast_slice(&labels)).element(DeviceElement::U32))
        .target("values", rows(bytemuck::cast_slice(&values)));
    let inputs = [
        ("floats", Features::F32(Arc::new(floats)), &[5][..]),
        ("pixels", Features::U8(Arc::new(pixels)), &[3, 9]),
    ];
    let targets = [("class", labels.into()), ("values", Targets::values(values, 3))];
    let data = Dataset::named(inputs, targets).unwrap();

    let ranges = [0..17u32, 17..34, 34..50, 3..4, 5..20];
    let mut fed = model(&gpu);
    block_on(fed.prepare_steps(17)).unwrap();
    for range in &ranges {
        let indices: Vec<u32> = range.clone().collect();
        fed.train_on_batch(Batch { data: &data, indices: &indices }).unwrap();
    }
    let expected = fed.weights().unwrap();

    let mut alone = model(&gpu);
    let bound = block_on(alone.bind_rows(columns.clone(), 17)).unwrap();
    for range in &ranges {
        let mut encoder = device.create_command_encoder(&Default::default());
        alone.record_step_on(&mut encoder, &bound, range.clone()).unwrap();
        queue.submit([encoder.finish()]);
        device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    }
    assert_eq!(alone.weights().unwrap(), expected);
    assert_eq!(alone.steps(), 5);

    let mut together = model(&gpu);
    let bound = block_on(together.bind_rows(columns, 17)).unwrap();
    let mut encoder = device.create_command_encoder(&Default::default());
    together.record_steps(&mut encoder, &bound, &ranges).unwrap();
    queue.submit([encoder.finish()]);
    assert_eq!(together.weights().unwrap(), expected);
    let scores = block_on(together.take_scores()).unwrap();
    assert_eq!(scores, block_on(alone.take_scores()).unwrap());
    assert!(scores.is_some());
}
