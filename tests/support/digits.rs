//! A small model for digits, and a device as hosts have it.

use minibatch::data::Dataset;
use minibatch::model::Input;
use minibatch::{Activation, Adam, Gpu, Loss, Metric, Model, Sequential};

pub(crate) fn model(gpu: &Gpu, data: &Dataset) -> Model {
    accumulating(gpu, data, 1)
}

/// A model that makes one update of so many steps.
pub(crate) fn accumulating(gpu: &Gpu, data: &Dataset, steps: usize) -> Model {
    Sequential::new(Input::pixels(data.sample_shape()))
        .dense(32, Activation::Relu)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .gradient_accumulation_steps(steps)
        .build(gpu)
        .unwrap()
}

#[allow(dead_code, reason = "no test uses all of it")]
pub(crate) fn weights(model: &mut Model) -> Vec<u32> {
    ["dense_1.weight", "dense_1.bias", "dense_2.weight", "dense_2.bias"]
        .iter()
        .flat_map(|name| model.weight(name).unwrap())
        .map(f32::to_bits)
        .collect()
}

pub(crate) const BATCH_SIZE: usize = 24;
