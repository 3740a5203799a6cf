//! Batches that are cut into shards: the same bits whatever the number of processes that run them, here as
//! threads, and the mathematics of the whole batch.

#[path = "support/processes.rs"]
mod processes;

use std::sync::Arc;

use minibatch::callbacks::{BackupAndRestore, Frequency};
use minibatch::data::{Batch, Source, Targets, Values, synthetic_digits};
use minibatch::distributed::{InProcess, Process, Transport};
use minibatch::gpu::{Fault, Faults};
use minibatch::model::{Compiled, HashGrid};
use minibatch::number::add_normal;
use minibatch::{
    Activation, Adam, Backend, Callback, Clip, Control, Cpu, DataOn, Dataset, Evaluate, Features,
    Fit, History, Loss, Model, Precision, Predict, Result, Sequential, Shuffle, TrainStart,
};
use processes::{
    BATCH, StopAt, adam, backends, branched, branches, digits, gpu, in_processes, perceptron,
    scores,
};

fn fit<'a>() -> Fit<'a> {
    Fit::new().batch_size(BATCH).epochs(3).shuffle(Shuffle::Full).validation_split(0.2)
}

fn trained(
    backend: &Backend,
    compiled: &Compiled,
    data: &Dataset,
    own: Option<&InProcess>,
) -> (Vec<u8>, History) {
    let mut model = compiled.clone().build(backend.clone()).unwrap();
    let fit = match own {
        Some(own) => fit().distribute(own),
        None => fit(),
    };
    let history = model.fit(data, fit).unwrap();
    (model.save_bytes().unwrap(), history)
}

#[test]
fn any_number_of_processes_makes_the_same_bits() {
    // The last batches have 14 and 29 rows: of the eight shards of 5 rows some are short or absent.
    for (compiled, data) in [(perceptron(), digits(267)), (branches(), branched(186))] {
        let compiled = compiled.shards(8);
        for backend in backends() {
            let (alone, expected) = trained(&backend, &compiled, &data, None);
            let descends = expected.epochs.iter().map(|epoch| epoch.training.loss);
            let descends: Vec<f64> = descends.collect();
            assert!(descends[2] < descends[0], "{descends:?}");
            for count in [1, 2, 3, 4, 5, 8] {
                let each = |own: InProcess| trained(&backend, &compiled, &data, Some(&own));
                for (rank, (model, history)) in in_processes(count, each).into_iter().enumerate() {
                    let of = format!("process {rank} of {count} on {backend:?}");
                    assert!(model == alone, "{of} has other bits");
                    assert_eq!(scores(&history), scores(&expected), "{of}");
                    let exchange = history.exchange.unwrap();
                    assert_eq!(exchange.processes, count);
                    assert_eq!(exchange.steps == 0, count == 1, "{of}: {exchange:?}");
                }
            }
        }
    }
}

#[test]
fn a_power_of_two_sends_no_more_than_a_reduction_must() {
    let (compiled, data) = (perceptron().shards(8), digits(160));
    for count in [2, 4, 8] {
        let each = |own: InProcess| {
            let mut model = compiled.clone().build(&Cpu::new().threads(1)).unwrap();
            let history = model.fit(&data, fit().validation_split(0.0).distribute(&own)).unwrap();
            history.exchange.unwrap()
        };
        for sent in in_processes(count, each) {
            assert_eq!(sent.steps, 12);
            let least = 2.0 * (count - 1) as f64 / count as f64 * sent.gradient_bytes as f64;
            let per_step = sent.bytes_sent as f64 / sent.steps as f64;
            assert!((0.9..1.1).contains(&(per_step / least)), "{per_step} bytes, {least} must be");
        }
    }
}

#[test]
fn shards_compute_what_the_whole_batch_does() {
    // In f64, but for rounding; dropout goes by a row's place in the batch.
    for (compiled, data) in [(perceptron(), digits(267)), (branches(), branched(186))] {
        let weights = |shards: Option<usize>| {
            let compiled = match shards {
                Some(shards) => compiled.clone().shards(shards),
                None => compiled.clone(),
            };
            let mut model = compiled.build(Backend::CpuInF64).unwrap();
            let history = model.fit(&data, fit()).unwrap();
            let names: Vec<String> =
                model.weights().unwrap().into_iter().map(|(name, ..)| name).collect();
            let values = names.iter().flat_map(|name| model.read_exactly(name).unwrap());
            (values.collect::<Vec<f64>>(), history)
        };
        let (whole, expected) = weights(None);
        for shards in [1, 2, 3, 8, 64] {
            let (cut, history) = weights(Some(shards));
            for (whole, cut) in whole.iter().zip(&cut) {
                assert!((whole - cut).abs() <= 1e-10, "{shards} shards: {cut} and not {whole}");
            }
            for (own, expected) in history.epochs.iter().zip(&expected.epochs) {
                for ((name, own), (_, expected)) in own.values().iter().zip(expected.values()) {
                    let seconds = name == "seconds";
                    assert!(
                        seconds || (own - expected).abs() <= 1e-9,
                        "{name}: {own} and not {expected} with {shards} shards"
                    );
                }
            }
        }
    }
}

/// A table whose gradient is counted in the unit of each shard, beside what a graph of dense layers has.
fn picture() -> (Compiled, Dataset) {
    let grid = HashGrid { levels: 3, log2_table_size: 6, ..HashGrid::default() };
    let compiled = Sequential::new(2)
        .layer(grid)
        .dense(8, Activation::Relu)
        .dense(1, Activation::Sigmoid)
        .compile(Adam::new(0.01), Loss::MeanSquaredError, [])
        .seed(2);
    let place = |i: usize| [(i % 13) as f32 / 13.0, (i / 13) as f32 / 16.0];
    let places: Vec<f32> = (0..186).flat_map(place).collect();
    let values = places.chunks(2).map(|at| (at[0] * at[1] * 9.0).sin() * 0.5 + 0.5).collect();
    let places = Features::F32(Arc::new(places));
    (compiled, Dataset::new(places, &[2], Targets::values(values, 1)).unwrap())
}

#[test]
fn however_batches_come_and_steps_run_processes_make_the_same_bits() {
    type Change = fn(Fit<'_>) -> Fit<'_>;
    let digits = || (perceptron(), digits(267));
    let branches = || (branches(), branched(186));
    let half = || {
        let (compiled, data) = digits();
        (compiled.precision(Precision::MixedFloat16), data)
    };
    let eager = || {
        let (compiled, data) = branches();
        (compiled.run_eagerly(true).steps_per_execution(3), data)
    };
    let (cpu, gpu) = (Backend::from(&Cpu::new().threads(2)), Backend::from(&gpu()));
    let cases: [(&str, &Backend, (Compiled, Dataset), Change); 8] = [
        ("rows on the device", &gpu, digits(), |fit| fit.data_on(DataOn::Device)),
        ("workers", &gpu, digits(), |fit| fit.workers(3)),
        ("workers on the CPU", &cpu, branches(), |fit| fit.workers(2).shuffle(Shuffle::Batch)),
        ("operation by operation", &gpu, eager(), |fit| fit),
        ("halves", &cpu, half(), |fit| fit),
        ("a hash grid", &gpu, picture(), |fit| fit),
        ("a hash grid on the CPU", &cpu, picture(), |fit| fit),
        ("some steps of each epoch", &cpu, digits(), |fit| {
            fit.steps_per_epoch(3).shuffle(Shuffle::Off)
        }),
    ];
    for (what, backend, (compiled, data), change) in cases {
        let run = |own: Option<InProcess>| {
            let mut model = compiled.clone().shards(6).build(backend.clone()).unwrap();
            let fit = change(fit());
            let fit = match &own {
                Some(own) => fit.distribute(own),
                None => fit,
            };
            let history = model.fit(&data, fit).unwrap();
            (model.save_bytes().unwrap(), scores(&history))
        };
        let (alone, expected) = run(None);
        for count in [2, 3, 6] {
            for (model, scores) in in_processes(count, |own| run(Some(own))) {
                assert!(model == alone, "{what}: {count} processes");
                assert_eq!(scores, expected, "{what}: {count} processes");
            }
        }
    }
}

#[test]
fn evaluation_and_prediction_are_shared_out_too() {
    let data = digits(107);
    for backend in backends() {
        let model = || perceptron().shards(8).build(backend.clone()).unwrap();
        let expected = model().evaluate(&data, Evaluate::new().batch_size(BATCH)).unwrap();
        let outputs = model().predict(&data, Predict::new().batch_size(BATCH)).unwrap();
        for count in [1, 2, 3, 8] {
            let each = |own: InProcess| {
                let mut model = model();
                let evaluate = Evaluate::new().batch_size(BATCH).distribute(&own);
                let predict = Predict::new().batch_size(BATCH).distribute(&own);
                (model.evaluate(&data, evaluate).unwrap(), model.predict(&data, predict).unwrap())
            };
            for (scores, predicted) in in_processes(count, each) {
                assert_eq!(scores, expected, "{count} processes");
                assert!(predicted == outputs, "{count} processes");
            }
        }
    }
}

#[test]
fn a_broken_run_goes_on_with_any_number_of_processes() {
    let (compiled, data) = (perceptron().shards(8), digits(267));
    let backend = Backend::from(&Cpu::new().threads(1));
    let (expected, _) = trained(&backend, &compiled, &data, None);
    for (broken, resumed, step) in [(4, 1, 3), (1, 4, 8), (4, 2, 13), (2, 8, 17)] {
        let directory = tempfile::tempdir().unwrap();
        let run = |own: InProcess, stop: Option<u64>| {
            let mut model = compiled.clone().build(backend.clone()).unwrap();
            let first = own.process().is_first();
            // The others have no file to read: the first one tells them.
            let elsewhere = directory.path().join(format!("nothing of {}", own.process()));
            let place = if first { directory.path().to_owned() } else { elsewhere.clone() };
            let mut backup = BackupAndRestore::new(place)
                .save_freq(Frequency::Batches(1))
                .delete_checkpoint(false);
            let mut stop = StopAt(stop.unwrap_or(u64::MAX));
            let fit = fit().callback(&mut backup).callback(&mut stop).distribute(&own);
            let ended = model.fit(&data, fit);
            assert!(first || !elsewhere.exists(), "{elsewhere:?} was written");
            ended.map(|_| model.save_bytes().unwrap())
        };
        for ended in in_processes(broken, |own| run(own, Some(step))) {
            assert!(ended.unwrap_err().to_string().contains("enough"));
        }
        for ended in in_processes(resumed, |own| run(own, None)) {
            assert!(ended.unwrap() == expected, "{broken} processes, then {resumed}");
        }
    }
}

fn assert_refused(ended: Vec<Result<History>>, expected: &[&str]) {
    for (rank, ended) in ended.into_iter().enumerate() {
        let message = ended.unwrap_err().to_string();
        for expected in expected {
            assert!(message.contains(expected), "process {rank}: {message:?} lacks {expected:?}");
        }
    }
}

#[test]
fn a_process_with_anything_else_is_refused_by_all() {
    let (data, compiled) = (digits(120), || perceptron().shards(4));
    let run = |own: &InProcess, compiled: Compiled, data: &Dataset, fit: Fit<'_>| {
        let mut model = compiled.build(&Cpu::new().threads(1)).unwrap();
        let before = model.save_bytes().unwrap();
        let ended = model.fit(data, fit.distribute(own));
        assert!(ended.is_ok() || model.save_bytes().unwrap() == before, "the model was changed");
        ended
    };
    let odd = |own: &InProcess| own.process().rank == 2;
    let seeds = in_processes(4, |own| {
        let seed = if odd(&own) { 7 } else { 5 };
        run(&own, compiled().seed(seed), &data, fit())
    });
    assert_refused(seeds, &["process 2 of 4", "seed", "7", "5"]);
    let layers = in_processes(4, |own| {
        let compiled = if odd(&own) {
            let mut other = compiled();
            other.optimizer = Adam { clip: Clip::GlobalNorm(0.25), ..adam() }.into();
            other
        } else {
            compiled()
        };
        run(&own, compiled, &data, fit())
    });
    assert_refused(layers, &["process 2 of 4", "model", "0.25", "0.5"]);
    let sizes = in_processes(4, |own| {
        let data = if odd(&own) { digits(119) } else { data.clone() };
        run(&own, compiled(), &data, fit())
    });
    assert_refused(sizes, &["process 2 of 4", "data", "119", "120"]);
    let values = in_processes(4, |own| {
        let data = if odd(&own) { synthetic_digits(120, 4).unwrap() } else { data.clone() };
        run(&own, compiled(), &data, fit())
    });
    assert_refused(values, &["process 2 of 4", "data"]);
    let batches = in_processes(4, |own| {
        let fit = if odd(&own) { fit().batch_size(20) } else { fit() };
        run(&own, compiled(), &data, fit)
    });
    assert_refused(batches, &["process 2 of 4", "batch_size", "20", "40"]);
    let shards = in_processes(4, |own| {
        let shards = if odd(&own) { 8 } else { 4 };
        run(&own, compiled().shards(shards), &data, fit())
    });
    assert_refused(shards, &["process 2 of 4", "shards", "8", "4"]);
    let many = in_processes(5, |own| run(&own, compiled(), &data, fit()));
    assert_refused(many, &["shards", "5", "4"]);
}

#[test]
fn an_error_in_one_process_ends_all() {
    let data = digits(120);
    let ended = in_processes(4, |own| {
        let mut model = perceptron().build(&Cpu::new().threads(1)).unwrap();
        let mut stop = StopAt(if own.process().rank == 3 { 4 } else { u64::MAX });
        model.fit(&data, fit().callback(&mut stop).distribute(&own)).map(|_| ())
    });
    for (rank, ended) in ended.into_iter().enumerate() {
        let error = ended.unwrap_err();
        let expected = if rank == 3 { "enough" } else { "process 3" };
        assert!(error.to_string().contains(expected), "process {rank}: {error}");
    }
}

#[test]
fn a_lost_device_ends_all_processes() {
    let (data, compiled) = (digits(120), || perceptron().shards(4));
    for points in [0, 30, 77] {
        let ended = in_processes(4, |own| {
            let faults = Arc::new(Faults::default());
            let gpu = gpu().with_faults(&faults);
            let mut model = compiled().build(&gpu).unwrap();
            if own.process().rank == 2 {
                faults.arm(Fault::Lost, points);
            }
            model.fit(&data, fit().distribute(&own)).map(|_| ())
        });
        for (rank, ended) in ended.into_iter().enumerate() {
            let error = ended.unwrap_err();
            assert_eq!(error.is_lost(), rank == 2, "process {rank}: {error}");
            assert!(rank == 2 || error.to_string().contains("process 2 of 4"), "{rank}: {error}");
        }
    }
}

/// Changes the model in one process.
struct Meddles(bool);

impl Callback for Meddles {
    fn train_begin(&mut self, run: &mut dyn Control, _: &TrainStart) -> Result<()> {
        if self.0 { run.set_learning_rate(0.5) } else { Ok(()) }
    }
}

#[test]
fn processes_that_drift_apart_are_found_out() {
    let data = digits(120);
    let ended = in_processes(2, |own| {
        let mut model = perceptron().build(&Cpu::new().threads(1)).unwrap();
        let mut meddles = Meddles(own.process() == Process { rank: 1, count: 2 });
        model.fit(&data, fit().callback(&mut meddles).distribute(&own))
    });
    assert_refused(ended, &["process 1 of 2", "other parameters", "epoch 1"]);
}

#[test]
fn what_needs_whole_batches_is_refused_with_the_reason() {
    let normalized = Sequential::new(4)
        .dense(3, Activation::Linear)
        .batch_normalization()
        .dense(1, Activation::Linear)
        .compile(adam(), Loss::MeanSquaredError, []);
    let error = normalized.clone().shards(4).build(&Cpu::new()).unwrap_err().to_string();
    assert!(error.contains("shards") && error.contains("batch_normalization"), "{error}");
    let data = Dataset::new(
        Features::F32(Arc::new(vec![0.5; 64])),
        &[4],
        Targets::values(vec![0.0; 16], 1),
    );
    let data = data.unwrap();
    let ended = in_processes(2, |own| {
        let mut model = normalized.clone().build(&Cpu::new()).unwrap();
        model.fit(&data, Fit::new().distribute(&own))
    });
    assert_refused(ended, &["distribute", "batch_normalization", "statistics"]);
    for (shards, expected) in [(0, "is 0"), (1025, "1024")] {
        let error = perceptron().shards(shards).build(&Cpu::new()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let both = perceptron().shards(2).micro_batch_size(3).build(&Cpu::new()).unwrap_err();
    assert!(both.to_string().contains("micro_batch_size"), "{both}");
    let model = perceptron().build(&Cpu::new()).unwrap();
    let mut model = model;
    let own = InProcess::group(1).remove(0);
    let future = model.fit_async(digits(40), Fit::new().distribute(&own));
    let error = pollster::block_on(future).unwrap_err();
    assert!(error.to_string().contains("call fit"), "{error}");
}

#[test]
fn the_number_of_shards_is_kept_in_the_model_s_file() {
    let data = digits(120);
    let mut model = perceptron().shards(4).build(&Cpu::new().threads(1)).unwrap();
    model.fit(&data, fit()).unwrap();
    let saved = model.save_bytes().unwrap();
    let mut loaded = Model::load_bytes(&saved, &Cpu::new().threads(1)).unwrap();
    let mut restored = perceptron().build(&Cpu::new().threads(1)).unwrap();
    restored.restore_bytes(&saved).unwrap();
    let on = || fit().initial_epoch(3).epochs(5);
    for model in [&mut model, &mut loaded, &mut restored] {
        model.fit(&data, on()).unwrap();
    }
    let expected = model.save_bytes().unwrap();
    assert!(loaded.save_bytes().unwrap() == expected);
    assert!(restored.save_bytes().unwrap() == expected);
    let mut other = perceptron().shards(8).build(&Cpu::new()).unwrap();
    let error = other.restore_bytes(&saved).unwrap_err().to_string();
    assert!(error.contains("shards"), "{error}");
}

#[test]
fn single_batches_run_in_shards_too() {
    let data = digits(BATCH);
    let indices: Vec<u32> = (0..29).collect();
    for backend in backends() {
        let mut single = perceptron().shards(8).build(backend.clone()).unwrap();
        let scores = single.train_on_batch(Batch { data: &data, indices: &indices }).unwrap();
        let mut fitted = perceptron().shards(8).build(backend).unwrap();
        let data = data.select(&indices).unwrap();
        let fit = Fit::new().batch_size(29).shuffle(Shuffle::Off);
        let history = fitted.fit(&data, fit).unwrap();
        assert_eq!(history.epochs[0].training, scores);
        assert!(single.weights().unwrap() == fitted.weights().unwrap());
    }
}

#[test]
fn sources_that_are_read_sample_by_sample_are_shared_too() {
    let data = digits(267);
    let compiled = perceptron().shards(8);
    let run = |own: Option<InProcess>, source: Source| {
        let mut model = compiled.clone().build(&Cpu::new().threads(1)).unwrap();
        let fit = Fit::new().batch_size(BATCH).epochs(2);
        let fit = match &own {
            Some(own) => fit.distribute(own),
            None => fit,
        };
        model.fit(source, fit).unwrap();
        model.save_bytes().unwrap()
    };
    let mapped = |samples: Source| {
        samples.map(|sample, random| {
            let shift = random.below(3) as u8;
            if let Some(Values::U8(pixels)) = sample.input_mut("input") {
                pixels.iter_mut().for_each(|pixel| *pixel >>= shift);
            }
            Ok(())
        })
    };
    for stream in [false, true] {
        let source = || {
            let source = mapped(Source::from(data.clone()));
            if stream { source.shuffle_buffer(50).unwrap() } else { source }
        };
        let expected = run(None, source());
        for count in [2, 3, 8] {
            for model in in_processes(count, |own| run(Some(own), source())) {
                assert!(model == expected, "{count} processes, a stream: {stream}");
            }
        }
    }
}

/// Sums whose bits differ if a device flushes what is below the normal range, or adds in another order.
#[test]
fn a_device_adds_gradients_as_the_host_does() {
    use minibatch::gpu::GpuExecutor;
    use minibatch::operation::{AddShards, KeepShards};
    use minibatch::program::{Pass, ProgramBuilder, Step};
    use minibatch::table::{Role, Rows};

    let least = f32::MIN_POSITIVE;
    let special = [
        0.0,
        -0.0,
        least,
        -least,
        least * 0.5,
        -least * 0.75,
        f32::from_bits(1),
        least * 1.5,
        1.0,
        -1.0,
        0.1,
        -0.3,
        1e30,
        f32::MAX,
        f32::EPSILON,
        f32::INFINITY,
    ];
    let pairs: Vec<[f32; 2]> =
        special.iter().flat_map(|&a| special.iter().map(move |&b| [a, b])).collect();
    let mut builder = ProgramBuilder::new();
    let mut arena = |name: &str| {
        let arena = builder.arena(name).unwrap();
        builder.slice(arena, format!("{name}.all"), Role::Scratch, Rows::One, pairs.len()).unwrap();
        arena
    };
    let [gradients, kept] = ["gradients", "kept"].map(&mut arena);
    builder.push(Pass::KeepShards, KeepShards { gradients, kept }).unwrap();
    builder.push(Pass::AddShards, AddShards { kept, gradients }).unwrap();
    builder.shards(gradients);
    let program = Arc::new(builder.build());
    pollster::block_on(async {
        let mut gpu = GpuExecutor::new(&gpu(), program).await.unwrap();
        let side = |side: usize| pairs.iter().map(|pair| pair[side]).collect::<Vec<f32>>();
        gpu.write_gradients(&side(0)).unwrap();
        gpu.add_up_shards(&[], Some(0), &Step::forward(1)).await.unwrap();
        gpu.write_gradients(&side(1)).unwrap();
        gpu.add_up_shards(&[0], None, &Step::forward(1)).await.unwrap();
        let sums = gpu.read_gradients().unwrap().wait().await.unwrap();
        for ([a, b], sum) in pairs.iter().zip(sums) {
            let expected = add_normal(*a, *b);
            assert_eq!(sum.to_bits(), expected.to_bits(), "{a:e} + {b:e}: {sum:e}, {expected:e}");
        }
    });
}
