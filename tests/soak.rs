//! Many steps of a guest: the host's memory, the device's, and the number of the device's objects stay
//! where they were.

use minibatch::data::{Batch, Dataset, synthetic_digits};
use minibatch::gpu::block_on;
use minibatch::model::Input;
use minibatch::{
    Activation, Adam, DeviceColumns, DeviceElement, DeviceRows, Evaluate, Loss, Metric, Model,
    Predict, Sequential,
};
use wgpu::util::DeviceExt;

#[path = "support/counted_memory.rs"]
mod counted_memory;
#[path = "support/watched_host.rs"]
mod host;
use host::Host;

const BATCH_SIZE: usize = 16;
const SAMPLES: u32 = 128;

/// What there is of a device: bytes that it has allocated, and how many objects of each kind.
#[derive(Debug, Clone, PartialEq)]
struct Objects {
    bytes: u64,
    allocations: usize,
    counts: Vec<(&'static str, usize)>,
}

fn objects(host: &Host) -> Objects {
    host.wait();
    let allocated = host.device.generate_allocator_report().expect("Vulkan tells its allocations");
    let hub = host.instance.generate_report().expect("a native instance").hub;
    let counts = vec![
        ("buffers", hub.buffers.num_kept_from_user),
        ("bind groups", hub.bind_groups.num_kept_from_user),
        ("bind group layouts", hub.bind_group_layouts.num_kept_from_user),
        ("pipelines", hub.compute_pipelines.num_kept_from_user),
        ("shader modules", hub.shader_modules.num_kept_from_user),
        ("encoders", hub.command_encoders.num_kept_from_user),
        ("command buffers", hub.command_buffers.num_kept_from_user),
    ];
    Objects {
        bytes: allocated.total_allocated_bytes,
        allocations: allocated.allocations.len(),
        counts,
    }
}

/// Bytes of memory that the process has, if the system tells.
fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split(' ').nth(1)?.parse::<u64>().ok()? * 4096)
}

/// A model whose steps are recorded, on rows of the host's memory and on those of its buffers.
struct Guest {
    host: Host,
    model: Model,
    data: Dataset,
    bound: minibatch::BoundRows,
}

impl Guest {
    fn new() -> Self {
        let host = Host::new();
        let data = synthetic_digits(SAMPLES as usize, 0).unwrap().with_classes(10).unwrap();
        let mut model = Sequential::new(Input::pixels(&[28, 28]))
            .dense(16, Activation::Relu)
            .dense(10, Activation::Softmax)
            .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
            .build(&host.gpu())
            .unwrap();
        block_on(model.prepare_steps(BATCH_SIZE)).unwrap();
        let buffer = |contents: &[u8]| {
            host.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
                label: None,
                contents,
                usage: wgpu::BufferUsages::STORAGE,
            })
        };
        let pixels: Vec<u8> = (0..SAMPLES as usize * 784).map(|i| (i * 37 % 251) as u8).collect();
        let labels: Vec<u32> = (0..SAMPLES).map(|i| i * 7 % 10).collect();
        let columns = DeviceColumns::new()
            .input("pixels", DeviceRows::new(&buffer(&pixels), SAMPLES).element(DeviceElement::U8))
            .target(
                "class",
                DeviceRows::new(&buffer(bytemuck::cast_slice(&labels)), SAMPLES)
                    .element(DeviceElement::U32),
            );
        let bound = block_on(model.bind_rows(columns, BATCH_SIZE)).unwrap();
        Guest { host, model, data, bound }
    }

    /// One frame of the host's.
    fn frame(&mut self, frame: usize) {
        let Guest { host, model, data, bound } = self;
        let mut encoder = host.encoder();
        let first = (frame * BATCH_SIZE % (SAMPLES as usize - BATCH_SIZE)) as u32;
        if frame.is_multiple_of(2) {
            let indices: Vec<u32> = (first..first + BATCH_SIZE as u32).collect();
            model.record_step(&mut encoder, Batch { data, indices: &indices }).unwrap();
        } else {
            let rows = first..first + BATCH_SIZE as u32;
            model.record_step_on(&mut encoder, bound, rows).unwrap();
        }
        // Now and then a frame comes to nothing.
        if frame % 50 == 49 {
            drop(encoder);
        } else {
            host.queue.submit([encoder.finish()]);
        }
        let _ = host.device.poll(wgpu::PollType::wait_indefinitely());
        if frame % 100 == 99 {
            assert!(block_on(model.take_scores()).unwrap().is_some());
            model.snapshot().unwrap();
            model.evaluate(&*data, Evaluate::new().batch_size(BATCH_SIZE)).unwrap();
            model.predict(&*data, Predict::new().batch_size(BATCH_SIZE)).unwrap();
        }
    }
}

/// Runs `frames` frames, then as many five times more, and looks at the device and at the memory after each
/// of these parts.
fn soak(frames: usize) {
    const PARTS: usize = 5;
    let mut guest = Guest::new();
    let mut frame = 0;
    let mut part = |guest: &mut Guest| {
        (frame..frame + frames).for_each(|frame| guest.frame(frame));
        frame += frames;
        (objects(&guest.host), counted_memory::live() as i64, resident())
    };
    let (first, mut own, mut all) = part(&mut guest);
    let (mut own_grew, mut all_grew) = (Vec::new(), Vec::new());
    for _ in 0..PARTS {
        let (objects, own_now, all_now) = part(&mut guest);
        assert_eq!(objects, first);
        own_grew.push(own_now - std::mem::replace(&mut own, own_now));
        if let (Some(before), Some(now)) = (std::mem::replace(&mut all, all_now), all_now) {
            all_grew.push(now as i64 - before as i64);
        }
    }
    println!("{frames} frames each: {first:?}, bytes more: {own_grew:?}, resident {all_grew:?}");
    let all_frames = (PARTS * frames) as i64;
    assert!(own_grew.iter().sum::<i64>() < 8 * all_frames, "{own_grew:?} bytes more");
    // The driver's memory comes in pages, and its compiler leaves some to the system's allocator in one part
    // or another; what leaks grows in most of them.
    let most = (256 << 10) + 100 * frames as i64;
    let usual = |mut grew: Vec<i64>| {
        grew.sort_unstable();
        grew.get(grew.len() / 2).copied().unwrap_or(0)
    };
    assert!(usual(all_grew.clone()) < most, "{all_grew:?} bytes more in {frames} frames");
    assert_eq!(guest.host.uncaptured(), [""; 0]);
}

#[test]
fn frames_leave_nothing_behind() {
    soak(200);
}

#[test]
#[ignore = "takes half a minute; .ci/long runs it"]
fn twenty_thousand_frames_leave_nothing_behind() {
    soak(4_000);
}
