//! Streams that several processes share, each of which goes through all of them and takes its own rows.

use std::sync::Arc;
use std::thread;

use minibatch::callbacks::{BackupAndRestore, Frequency};
use minibatch::data::{Length, Samples, Source, Values, Visit, synthetic_digits};
use minibatch::distributed::InProcess;
use minibatch::training::{Backend, Callback, Control, StepEnd};
use minibatch::{
    Activation, Adam, Cpu, Error, Evaluate, Fit, Gpu, Input, Loss, Metric, Model, Predict, Result,
    Sequential,
};

const SHARDS: usize = 6;

fn model(backend: &Backend) -> Model {
    Sequential::new(Input::pixels(&[28, 28]))
        .dense(9, Activation::Relu)
        .dropout(0.2)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .seed(7)
        .shards(SHARDS)
        .build(backend.clone())
        .unwrap()
}

/// Digits one after the other, of which nobody knows how many there are.
fn plain(samples: usize) -> Source {
    let source = Source::from(synthetic_digits(samples, 3).unwrap());
    let pulled = source.batches(samples, &Visit::default()).unwrap().next();
    let pulled = Arc::new(pulled.unwrap().unwrap());
    Source::generator(Arc::clone(pulled.fields()), Length::Unknown, move |_| {
        let (pulled, mut next) = (Arc::clone(&pulled), 0);
        Ok(move |into: &mut Samples| {
            if next == pulled.len() {
                return Ok(false);
            }
            for (column, to) in into.columns_mut().iter_mut().enumerate() {
                to.push_row(pulled.row(column, next))?;
            }
            next += 1;
            Ok(true)
        })
    })
}

/// The same with noise.
fn digits(samples: usize) -> Source {
    plain(samples).map(|sample, random| {
        if let Some(Values::U8(pixels)) = sample.input_mut("input") {
            pixels.iter_mut().for_each(|pixel| *pixel ^= (random.next_u64() & 15) as u8);
        }
        Ok(())
    })
}

/// The mean of each batch is taken off its samples, which needs all of them.
fn centred(batches: &Source) -> Source {
    let centred = batches.map_batch(|batch, _| {
        if let Some(Values::U8(pixels)) = batch.input_mut("input") {
            let sum: usize = pixels.iter().map(|&pixel| usize::from(pixel)).sum();
            let mean = (sum / pixels.len().max(1)) as u8;
            pixels.iter_mut().for_each(|pixel| *pixel = pixel.saturating_sub(mean));
        }
        Ok(())
    });
    centred.unwrap()
}

fn in_processes<T: Send>(count: usize, each: impl Fn(InProcess) -> T + Sync) -> Vec<T> {
    let each = &each;
    thread::scope(|scope| {
        let processes = InProcess::group(count).into_iter();
        let started: Vec<_> = processes.map(|own| scope.spawn(move || each(own))).collect();
        started.into_iter().map(|process| process.join().unwrap()).collect()
    })
}

#[test]
fn streams_of_every_kind_make_the_same_bits_in_any_number_of_processes() {
    type Change = fn(Fit<'_>) -> Fit<'_>;
    // Batches of 20 rows are shards of 4, the last one of each pass has 7 rows: two shards.
    let cases: [(&str, Source, Change); 4] = [
        ("samples", digits(47).shuffle_buffer(9).unwrap(), |fit| fit.batch_size(20)),
        ("batches", digits(47).batch(20).unwrap(), |fit| fit),
        ("whole batches", centred(&digits(47).batch(20).unwrap()), |fit| fit),
        ("a pass that goes on", digits(47).repeat_forever(), |fit| {
            fit.batch_size(20).steps_per_epoch(4)
        }),
    ];
    for (what, source, change) in cases {
        for backend in [Backend::from(&Cpu::new().threads(1)), Backend::from(&Gpu::new().unwrap())]
        {
            let run = |own: Option<&InProcess>, workers: usize| {
                let mut model = model(&backend);
                let data = source.clone();
                let mut fit = change(Fit::new().epochs(3)).workers(workers).max_queue_size(3);
                fit = fit.validation_data(digits(27));
                let (mut evaluate, mut predict) = (Evaluate::new(), Predict::new());
                if source.is_endless() {
                    (evaluate, predict) = (evaluate.steps(2), predict.steps(2));
                }
                if let Some(own) = own {
                    fit = fit.distribute(own);
                    (evaluate, predict) = (evaluate.distribute(own), predict.distribute(own));
                }
                let history = model.fit(data, fit).unwrap();
                let epochs = history.epochs.into_iter();
                let scores: Vec<_> =
                    epochs.map(|epoch| (epoch.training, epoch.validation)).collect();
                let tested = model.evaluate(&source, evaluate).unwrap();
                let outputs = model.predict(&source, predict).unwrap();
                (scores, tested, outputs, model.save_bytes().unwrap())
            };
            let expected = run(None, 0);
            for (count, workers) in [(1, 2), (2, 0), (3, 2), (6, 1)] {
                for made in in_processes(count, |own| run(Some(&own), workers)) {
                    assert!(made == expected, "{what} on {backend:?}, {count} processes");
                }
            }
        }
    }
}

/// Stops at a step of the whole run.
struct StopAt(u64);

impl Callback for StopAt {
    fn batch_end(&mut self, run: &mut dyn Control, _: StepEnd) -> Result<()> {
        match run.steps() == self.0 {
            true => Err(Error::callback("enough of this")),
            false => Ok(()),
        }
    }
}

fn four_epochs<'a>(endless: bool) -> Fit<'a> {
    let fit = Fit::new().batch_size(20).epochs(4).workers(1);
    if endless { fit.steps_per_epoch(4) } else { fit }
}

#[test]
fn a_stream_is_taken_up_again_where_other_processes_left_it() {
    let backend = Backend::from(&Cpu::new().threads(1));
    for endless in [false, true] {
        let data = || if endless { digits(47).repeat_forever() } else { digits(47) };
        let mut whole = model(&backend);
        whole.fit(data(), four_epochs(endless)).unwrap();
        let expected = whole.save_bytes().unwrap();
        for (broken, resumed, step) in [(2, 3, 5), (3, 1, 7), (1, 6, 8)] {
            let directory = tempfile::tempdir().unwrap();
            let run = |own: InProcess, stop: u64| {
                let mut model = model(&backend);
                let mut backup = BackupAndRestore::new(directory.path())
                    .save_freq(Frequency::Batches(1))
                    .delete_checkpoint(false);
                let mut stop = StopAt(stop);
                let fit =
                    four_epochs(endless).callback(&mut backup).callback(&mut stop).distribute(&own);
                model.fit(data(), fit).map(|_| model.save_bytes().unwrap())
            };
            for ended in in_processes(broken, |own| run(own, step)) {
                assert!(ended.unwrap_err().to_string().contains("enough"));
            }
            for ended in in_processes(resumed, |own| run(own, u64::MAX)) {
                assert!(ended.unwrap() == expected, "{broken}, then {resumed}, endless: {endless}");
            }
        }
    }
}

#[test]
fn the_process_whose_sample_is_wrong_names_it_and_the_others_name_the_process() {
    let mut rest = plain(60).skip(53).batches(1, &Visit::default()).unwrap();
    let wrong = rest.next().unwrap().unwrap().input("input").cloned();
    let source = plain(60).map(move |sample, _| match sample.input("input") == wrong.as_ref() {
        true => Err(Error::callback("is wrong")),
        false => Ok(()),
    });
    let ended = in_processes(3, |own| {
        let mut model = model(&Backend::from(&Cpu::new().threads(1)));
        model.fit(&source, Fit::new().batch_size(20).distribute(&own)).map(|_| ())
    });
    for (rank, ended) in ended.into_iter().enumerate() {
        let message = ended.unwrap_err().to_string();
        // Row 13 of the third batch, in the fourth of six shards.
        let expected = if rank == 1 { "sample 53 of the pass" } else { "process 1" };
        assert!(message.contains(expected), "process {rank}: {message}");
    }
}
