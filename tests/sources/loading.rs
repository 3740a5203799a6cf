//! Training from sources, with and without threads that read ahead.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use minibatch::data::{
    Field, Fields, Length, RandomAccess, Samples, Shuffle, Source, Values, Visit, synthetic_digits,
};
use minibatch::model::{Dropout, Input};
use minibatch::training::{Backend, Callback, Control, EpochRecord, Request, StepEnd};

/// Name, shape and values of each parameter.
type Weights = Vec<(String, Vec<usize>, Vec<f32>)>;
use minibatch::{
    Activation, Adam, Cpu, Error, Evaluate, Fit, Gpu, History, Loss, Metric, Model, Predict,
    Sequential,
};

use super::numbers::{Numbers, numbers, stream};

fn backends() -> [Backend; 2] {
    [Backend::from(&Cpu::new()), Backend::from(&Gpu::new().unwrap())]
}

/// Learns y from x.
fn line(backend: &Backend) -> Model {
    let network = Sequential::new(Input::floats(&[1])).dense(1, Activation::Linear);
    network.compile(Adam::new(0.01), Loss::MeanSquaredError, []).build(backend.clone()).unwrap()
}

fn digits_model(backend: &Backend) -> Model {
    Sequential::new(Input::pixels(&[28, 28]))
        .dense(16, Activation::Relu)
        .layer(Dropout { rate: 0.2 })
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .seed(7)
        .build(backend.clone())
        .unwrap()
}

/// Noise on each pixel, different in each epoch.
fn augmented(source: &Source) -> Source {
    source.map(|sample, random| {
        if let Some(Values::U8(pixels)) = sample.input_mut("input") {
            pixels.iter_mut().for_each(|pixel| *pixel ^= (random.next_u64() & 15) as u8);
        }
        Ok(())
    })
}

fn weights(model: &mut Model) -> Weights {
    model.weights().unwrap()
}

/// The digits as a source of each kind: arrays, random access, and a stream.
fn forms(samples: usize) -> [Source; 3] {
    let data = synthetic_digits(samples, 3).unwrap();
    let access = Source::from(&data).map(|_, _| Ok(()));
    let pulled = Source::from(&data).batches(samples, &Visit::default()).unwrap().next();
    let pulled = Arc::new(pulled.unwrap().unwrap());
    let fields = Arc::clone(pulled.fields());
    let pulled = Source::generator(fields, Length::Samples(samples), move |_| {
        let (pulled, mut next) = (Arc::clone(&pulled), 0);
        Ok(move |into: &mut Samples| {
            for (column, to) in into.columns_mut().iter_mut().enumerate() {
                to.push_row(pulled.row(column, next))?;
            }
            next += 1;
            Ok(true)
        })
    });
    [data.into(), access, pulled]
}

#[test]
fn the_form_of_the_data_and_the_workers_do_not_change_a_bit() {
    for backend in backends() {
        let train = |source: &Source, workers: Option<usize>| {
            let mut model = digits_model(&backend);
            let mut fit = Fit::new().batch_size(16).epochs(2).shuffle(Shuffle::Off);
            fit = fit.validation_data(source.take(30)).max_queue_size(3);
            if let Some(workers) = workers {
                fit = fit.workers(workers);
            }
            let history = model.fit(source, fit).unwrap();
            let losses: Vec<f64> = history.epochs.iter().map(|e| e.training.loss).collect();
            let validation = history.epochs[1].validation.clone().unwrap().loss;
            let outputs = model.predict(source.take(20), Predict::new().workers(1)).unwrap();
            let tested = model.evaluate(source, Evaluate::new()).unwrap().loss;
            (losses, validation, outputs, tested, weights(&mut model))
        };
        let [arrays, access, stream] = forms(90);
        let expected = train(&arrays, None);
        for source in [&arrays, &access, &stream] {
            for workers in [None, Some(0), Some(1), Some(2), Some(8)] {
                assert_eq!(train(source, workers), expected, "{workers:?} workers, {source:?}");
            }
        }
    }
}

#[test]
fn shuffling_and_augmentation_do_not_depend_on_the_workers() {
    for backend in backends() {
        let train = |workers, rows: Option<usize>| {
            let [arrays, ..] = forms(90);
            let network = Sequential::new(Input::pixels(&[28, 28])).dense(16, Activation::Relu);
            let network = network.layer(Dropout { rate: 0.2 }).dense(10, Activation::Softmax);
            let mut compiled =
                network.compile(Adam::default(), Loss::SparseCategoricalCrossentropy, []);
            if let Some(rows) = rows {
                compiled = compiled.micro_batch_size(rows);
            }
            let mut model = compiled.seed(7).build(backend.clone()).unwrap();
            let fit = Fit::new().batch_size(16).epochs(2).workers(workers).max_queue_size(4);
            model.fit(augmented(&arrays), fit).unwrap();
            weights(&mut model)
        };
        for rows in [None, Some(5)] {
            let expected = train(0, rows);
            for workers in [1, 2, 8] {
                assert_eq!(train(workers, rows), expected, "{workers} workers, parts {rows:?}");
            }
        }
    }
}

#[test]
fn a_large_batch_of_a_stream_runs_in_parts() {
    let train = |source: &Source, rows: Option<usize>, workers| {
        let network = Sequential::new(Input::pixels(&[28, 28])).dense(10, Activation::Softmax);
        let compiled = network.compile(Adam::default(), Loss::SparseCategoricalCrossentropy, []);
        let compiled = match rows {
            Some(rows) => compiled.micro_batch_size(rows),
            None => compiled,
        };
        let mut model = compiled.build(Backend::CpuInF64).unwrap();
        let fit = Fit::new().batch_size(64).epochs(2).shuffle(Shuffle::Off).workers(workers);
        model.fit(source, fit).unwrap();
        model.read_exactly("dense_1.weight").unwrap()
    };
    let [arrays, _, stream] = forms(100);
    let whole = train(&arrays, None, 0);
    for workers in [0, 2] {
        let parts = train(&stream, Some(10), workers);
        let worst = whole.iter().zip(&parts).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-12, "{worst}");
        assert_eq!(parts, train(&arrays, Some(10), workers));
    }
}

#[test]
fn exactly_as_many_batches_are_pulled_as_steps_run() {
    for backend in backends() {
        for workers in [0, 1, 2, 8] {
            let (source, taken) = stream(Length::Endless, usize::MAX);
            let mut model = line(&backend);
            let held_out = numbers(4);
            let fit = Fit::new().batch_size(5).steps_per_epoch(7).epochs(3).workers(workers);
            model.fit(source, fit.validation_data(held_out)).unwrap();
            assert_eq!(taken.load(Ordering::SeqCst), 3 * 7 * 5, "{workers} workers");
            assert_eq!(model.steps(), 21);

            let access = Numbers::new(100);
            let evaluate = Evaluate::new().batch_size(8).steps(3).workers(workers);
            model.evaluate(Source::new(access.clone()), evaluate).unwrap();
            assert_eq!(access.count(), 24);
        }
    }
}

/// What the steps of an epoch have seen: the mean of x, by the loss of a model that predicts 0.
fn sums_seen(source: &Source, fit: Fit<'_>) -> minibatch::Result<Vec<f64>> {
    let network = Sequential::new(Input::floats(&[1])).dense(1, Activation::Linear);
    let mut model = network
        .compile(minibatch::Sgd::new(1e-30), Loss::MeanAbsoluteError, [])
        .build(&Cpu::new())?;
    let mut zeros = model.weights()?;
    zeros.iter_mut().for_each(|(_, _, values)| values.fill(0.0));
    model.set_weights(&zeros)?;
    let history = model.fit(source, fit)?;
    // y = 2x + 1, and the loss is the mean of |y|.
    Ok(history.epochs.iter().map(|epoch| (epoch.training.loss - 1.0) / 2.0).collect())
}

#[test]
fn an_epoch_goes_on_where_the_last_one_stopped() {
    let endless = stream(Length::Endless, usize::MAX).0;
    let fit = || Fit::new().batch_size(2).steps_per_epoch(3).epochs(4).shuffle(Shuffle::Off);
    // Six numbers an epoch: 0 to 5, 6 to 11, ...
    let means = [2.5, 8.5, 14.5, 20.5];
    assert_eq!(sums_seen(&endless, fit()).unwrap(), means);
    assert_eq!(sums_seen(&numbers(24), fit()).unwrap(), means);
    assert_eq!(sums_seen(&numbers(12), fit()).unwrap(), [2.5, 8.5, 2.5, 8.5]);
    assert_eq!(sums_seen(&numbers(12).repeat_forever(), fit()).unwrap(), [2.5, 8.5, 2.5, 8.5]);
    // A pass that ends with an epoch is followed by the next one.
    let twelve = stream(Length::Unknown, 12).0;
    assert_eq!(sums_seen(&twelve, fit()).unwrap(), [2.5, 8.5, 2.5, 8.5]);
    // The later epochs alone see what they would have seen.
    for source in [&endless, &numbers(24), &twelve] {
        let all = sums_seen(source, fit()).unwrap();
        assert_eq!(sums_seen(source, fit().initial_epoch(3)).unwrap(), all[3..]);
    }
    // Without a number of steps, each epoch is a pass.
    let fit = Fit::new().batch_size(2).epochs(2);
    assert_eq!(sums_seen(&stream(Length::Unknown, 7).0, fit).unwrap(), [3.0, 3.0]);
}

#[test]
fn a_validation_begins_its_data_anew_each_time() {
    for held_out in [stream(Length::Endless, usize::MAX).0, stream(Length::Unknown, 50).0] {
        for workers in [0, 2] {
            let mut model = Sequential::new(Input::floats(&[1]))
                .dense(1, Activation::Linear)
                .compile(minibatch::Sgd::new(1e-30), Loss::MeanAbsoluteError, [])
                .build(&Cpu::new())
                .unwrap();
            let fit = Fit::new().epochs(3).workers(workers).validation_data(&held_out);
            let fit = fit.validation_steps(2).validation_batch_size(3);
            let history = model.fit(numbers(4), fit).unwrap();
            let losses = history.epochs.iter().map(|epoch| epoch.validation.as_ref().unwrap().loss);
            let losses: Vec<f64> = losses.collect();
            assert!(losses.windows(2).all(|pair| pair[0] == pair[1]), "{losses:?}");
        }
    }
}

#[test]
fn six_samples_make_the_steps_that_the_tutorials_say_from_each_kind_of_source() {
    let array = |values: Vec<f32>| minibatch::Features::F32(Arc::new(values));
    let x: Vec<f32> = (0..6).map(|number| number as f32).collect();
    let y: Vec<f32> = x.iter().map(|x| 2.0 * x + 1.0).collect();
    let set = minibatch::Dataset::named(
        [("x", array(x), &[1][..])],
        [("y", minibatch::Targets::values(y, 1))],
    );
    let set: Source = set.unwrap().into();
    let file = tempfile::NamedTempFile::new().unwrap();
    let kinds = [
        set,
        numbers(6),
        numbers(6).cache().unwrap(),
        numbers(6).cache_file(file.path()).unwrap(),
        stream(Length::Samples(6), 6).0,
        stream(Length::Unknown, 6).0,
        numbers(12).filter(|sample| match sample.input("x") {
            Some(Values::F32(x)) => Ok(x[0] < 6.0),
            _ => Ok(false),
        }),
    ];
    for backend in backends() {
        let mut seen: Vec<Vec<f64>> = Vec::new();
        for source in &kinds {
            let mut losses = Vec::new();
            // The whole set at once, batches of 3, and an unspecified batch size, which is 32.
            for (batch_size, steps) in [(Some(6), 1), (Some(3), 2), (None, 1), (Some(1), 6)] {
                let mut model = line(&backend);
                let mut fit = Fit::new().epochs(2).shuffle(Shuffle::Off);
                if let Some(batch_size) = batch_size {
                    fit = fit.batch_size(batch_size);
                }
                let history = model.fit(source, fit).unwrap();
                assert_eq!(model.steps(), 2 * steps, "{batch_size:?} of {source:?}");
                losses.push(history.epochs[1].training.loss);
            }
            seen.push(losses);
        }
        assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
    }
}

#[test]
fn data_that_run_dry_in_an_epoch_say_how_many_came() {
    for workers in [0, 2] {
        let fit = || Fit::new().batch_size(2).epochs(4).workers(workers);
        let short = stream(Length::Unknown, 13).0;
        let error = sums_seen(&short, fit().steps_per_epoch(4)).unwrap_err().to_string();
        assert!(
            error.contains("epoch 2") && error.contains("3 of 4 batches (5 samples)"),
            "{error}"
        );
        let broken = stream(Length::Samples(20), 13).0;
        let error = sums_seen(&broken, fit()).unwrap_err().to_string();
        assert!(error.contains("after 13 of 20"), "{error}");
        let none = stream(Length::Unknown, 0).0;
        let error = sums_seen(&none, fit()).unwrap_err().to_string();
        assert!(error.contains("no sample"), "{error}");
    }
}

#[test]
fn what_a_stream_cannot_do_is_refused_with_the_way_out() {
    let mut model = line(&Backend::from(&Cpu::new()));
    let endless = stream(Length::Endless, usize::MAX).0;
    let finite = stream(Length::Unknown, 10).0;
    let batches = numbers(10).batch(5).unwrap();
    let refused = [
        (&finite, Fit::new().validation_split(0.5), "validation_data"),
        (&finite, Fit::new().shuffle(Shuffle::Full), "shuffle_buffer"),
        (&finite, Fit::new().sample_weight([1.0; 10]), "Source::weights"),
        (&endless, Fit::new(), "steps_per_epoch"),
        (&batches, Fit::new().batch_size(5), "makes batches by itself"),
        (&finite, Fit::new().max_queue_size(0), "max_queue_size"),
        (&finite, Fit::new().validation_data(&endless), "validation_steps"),
        (&finite, Fit::new().steps_per_epoch(0), "steps_per_epoch"),
    ];
    for (source, fit, expected) in refused {
        let error = model.fit(source, fit).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error = model.evaluate(&endless, Evaluate::new()).unwrap_err().to_string();
    assert!(error.contains("steps"), "{error}");
    assert_eq!(model.steps(), 0, "nothing was changed");
    assert_eq!(
        model.evaluate(&endless, Evaluate::new().steps(2)).map(|_| ()).err().map(drop),
        None
    );
    model.fit(&batches, Fit::new()).unwrap();
    assert_eq!(model.steps(), 2);
}

#[test]
fn an_error_or_a_panic_in_a_worker_ends_the_run_and_names_its_place() {
    for workers in [0, 1, 3] {
        for panics in [false, true] {
            let failing = numbers(40).map(move |sample, _| match sample.input("x") {
                Some(Values::F32(x)) if x[0] == 25.0 && panics => panic!("worn out"),
                Some(Values::F32(x)) if x[0] == 25.0 => Err(Error::callback("worn out")),
                _ => Ok(()),
            });
            let mut model = line(&Backend::from(&Cpu::new()));
            let fit = Fit::new().batch_size(4).shuffle(Shuffle::Off).workers(workers);
            let error = model.fit(failing, fit).unwrap_err().to_string();
            assert!(error.contains("number 25") && error.contains("worn out"), "{error}");
            assert_eq!(model.steps(), 6, "the batches before it were learned");
        }
    }
    // A source of the caller's own that panics.
    #[derive(Debug)]
    struct Panics(Numbers);
    impl RandomAccess for Panics {
        fn fields(&self) -> &Arc<Fields> {
            self.0.fields()
        }
        fn len(&self) -> usize {
            8
        }
        fn read(&self, index: usize, visit: &Visit, into: &mut Samples) -> minibatch::Result<()> {
            assert!(index < 6, "no more");
            self.0.read(index, visit, into)
        }
    }
    let mut model = line(&Backend::from(&Cpu::new()));
    let fit = Fit::new().batch_size(2).shuffle(Shuffle::Off).workers(1);
    let error = model.fit(Source::new(Panics(Numbers::new(8))), fit).unwrap_err().to_string();
    assert!(error.contains("batch 3") && error.contains("no more"), "{error}");
}

#[test]
fn labels_and_weights_are_checked_as_they_are_read() {
    let fields = Fields::new(
        [Field::new("x", minibatch::data::Element::F32, &[1])],
        [Field::class("label", Some(3))],
    )
    .unwrap();
    let source = |bad: usize| {
        Source::generator(fields.clone(), Length::Samples(10), move |_| {
            let mut next = 0;
            Ok(move |samples: &mut Samples| {
                if let [Values::F32(x), Values::U32(label)] = samples.columns_mut() {
                    x.push(0.5);
                    label.push(if next == bad { 3 } else { 1 });
                }
                next += 1;
                Ok(true)
            })
        })
    };
    let network = Sequential::new(Input::floats(&[1])).dense(3, Activation::Softmax);
    let compiled = network.compile(Adam::default(), Loss::SparseCategoricalCrossentropy, []);
    let mut model = compiled.build(&Cpu::new()).unwrap();
    let error = model.fit(source(7), Fit::new().batch_size(2)).unwrap_err().to_string();
    assert!(error.contains("sample 7 of the pass") && error.contains("label 3"), "{error}");
    assert_eq!(model.steps(), 3);
    model.fit(source(99), Fit::new().class_weight([(1, 2.0)])).unwrap();
    let not_finite = source(99).map_to(
        fields.with_weights([Field::weight("label")]).unwrap(),
        |from, into, _| {
            let Some(Values::U32(labels)) = from.target("label") else { return Ok(()) };
            if let [Values::F32(x), Values::U32(label), Values::F32(weight)] = into.columns_mut() {
                x.push(0.5);
                label.extend(labels);
                weight.push(f32::NAN);
            }
            Ok(())
        },
    );
    let error = model.fit(not_finite, Fit::new()).unwrap_err().to_string();
    assert!(error.contains("sample 0") && error.contains("weight NaN"), "{error}");
}

#[test]
fn weights_of_a_source_count_as_those_of_a_data_set() {
    let data = synthetic_digits(60, 1).unwrap();
    let given: Vec<f32> = (0..60).map(|sample| 0.25 * (sample % 5) as f32).collect();
    let train = |source: Source, fit: Fit<'_>| {
        let mut model = digits_model(&Backend::from(&Cpu::new()));
        let history = model.fit(source, fit.epochs(2)).unwrap();
        (history.epochs[1].training.loss, weights(&mut model))
    };
    let set = data.clone().with_sample_weights(given.clone()).unwrap();
    let expected = train(set.into(), Fit::new());
    assert_eq!(train((&data).into(), Fit::new().sample_weight(given.clone())), expected);
    assert_eq!(train(Source::from(&data).weights(given).unwrap(), Fit::new()), expected);
    let by_class = [(3, 2.0), (5, 0.0)];
    let expected = train((&data).into(), Fit::new().class_weight(by_class));
    let source = Source::from(&data).map(|_, _| Ok(()));
    assert_eq!(train(source, Fit::new().class_weight(by_class)), expected);
    let source = Source::from(&data).class_weights(&by_class).unwrap();
    assert_eq!(train(source, Fit::new()), expected);
}

/// Asks for an evaluation in larger batches in the middle of an epoch.
struct Evaluates(Source);

impl Callback for Evaluates {
    fn batch_end(&mut self, run: &mut dyn Control, step: StepEnd) -> minibatch::Result<()> {
        if step.step == 3 {
            run.request(Request::evaluate(&self.0, 64));
        }
        Ok(())
    }
}

#[test]
fn room_for_a_larger_batch_in_between_loses_nothing_that_was_read_ahead() {
    for backend in backends() {
        for source in forms(90) {
            let train = |workers, evaluates: bool| {
                let mut model = digits_model(&backend);
                let mut between = Evaluates(source.clone());
                let mut fit = Fit::new().batch_size(8).shuffle(Shuffle::Off).workers(workers);
                if evaluates {
                    fit = fit.callback(&mut between);
                }
                let history = model.fit(&source, fit).unwrap();
                (history.epochs[0].training.loss, weights(&mut model))
            };
            let (loss, expected) = train(0, false);
            for workers in [0, 2] {
                let (other, actual) = train(workers, true);
                assert_eq!(actual, expected);
                // Each row of a batch adds up 12 losses in f32; here the sums are cut in two.
                let bound = 12.0 * f64::from(f32::EPSILON) * loss.abs();
                assert!((other - loss).abs() <= bound, "{other} {loss}");
            }
        }
    }
}

#[test]
fn a_fit_that_is_dropped_joins_its_workers() {
    let alive: Arc<Mutex<Vec<std::thread::ThreadId>>> = Arc::default();
    let seen = Arc::clone(&alive);
    let held = Arc::new(());
    let inside = Arc::clone(&held);
    let source = numbers(1000).map(move |_, _| {
        let _inside = &inside;
        seen.lock().unwrap().push(std::thread::current().id());
        Ok(())
    });
    let mut model = line(&Backend::from(&Cpu::new()));
    {
        let fit = Fit::new().batch_size(2).workers(3);
        let mut call = Box::pin(model.fit_async(source, fit));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        for _ in 0..50 {
            let _ = call.as_mut().poll(&mut context);
        }
    }
    // Whoever still ran would hold the source.
    assert_eq!(Arc::strong_count(&held), 1, "the threads have ended");
    assert!(!alive.lock().unwrap().contains(&std::thread::current().id()));
    let steps = model.steps();
    model.fit(numbers(4), Fit::new()).unwrap();
    assert_eq!(model.steps(), steps + 1);
}

/// Stops after some steps of an epoch.
struct Stops;

impl Callback for Stops {
    fn batch_end(&mut self, run: &mut dyn Control, step: StepEnd) -> minibatch::Result<()> {
        if step.step == 2 {
            run.stop();
        }
        Ok(())
    }
    fn epoch_end(&mut self, _: &mut dyn Control, _: &EpochRecord) -> minibatch::Result<()> {
        Ok(())
    }
}

#[test]
fn training_that_a_callback_stops_is_no_error_of_the_data() {
    for source in [numbers(50), stream(Length::Unknown, 50).0] {
        let mut model = line(&Backend::from(&Cpu::new()));
        let mut stops = Stops;
        let fit = Fit::new().batch_size(5).epochs(3).workers(2).callback(&mut stops);
        let history: History = model.fit(source, fit).unwrap();
        assert!(history.stopped);
        assert_eq!(model.steps(), 2);
    }
}
