//! Sparse inputs: a layer that reads them computes what it computes of the same values with their
//! zeros, and rows that do not fit are refused with their sample.

use std::sync::Arc;

use minibatch::data::{Batch, Shuffle, Source, SparseMatrix, SparseRows};
use minibatch::model::{Compiled, Dense, Functional, Layer, lower};
use minibatch::program::{Element, Pass, Role};
use minibatch::random::{Random, Stream};
use minibatch::training::Backend;
use minibatch::{
    Activation, Adam, Cpu, Dataset, Error, Features, Fit, Gpu, Input, InputType, Loss, Metric,
    Model, Objective, Predict, Sequential, Sgd,
};

const SAMPLES: usize = 45;
const WIDTH: usize = 37;
const MOST: usize = 12;
const CLASSES: usize = 5;

/// Some columns with their values, of each sample: none, all that fit, the first and the last, any.
fn rows() -> Vec<(Vec<u32>, Vec<f32>)> {
    let mut random = Random::new(3, Stream::Parity);
    let row = |number: usize| {
        let mut columns: Vec<u32> = match number % 4 {
            0 => Vec::new(),
            1 => (0..MOST as u32).map(|i| 3 * i).collect(),
            2 => vec![0, WIDTH as u32 - 1],
            _ => (0..5).map(|_| random.below(WIDTH as u64) as u32).collect(),
        };
        columns.sort_unstable();
        columns.dedup();
        let values = columns.iter().map(|_| random.range(-1.0, 1.0) as f32).collect();
        (columns, values)
    };
    (0..SAMPLES).map(row).collect()
}

fn labels() -> Vec<u32> {
    (0..SAMPLES).map(|i| (i * 7 % CLASSES) as u32).collect()
}

fn matrix() -> SparseMatrix {
    let mut sparse = SparseRows::default();
    for (columns, values) in rows() {
        sparse.push(&columns, &values).unwrap();
    }
    SparseMatrix::new(WIDTH, sparse).unwrap()
}

fn sparse() -> Dataset {
    Dataset::new(Features::Sparse(matrix()), &[WIDTH], labels()).unwrap()
}

fn dense() -> Dataset {
    let mut values = vec![0.0; SAMPLES * WIDTH];
    for (row, (columns, own)) in values.chunks_exact_mut(WIDTH).zip(rows()) {
        for (column, value) in columns.into_iter().zip(own) {
            row[column as usize] = value;
        }
    }
    Dataset::new(Features::F32(Arc::new(values)), &[WIDTH], labels()).unwrap()
}

fn network(input: impl Into<Input>, activation: Activation) -> Sequential {
    Sequential::new(input).dense(9, activation).dense(CLASSES, Activation::Softmax)
}

fn compiled(input: impl Into<Input>, activation: Activation, adam: bool) -> Compiled {
    let (network, loss) = (network(input, activation), Loss::SparseCategoricalCrossentropy);
    let compiled = match adam {
        true => network.compile(Adam::default(), loss, [Metric::Accuracy]),
        false => {
            let sgd = Sgd { learning_rate: 0.1, momentum: 0.9, ..Sgd::default() };
            network.compile(sgd, loss, [Metric::Accuracy])
        }
    };
    compiled.seed(7)
}

/// All parameters after some epochs of batches of 8, the last of them smaller, and the losses.
fn trained(mut model: Model, data: impl Into<Source>) -> Vec<f64> {
    let history = model.fit(data, Fit::new().batch_size(8).epochs(4)).unwrap();
    let program = model.program();
    let names: Vec<String> =
        program.of_role(Role::Parameter).map(|(_, buffer)| buffer.name.clone()).collect();
    let mut values: Vec<f64> = names.iter().flat_map(|n| model.read_exactly(n).unwrap()).collect();
    values.extend(history.epochs.iter().map(|epoch| epoch.training.loss));
    values
}

fn assert_close(actual: &[f64], expected: &[f64], bound: f64) {
    assert_eq!(actual.len(), expected.len());
    for (i, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let error = (actual - expected).abs();
        // Written so that NaN fails.
        assert!(error <= bound * expected.abs().max(1.0), "[{i}] is {actual}, not {expected}");
    }
}

#[test]
fn training_on_sparse_rows_is_training_on_the_same_rows_with_their_zeros() {
    for activation in [Activation::Linear, Activation::Tanh, Activation::Gelu] {
        for adam in [false, true] {
            let build =
                |input: Input| compiled(input, activation, adam).build(Backend::CpuInF64).unwrap();
            let expected = trained(build(WIDTH.into()), dense());
            let actual = trained(build(Input::sparse(WIDTH, MOST)), sparse());
            assert_close(&actual, &expected, 1e-12);
            let parts = compiled(Input::sparse(WIDTH, MOST), activation, adam).micro_batch_size(3);
            let actual = trained(parts.build(Backend::CpuInF64).unwrap(), sparse());
            assert_close(&actual, &expected, 1e-12);
        }
    }
}

/// A device may be off by four times what f32 on the CPU is off by, plus 1e-6, as everywhere.
#[test]
fn a_device_trains_on_sparse_rows_as_the_cpu_does() {
    let of = |backend: Backend| {
        let model = compiled(Input::sparse(WIDTH, MOST), Activation::Tanh, false);
        trained(model.build(backend).unwrap(), sparse())
    };
    let exact = of(Backend::CpuInF64);
    let error =
        |values: &[f64]| values.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let own = error(&of(Backend::Cpu(Cpu::new())));
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let on_device = of(Backend::Gpu(gpu));
    assert!(on_device.iter().all(|value| value.is_finite()));
    let off = error(&on_device);
    assert!(off <= 4.0 * own + 1e-6, "off by {off}, the CPU in f32 by {own}");
}

/// Through the loader, sparse rows are the same as from a set in memory, bit for bit.
#[test]
fn a_source_of_sparse_rows_is_trained_on_as_a_set_of_them() {
    let build = || compiled(Input::sparse(WIDTH, MOST), Activation::Tanh, true);
    let expected = trained(build().build(&Cpu::new()).unwrap(), sparse());
    let source = Source::from(sparse()).take(SAMPLES);
    let actual = trained(build().build(&Cpu::new()).unwrap(), &source);
    assert_eq!(actual, expected);
    let mut small =
        compiled(Input::sparse(WIDTH, 2), Activation::Tanh, true).build(&Cpu::new()).unwrap();
    let says = "sample 1: has 12 values that are not 0; the model has room for 2";
    assert_refused(small.fit(&source, Fit::new().shuffle(Shuffle::Off)), says);
    let dense = Source::from(dense()).take(SAMPLES);
    let says = "samples of 37 floats, expected samples of 37 sparse floats";
    assert_refused(small.fit(&dense, Fit::new()), says);
}

/// Memory for rows is used again: a row with few values must not keep those of a longer one.
#[test]
fn a_short_row_keeps_nothing_of_the_row_before() {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    for backend in [Backend::Cpu(Cpu::new()), Backend::Gpu(gpu)] {
        let mut model = compiled(Input::sparse(WIDTH, MOST), Activation::Tanh, false)
            .build(backend.clone())
            .unwrap();
        let all = model.predict(sparse(), Predict::new().batch_size(SAMPLES)).unwrap();
        for (sample, expected) in all.chunks_exact(CLASSES).enumerate() {
            let indices = [1, 1, sample as u32];
            let batch = Batch { data: &sparse(), indices: &indices };
            let actual = model.predict_on_batch(batch).unwrap();
            assert_eq!(actual[2 * CLASSES..], *expected, "sample {sample} on {backend:?}");
        }
    }
}

#[test]
fn a_sparse_layer_takes_its_activation_along() {
    let program = lower(&compiled(Input::sparse(WIDTH, MOST), Activation::Relu, true)).unwrap();
    let names: Vec<&str> =
        program.ops(Pass::Predict).iter().map(minibatch::operation::Op::name).collect();
    assert_eq!(names, ["sparse_forward", "dense_forward", "softmax"]);
    let (_, input) = program.of_role(Role::Input).next().unwrap();
    assert_eq!((input.element, input.columns), (Element::Sparse { width: WIDTH }, 2 * MOST));
}

#[test]
fn one_layer_reads_sparse_and_dense_rows_with_the_same_weight() {
    let build = |input: Input| {
        let mut model = Functional::new();
        let left = model.input("left", input);
        let right = model.input("right", WIDTH);
        let seen = model.dense(left, 6, Activation::Tanh);
        let again = model.again(seen, right);
        let both = model.add([seen, again]);
        let last = model.dense(both, CLASSES, Activation::Softmax);
        model.output("kind", last);
        let objective = Objective::new(Loss::SparseCategoricalCrossentropy);
        model.compile(Sgd::default(), [("kind", objective)]).build(Backend::CpuInF64).unwrap()
    };
    let data = |features: Features| {
        let other: Vec<f32> = (0..SAMPLES * WIDTH).map(|i| (i as f32 * 0.7).sin()).collect();
        let other = Features::F32(Arc::new(other));
        let inputs = [("left", features, &[WIDTH][..]), ("right", other, &[WIDTH])];
        Dataset::named(inputs, [("kind", labels().into())]).unwrap()
    };
    let zeros = dense().inputs()[0].features.clone();
    let expected = trained(build(WIDTH.into()), data(zeros));
    let actual = trained(build(Input::sparse(WIDTH, MOST)), data(Features::Sparse(matrix())));
    assert_close(&actual, &expected, 1e-12);
}

#[test]
fn a_sparse_model_is_saved_and_loaded() {
    let mut model =
        compiled(Input::sparse(WIDTH, MOST), Activation::Relu, true).build(&Cpu::new()).unwrap();
    model.fit(sparse(), Fit::new()).unwrap();
    let bytes = model.save_bytes().unwrap();
    let mut loaded = Model::load_bytes(&bytes, &Cpu::new()).unwrap();
    let (_, input) = loaded.architecture().inputs().next().unwrap();
    assert_eq!(input.values, InputType::Sparse { most: MOST });
    let [expected, actual] =
        [&mut model, &mut loaded].map(|m| m.predict(sparse(), Predict::new()).unwrap());
    assert_eq!(actual, expected);
}

#[track_caller]
fn assert_refused<T>(result: Result<T, Error>, expected: &str) {
    let Err(error) = result else { panic!("accepted; expected {expected:?}") };
    let error = error.to_string();
    assert!(error.contains(expected), "{error:?} does not say {expected:?}");
}

#[test]
fn only_a_dense_layer_reads_sparse_rows() {
    let refused = |model: Sequential, expected: &str| {
        let compiled = model.compile(Adam::default(), Loss::MeanSquaredError, []);
        assert_refused(compiled.build(&Cpu::new()), expected);
    };
    let begin = || Sequential::new(Input::sparse(WIDTH, MOST));
    let says = |name: &str| format!("{name} reads input, which is sparse; only a dense layer can");
    refused(begin().dropout(0.5).dense(2, Activation::Linear), &says("dropout_1"));
    refused(begin().gaussian_noise(0.5).dense(2, Activation::Linear), &says("gaussian_noise_1"));
    refused(
        begin().batch_normalization().dense(2, Activation::Linear),
        &says("batch_normalization_1"),
    );
    refused(
        begin().layer_normalization().dense(2, Activation::Linear),
        &says("layer_normalization_1"),
    );
    refused(
        begin().activation(Activation::Relu).dense(2, Activation::Linear),
        &says("activation_1"),
    );
    refused(begin().activation(Activation::Softmax), &says("activation_1"));
    let of_ones_own = begin().custom("own", |graph, x| graph.add(x, x));
    refused(of_ones_own.dense(2, Activation::Linear), &says("custom_1"));
    refused(Sequential::new(Input::sparse(0, 3)).dense(2, Activation::Linear), "0 sparse values");
    refused(Sequential::new(Input::sparse(9, 0)).dense(2, Activation::Linear), "at least 1");
    let shape = Input { shape: vec![3, 4], values: InputType::Sparse { most: 3 } };
    refused(Sequential::new(shape).dense(2, Activation::Linear), "[3, 4]");
    // Nothing moves, so nothing is in the way.
    let flat = begin().flatten().layer(Layer::from(Dense::new(2, Activation::Linear)));
    flat.compile(Adam::default(), Loss::MeanSquaredError, []).build(&Cpu::new()).unwrap();

    let mut model = Functional::new();
    let words = model.input("words", Input::sparse(WIDTH, MOST));
    let other = model.input("other", 3);
    let joined = model.concatenate([words, other]);
    model.output("y", joined);
    let last = model.dense(other, 2, Activation::Linear);
    model.output("z", last);
    let objectives = [("z", Objective::new(Loss::MeanSquaredError))];
    let compiled = model.clone().compile(Adam::default(), objectives.clone());
    assert_refused(compiled.build(&Cpu::new()), "reads words, which is sparse");

    let mut model = Functional::new();
    let words = model.input("words", Input::sparse(WIDTH, MOST));
    model.output("y", words);
    let last = model.dense(words, 2, Activation::Linear);
    model.output("z", last);
    let compiled = model.compile(Adam::default(), objectives);
    assert_refused(compiled.build(&Cpu::new()), "y reads words, which is sparse");
}

#[test]
fn rows_that_do_not_fit_are_refused_with_their_sample() {
    let matrix = |rows: &[(&[u32], &[f32])]| {
        let mut sparse = SparseRows::default();
        rows.iter().try_for_each(|(columns, values)| sparse.push(columns, values))?;
        SparseMatrix::new(WIDTH, sparse)
    };
    let good: (&[u32], &[f32]) = (&[1, 5], &[1.0, 2.0]);
    assert_refused(matrix(&[good, (&[3, 37], &[1.0, 1.0])]), "sparse row 1: has a value in column");
    assert_refused(matrix(&[good, good, (&[3], &[f32::NAN])]), "sparse row 2: has NaN");
    assert_refused(matrix(&[good, (&[5, 3], &[1.0, 1.0])]), "ascend");
    let csr =
        |offsets: &[usize]| SparseMatrix::from_csr(WIDTH, offsets, &[1, 5, 0], &[1.0, 2.0, 3.0]);
    assert_eq!(csr(&[0, 2, 2, 3]).unwrap().row(2), (&[0][..], &[3.0][..]));
    assert_eq!(csr(&[0, 2, 2, 3]).unwrap().longest(), 2);
    assert_refused(csr(&[0, 3]), "sparse row 0");
    for offsets in [&[][..], &[0, 2], &[1, 3], &[0, 2, 1, 3], &[0, 9, 3]] {
        assert_refused(csr(offsets), "offsets");
    }

    let most = 3;
    let long: (&[u32], &[f32]) = (&[1, 2, 3, 4], &[1.0; 4]);
    let labels = vec![0; 3];
    let features = Features::Sparse(matrix(&[good, good, long]).unwrap());
    let data = Dataset::new(features, &[WIDTH], labels.clone()).unwrap();
    let model = |input: Input| compiled(input, Activation::Relu, true).build(&Cpu::new()).unwrap();
    let mut small = model(Input::sparse(WIDTH, most));
    let says = "sample 2, input: has 4 values that are not 0; the model has room for 3";
    assert_refused(small.fit(&data, Fit::new()), says);
    let batch = Batch { data: &data, indices: &[0, 2] };
    assert_refused(small.train_on_batch(batch), says);
    // A part of the data without that sample.
    small.fit(data.slice(0..2).unwrap(), Fit::new()).unwrap();

    let narrow = "samples of 37 sparse floats, expected samples of 36 sparse floats";
    assert_refused(model(Input::sparse(36, most)).fit(&data, Fit::new()), narrow);
    let zeros = Features::F32(Arc::new(vec![0.0; 3 * WIDTH]));
    let zeros = Dataset::new(zeros, &[WIDTH], labels.clone()).unwrap();
    let says = "samples of 37 floats, expected samples of 37 sparse floats";
    assert_refused(small.fit(&zeros, Fit::new()), says);
    let says = "samples of 37 sparse floats, expected samples of 37 floats";
    assert_refused(model(WIDTH.into()).fit(&data, Fit::new()), says);
    let two = Features::Sparse(matrix(&[good, good]).unwrap());
    assert_refused(Dataset::new(two.clone(), &[WIDTH], labels), "2 sparse rows of 37 values");
    assert_refused(Dataset::new(two.clone(), &[WIDTH - 1], vec![0; 2]), "2 sparse rows of 37");
    assert_refused(Dataset::unlabelled(two, &[WIDTH - 1]), "2 sparse rows of 37 values");
}

/// The feeds of both executors refuse what a row of theirs cannot hold, and stay usable.
#[test]
fn a_feed_refuses_rows_that_do_not_fit() {
    use minibatch::cpu::CpuExecutor;
    use minibatch::gpu::{GpuExecutor, block_on};
    use minibatch::program::{BufferId, Column, Feed};

    fn check(feed: &mut impl Feed, input: BufferId) {
        let mut column = feed.column(input).unwrap();
        let long: Vec<u32> = (0..=MOST as u32).collect();
        assert_refused(column.push_sparse(&long, &[1.0; MOST + 1]), "has 13 values");
        assert_refused(column.push_sparse(&[1, 1], &[1.0; 2]), "must ascend");
        assert_refused(column.push_sparse(&[WIDTH as u32], &[1.0]), "in column 37");
        assert_refused(column.push_sparse(&[1], &[1.0; 2]), "1 columns for 2 values");
        assert_refused(column.push_sparse(&[1], &[f32::INFINITY]), "inf in column 1");
        column.push_sparse(&[1], &[1.0]).unwrap();
        assert_refused(column.push_sparse(&[1], &[1.0]), "room for 1 rows");
    }

    let program =
        Arc::new(lower(&compiled(Input::sparse(WIDTH, MOST), Activation::Relu, true)).unwrap());
    let input = program.find("input").unwrap();
    let mut cpu = CpuExecutor::<f32>::new(Arc::clone(&program));
    check(&mut cpu.feed(1).unwrap(), input);
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    let mut gpu = block_on(GpuExecutor::new(&gpu, Arc::clone(&program))).unwrap();
    check(&mut block_on(gpu.feed(1)).unwrap(), input);
    let weights = program.of_role(Role::SampleWeight).next().unwrap().0;
    let mut feed = cpu.feed(1).unwrap();
    let mut column = feed.column(weights).unwrap();
    assert_refused(column.push_sparse(&[0], &[1.0]), "columns and values of a sparse row");
}
