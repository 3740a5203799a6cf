//! Steps, evaluations and predictions that a guest records on rows of the host's buffers: the same bits
//! as the same calls alone.

#[path = "support/host.rs"]
mod host;

use std::sync::Arc;

use half::f16;
use host::Host;
use minibatch::data::{Batch, Dataset, Features, Shuffle, Targets};
use minibatch::gpu::{DeviceRegion, FusedFrom, FusedSteps, block_on};
use minibatch::model::{Dropout, Input, Objective};
use minibatch::{
    Activation, Adam, BoundRows, DeviceColumns, DeviceElement, DeviceRows, Error, Evaluate, Fit,
    Functional, Gpu, Loss, Metric, Model, Predict, Sequential,
};

const SAMPLES: usize = 50;
const BATCH_SIZE: usize = 17;
/// The batches of an epoch without shuffling; the last one is smaller.
const EPOCH: [std::ops::Range<u32>; 3] = [0..17, 17..34, 34..50];

/// What the engine uses where it is there; each has a path without it.
const OPTIONAL: [wgpu::Features; 4] = [
    wgpu::Features::SUBGROUP,
    wgpu::Features::PIPELINE_CACHE,
    wgpu::Features::SHADER_F16,
    wgpu::Features::TIMESTAMP_QUERY,
];

/// Devices as hosts make them, each with its name.
fn hosts() -> Vec<(String, Host)> {
    let adapter = host::adapter();
    let all = adapter.features() - wgpu::Features::all_experimental_mask();
    let mut hosts = vec![
        ("WebGPU's default limits, no feature".to_owned(), Host::with_default_limits()),
        ("all features".to_owned(), Host::with(all, adapter.limits())),
        ("no feature".to_owned(), Host::with(wgpu::Features::empty(), adapter.limits())),
    ];
    for without in OPTIONAL.into_iter().filter(|&feature| all.contains(feature)) {
        let host = Host::with(all - without, adapter.limits());
        hosts.push((format!("all features but {without:?}"), host));
    }
    hosts
}

/// Two inputs, floats whose rows are padded on the device and bytes, and two outputs, one of classes
/// and one of three floats; with dropout, so that what is random shows too.
fn branches(gpu: &Gpu) -> Model {
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
    model.compile(Adam::default(), [("class", class), ("values", values)]).build(gpu).unwrap()
}

/// A classifier whose step can be fused.
fn classifier(gpu: &Gpu) -> Model {
    Sequential::new(Input::pixels(&[3, 9]))
        .dense(16, Activation::Relu)
        .dense(3, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .build(gpu)
        .unwrap()
}

/// The samples as the host's memory has them.
struct Samples {
    floats: Vec<f32>,
    pixels: Vec<u8>,
    labels: Vec<u32>,
    values: Vec<f32>,
    weights: Vec<f32>,
}

impl Samples {
    /// All floats are some that an f16 holds.
    fn new() -> Self {
        let half = |value: f32| f16::from_f32(value).to_f32();
        Samples {
            floats: (0..SAMPLES * 5).map(|i| half((i * 29 % 101) as f32 / 101.0 - 0.4)).collect(),
            pixels: (0..SAMPLES * 27).map(|i| (i * 37 % 251) as u8).collect(),
            labels: (0..SAMPLES as u32).map(|i| i * 7 % 3).collect(),
            values: (0..SAMPLES * 3).map(|i| (i * 13 % 97) as f32).collect(),
            weights: (0..SAMPLES).map(|i| 0.5 + (i % 5) as f32 * 0.25).collect(),
        }
    }

    /// The same for `branches`, or for `classifier`.
    fn dataset(&self, branches: bool, weighted: bool) -> Dataset {
        let pixels = ("pixels", Features::U8(Arc::new(self.pixels.clone())), &[3, 9][..]);
        let class = ("class", self.labels.clone().into());
        let data = if branches {
            let floats = ("floats", Features::F32(Arc::new(self.floats.clone())), &[5][..]);
            let values = ("values", Targets::values(self.values.clone(), 3));
            Dataset::named([floats, pixels], [class, values])
        } else {
            Dataset::named([pixels], [class])
        };
        match weighted {
            true => data.unwrap().with_sample_weights(self.weights.clone()).unwrap(),
            false => data.unwrap(),
        }
    }

    /// The same in the host's buffers, each value of the type that the way asks for.
    fn columns(&self, host: &Host, branches: bool, weighted: bool, way: Way) -> DeviceColumns {
        use DeviceElement::{F16, F32, U8, U32};
        let halves = |floats: &[f32]| -> Vec<u8> {
            floats.iter().flat_map(|&float| f16::from_f32(float).to_le_bytes()).collect()
        };
        let integers = |floats: &[f32]| -> Vec<u8> {
            floats.iter().flat_map(|&float| (float as u32).to_le_bytes()).collect()
        };
        let rows = |bytes: &[u8], element| {
            DeviceRows::new(&host.buffer_of(bytes), SAMPLES as u32).element(element)
        };
        let pixels = rows(&self.pixels, U8);
        let (floats, class, values, weights) = match way {
            Way::Plain => (
                rows(bytemuck::cast_slice(&self.floats), F32),
                rows(bytemuck::cast_slice(&self.labels), U32),
                rows(bytemuck::cast_slice(&self.values), F32),
                rows(bytemuck::cast_slice(&self.weights), F32),
            ),
            Way::Small => (
                rows(&halves(&self.floats), F16),
                rows(&self.labels.iter().map(|&label| label as u8).collect::<Vec<_>>(), U8),
                rows(&self.values.iter().map(|&value| value as u8).collect::<Vec<_>>(), U8),
                rows(&halves(&self.weights), F16),
            ),
            // One buffer of structs holds all but the pixels.
            Way::Structs => {
                let mut structs = Vec::new();
                for sample in 0..SAMPLES {
                    structs.extend([0xff; 12]);
                    let floats = &self.floats[5 * sample..][..5];
                    structs.extend_from_slice(bytemuck::cast_slice(floats));
                    structs.extend(self.labels[sample].to_le_bytes());
                    structs.extend(integers(&self.values[3 * sample..][..3]));
                    structs.extend(self.weights[sample].to_le_bytes());
                }
                let buffer = host.buffer_of(&structs);
                let field = |offset, element| {
                    DeviceRows::new(&buffer, SAMPLES as u32)
                        .element(element)
                        .stride(52)
                        .offset(offset)
                };
                (field(12, F32), field(32, U32), field(36, U32), field(48, F32))
            }
        };
        let mut columns = DeviceColumns::new().input("pixels", pixels).target("class", class);
        if branches {
            columns = columns.input("floats", floats).target("values", values);
        }
        if weighted {
            columns = columns.sample_weight("class", weights.clone());
            if branches {
                columns = columns.sample_weight("values", weights);
            }
        }
        columns
    }
}

/// How the host stores its samples.
#[derive(Debug, Clone, Copy)]
enum Way {
    Plain,
    Small,
    Structs,
}

fn bits(model: &mut Model) -> Vec<(String, Vec<u32>)> {
    let weights = model.weights().unwrap();
    let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect();
    weights.into_iter().map(|(name, _, values)| (name.to_string(), bits(values))).collect()
}

/// A frame of the host's around what the model records: a compute pass that doubles numbers, and a
/// render pass that clears a texture.
struct Frame {
    doubled: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    texture: wgpu::Texture,
}

impl Frame {
    fn new(host: &Host) -> Self {
        let device = &host.device;
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(
                "@group(0) @binding(0) var<storage, read_write> numbers: array<f32>;
                 @compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
                     numbers[id.x] = 2.0 * numbers[id.x];
                 }"
                .into(),
            ),
        });
        let doubled = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: None,
            compilation_options: Default::default(),
            cache: None,
        });
        let numbers = host.buffer(&[1.0; 4]);
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &doubled.get_bind_group_layout(0),
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: numbers.as_entire_binding() }],
        });
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size: wgpu::Extent3d { width: 8, height: 8, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba8Unorm,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT,
            view_formats: &[],
        });
        Frame { doubled, group, texture }
    }

    /// Records both passes around what `record` does, and submits.
    fn around(&self, host: &Host, record: impl FnOnce(&mut wgpu::CommandEncoder)) {
        let mut encoder = host.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&self.doubled);
        pass.set_bind_group(0, &self.group, &[]);
        pass.dispatch_workgroups(1, 1, 1);
        drop(pass);
        record(&mut encoder);
        let view = self.texture.create_view(&Default::default());
        drop(encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &view,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations {
                    load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                    store: wgpu::StoreOp::Store,
                },
            })],
            ..Default::default()
        }));
        host.queue.submit([encoder.finish()]);
        host.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    }
}

/// On each device, with everything that the host chose: a fit, and the same steps as a guest records
/// them between its own passes, one in an encoder and all in one.
#[test]
fn guest_steps_are_those_of_a_fit_whatever_the_device() {
    let samples = Samples::new();
    for (name, host) in hosts() {
        let frame = Frame::new(&host);
        let ways = [
            (true, true, Way::Plain, FusedSteps::Never),
            (true, false, Way::Structs, FusedSteps::Never),
            (false, true, Way::Small, FusedSteps::Always(FusedFrom::FirstLayer)),
            (false, false, Way::Plain, FusedSteps::Never),
        ];
        for (branched, weighted, way, fused) in ways {
            let case = format!("{name}: {branched} {weighted} {way:?} {fused:?}");
            let gpu = host.gpu().with_fused_steps(fused);
            let build = if branched { branches } else { classifier };
            let data = samples.dataset(branched, weighted);
            let mut fitted = build(&gpu);
            let fit = Fit::new().batch_size(BATCH_SIZE).shuffle(Shuffle::Off).epochs(2);
            let history = fitted.fit(&data, fit).unwrap();
            let expected = bits(&mut fitted);

            let columns = samples.columns(&host, branched, weighted, way);
            let mut guest = build(&gpu);
            let bound = block_on(guest.bind_rows(columns.clone(), BATCH_SIZE)).unwrap();
            let mut scores = Vec::new();
            for _ in 0..2 {
                for rows in EPOCH {
                    frame.around(&host, |encoder| {
                        guest.record_step_on(encoder, &bound, rows).unwrap();
                    });
                }
                scores.extend(block_on(guest.take_scores()).unwrap());
            }
            assert_eq!(bits(&mut guest), expected, "{case}");
            let fitted: Vec<_> =
                history.epochs.iter().map(|epoch| epoch.training.clone()).collect();
            assert_eq!(scores, fitted, "{case}");

            let mut together = build(&gpu);
            let bound = block_on(together.bind_rows(columns, BATCH_SIZE)).unwrap();
            let both = [EPOCH, EPOCH].concat();
            frame.around(&host, |encoder| {
                together.record_steps(encoder, &bound, &both).unwrap();
            });
            assert_eq!(bits(&mut together), expected, "{case}");
            assert_eq!(together.steps(), 6);
        }
    }
}

/// Steps whose rows a shader has chosen, one of a single row and one that has all of them.
#[test]
fn rows_by_their_numbers_are_those_of_a_batch_of_these() {
    let host = Host::with_default_limits();
    let samples = Samples::new();
    let data = samples.dataset(true, true);
    let numbers: Vec<u32> = (0..80u32).map(|i| i * 37 % SAMPLES as u32).collect();
    let batches = [0..17u32, 17..18, 30..80, 4..9];
    let mut fed = branches(&host.gpu());
    for rows in &batches {
        let indices = &numbers[rows.start as usize..rows.end as usize];
        fed.train_on_batch(Batch { data: &data, indices }).unwrap();
    }
    let indices = host.buffer_of(bytemuck::cast_slice(&numbers));
    let indices = DeviceRows::new(&indices, 80).element(DeviceElement::U32);
    let columns = samples.columns(&host, true, true, Way::Structs).indices(indices);
    let mut guest = branches(&host.gpu());
    let bound = block_on(guest.bind_rows(columns, 50)).unwrap();
    assert_eq!((bound.rows(), bound.batch_size()), (80, 50));
    let mut encoder = host.device.create_command_encoder(&Default::default());
    for rows in batches {
        if let Err(Error::Busy { .. }) = guest.record_step_on(&mut encoder, &bound, rows.clone()) {
            host.queue.submit([encoder.finish()]);
            host.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
            encoder = host.device.create_command_encoder(&Default::default());
            guest.record_step_on(&mut encoder, &bound, rows).unwrap();
        }
    }
    host.queue.submit([encoder.finish()]);
    assert_eq!(bits(&mut guest), bits(&mut fed));
}

/// The values of a region on the device.
fn read(host: &Host, region: &DeviceRegion, rows: usize) -> Vec<f32> {
    let text = "@group(0) @binding(0) var<storage, read> region: array<f32>;
         @group(0) @binding(1) var<storage, read_write> result: array<f32>;
         @compute @workgroup_size(1) fn main(@builtin(global_invocation_id) id: vec3<u32>) {
             result[id.x] = region[id.x];
         }";
    let values = rows * region.stride;
    let all = host.computed(text, &[region.as_binding()], values, values);
    all.chunks(region.stride).flat_map(|row| &row[..region.columns]).copied().collect()
}

#[test]
fn recorded_evaluations_and_predictions_are_those_of_the_calls_and_leave_steps_alone() {
    let host = Host::with_default_limits();
    let samples = Samples::new();
    let data = samples.dataset(true, true);
    let columns = samples.columns(&host, true, true, Way::Small);
    let submit = |record: &mut dyn FnMut(&mut wgpu::CommandEncoder)| {
        let mut encoder = host.device.create_command_encoder(&Default::default());
        record(&mut encoder);
        host.queue.submit([encoder.finish()]);
        host.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    };
    let train = |observed: bool| {
        let mut model = branches(&host.gpu());
        let bound = block_on(model.bind_rows(columns.clone(), BATCH_SIZE)).unwrap();
        let mut seen = Vec::new();
        for rows in EPOCH {
            if observed {
                submit(&mut |encoder| {
                    model.record_evaluation_on(encoder, &bound, 0..17).unwrap();
                    model.record_step_on(encoder, &bound, rows.clone()).unwrap();
                    model.record_prediction_on(encoder, &bound, 3..8).unwrap();
                });
                let scores = block_on(model.take_evaluation_scores()).unwrap().unwrap();
                assert_eq!(block_on(model.take_evaluation_scores()).unwrap(), None);
                let predicted = ["class", "values"].map(|name| {
                    let region = model.binding(name).unwrap();
                    read(&host, &region, 5)
                });
                seen.push((scores, predicted));
            } else {
                let batch: Vec<u32> = (0..17).collect();
                let scores = model.test_on_batch(Batch { data: &data, indices: &batch }).unwrap();
                submit(&mut |encoder| {
                    model.record_step_on(encoder, &bound, rows.clone()).unwrap();
                });
                let batch = Batch { data: &data, indices: &[3, 4, 5, 6, 7] };
                let predicted = model.predict_outputs_on_batch(batch).unwrap();
                let predicted: Vec<_> = predicted.into_iter().map(|(_, values)| values).collect();
                seen.push((scores, predicted.try_into().unwrap()));
            }
        }
        (seen, block_on(model.take_scores()).unwrap(), bits(&mut model), model.steps())
    };
    let (observed, alone) = (train(true), train(false));
    assert_eq!(observed.0, alone.0);
    assert!(observed.1.is_some());
    // What was read in between, the host has added in f64.
    let loss = |scores: &Option<minibatch::Scores>| scores.as_ref().map_or(f64::NAN, |s| s.loss);
    approx::assert_abs_diff_eq!(loss(&observed.1), loss(&alone.1), epsilon = 1e-4);
    assert_eq!((&observed.2, observed.3), (&alone.2, alone.3));

    // From the host's memory they are the same; several evaluations add up.
    let mut model = branches(&host.gpu());
    let expected = model.evaluate(&data, Evaluate::new().batch_size(25)).unwrap();
    let predicted = model.predict_outputs(&data, Predict::new()).unwrap();
    let mut encoder = host.device.create_command_encoder(&Default::default());
    let all: Vec<u32> = (0..SAMPLES as u32).collect();
    let batches = [&all[..25], &all[25..]].map(|indices| Batch { data: &data, indices });
    let unprepared = model.record_evaluation(&mut encoder, batches[0]);
    assert!(matches!(unprepared, Err(Error::Argument { .. })), "{unprepared:?}");
    block_on(model.prepare_evaluations(25)).unwrap();
    block_on(model.prepare_predictions(25)).unwrap();
    for batch in batches {
        model.record_evaluation(&mut encoder, batch).unwrap();
    }
    model.record_prediction(&mut encoder, batches[1]).unwrap();
    host.queue.submit([encoder.finish()]);
    let scores = block_on(model.take_evaluation_scores()).unwrap();
    assert_eq!(scores, Some(expected));
    assert_eq!(block_on(model.take_scores()).unwrap(), None);
    for (name, values) in predicted {
        let found = read(&host, &model.binding(&name).unwrap(), 25);
        assert_eq!(found, values[values.len() / 2..], "{name}");
    }
    assert_eq!(model.steps(), 0);
}

/// What never runs does not count, however many steps share an encoder.
#[test]
fn dropped_encoders_add_no_sample_and_no_step() {
    let host = Host::with_default_limits();
    let samples = Samples::new();
    let columns = samples.columns(&host, true, false, Way::Plain);
    let data = samples.dataset(true, false);
    let train = |drops: bool| {
        let mut model = branches(&host.gpu());
        let bound = block_on(model.bind_rows(columns.clone(), BATCH_SIZE)).unwrap();
        let encoder = || host.device.create_command_encoder(&Default::default());
        for round in 0..4u64 {
            if drops {
                let before = model.steps();
                let (mut first, mut second) = (encoder(), encoder());
                model.record_steps(&mut first, &bound, &[3..9, 9..20, 40..50]).unwrap();
                model.record_evaluation_on(&mut second, &bound, 0..5).unwrap();
                model.record_prediction_on(&mut second, &bound, 0..5).unwrap();
                assert_eq!(model.steps(), before + 3, "they may still run");
                drop(first);
                assert_eq!(model.steps(), before);
                drop(second.finish());
                assert_eq!(model.steps(), before);
            }
            let mut encoder = encoder();
            model.record_steps(&mut encoder, &bound, &EPOCH).unwrap();
            // Steps of the host's memory share the slots.
            let batch = Batch { data: &data, indices: &[1, 2, 3] };
            model.record_step(&mut encoder, batch).unwrap();
            assert_eq!(model.steps(), 4 * round + 4);
            host.queue.submit([encoder.finish()]);
            host.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        }
        let scores = block_on(model.take_scores()).unwrap();
        assert_eq!(block_on(model.take_evaluation_scores()).unwrap(), None);
        // Not submitted yet.
        let mut encoder = encoder();
        model.record_steps(&mut encoder, &bound, &EPOCH).unwrap();
        assert_eq!(block_on(model.take_scores()).unwrap(), None);
        drop(encoder);
        assert_eq!(block_on(model.take_scores()).unwrap(), None);
        (scores, model.steps(), bits(&mut model))
    };
    let (with, without) = (train(true), train(false));
    assert!(with.0.is_some());
    assert_eq!(with.1, 16);
    assert_eq!(with, without);
}

#[test]
fn what_cannot_be_recorded_is_refused_and_does_not_count() {
    let host = Host::with_default_limits();
    let samples = Samples::new();
    let columns = || samples.columns(&host, true, false, Way::Plain);
    let mut model = branches(&host.gpu());
    let bound = block_on(model.bind_rows(columns(), BATCH_SIZE)).unwrap();
    let before = bits(&mut model);
    let mut encoder = host.device.create_command_encoder(&Default::default());
    let mut refused =
        |model: &mut Model, bound: &BoundRows, batches: &[std::ops::Range<u32>], what: &str| {
            let error = model.record_steps(&mut encoder, bound, batches).unwrap_err();
            assert!(matches!(error, Error::Argument { .. }), "{error}");
            assert!(error.to_string().contains(what), "{error}: it does not say {what:?}");
            assert_eq!(model.steps(), 0);
        };
    refused(&mut model, &bound, &[], "give 1 to 128");
    refused(&mut model, &bound, &vec![0..1; 129], "129");
    refused(&mut model, &bound, &[0..17, 3..3], "of a step are 0");
    refused(&mut model, &bound, &[0..17, 0..18], "18");
    refused(&mut model, &bound, &[0..17, 40..51], "40 to 51 are asked for; there are 50");
    refused(&mut model, &bound, &[0..1, u32::MAX - 1..u32::MAX], "there are 50");
    let mut other = branches(&host.gpu());
    refused(&mut other, &bound, &EPOCH[..1], "bind_rows");
    let inputs_alone = || {
        let pixels = DeviceRows::new(&host.buffer_of(&samples.pixels), SAMPLES as u32);
        let floats = DeviceRows::new(&host.buffer(&samples.floats), SAMPLES as u32);
        DeviceColumns::new()
            .input("pixels", pixels.element(DeviceElement::U8))
            .input("floats", floats)
    };
    let unjudged = block_on(model.bind_rows(inputs_alone(), BATCH_SIZE)).unwrap();
    refused(&mut model, &unjudged, &EPOCH[..1], "targets");
    // Room for more makes new buffers.
    model.predict(samples.dataset(true, false), Predict::new().batch_size(3)).unwrap_err();
    model.predict_outputs(samples.dataset(true, false), Predict::new().batch_size(18)).unwrap();
    refused(&mut model, &bound, &EPOCH[..1], "bind_rows");
    let bound = block_on(model.bind_rows(columns(), BATCH_SIZE)).unwrap();
    for _ in 0..3 {
        model.record_steps(&mut encoder, &bound, &EPOCH).unwrap();
    }
    let full = model.record_step_on(&mut encoder, &bound, 0..17);
    assert!(matches!(full, Err(Error::Busy { slots: 3 })), "{full:?}");
    assert_eq!(model.steps(), 9);
    drop(encoder);
    assert_eq!((bits(&mut model), model.steps()), (before, 0));
    let mut encoder = host.device.create_command_encoder(&Default::default());
    let unjudged = block_on(model.bind_rows(inputs_alone(), BATCH_SIZE)).unwrap();
    model.record_prediction_on(&mut encoder, &unjudged, 0..17).unwrap();
    let evaluated = model.record_evaluation_on(&mut encoder, &unjudged, 0..17);
    assert!(evaluated.is_err_and(|error| error.to_string().contains("targets")));
    host.queue.submit([encoder.finish()]);

    let mut small = Sequential::new(5)
        .dense(3, Activation::Linear)
        .compile(Adam::default(), Loss::MeanSquaredError, [])
        .micro_batch_size(4)
        .build(&host.gpu())
        .unwrap();
    let columns = DeviceColumns::new()
        .input("floats", DeviceRows::new(&host.buffer(&samples.floats), SAMPLES as u32))
        .target("values", DeviceRows::new(&host.buffer(&samples.values), SAMPLES as u32));
    let cut = block_on(small.bind_rows(columns.clone(), 5)).unwrap_err().to_string();
    assert!(cut.contains("micro_batch_size") && cut.contains('4'), "{cut}");
    let bound = block_on(small.bind_rows(columns, 4)).unwrap();
    let mut encoder = host.device.create_command_encoder(&Default::default());
    small.record_step_on(&mut encoder, &bound, 0..4).unwrap();
    host.queue.submit([encoder.finish()]);
    assert!(block_on(small.take_scores()).unwrap().is_some());
}

/// Once rows are bound, a step takes memory that is there: no buffer is made for it.
#[test]
fn a_step_on_bound_rows_allocates_nothing_on_the_device() {
    let host = Host::with_default_limits();
    let samples = Samples::new();
    let mut model = branches(&host.gpu());
    let columns = samples.columns(&host, true, true, Way::Small);
    let bound = block_on(model.bind_rows(columns, BATCH_SIZE)).unwrap();
    let names = || {
        let report = host.device.generate_allocator_report().expect("Vulkan tells its allocations");
        let mut names: Vec<_> = report.allocations.into_iter().map(|made| made.name).collect();
        names.sort();
        names
    };
    // What the model's first values were uploaded by is freed.
    host.queue.submit([]);
    host.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    let before = names();
    assert!(before.iter().any(|name| name.contains("all.parameters")), "{before:?}");
    let mut frame = || {
        let mut encoder = host.device.create_command_encoder(&Default::default());
        model.record_evaluation_on(&mut encoder, &bound, 3..4).unwrap();
        model.record_steps(&mut encoder, &bound, &EPOCH).unwrap();
        model.record_prediction_on(&mut encoder, &bound, 0..16).unwrap();
        let commands = encoder.finish();
        let recorded = names();
        host.queue.submit([commands]);
        host.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        recorded
    };
    // From the first one on, of any size.
    for _ in 0..5 {
        assert_eq!(frame(), before);
    }
}
