//! What a fit, an evaluation or a prediction can be asked for besides, in several processes: each makes the
//! bits that one process makes of as many shards.

#[path = "support/processes.rs"]
mod processes;

use std::fmt::{Debug, Formatter};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use minibatch::callbacks::{
    CsvLogger, EarlyStopping, GradientNoiseScale, LearningRateScheduler, ModelCheckpoint,
    ProgressBar, ReduceLrOnPlateau, TerminateOnNan,
};
use minibatch::data::Targets;
use minibatch::distributed::{InProcess, Transport};
use minibatch::model::Compiled;
use minibatch::operation::LossScale;
use minibatch::{
    Activation, Adam, Backend, Callback, Cpu, Dataset, Error, Evaluate, Features, Fit, History,
    Loss, Metric, Model, Objective, Precision, Predict, Scores, Sequential, Shuffle, StepEnd,
    Verbose,
};
use processes::{
    BATCH, StopAt, backends, branched, branches, branches_for, digits, gpu, in_processes,
    perceptron, scores,
};

/// Bytes that are compared, and shown by their number and their hash.
#[derive(Clone, PartialEq)]
struct Bits(Vec<u8>);

impl Debug for Bits {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        write!(f, "{} bytes of hash {:016x}", self.0.len(), hasher.finish())
    }
}

fn bits(model: &mut Model) -> Bits {
    Bits(model.save_bytes().unwrap())
}

fn bits_of(values: &[f32]) -> Bits {
    Bits(values.iter().flat_map(|value| value.to_ne_bytes()).collect())
}

/// Of each epoch its scores and its learning rate.
type Epochs = Vec<(Scores, Option<Scores>, f64)>;

fn epochs(history: &History) -> Epochs {
    let scores = scores(history).into_iter().zip(&history.epochs);
    scores.map(|((training, tested), epoch)| (training, tested, epoch.learning_rate)).collect()
}

/// Refuses any difference between what `each` makes in one process and in so many, and returns what it
/// makes in one.
fn same_in<T: PartialEq + Debug + Send>(
    counts: &[usize],
    what: &str,
    each: impl Fn(Option<&InProcess>) -> T + Sync,
) -> T {
    let alone = each(None);
    for &count in counts {
        let made = in_processes(count, |own| each(Some(&own)));
        for (rank, made) in made.into_iter().enumerate() {
            assert_eq!(made, alone, "{what}: process {rank} of {count}, and one process");
        }
    }
    alone
}

fn shared<'a>(fit: Fit<'a>, own: Option<&InProcess>) -> Fit<'a> {
    match own {
        Some(own) => fit.distribute(own),
        None => fit,
    }
}

fn evaluate<'a>(own: Option<&InProcess>) -> Evaluate<'a> {
    let evaluate = Evaluate::new().batch_size(BATCH);
    match own {
        Some(own) => evaluate.distribute(own),
        None => evaluate,
    }
}

fn predict<'a>(own: Option<&InProcess>) -> Predict<'a> {
    let predict = Predict::new().batch_size(BATCH);
    match own {
        Some(own) => predict.distribute(own),
        None => predict,
    }
}

fn is_first(own: Option<&InProcess>) -> bool {
    own.is_none_or(|own| own.process().is_first())
}

fn cpu() -> Backend {
    Backend::from(&Cpu::new().threads(1))
}

/// Four quantities and which of them is the largest, or the one after it.
fn largest(samples: usize, after: u32) -> Dataset {
    let values: Vec<f32> =
        (0..samples * 4).map(|i| ((i * 7919 + 13) % 1009) as f32 / 1009.0 - 0.5).collect();
    let largest = |values: &[f32]| (0..4).max_by(|&a, &b| values[a].total_cmp(&values[b]));
    let labels = values.chunks(4).map(|values| (largest(values).unwrap() as u32 + after) % 4);
    let labels: Vec<u32> = labels.collect();
    Dataset::new(Features::F32(Arc::new(values)), &[4], labels).unwrap().with_classes(4).unwrap()
}

fn classifier() -> Compiled {
    Sequential::new(4)
        .dense(13, Activation::Relu)
        .dropout(0.2)
        .dense(4, Activation::Softmax)
        .compile(Adam::new(0.02), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .seed(4)
}

#[test]
fn weights_of_samples_classes_and_losses() {
    let weights =
        |samples: usize| (0..samples).map(|i| [0.0, 0.5, 1.0, 2.75][i % 4]).collect::<Vec<f32>>();
    let (pictures, pairs) = (digits(227), branched(186));
    for backend in backends() {
        let one =
            perceptron().weighted_metrics([Metric::Accuracy, Metric::ConfusionMatrix]).shards(8);
        let fit = || Fit::new().batch_size(BATCH).epochs(2).validation_split(0.2);
        let run = |compiled: &Compiled, data: &Dataset, fit: Fit<'_>, own: Option<&InProcess>| {
            let mut model = compiled.clone().build(backend.clone()).unwrap();
            let history = model.fit(data, shared(fit, own)).unwrap();
            let weighted = evaluate(own).sample_weight(weights(data.len()));
            let weighted = model.evaluate(data, weighted).unwrap();
            (bits(&mut model), epochs(&history), weighted)
        };
        let plain = run(&one, &pictures, fit(), None);
        let by_sample = same_in(&[2, 3], "sample weights", |own| {
            run(&one, &pictures, fit().sample_weight(weights(227)), own)
        });
        let by_class = same_in(&[2, 3], "class weights", |own| {
            run(&one, &pictures, fit().class_weight([(0, 0.25), (3, 4.0), (9, 0.0)]), own)
        });
        for (weighted, what) in [(&by_sample, "sample"), (&by_class, "class")] {
            assert_ne!(weighted.0, plain.0, "{what} weights change nothing");
        }
        let (training, tested, _) = &by_sample.1[1];
        for scores in [training, tested.as_ref().unwrap(), &by_sample.2] {
            assert!(scores.value("weighted_accuracy").is_some(), "{:?}", scores.values());
            assert_ne!(scores.value("weighted_accuracy"), scores.value("accuracy"));
            let [plain, weighted] = scores.confusion_matrices() else { panic!("{scores:?}") };
            assert_ne!(plain.1.counts, weighted.1.counts);
        }
        // Every sample is in the matrix once: 46 of 227 are held out.
        let matrix = &tested.as_ref().unwrap().confusion_matrices()[0].1;
        assert_eq!(matrix.counts.iter().sum::<f64>(), 46.0, "{matrix}");

        let auc = Metric::Auc { thresholds: 30 };
        let number = Objective::new(Loss::Huber { delta: 0.1 })
            .loss_weight(0.25)
            .weighted_metrics([Metric::MeanSquaredError]);
        let sign = Objective::new(Loss::BinaryCrossentropy { label_smoothing: 0.1 })
            .loss_weight(3.0)
            .metrics([auc.clone(), Metric::ConfusionMatrix])
            .weighted_metrics([auc, Metric::Precision { threshold: 0.5 }]);
        let two = branches_for(number, sign).shards(5);
        let (_, epochs, _) = same_in(&[2, 3, 4], "weights of targets", |own| {
            run(&two, &pairs, fit().target_weight("sign", weights(186)), own)
        });
        let names: Vec<String> =
            epochs[0].1.as_ref().unwrap().values().into_iter().map(|(name, _)| name).collect();
        assert!(names.iter().any(|name| name.starts_with("sign_weighted_auc")), "{names:?}");
    }
}

/// A place for each process: the first one's is `directory`, that of another does not exist.
fn place(directory: &Path, own: Option<&InProcess>) -> PathBuf {
    match is_first(own) {
        true => directory.to_owned(),
        false => directory.join("not").join(own.unwrap().process().rank.to_string()),
    }
}

/// The lines of a file of `CsvLogger` without what was measured in seconds.
fn without_seconds(path: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<Vec<String>> =
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
    let seconds = lines[0].iter().position(|name| name == "seconds").unwrap();
    let others = |line: &Vec<String>| {
        let columns = line.iter().enumerate().filter(|&(column, _)| column != seconds);
        columns.map(|(_, text)| text.clone()).collect()
    };
    lines.iter().map(others).collect()
}

#[test]
fn callbacks_that_follow_scores_decide_alike() {
    // The more the model learns of the one rule, the worse it is at the other.
    let (data, other) = (largest(213, 0), largest(57, 1));
    let compiled = classifier().shards(8);
    let run = |own: Option<&InProcess>| {
        let directory = tempfile::tempdir().unwrap();
        let at = place(directory.path(), own);
        let mut stopping = EarlyStopping::new().patience(4).restore_best_weights(true);
        let mut plateau = ReduceLrOnPlateau::new().factor(0.5).patience(2);
        let file = at.join("best.safetensors").to_str().unwrap().to_owned();
        let mut best = ModelCheckpoint::new(file.clone()).save_best_only(true);
        let mut log = CsvLogger::new(at.join("log.csv"));
        let mut noise = GradientNoiseScale::new(&data).every(4).parts(5).part_size(7);
        let mut model = compiled.clone().build(cpu()).unwrap();
        let fit = Fit::new().batch_size(BATCH).epochs(20).validation_data(other.clone());
        let fit = fit.callback(&mut stopping).callback(&mut plateau).callback(&mut best);
        let fit = shared(fit.callback(&mut log).callback(&mut noise), own);
        let history = model.fit(&data, fit).unwrap();
        let tested = model.evaluate(&other, evaluate(own)).unwrap();
        let (best_epoch, stopped) = (stopping.best_epoch().unwrap(), stopping.stopped_epoch());
        // As the rule of each callback says, whatever the number of processes.
        assert_eq!(stopped, Some(best_epoch + 4));
        assert_eq!(Some(tested.loss), stopping.best());
        assert_eq!(best.best(), stopping.best());
        assert_eq!(history.epochs.last().unwrap().learning_rate, 0.02 * 0.5);
        assert_eq!(noise.measurements().len(), history.epochs.len() * 6 / 4);
        let written = is_first(own).then(|| {
            let saved = fs::read(&file).unwrap();
            (Bits(saved), without_seconds(&at.join("log.csv")))
        });
        assert!(is_first(own) || !directory.path().join("not").exists(), "{at:?} was written");
        let measured = noise.measurements().to_vec();
        ((bits(&mut model), epochs(&history), best_epoch, stopped, measured), written)
    };
    let (alone, written) = run(None);
    assert!(alone.3 < Some(20), "it is to stop before its end");
    for count in [2, 3, 4] {
        for (rank, (made, wrote)) in
            in_processes(count, |own| run(Some(&own))).into_iter().enumerate()
        {
            assert_eq!(made, alone, "process {rank} of {count}");
            let expected = if rank == 0 { &written } else { &None };
            assert_eq!(&wrote, expected, "files of process {rank} of {count}");
        }
    }
}

#[test]
fn rates_by_epoch_and_snapshots_change_no_bit() {
    let data = largest(213, 0);
    let run = |own: Option<&InProcess>, snapshots: bool| {
        let mut model = classifier().shards(8).build(cpu()).unwrap();
        // Epochs are counted from 0, as in Keras.
        let mut scheduler =
            LearningRateScheduler::new(|epoch, rate| if epoch == 0 { rate } else { rate * 0.5 });
        let fit = Fit::new().batch_size(BATCH).epochs(3).callback(&mut scheduler);
        let fit = if snapshots { fit.snapshot_every(4) } else { fit };
        let history = model.fit(&data, shared(fit, own)).unwrap();
        (bits(&mut model), epochs(&history))
    };
    let (model, epochs) = same_in(&[2, 3], "rates by epoch", |own| run(own, false));
    let rates: Vec<f64> = epochs.iter().map(|(.., rate)| *rate).collect();
    assert_eq!(rates, [0.02, 0.01, 0.005]);
    let with_snapshots = same_in(&[2, 3], "snapshots", |own| run(own, true));
    assert_eq!(with_snapshots, (model, epochs));
}

#[test]
fn processes_go_on_from_their_snapshots() {
    let data = largest(213, 0);
    fn fit<'a>() -> Fit<'a> {
        Fit::new().batch_size(BATCH).epochs(3)
    }
    for backend in backends() {
        let compiled = classifier().shards(8);
        let mut whole = compiled.clone().build(backend.clone()).unwrap();
        whole.fit(&data, fit()).unwrap();
        let whole = bits(&mut whole);
        for count in [1, 2, 3] {
            let again: Vec<_> = InProcess::group(count).into_iter().map(Some).collect();
            let again = Mutex::new(again);
            let ended = in_processes(count, |own| {
                let next = again.lock().unwrap()[own.process().rank].take().unwrap();
                let mut model = compiled.clone().build(backend.clone()).unwrap();
                let mut stop = StopAt(11);
                let first = fit().snapshot_every(4).callback(&mut stop).distribute(&own);
                model.fit(&data, first).unwrap_err();
                // 11 steps of 6 an epoch: the last snapshot is that of the second one's second step.
                let rebuilt = model.rebuild(backend.clone()).unwrap();
                let resume = rebuilt.resume.unwrap();
                assert_eq!((rebuilt.steps, resume.epochs, resume.steps), (8, 1, 2));
                let rest = fit().snapshot_every(4).resume(resume).distribute(&next);
                let history = model.fit(&data, rest).unwrap();
                assert_eq!(history.epochs[0].resumed_after, 2);
                bits(&mut model)
            });
            for (rank, ended) in ended.into_iter().enumerate() {
                assert_eq!(ended, whole, "process {rank} of {count} on {backend:?}");
            }
        }
    }
}

/// Numbers to be foretold, of which some are too large for their squares.
fn numbers(samples: usize, large: &[usize]) -> Dataset {
    let values: Vec<f32> = (0..samples * 3).map(|i| (i % 7) as f32 / 7.0).collect();
    let mut targets: Vec<f32> = values.chunks(3).map(|at| at[0] - at[2]).collect();
    large.iter().for_each(|&sample| targets[sample] = 1e30);
    let features = Features::F32(Arc::new(values));
    Dataset::new(features, &[3], Targets::values(targets, 1)).unwrap()
}

fn regression() -> Compiled {
    Sequential::new(3)
        .dense(5, Activation::Tanh)
        .dense(1, Activation::Linear)
        .compile(Adam::new(0.01), Loss::MeanSquaredError, [])
        .seed(1)
        .shards(8)
}

#[test]
fn a_loss_that_is_no_number_is_the_same_error_in_all() {
    // Batches of 40 rows, shards of 5: sample 98 is in step 3, in a shard of one process alone.
    let data = numbers(214, &[98, 139]);
    fn fit<'a>() -> Fit<'a> {
        Fit::new().batch_size(BATCH).epochs(2).shuffle(Shuffle::Off)
    }
    let run = |backend: &Backend, own: Option<&InProcess>, looks: Option<usize>| {
        let mut model = regression().build(backend.clone()).unwrap();
        let mut look = TerminateOnNan::new().every_steps(looks.unwrap_or(1));
        let fit = shared(fit(), own);
        let fit = if looks.is_some() { fit.callback(&mut look) } else { fit };
        match model.fit(&data, fit) {
            Err(Error::NonFinite { step, batch }) => (step, batch, String::new()),
            other => (0, None, format!("{other:?}")),
        }
    };
    for backend in backends() {
        for looks in [None, Some(1), Some(2)] {
            // Several times, as who is faster may decide.
            for _ in 0..4 {
                let what = format!("looking every {looks:?} steps on {backend:?}");
                let ended = same_in(&[2, 3], &what, |own| run(&backend, own, looks));
                assert_eq!(ended, (3, Some((1, 3)), String::new()), "{what}");
            }
        }
    }
}

#[test]
fn a_validation_that_is_no_number_ends_all() {
    let (data, broken) = (numbers(54, &[]), numbers(9, &[8]));
    for _ in 0..4 {
        let ended = same_in(&[2, 3], "a validation", |own| {
            let mut model = regression().build(cpu()).unwrap();
            let mut look = TerminateOnNan::new();
            let fit = Fit::new().batch_size(BATCH).epochs(2).validation_data(broken.clone());
            match model.fit(&data, shared(fit.callback(&mut look), own)) {
                Err(Error::NonFinite { step, batch }) => (step, batch, String::new()),
                other => (0, None, format!("{other:?}")),
            }
        });
        assert_eq!(ended, (2, None, String::new()));
    }
}

#[test]
fn an_error_of_all_is_not_told_as_that_of_another() {
    let data = largest(213, 0);
    for _ in 0..4 {
        same_in(&[2, 3, 4], "a callback's error", |own| {
            let mut model = classifier().shards(8).build(cpu()).unwrap();
            let mut stop = StopAt(8);
            let fit = Fit::new().batch_size(BATCH).epochs(2).callback(&mut stop);
            model.fit(&data, shared(fit, own)).unwrap_err().to_string()
        });
    }
}

#[test]
fn batches_with_fewer_rows_than_shards_or_processes() {
    struct Case {
        samples: usize,
        validation: usize,
        batch: usize,
        shards: usize,
        at_once: usize,
    }
    let case = |samples, validation, batch, shards| Case {
        samples,
        validation,
        batch,
        shards,
        at_once: 1,
    };
    let cases = [
        // Validation data with fewer samples than shards.
        case(50, 3, 40, 8),
        // Whole batches with fewer rows than shards.
        case(5, 5, 5, 8),
        // One sample.
        case(1, 1, 40, 8),
        case(1, 1, 1, 4),
        // Fewer rows than processes, and a last batch of one.
        case(7, 3, 2, 8),
        case(9, 1, 1, 64),
        // Several steps between two hooks.
        Case { at_once: 3, ..case(283, 41, 40, 6) },
        Case { at_once: 7, ..case(9, 4, 2, 4) },
    ];
    for (place, backend) in backends().into_iter().enumerate() {
        let counts: &[usize] = if place == 0 { &[2, 3, 4] } else { &[3] };
        for Case { samples, validation, batch, shards, at_once } in &cases {
            let (data, tested) = (largest(*samples, 0), largest(*validation, 1));
            let what =
                format!("{samples} samples, {batch} a batch, {shards} shards on {backend:?}");
            let compiled = classifier().shards(*shards).steps_per_execution(*at_once);
            same_in(counts, &what, |own| {
                let mut model = compiled.clone().build(backend.clone()).unwrap();
                let fit = Fit::new().batch_size(*batch).epochs(2).validation_data(tested.clone());
                let history = model.fit(&data, shared(fit, own)).unwrap();
                let outputs = model.predict(&tested, predict(own)).unwrap();
                assert_eq!(outputs.len(), validation * 4);
                (bits(&mut model), epochs(&history), bits_of(&outputs))
            });
            // Shards change what a whole batch makes by rounding only.
            let exact = |compiled: Compiled| {
                let mut model = compiled.build(Backend::CpuInF64).unwrap();
                let fit = Fit::new().batch_size(*batch).epochs(2).validation_data(tested.clone());
                let history = model.fit(&data, fit).unwrap();
                history.epochs[1].validation.as_ref().unwrap().loss
            };
            let (cut, whole) = (exact(classifier().shards(*shards)), exact(classifier()));
            assert!((cut - whole).abs() < 1e-9, "{what}: {cut} and not {whole}");
        }
    }
}

#[test]
fn one_model_trains_alone_and_with_others_in_turn() {
    let (data, tested) = (largest(213, 0), largest(57, 0));
    for backend in backends() {
        for order in [[false, true, false, true], [true, false, true, false]] {
            // Without a word on shards: the first distributed call cuts batches from then on.
            let run = |count: usize| {
                let later: Vec<Vec<Option<InProcess>>> = (0..3)
                    .map(|_| InProcess::group(count).into_iter().map(Some).collect())
                    .collect();
                let later = Mutex::new(later);
                in_processes(count, |own| {
                    let rank = own.process().rank;
                    let mut next = vec![own];
                    next.extend(
                        later.lock().unwrap().iter_mut().map(|group| group[rank].take().unwrap()),
                    );
                    let mut model = classifier().build(backend.clone()).unwrap();
                    let made = order.into_iter().zip(&next).map(|(distributed, own)| {
                        let own = distributed.then_some(own);
                        let fit = Fit::new().batch_size(BATCH).epochs(2).validation_split(0.1);
                        let history = model.fit(&data, shared(fit, own)).unwrap();
                        assert_eq!(history.exchange.is_some(), distributed);
                        (bits(&mut model), epochs(&history))
                    });
                    let made: Vec<_> = made.collect();
                    let scores = model.evaluate(&tested, evaluate(None)).unwrap();
                    (made, scores, bits_of(&model.predict(&tested, predict(None)).unwrap()))
                })
            };
            let alone = run(1).remove(0);
            for count in [2, 3] {
                for (rank, made) in run(count).into_iter().enumerate() {
                    assert_eq!(made, alone, "process {rank} of {count}, {order:?} on {backend:?}");
                }
            }
        }
    }
}

#[test]
fn several_outputs_are_evaluated_and_predicted_together() {
    let data = branched(107);
    for backend in backends() {
        same_in(&[2, 3], "two outputs", |own| {
            let mut model = branches().shards(8).build(backend.clone()).unwrap();
            let scores = model.evaluate(&data, evaluate(own)).unwrap();
            let outputs = model.predict_outputs(&data, predict(own)).unwrap();
            let lengths: Vec<_> =
                outputs.iter().map(|(name, values)| (name.as_str(), values.len())).collect();
            assert_eq!(lengths, [("number", 214), ("sign", 107)]);
            let values: Vec<f32> = outputs.into_iter().flat_map(|(_, values)| values).collect();
            (scores, bits_of(&values))
        });
        for samples in [1, 2, 3] {
            let few = digits(samples);
            same_in(&[2, 3, 4], &format!("{samples} samples"), |own| {
                let mut model = perceptron().shards(4).build(backend.clone()).unwrap();
                let outputs = model.predict(&few, predict(own)).unwrap();
                assert_eq!(outputs.len(), samples * 10);
                (model.evaluate(&few, evaluate(own)).unwrap(), bits_of(&outputs))
            });
        }
    }
}

#[test]
fn halves_skip_the_same_steps_in_all() {
    let gpu = gpu();
    let gpu = gpu.has_halves().then(|| Backend::from(&gpu));
    // One sample's gradient is beyond f16, in a shard of one process alone: no process makes that step.
    let mut weights = vec![1.0; 213];
    weights[98] = 1e5;
    for backend in [Some(cpu()), gpu].into_iter().flatten() {
        let data = largest(213, 0);
        let (_, skipped, _) = same_in(&[2, 3], &format!("halves on {backend:?}"), |own| {
            let compiled = classifier().precision(Precision::MixedFloat16).shards(8);
            let mut model = compiled.build(backend.clone()).unwrap();
            let fit = Fit::new().batch_size(BATCH).epochs(2).shuffle(Shuffle::Off);
            let fit = fit.sample_weight(weights.clone());
            let history = model.fit(&data, shared(fit, own)).unwrap();
            let scale = model.read_exactly(LossScale::NAME).unwrap();
            (bits(&mut model), scale[LossScale::SkippedSteps as usize], epochs(&history))
        });
        assert!((1.0..12.0).contains(&skipped), "{skipped} of 12 steps skipped on {backend:?}");
    }
}

#[test]
fn the_first_process_shows_a_bar_and_the_others_are_silent() {
    let data = largest(213, 0);
    let run = |own: Option<&InProcess>, shows: bool| {
        let mut shown = Vec::new();
        let mut bar = ProgressBar::to(&mut shown, Verbose::Bar);
        let mut model = classifier().shards(8).build(cpu()).unwrap();
        let fit = shared(Fit::new().batch_size(BATCH).epochs(2).validation_split(0.1), own);
        let fit = if shows { fit.callback(&mut bar) } else { fit };
        let history = model.fit(&data, fit).unwrap();
        drop(bar);
        assert_eq!(shown.is_empty(), !shows, "{}", String::from_utf8_lossy(&shown));
        (bits(&mut model), epochs(&history))
    };
    let silent = run(None, false);
    assert_eq!(run(None, true), silent);
    for count in [2, 3] {
        for made in in_processes(count, |own| run(Some(&own), own.process().is_first())) {
            assert_eq!(made, silent, "{count} processes");
        }
        let made = in_processes(count, |own| {
            let verbose = if own.process().is_first() { Verbose::Bar } else { Verbose::Silent };
            let mut model = classifier().shards(8).build(cpu()).unwrap();
            let fit = Fit::new().batch_size(BATCH).epochs(2).validation_split(0.1);
            model.fit(&data, fit.verbose(verbose).distribute(&own)).unwrap();
            let evaluate = evaluate(Some(&own)).verbose(verbose);
            (bits(&mut model), model.evaluate(&data, evaluate).unwrap())
        });
        for (model, scores) in &made {
            assert_eq!(model, &silent.0, "{count} processes");
            assert_eq!(scores, &made[0].1, "{count} processes");
        }
    }
}

/// Keeps the scores after each step.
#[derive(Default)]
struct Looks(Vec<Scores>);

impl Callback for Looks {
    fn wants_scores(&mut self, _: StepEnd) -> bool {
        true
    }

    fn scores(&mut self, _: StepEnd, scores: &Scores) {
        self.0.push(scores.clone());
    }
}

#[test]
fn the_first_process_alone_may_look_on() {
    let data = largest(213, 0);
    let run = |own: Option<&InProcess>, looks: bool| {
        let mut looking = Looks::default();
        let mut model = classifier().shards(8).build(cpu()).unwrap();
        let fit = shared(Fit::new().batch_size(BATCH).epochs(2), own);
        let fit = if looks { fit.callback(&mut looking) } else { fit };
        let history = model.fit(&data, fit).unwrap();
        let last = looking.0.last();
        assert_eq!(last, looks.then_some(&history.epochs[1].training));
        (bits(&mut model), looking.0)
    };
    let (model, scores) = run(None, true);
    assert_eq!(scores.len(), 12);
    for count in [2, 3] {
        let made = in_processes(count, |own| {
            let looks = own.process().is_first();
            (looks, run(Some(&own), looks))
        });
        for (looks, (made, seen)) in made {
            assert_eq!(made, model, "the first of {count} processes looks on");
            assert_eq!(seen, if looks { scores.clone() } else { Vec::new() });
        }
    }
}
