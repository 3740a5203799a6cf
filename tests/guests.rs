//! What a host with several models needs: labels that tell them apart, a number of upload slots
//! for each, and models that move between threads.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use minibatch::data::{Batch, Dataset, synthetic_digits};
use minibatch::gpu::block_on;
use minibatch::model::{Compiled, Input};
use minibatch::operation::Kernel;
use minibatch::{
    Activation, Adam, Cpu, DataOn, DeviceError, Error, Fit, Gpu, Loss, Metric, Model, Sequential,
};

const BATCH_SIZE: usize = 8;

/// A device as a plain WebGPU application has it: default limits, no feature.
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

fn compiled() -> Compiled {
    Sequential::new(Input::pixels(&[28, 28]))
        .dense(16, Activation::Relu)
        .dropout(0.25)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
}

fn digits() -> Dataset {
    synthetic_digits(100, 0).unwrap()
}

fn bits(model: &mut Model) -> Vec<u32> {
    let weights = model.weights().unwrap();
    weights.into_iter().flat_map(|(_, _, values)| values).map(f32::to_bits).collect()
}

/// So that it can lie in what a host's threads share: an `Arc<Mutex<Model>>`, an `RwLock`, a resource
/// of an engine that asks for `Sync`.
#[test]
fn a_model_is_send_and_sync() {
    fn shared<T: Send + Sync>() {}
    shared::<Model>();
    shared::<Gpu>();
    shared::<Compiled>();
}

#[test]
fn a_model_that_moves_between_threads_has_the_bits_of_one_that_stays() {
    let (device, queue) = host();
    let gpu = Gpu::from_device(device, queue);
    let data = digits();
    let fit = |model: &mut Model, epoch: u32| {
        let fit = Fit::new().batch_size(BATCH_SIZE).initial_epoch(epoch).epochs(epoch + 1);
        model.fit(&data, fit).unwrap();
    };
    let mut stays = compiled().build(&gpu).unwrap();
    let moves = Arc::new(Mutex::new(compiled().build(&gpu).unwrap()));
    for epoch in 0..4 {
        fit(&mut stays, epoch);
        std::thread::scope(|scope| {
            scope.spawn(|| fit(&mut moves.lock().unwrap(), epoch));
        });
    }
    assert!(bits(&mut stays) == bits(&mut moves.lock().unwrap()));
}

#[test]
fn two_models_of_a_host_train_from_two_threads_as_each_alone() {
    let (device, queue) = host();
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let data = digits();
    let train = |seed: u64| {
        let mut model = compiled().seed(seed).build(&gpu).unwrap();
        model.fit(&data, Fit::new().batch_size(BATCH_SIZE).epochs(2)).unwrap();
        block_on(model.prepare_steps(BATCH_SIZE)).unwrap();
        for step in 0..20u32 {
            let indices: Vec<u32> = (0..BATCH_SIZE as u32).map(|row| row * 9 + step).collect();
            let mut encoder = device.create_command_encoder(&Default::default());
            model.record_step(&mut encoder, Batch { data: &data, indices: &indices }).unwrap();
            queue.submit([encoder.finish()]);
            device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        }
        let scores = block_on(model.take_scores()).unwrap().unwrap();
        (scores, bits(&mut model))
    };
    let alone = [1, 2].map(train);
    let together = std::thread::scope(|scope| {
        let threads = [1, 2].map(|seed| scope.spawn(move || train(seed)));
        threads.map(|thread| thread.join().unwrap())
    });
    assert!(together == alone);
}

/// Names of what lies in the device's memory.
fn allocated(device: &wgpu::Device) -> Vec<String> {
    let report = device.generate_allocator_report().expect("Vulkan tells its allocations");
    report.allocations.into_iter().map(|made| made.name).collect()
}

#[test]
fn the_buffers_of_a_model_begin_with_its_prefix() {
    let (device, queue) = host();
    let gpu = Gpu::from_device(device.clone(), queue);
    let data = digits();
    for data_on in [DataOn::Host, DataOn::Device] {
        let mut model = compiled().label_prefix("npc").build(&gpu).unwrap();
        model.fit(&data, Fit::new().batch_size(BATCH_SIZE).data_on(data_on)).unwrap();
        let names = allocated(&device);
        let own = |name: &&String| name.contains("minibatch");
        assert!(
            names.iter().filter(own).all(|name| name.starts_with("npc.minibatch.")),
            "{names:?}"
        );
        for made in ["all.parameters", "upload", "readback", "step"] {
            assert!(names.contains(&format!("npc.minibatch.{made}")), "{made} in {names:?}");
        }
    }
    let plain = compiled().build(&gpu).unwrap();
    assert!(allocated(&device).contains(&"minibatch.all.parameters".into()));
    drop(plain);
    // The prefix of the device is that of all its models, but for those that have their own.
    let gpu = gpu.with_label_prefix("game");
    let game = compiled().build(&gpu).unwrap();
    let npc = compiled().label_prefix("npc").build(&gpu).unwrap();
    let names = allocated(&device);
    for prefix in ["game", "npc"] {
        assert!(names.contains(&format!("{prefix}.minibatch.all.parameters")), "{names:?}");
    }
    drop((game, npc));
}

/// What has no prefix is made once for all models of a device.
#[test]
fn only_what_models_share_is_labelled_without_a_prefix() {
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gpu");
    let mut without = Vec::new();
    for entry in std::fs::read_dir(sources).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        if text.contains("label: Some(\"") {
            without.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    without.sort();
    assert_eq!(without, ["device.rs", "pipeline_cache.rs"]);
}

/// A kernel that expects more of a buffer than is there is refused when it is dispatched: the
/// error names the pass and the encoder.
#[test]
fn errors_name_the_model_that_they_are_of() {
    let (device, queue) = host();
    let data = digits();
    let edit = |kernel: &Kernel, text: String| match kernel.name {
        "adam" => text.replace("array<vec4<f32>>", "array<vec4<f32>, 1000000>"),
        _ => text,
    };
    let gpu = Gpu::from_device(device, queue).with_shader_edit(Arc::new(edit));
    let mut model = compiled().label_prefix("npc").build(&gpu).unwrap();
    let error = model.fit(&data, Fit::new()).unwrap_err();
    let Error::Device(DeviceError::Validation { description, .. }) = &error else {
        panic!("{error}");
    };
    assert!(description.contains("npc.minibatch.step"), "{description}");
}

#[test]
fn as_many_steps_wait_in_encoders_as_there_are_upload_slots() {
    let (device, queue) = host();
    let gpu = Gpu::from_device(device.clone(), queue.clone());
    let data = digits();
    let batch = Batch { data: &data, indices: &[1, 2, 3] };
    for (chosen, expected) in [(None, 3), (Some(1), 1), (Some(2), 2), (Some(7), 7)] {
        let mut compiled = compiled();
        compiled.upload_slots = chosen;
        let mut model = compiled.build(&gpu).unwrap();
        block_on(model.prepare_steps(BATCH_SIZE)).unwrap();
        let mut encoder = device.create_command_encoder(&Default::default());
        for _ in 0..expected {
            model.record_step(&mut encoder, batch).unwrap();
        }
        let full = model.record_step(&mut encoder, batch);
        assert!(matches!(full, Err(Error::Busy { slots }) if slots == expected), "{full:?}");
        queue.submit([encoder.finish()]);
        device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        let mut encoder = device.create_command_encoder(&Default::default());
        model.record_step(&mut encoder, batch).unwrap();
        queue.submit([encoder.finish()]);
        assert_eq!(model.steps(), expected as u64 + 1);
    }
}

#[test]
fn the_number_of_upload_slots_changes_no_bit_and_is_no_part_of_the_file() {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let gpu = gpu.with_submit_time(Duration::MAX);
    let data = digits();
    let train = |chosen: Option<usize>, workers: usize| {
        let mut compiled = compiled();
        compiled.upload_slots = chosen;
        let mut model = compiled.build(&gpu).unwrap();
        let bytes = model.memory_for(BATCH_SIZE).unwrap().uploads;
        let fit = Fit::new().batch_size(BATCH_SIZE).data_on(DataOn::Host).workers(workers);
        model.fit(&data, fit.epochs(2)).unwrap();
        (model.save_bytes().unwrap(), bytes)
    };
    let (file, bytes) = train(None, 0);
    let mut sizes = Vec::new();
    for chosen in [1, 2, 3, 4] {
        for workers in [0, 2] {
            let (other, size) = train(Some(chosen), workers);
            assert!(other == file, "{chosen} slots, {workers} workers");
            sizes.push(size);
        }
    }
    // Each slot takes the same, at least the batch itself; three are the default.
    sizes.dedup();
    let slot = sizes[1] - sizes[0];
    assert!(slot >= (BATCH_SIZE * 28 * 28) as u64);
    assert_eq!(sizes, [bytes - 2 * slot, bytes - slot, bytes, bytes + slot]);
    let loaded = Model::load_bytes(&file, &gpu).unwrap();
    assert_eq!(loaded.memory_for(BATCH_SIZE).unwrap().uploads, bytes);
}

#[test]
fn a_number_of_upload_slots_that_cannot_be_is_refused() {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    for slots in [0, 1025, usize::MAX] {
        for refused in [
            compiled().upload_slots(slots).build(&gpu).unwrap_err(),
            compiled().upload_slots(slots).build(&Cpu::new()).unwrap_err(),
        ] {
            let text = refused.to_string();
            assert!(matches!(refused, Error::Argument { argument: "upload_slots", .. }), "{text}");
            assert!(text.contains("give 1 to 1024"), "{text}");
        }
    }
}
