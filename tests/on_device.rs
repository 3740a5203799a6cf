//! A model's values in shaders of the host's.

#[path = "support/host.rs"]
mod host;

use std::sync::Arc;

use host::Host;
use minibatch::gpu::{DeviceElement, DeviceRegion, block_on};
use minibatch::program::Role;
use minibatch::{
    Activation, Adam, Cpu, Dataset, Error, Features, Fit, Input, Loss, Metric, Model, Predict,
    Sequential,
};

const INPUTS: usize = 5;

fn compiled() -> minibatch::Compiled {
    Sequential::new(Input::floats(&[INPUTS]))
        .dense(7, Activation::Relu)
        .batch_normalization()
        .dense(3, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
}

fn data(samples: usize) -> Dataset {
    let values = (0..samples * INPUTS).map(|i| ((i * 37) % 101) as f32 / 50.0 - 1.0);
    let labels: Vec<u32> = (0..samples as u32).map(|i| i % 3).collect();
    Dataset::new(Features::F32(Arc::new(values.collect())), &[INPUTS], labels).unwrap()
}

/// A shader of the host's that copies a region's values, told by the documented layout alone.
fn copied(host: &Host, region: &DeviceRegion) -> Vec<f32> {
    assert_eq!(region.element, DeviceElement::F32);
    let (rows, columns, stride) = (region.rows, region.columns, region.stride);
    let text = format!(
        "@group(0) @binding(0) var<storage, read> region: array<f32>;
         @group(0) @binding(1) var<storage, read_write> result: array<f32>;
         @compute @workgroup_size(1)
         fn main() {{
             for (var row = 0u; row < {rows}u; row++) {{
                 for (var column = 0u; column < {columns}u; column++) {{
                     result[row * {columns}u + column] = region[row * {stride}u + column];
                 }}
             }}
         }}"
    );
    host.computed(&text, &[region.as_binding()], rows * columns, 1)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn every_parameter_is_read_by_a_shader_of_the_hosts_where_it_lies() {
    let host = Host::with_default_limits();
    let mut model = compiled().build(&host.gpu()).unwrap();
    let parameters = model.program().buffers().map(|(_, buffer)| buffer.clone());
    let parameters: Vec<_> =
        parameters.filter(|buffer| matches!(buffer.role, Role::Parameter | Role::State)).collect();
    assert_eq!(parameters.len(), 8);
    let bound = |model: &Model, name: &str| model.binding(name).unwrap();
    let before: Vec<_> = parameters.iter().map(|one| bound(&model, &one.name)).collect();
    for (number, region) in before.iter().enumerate() {
        assert!(region.offset.is_multiple_of(256), "{region:?}");
        for other in &before[number + 1..] {
            let apart = region.offset + region.size <= other.offset
                || other.offset + other.size <= region.offset;
            assert!(apart || region.buffer != other.buffer, "{region:?} {other:?}");
        }
    }
    let data = data(64);
    for _ in 0..2 {
        model.fit(&data, Fit::new().epochs(1).batch_size(16)).unwrap();
        for (parameter, region) in parameters.iter().zip(&before) {
            // The regions of before the training show what it has made.
            let expected = model.weight(&parameter.name).unwrap();
            assert_eq!(bits(&copied(&host, region)), bits(&expected), "{}", parameter.name);
            let now = bound(&model, &parameter.name);
            assert_eq!((&now.buffer, now.offset), (&region.buffer, region.offset));
        }
    }
}

#[test]
fn predictions_are_read_where_they_lie_by_the_name_of_the_output_or_of_the_value() {
    let host = Host::with_default_limits();
    let mut model = compiled().build(&host.gpu()).unwrap();
    let data = data(10);
    let small = model.binding("output").unwrap();
    let predicted = model.predict(&data, Predict::new().batch_size(10)).unwrap();
    let region = model.binding("output").unwrap();
    assert_ne!(small.buffer, region.buffer, "room was made for more rows");
    assert_eq!([region.rows, region.columns, region.stride], [10, 3, 4]);
    assert_eq!(bits(&copied(&host, &region)), bits(&predicted));
    // They stay there while no more rows come.
    model.predict(&data, Predict::new().batch_size(5)).unwrap();
    assert_eq!(model.binding("output").unwrap().buffer, region.buffer);
    assert_eq!(bits(&copied(&host, &region))[..15], bits(&predicted[15..])[..15]);
}

#[test]
fn metrics_and_targets_have_their_own_layouts() {
    let host = Host::with_default_limits();
    let mut model = compiled().build(&host.gpu()).unwrap();
    block_on(model.prepare_steps(8)).unwrap();
    let elements = |name: &str| {
        let region = model.binding(name).unwrap();
        (region.element, region.columns, region.stride, region.size)
    };
    let role = |role: Role| {
        let found = model.program().of_role(role).next().map(|(_, buffer)| buffer.name.clone());
        found.unwrap()
    };
    assert_eq!(elements(&role(Role::Target)), (DeviceElement::U32, 1, 1, 32));
    assert_eq!(elements(&role(Role::SampleWeight)), (DeviceElement::F32, 1, 1, 32));
    let metric = model.binding(&role(Role::Metric)).unwrap();
    assert_eq!(metric.stride, metric.columns);
}

#[test]
fn what_is_not_there_is_refused() {
    let refused = |model: &Model, name: &str, expected: &str| {
        let error = model.binding(name).unwrap_err();
        assert!(matches!(error, Error::Argument { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    };
    refused(&compiled().build(&Cpu::default()).unwrap(), "dense_1.weight", "on the CPU");
    let host = Host::with_default_limits();
    let gpu = host.gpu().with_fused_steps(minibatch::gpu::FusedSteps::Always(
        minibatch::gpu::FusedFrom::FirstLayer,
    ));
    let mut model = Sequential::new(Input::floats(&[INPUTS]))
        .dense(7, Activation::Relu)
        .dense(3, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .build(&gpu)
        .unwrap();
    refused(&model, "dense_9.weight", "no buffer called \"dense_9.weight\"");
    model.binding("dense_1.weight.gradient").unwrap();
    model.fit(data(16), Fit::new().epochs(1)).unwrap();
    refused(&model, "dense_1.weight.gradient", "was not kept: the training step was fused");
    model.binding("dense_1.weight").unwrap();
    // A prediction computes it, whatever the last step has kept.
    assert!(model.read("dense_1.output").is_err());
    for name in ["output", "dense_1.output"] {
        model.binding(name).unwrap();
    }
}
