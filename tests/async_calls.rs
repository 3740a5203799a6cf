//! Calls that are awaited: futures that move between threads, take turns and are dropped; models
//! as bytes.

use std::pin::{Pin, pin};
use std::task::{Context, Waker};

use minibatch::callbacks::{EarlyStopping, LambdaCallback};
use minibatch::data::{Batch, Dataset, synthetic_digits};
use minibatch::model::{Compiled, Input};
use minibatch::training::Backend;
use minibatch::{
    Activation, Adam, Cpu, Error, Evaluate, Fit, Gpu, Loss, Metric, Model, Predict, Sequential,
};
use serde_json::Value;

fn backends() -> [Backend; 2] {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    [Backend::from(&Cpu::new()), Backend::from(&gpu)]
}

fn compiled(units: usize) -> Compiled {
    Sequential::new(Input::pixels(&[28, 28]))
        .dense(units, Activation::Relu)
        .dropout(0.25)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
}

fn model(backend: &Backend) -> Model {
    compiled(8).build(backend.clone()).unwrap()
}

fn digits(samples: usize) -> Dataset {
    synthetic_digits(samples, 0).unwrap().with_classes(10).unwrap()
}

/// True if the future is done.
fn poll<F: Future>(future: Pin<&mut F>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// What runs a future on another thread, as an executor of several threads does.
fn spawned<T: Send>(future: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| scope.spawn(|| pollster::block_on(future)).join().unwrap())
}

#[test]
fn every_call_can_be_spawned_and_is_its_blocking_form() {
    let data = digits(20);
    let batch = Batch { data: &data, indices: &[3, 1, 4] };
    for backend in backends() {
        let mut blocking = model(&backend);
        let mut awaited = spawned(compiled(8).build_async(backend.clone())).unwrap();
        let mut weights = blocking.weights().unwrap();
        assert_eq!(spawned(awaited.weights_async()).unwrap(), weights);

        // With callbacks, of which one asks the model for its weights.
        let mut steps = [0; 2];
        let [first, second] = &mut steps;
        fn counting(steps: &mut u32) -> LambdaCallback<'_> {
            LambdaCallback::new().on_batch_end(|_, _| {
                *steps += 1;
                Ok(())
            })
        }
        let stopping =
            || EarlyStopping::new().monitor("loss").patience(9).restore_best_weights(true);
        let (mut a, mut b, mut c, mut d) =
            (counting(first), stopping(), counting(second), stopping());
        let fit = || Fit::new().batch_size(5).epochs(2);
        let history = blocking.fit(&data, fit().callback(&mut a).callback(&mut b)).unwrap();
        let future = awaited.fit_async(&data, fit().callback(&mut c).callback(&mut d));
        let other = spawned(future).unwrap();
        drop((a, c));
        assert_eq!(steps, [8, 8]);
        let scores = |history: &minibatch::training::History| -> Vec<_> {
            history.epochs.iter().map(|epoch| epoch.training.clone()).collect()
        };
        assert_eq!(scores(&history), scores(&other));

        let scores = spawned(awaited.evaluate_async(&data, Evaluate::new())).unwrap();
        assert_eq!(blocking.evaluate(&data, Evaluate::new()).unwrap(), scores);
        let outputs = spawned(awaited.predict_async(&data, Predict::new())).unwrap();
        assert_eq!(blocking.predict(&data, Predict::new()).unwrap(), outputs);
        let scores = spawned(awaited.train_on_batch_async(batch)).unwrap();
        assert_eq!(blocking.train_on_batch(batch).unwrap(), scores);
        let read = spawned(awaited.read_async("dense_1.output")).unwrap();
        assert_eq!(read.len(), 3 * 8);
        assert_eq!(blocking.read("dense_1.output").unwrap(), read);

        let weight = spawned(awaited.weight_async("dense_2.bias")).unwrap();
        assert_eq!(blocking.weight("dense_2.bias").unwrap(), weight);
        spawned(awaited.set_weight_async("dense_2.bias", &[0.5; 10])).unwrap();
        assert_eq!(awaited.weight("dense_2.bias").unwrap(), [0.5; 10]);
        weights[0].2[0] = 7.0;
        spawned(awaited.set_weights_async(&weights)).unwrap();
        assert_eq!(awaited.weights().unwrap(), weights);
    }
}

#[test]
fn a_fit_that_is_dropped_is_cancelled_between_two_steps() {
    let data = digits(40);
    for backend in backends() {
        for polls in [1, 2, 5, 7, 11] {
            let mut dropped = model(&backend);
            {
                let fit = Fit::new().batch_size(8).epochs(3).validation_split(0.2);
                let mut future = pin!(dropped.fit_async(&data, fit));
                for _ in 0..polls {
                    assert!(!poll(future.as_mut()), "a fit of 12 steps does not yield");
                }
            }
            // Whole steps, all of them counted: those of a run that was stopped there.
            let mut stopped = model(&backend);
            let steps = dropped.steps();
            assert!(steps < 12);
            let mut stop = LambdaCallback::new().on_batch_end(|run, _| {
                if run.steps() == steps {
                    run.stop();
                }
                Ok(())
            });
            if steps > 0 {
                let fit = Fit::new().batch_size(8).epochs(3).validation_split(0.2);
                stopped.fit(&data, fit.callback(&mut stop)).unwrap();
            }
            assert_eq!(stopped.steps(), steps);
            assert_eq!(dropped.weights().unwrap(), stopped.weights().unwrap());
            // Nothing of the epoch that was cut off is in later scores.
            let scores = |model: &mut Model| {
                let batch = Batch { data: &data, indices: &[0, 1, 2] };
                // In an order that does not depend on how many epochs were begun before.
                let fit = Fit::new().batch_size(8).initial_epoch(5).epochs(6);
                let history = model.fit(&data, fit).unwrap();
                let evaluated = model.evaluate(&data, Evaluate::new()).unwrap();
                let trained = model.train_on_batch(batch).unwrap();
                (history.epochs[0].training.clone(), evaluated, trained)
            };
            assert_eq!(scores(&mut dropped), scores(&mut stopped), "{polls} polls");
        }
    }
}

#[test]
fn evaluations_and_predictions_can_be_dropped() {
    let data = digits(40);
    for backend in backends() {
        let mut model = model(&backend);
        let expected = model.evaluate(&data, Evaluate::new().batch_size(8)).unwrap();
        let outputs = model.predict(&data, Predict::new().batch_size(8)).unwrap();
        for polls in 1..5 {
            {
                let mut future = pin!(model.evaluate_async(&data, Evaluate::new().batch_size(8)));
                assert!((0..polls).all(|_| !poll(future.as_mut())));
            }
            {
                let mut future = pin!(model.predict_async(&data, Predict::new().batch_size(8)));
                assert!((0..polls).all(|_| !poll(future.as_mut())));
            }
            let scores = model.evaluate(&data, Evaluate::new().batch_size(8)).unwrap();
            assert_eq!(scores, expected);
            let predicted = model.predict(&data, Predict::new().batch_size(8)).unwrap();
            assert_eq!(predicted, outputs);
        }
    }
}

#[test]
fn fits_on_one_thread_take_turns() {
    let data = digits(40);
    for backend in backends() {
        let mut alone = model(&backend);
        alone.fit(&data, Fit::new().batch_size(8)).unwrap();
        let [mut first, mut second] = [model(&backend), model(&backend)];
        let mut turns = [0; 2];
        {
            let mut futures = [&mut first, &mut second]
                .map(|model| Box::pin(model.fit_async(&data, Fit::new().batch_size(8))));
            let mut done = [false; 2];
            while done != [true; 2] {
                for (place, future) in futures.iter_mut().enumerate() {
                    if !done[place] {
                        done[place] = poll(future.as_mut());
                        turns[place] += 1;
                    }
                }
            }
        }
        // Five steps each, before each of which the other has its turn.
        assert!(turns.iter().all(|&turns| turns > 5), "{turns:?}");
        for model in [&mut first, &mut second] {
            assert_eq!(model.weights().unwrap(), alone.weights().unwrap());
        }
    }
}

#[test]
fn bytes_are_the_file_and_the_model_of_them_goes_on_with_the_same_bits() {
    let data = digits(40);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    for backend in backends() {
        let mut whole = model(&backend);
        whole.fit(&data, Fit::new()).unwrap();
        let bytes = whole.save_bytes().unwrap();
        assert!(spawned(whole.save_bytes_async()).unwrap() == bytes);
        spawned(whole.save_async(&path)).unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes);

        let mut loaded = Model::load_bytes(&bytes, backend.clone()).unwrap();
        let mut awaited = spawned(Model::load_async(&path, backend.clone())).unwrap();
        let mut restored = model(&backend);
        spawned(restored.restore_bytes_async(&bytes)).unwrap();
        let mut from_file = model(&backend);
        spawned(from_file.restore_async(&path)).unwrap();
        whole.fit(&data, Fit::new()).unwrap();
        let expected = whole.save_bytes().unwrap();
        assert!(expected != bytes);
        for model in [&mut loaded, &mut awaited, &mut restored, &mut from_file] {
            assert!(model.save_bytes().unwrap() == bytes);
            model.fit(&data, Fit::new()).unwrap();
            assert!(model.save_bytes().unwrap() == expected, "another model came out");
        }
    }
}

/// The file of a model whose metadata says that it is of this version.
fn of_version(bytes: &[u8], version: u32) -> Vec<u8> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let (header, tensors) = bytes[8..].split_at(length);
    let mut header: Value = serde_json::from_slice(header).unwrap();
    let metadata = &mut header["__metadata__"]["minibatch"];
    let mut inner: Value = serde_json::from_str(metadata.as_str().unwrap()).unwrap();
    inner["version"] = version.into();
    *metadata = inner.to_string().into();
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), tensors].concat()
}

#[test]
fn bytes_that_are_no_model_or_another_one_are_refused_before_anything_changes() {
    let backend = Backend::from(&Cpu::new());
    let mut small = model(&backend);
    let bytes = small.save_bytes().unwrap();
    let other = compiled(9).build(backend.clone()).unwrap().save_bytes().unwrap();
    let older = of_version(&bytes, 1);
    let newer = of_version(&bytes, 1000);
    for (bytes, problem) in [
        (&bytes[..bytes.len() - 1], "bytes: not a whole safetensors file"),
        (&[], "bytes: not a whole safetensors file"),
        (&older, "has version 1; this program reads version"),
        (&older, "load it with the minibatch that wrote it"),
        (&newer, "load it with a newer minibatch"),
        (&other, "bytes: is of another model: model.nodes.2.units is 9 there and 8 here"),
    ] {
        let error = small.restore_bytes(bytes).unwrap_err();
        assert!(matches!(error, Error::Argument { argument: "bytes", .. }));
        let error = error.to_string();
        assert!(error.contains(problem), "{error:?} does not speak of {problem:?}");
        let loaded = Model::load_bytes(bytes, backend.clone()).map_err(|error| error.to_string());
        match loaded {
            Ok(mut loaded) => assert!(loaded.save_bytes().unwrap() == other),
            Err(loading) => assert_eq!(loading, error),
        }
    }
    assert!(small.save_bytes().unwrap() == bytes);
}
