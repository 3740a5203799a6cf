//! A batch that runs in parts has the gradients of the whole.

use std::sync::Arc;

use approx::assert_relative_eq;
use minibatch::cpu::CpuExecutor;
use minibatch::data::{Batch, Dataset, synthetic_digits};
use minibatch::model::{Compiled, Dense, Dropout, GaussianNoise, Input, LayerNormalization};
use minibatch::model::{Regularizer, lower};
use minibatch::program::{Pass, Program, Role};
use minibatch::training::{Backend, fill};
use minibatch::{Activation, Adam, Cpu, Gpu, Loss, Metric, Model, Sequential};

const ROWS: usize = 1000;

fn data() -> Dataset {
    let data = synthetic_digits(ROWS, 0).unwrap();
    let weights = (0..ROWS).map(|i| 0.5 + (i % 7) as f32 * 0.25).collect();
    data.with_sample_weights(weights).unwrap()
}

/// Everything whose gradient divides by rows, and all that is random.
fn compiled(data: &Dataset) -> Compiled {
    let costly = Dense::new(12, Activation::Tanh)
        .weight_regularizer(Regularizer::l2(0.01))
        .activity_regularizer(Regularizer::l1(0.02));
    Sequential::new(Input::pixels(data.sample_shape()))
        .layer(costly)
        .layer(Dropout { rate: 0.3 })
        .layer(LayerNormalization::default())
        .layer(GaussianNoise { standard_deviation: 0.1 })
        .dense(data.classes(), Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
}

fn model(data: &Dataset, rows: Option<usize>, backend: impl Into<Backend>) -> Model {
    let compiled = compiled(data);
    match rows {
        Some(rows) => compiled.micro_batch_size(rows),
        None => compiled,
    }
    .build(backend)
    .unwrap()
}

/// The gradients of all parameters after one step, with their names.
fn gradients(model: &mut Model) -> Vec<(String, Vec<f64>)> {
    let program = model.program();
    let names: Vec<String> =
        program.of_role(Role::ParameterGradient).map(|(_, buffer)| buffer.name.clone()).collect();
    names
        .into_iter()
        .map(|name| {
            let values = model.read_exactly(&name).unwrap();
            (name, values)
        })
        .collect()
}

#[test]
fn the_gradients_of_parts_add_up_to_those_of_the_whole() {
    let data = data();
    let indices: Vec<u32> = (0..ROWS as u32).collect();
    let batch = Batch { data: &data, indices: &indices };
    let mut whole = model(&data, None, Backend::CpuInF64);
    let scores = whole.train_on_batch(batch).unwrap();
    let expected = gradients(&mut whole);
    assert!(
        expected.iter().all(|(name, values)| values.iter().any(|x| *x != 0.0) || panic!("{name}"))
    );
    // As 1, 3 and 7 parts, the last one smaller, and one for each row.
    for rows in [ROWS, ROWS.div_ceil(3), ROWS.div_ceil(7), 1] {
        let mut parts = model(&data, Some(rows), Backend::CpuInF64);
        let own = parts.train_on_batch(batch).unwrap();
        assert_relative_eq!(own.loss, scores.loss, max_relative = 1e-12);
        assert_eq!(own.accuracy(), scores.accuracy());
        for ((name, whole), (_, parts)) in expected.iter().zip(gradients(&mut parts)) {
            for (whole, part) in whole.iter().zip(parts) {
                let off = (whole - part).abs() / whole.abs().max(1.0);
                assert!(off <= 1e-12, "{name} in parts of {rows} is off by {off}");
            }
        }
    }
}

#[test]
fn a_training_in_parts_is_the_training() {
    let data = data();
    let train = |rows: Option<usize>, backend: Backend| {
        let mut model = model(&data, rows, backend);
        let steps = (0..20u32).map(|step| (0..100).map(|i| (step * 37 + i) % 1000).collect());
        for indices in steps.collect::<Vec<Vec<u32>>>() {
            model.train_on_batch(Batch { data: &data, indices: &indices }).unwrap();
        }
        model.read_exactly("dense_1.weight").unwrap()
    };
    let exact = train(None, Backend::CpuInF64);
    for (exact, own) in exact.iter().zip(train(Some(33), Backend::CpuInF64)) {
        assert!((exact - own).abs() <= 1e-12, "{exact} is {own} in parts");
    }
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    for backend in [Backend::Cpu(Cpu::new()), Backend::Gpu(gpu)] {
        let name = format!("{backend:?}");
        for (exact, own) in exact.iter().zip(train(Some(33), backend)) {
            let off = (exact - own).abs() / exact.abs().max(1.0);
            assert!(off <= 4e-5, "{exact} is {own} in parts on {name}");
        }
    }
}

/// A batch of 1,024 as 1, 3 and 8 parts: loss and weights after 20 steps.
#[test]
fn twenty_steps_in_parts_are_those_of_the_whole_batch() {
    const BATCH: usize = 1024;
    let data = synthetic_digits(2 * BATCH, 1).unwrap();
    let train = |parts: Option<usize>| {
        let mut model = model(&data, parts.map(|parts| BATCH.div_ceil(parts)), Backend::CpuInF64);
        let mut losses = Vec::new();
        for step in 0..20u32 {
            let indices: Vec<u32> =
                (0..BATCH as u32).map(|i| (step * 101 + i) % (2 * BATCH as u32)).collect();
            let batch = Batch { data: &data, indices: &indices };
            losses.push(model.train_on_batch(batch).unwrap().loss);
        }
        let names = ["dense_1.weight", "dense_1.bias", "dense_2.weight", "dense_2.bias"];
        (losses, names.map(|name| model.read_exactly(name).unwrap()).concat())
    };
    let (losses, weights) = train(None);
    assert!(losses[19] < losses[0]);
    for parts in [1, 3, 8] {
        let (own_losses, own_weights) = train(Some(parts));
        let own = own_losses.iter().chain(&own_weights);
        for (whole, own) in losses.iter().chain(&weights).zip(own) {
            assert!((whole - own).abs() <= 1e-12, "{own}, not {whole}, in {parts} parts");
        }
    }
}

/// What the first parts of a step that was broken off have left is not in the next step.
#[test]
fn a_step_that_was_broken_off_leaves_nothing_behind() {
    let data = data();
    let compiled = compiled(&data).micro_batch_size(4);
    let program: Arc<Program> = Arc::new(lower(&compiled).unwrap());
    let step = compiled.optimizer.step(8, 1, 0.01);
    let run = |broken: bool| {
        let mut cpu = CpuExecutor::<f64>::new(Arc::clone(&program));
        let mut part = |first: usize| {
            let indices = [0, 1, 2, 3].map(|i| i + first as u32);
            let mut feed = cpu.feed(4).unwrap();
            let batch = Batch { data: &data, indices: &indices };
            fill(&mut feed, &program, Pass::Train, batch).unwrap();
            cpu.run(Pass::Train, feed, &step.part(first, 4)).unwrap();
        };
        if broken {
            part(0);
        }
        part(0);
        part(4);
        cpu.read(program.find("dense_2.bias.gradient").unwrap(), 0)
    };
    let expected = run(false);
    assert!(expected.iter().any(|x| *x != 0.0));
    assert_eq!(run(true), expected);
}

#[test]
fn what_cannot_be_cut_is_refused() {
    let data = data();
    let refused =
        |compiled: Compiled| compiled.build(Backend::Cpu(Cpu::new())).unwrap_err().to_string();
    let error = refused(compiled(&data).micro_batch_size(0));
    assert!(error.contains("micro_batch_size: is 0"), "{error}");
    let normalized = Sequential::new(Input::pixels(data.sample_shape()))
        .dense(8, Activation::Relu)
        .batch_normalization()
        .dense(data.classes(), Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, []);
    let error = refused(normalized.micro_batch_size(8));
    assert!(
        error.contains("batch_normalization_1 takes statistics of a whole batch (batch_moments)"),
        "{error}"
    );
}
