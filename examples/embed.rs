//! Training inside a wgpu application: its device, its queue, its encoder.
//! `cargo run --release --example embed`
//!
//! The host renders, or computes, as it always does; once a frame it lets the model record one
//! step into the same encoder. The model neither submits nor waits.

use minibatch::data::{Batch, BatchOrder, Shuffle, synthetic_digits};
use minibatch::model::Input;
use minibatch::{Activation, Adam, Gpu, Loss, Metric, Sequential};

const BATCH_SIZE: usize = 64;
const FRAMES: usize = 300;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    minibatch::gpu::block_on(run())
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    // What the host has already.
    let descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    let instance = wgpu::Instance::new(descriptor);
    let adapter = instance.request_adapter(&wgpu::RequestAdapterOptions::default()).await?;
    let (device, queue) = adapter.request_device(&wgpu::DeviceDescriptor::default()).await?;

    let data = synthetic_digits(4096, 0)?;
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let mut model = Sequential::new(Input::pixels(data.sample_shape()))
        .dense(128, Activation::Relu)
        .dense(data.classes(), Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .build_async(&gpu)
        .await?;
    model.prepare_steps(BATCH_SIZE).await?;

    let steps_per_epoch = data.len() / BATCH_SIZE;
    let mut order = BatchOrder::new(data.len(), BATCH_SIZE, Shuffle::Full, 0, 0);
    for frame in 0..FRAMES {
        let mut encoder = device.create_command_encoder(&Default::default());
        // ... the host's own passes go here ...
        if frame % steps_per_epoch == 0 {
            let epoch = (frame / steps_per_epoch) as u32;
            order = BatchOrder::new(data.len(), BATCH_SIZE, Shuffle::Full, 0, epoch);
        }
        let batch = Batch { data: &data, indices: &order.batch(frame % steps_per_epoch) };
        match model.record_step(&mut encoder, batch) {
            Ok(()) => {}
            // All upload slots are in flight: this frame trains nothing.
            Err(minibatch::Error::Busy { .. }) => println!("frame {frame}: the GPU is behind"),
            Err(error) => return Err(error.into()),
        }
        queue.submit([encoder.finish()]);
        device.poll(wgpu::PollType::wait_indefinitely())?;
        if (frame + 1) % 50 == 0
            && let Some(scores) = model.take_scores().await?
        {
            println!("frame {:3}: loss {:.4}", frame + 1, scores.loss);
        }
    }
    Ok(())
}
