//! Callbacks, schedules and the arguments of fit that they go with, on both executors.

#[path = "support/unfused.rs"]
mod unfused;

use std::path::Path;
use std::sync::{Arc, Mutex};

use approx::assert_abs_diff_eq;
use minibatch::callbacks::{
    CsvLogger, EarlyStopping, LambdaCallback, LearningRateScheduler, Mode, ModelCheckpoint,
    ReduceLrOnPlateau, TerminateOnNan,
};
use minibatch::data::{Batch, BatchOrder, Dataset, Features, Shuffle, synthetic_digits};
use minibatch::model::Input;
use minibatch::schedule::{
    CosineDecay, ExponentialDecay, OneCycle, PiecewiseConstantDecay, PolynomialDecay,
};
use minibatch::training::{
    Answer, Backend, Callback, Control, EpochRecord, EpochStart, History, Predictions, Request,
    Scores, StepEnd, TrainStart,
};
use minibatch::{
    Activation, Adam, Cpu, Error, Evaluate, Fit, Gpu, Loss, Metric, Model, Predict, Result,
    Schedule, Sequential,
};
use unfused::unfused;

fn backends() -> [Backend; 2] {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    [Backend::from(&Cpu::new()), Backend::from(&gpu)]
}

fn build(backend: &Backend, schedule: Option<Schedule>) -> Model {
    let mut compiled = Sequential::new(Input::pixels(&[28, 28]))
        .dense(8, Activation::Relu)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy]);
    compiled.schedule = schedule;
    compiled.build(backend.clone()).unwrap()
}

fn model(backend: &Backend) -> Model {
    build(backend, None)
}

fn bits(model: &mut Model) -> Vec<u32> {
    let weights = model.weights().unwrap();
    weights.into_iter().flat_map(|(_, _, values)| values).map(f32::to_bits).collect()
}

fn ask_for_weights(run: &mut dyn Control, _record: &EpochRecord) -> Result<()> {
    run.request(Request::Weights);
    Ok(())
}

/// The bits of the weights that were asked for.
fn weights_of(answer: Answer) -> Option<Vec<u32>> {
    match answer {
        Answer::Weights(weights) => {
            Some(weights.into_iter().flat_map(|(_, _, values)| values).map(f32::to_bits).collect())
        }
        _ => None,
    }
}

fn digits(samples: usize) -> Dataset {
    synthetic_digits(samples, 0).unwrap().with_classes(10).unwrap()
}

/// Notes each hook that is called; fails in one of them, if told to.
#[derive(Default)]
struct Calls {
    name: &'static str,
    seen: Vec<String>,
    wants: bool,
    fails_in: &'static str,
}

impl Calls {
    fn note(&mut self, hook: &str, with: impl std::fmt::Display) -> Result<()> {
        self.seen.push(format!("{}{hook} {with}", self.name).trim_end().to_owned());
        match hook == self.fails_in {
            true => Err(Error::callback("as told")),
            false => Ok(()),
        }
    }
}

impl Callback for Calls {
    fn train_begin(&mut self, _run: &mut dyn Control, train: &TrainStart) -> Result<()> {
        let TrainStart { initial_epoch, epochs, steps, names, .. } = train;
        self.note(
            "train_begin",
            format!("{initial_epoch} {epochs} {} {}", steps.unwrap(), names.join(",")),
        )
    }
    fn train_end(&mut self, _run: &mut dyn Control, history: &History) -> Result<()> {
        self.note("train_end", history.epochs.len())
    }
    fn epoch_begin(&mut self, _run: &mut dyn Control, epoch: EpochStart) -> Result<()> {
        self.note(
            "epoch_begin",
            format!("{}/{} {}", epoch.epoch, epoch.epochs, epoch.steps.unwrap()),
        )
    }
    fn epoch_end(&mut self, _run: &mut dyn Control, record: &EpochRecord) -> Result<()> {
        self.note("epoch_end", record.epoch)
    }
    fn batch_begin(&mut self, _run: &mut dyn Control, step: usize) -> Result<()> {
        self.note("batch_begin", step)
    }
    fn wants_scores(&mut self, _step: StepEnd) -> bool {
        self.wants
    }
    fn scores(&mut self, step: StepEnd, _scores: &Scores) {
        let _ = self.note("scores", step.step);
    }
    fn batch_end(&mut self, _run: &mut dyn Control, step: StepEnd) -> Result<()> {
        self.note("batch_end", format!("{} {}", step.step, step.samples))
    }
    fn test_begin(&mut self, _run: &mut dyn Control, steps: Option<usize>) -> Result<()> {
        self.note("test_begin", steps.unwrap())
    }
    fn test_end(&mut self, _run: &mut dyn Control, _scores: &Scores) -> Result<()> {
        self.note("test_end", "")
    }
    fn test_batch_begin(&mut self, _run: &mut dyn Control, step: usize) -> Result<()> {
        self.note("test_batch_begin", step)
    }
    fn wants_test_scores(&mut self, _step: StepEnd) -> bool {
        self.wants
    }
    fn test_scores(&mut self, step: StepEnd, _scores: &Scores) {
        let _ = self.note("test_scores", step.step);
    }
    fn test_batch_end(&mut self, _run: &mut dyn Control, step: StepEnd) -> Result<()> {
        self.note("test_batch_end", format!("{} {}", step.step, step.samples))
    }
    fn predict_begin(&mut self, _run: &mut dyn Control, steps: Option<usize>) -> Result<()> {
        self.note("predict_begin", steps.unwrap())
    }
    fn predict_end(&mut self, _run: &mut dyn Control) -> Result<()> {
        self.note("predict_end", "")
    }
    fn predict_batch_begin(&mut self, _run: &mut dyn Control, step: usize) -> Result<()> {
        self.note("predict_batch_begin", step)
    }
    fn predict_batch_end(
        &mut self,
        _run: &mut dyn Control,
        step: StepEnd,
        outputs: &Predictions,
    ) -> Result<()> {
        let with = format!("{} {} {}", step.step, step.samples, outputs[0].1.len());
        self.note("predict_batch_end", with)
    }
}

/// The calls of two epochs on 10 samples, 7 to train on in batches of 4, 3 to validate on in
/// batches of 2, after the second epoch only.
const FIT_CALLS: [&str; 20] = [
    "train_begin 0 2 2 loss,accuracy,val_loss,val_accuracy,learning_rate,seconds",
    "epoch_begin 1/2 2",
    "batch_begin 1",
    "batch_end 1 4",
    "batch_begin 2",
    "batch_end 2 7",
    "epoch_end 1",
    "epoch_begin 2/2 2",
    "batch_begin 1",
    "batch_end 1 4",
    "batch_begin 2",
    "batch_end 2 7",
    "test_begin 2",
    "test_batch_begin 1",
    "test_batch_end 1 2",
    "test_batch_begin 2",
    "test_batch_end 2 3",
    "test_end",
    "epoch_end 2",
    "train_end 2",
];

fn small_fit<'a>() -> Fit<'a> {
    Fit::new()
        .batch_size(4)
        .epochs(2)
        .validation_split(0.3)
        .validation_batch_size(2)
        .validation_freq(2)
}

#[test]
fn hooks_are_called_in_keras_order() {
    let data = digits(10);
    for backend in backends() {
        let mut model = model(&backend);
        let mut calls = Calls::default();
        model.fit(&data, small_fit().callback(&mut calls)).unwrap();
        assert_eq!(calls.seen, FIT_CALLS);

        let mut calls = Calls { wants: true, ..Calls::default() };
        let evaluate = Evaluate::new().batch_size(4).steps(2);
        model.evaluate(&data, evaluate.callback(&mut calls)).unwrap();
        let expected = [
            "test_begin 2",
            "test_batch_begin 1",
            "test_scores 1",
            "test_batch_end 1 4",
            "test_batch_begin 2",
            "test_scores 2",
            "test_batch_end 2 8",
            "test_end",
        ];
        assert_eq!(calls.seen, expected);

        let mut calls = Calls::default();
        let predict = Predict::new().batch_size(7);
        model.predict(&data, predict.callback(&mut calls)).unwrap();
        let expected = [
            "predict_begin 2",
            "predict_batch_begin 1",
            "predict_batch_end 1 7 70",
            "predict_batch_begin 2",
            "predict_batch_end 2 10 30",
            "predict_end",
        ];
        assert_eq!(calls.seen, expected);
    }
}

#[test]
fn an_error_in_any_hook_ends_the_call_and_leaves_a_usable_model() {
    let data = digits(10);
    for backend in backends() {
        let [mut model, mut fresh] = [model(&backend), model(&backend)];
        let before = model.evaluate(&data, Evaluate::new()).unwrap();
        for (hook, calls_until) in [
            ("train_begin", 1),
            ("epoch_begin", 2),
            ("batch_begin", 3),
            ("batch_end", 4),
            ("epoch_end", 7),
            ("test_begin", 13),
            ("test_batch_begin", 14),
            ("test_batch_end", 15),
            ("test_end", 18),
            ("train_end", 20),
        ] {
            let mut calls = Calls { fails_in: hook, ..Calls::default() };
            let result = model.fit(&data, small_fit().callback(&mut calls));
            assert!(matches!(result, Err(Error::Callback(_))), "{hook}: {result:?}");
            assert_eq!(calls.seen.len(), calls_until, "{hook}: {:?}", calls.seen);
            if hook == "train_begin" {
                assert_eq!(model.steps(), 0);
                assert_eq!(model.evaluate(&data, Evaluate::new()).unwrap(), before);
            }
            // Nothing of the broken epoch or validation is left in later scores.
            fresh.set_weights(&model.weights().unwrap()).unwrap();
            let scores = fresh.evaluate(&data, Evaluate::new()).unwrap();
            assert_eq!(model.evaluate(&data, Evaluate::new()).unwrap(), scores, "{hook}");
        }
        for hook in ["predict_begin", "predict_batch_begin", "predict_batch_end", "predict_end"] {
            let mut calls = Calls { fails_in: hook, ..Calls::default() };
            let result = model.predict(&data, Predict::new().callback(&mut calls));
            assert!(matches!(result, Err(Error::Callback(_))), "{hook}");
        }
    }
}

#[test]
fn scores_are_read_for_those_who_want_them_and_callbacks_take_turns() {
    let data = digits(10);
    let mut model = model(&Backend::from(&Cpu::new()));
    let mut first = Calls { name: "a.", wants: true, ..Calls::default() };
    let mut second = Calls { name: "b.", ..Calls::default() };
    let fit = Fit::new().batch_size(10).callback(&mut first).callback(&mut second);
    model.fit(&data, fit).unwrap();
    assert_eq!(first.seen[3..5], ["a.scores 1", "a.batch_end 1 10"]);
    assert_eq!(first.seen.len(), second.seen.len() + 1);
    assert!(!second.seen.iter().any(|call| call.contains("scores")), "{:?}", second.seen);

    let order = Mutex::new(Vec::new());
    let mut lambdas = [0, 1, 2].map(|number| {
        let order = &order;
        LambdaCallback::new().on_epoch_begin(move |_, _| {
            order.lock().unwrap().push(number);
            Ok(())
        })
    });
    let [a, b, c] = &mut lambdas;
    model.fit(&data, Fit::new().epochs(2).callback(b).callback(a).callback(c)).unwrap();
    assert_eq!(*order.lock().unwrap(), [1, 0, 2, 1, 0, 2]);
}

#[test]
fn lambda_callback_calls_each_closure() {
    let data = digits(10);
    let mut model = model(&Backend::from(&Cpu::new()));
    let seen = Mutex::new(Vec::new());
    let note = |hook: &str| {
        seen.lock().unwrap().push(hook.to_owned());
        Ok(())
    };
    let mut lambda = LambdaCallback::new()
        .on_train_begin(|_, train| note(&format!("train_begin {}", train.steps.unwrap())))
        .on_train_end(|_, history| note(&format!("train_end {}", history.epochs.len())))
        .on_epoch_begin(|_, epoch| note(&format!("epoch_begin {}", epoch.epoch)))
        .on_epoch_end(|_, record| note(&format!("epoch_end {}", record.epoch)))
        .on_batch_begin(|_, step| note(&format!("batch_begin {step}")))
        .on_batch_end(|run, step| {
            run.stop();
            note(&format!("batch_end {}", step.step))
        });
    let history = model.fit(&data, Fit::new().batch_size(4).epochs(9).callback(&mut lambda));
    drop(lambda);
    assert!(history.unwrap().stopped);
    let expected = [
        "train_begin 3",
        "epoch_begin 1",
        "batch_begin 1",
        "batch_end 1",
        "epoch_end 1",
        "train_end 1",
    ];
    assert_eq!(seen.into_inner().unwrap(), expected);
}

/// Predicts and evaluates after each step, and keeps the scores.
struct Busy {
    data: Dataset,
    scores: Vec<Scores>,
    predicted: usize,
}

impl Callback for Busy {
    fn batch_end(&mut self, run: &mut dyn Control, step: StepEnd) -> Result<()> {
        // More rows each time, so that the buffers grow in the midst of the epoch.
        let rows = 8 * step.step;
        let data = || self.data.clone();
        run.request(Request::predict(data(), rows + 3));
        run.request(Request::evaluate(data(), rows));
        run.request(Request::evaluate(data(), rows));
        Ok(())
    }

    fn answer(&mut self, _run: &mut dyn Control, answer: Answer) -> Result<()> {
        match answer {
            Answer::Scores(scores) => self.scores.push(scores),
            Answer::Predictions(outputs) => self.predicted += outputs[0].1.len(),
            other => panic!("{other:?}"),
        }
        Ok(())
    }
}

#[test]
fn evaluating_within_an_epoch_disturbs_nothing() {
    let data = digits(40);
    for backend in backends() {
        let mut quiet = model(&backend);
        let expected = quiet.fit(&data, Fit::new().batch_size(8).epochs(2)).unwrap();

        let mut looking = model(&backend);
        let mut busy = Busy { data: data.clone(), scores: Vec::new(), predicted: 0 };
        let fit = Fit::new().batch_size(8).epochs(2).callback(&mut busy);
        let history = looking.fit(&data, fit).unwrap();
        assert_eq!((busy.scores.len(), busy.predicted), (20, 10 * 40 * 10));
        assert!(busy.scores.chunks(2).all(|pair| pair[0] == pair[1]), "{:?}", busy.scores);
        // They are of the weights of their time.
        let last = looking.evaluate(&data, Evaluate::new().batch_size(40)).unwrap();
        assert_eq!(busy.scores[19], last);
        assert_ne!(busy.scores[17], last);
        assert_eq!(bits(&mut quiet), bits(&mut looking));
        for (a, b) in expected.epochs.iter().zip(&history.epochs) {
            // The same losses, added up in another order.
            assert_abs_diff_eq!(a.training.loss, b.training.loss, epsilon = 1e-6);
            assert_eq!(a.training.accuracy(), b.training.accuracy());
        }
    }
}

#[test]
fn what_a_callback_sets_is_what_training_goes_on_with() {
    let data = digits(20);
    for backend in backends() {
        let mut model = model(&backend);
        let initial = model.weights().unwrap();
        let start = initial.clone();
        let mut lambda = LambdaCallback::new().on_batch_end(move |run, step| {
            if step.step == 2 {
                run.request(Request::SetWeights(start.clone()));
            }
            Ok(())
        });
        let fit = Fit::new().batch_size(10).callback(&mut lambda);
        model.fit(&data, fit).unwrap();
        assert_eq!(model.weights().unwrap(), initial);
    }
}

/// Asks for one thing after each training step, and for nothing else.
struct Asks<'a> {
    request: &'a (dyn Fn() -> Request + Sync),
    answers: Vec<String>,
    /// How many answers there were when the next hook was called.
    in_time: usize,
}

impl Callback for Asks<'_> {
    fn batch_end(&mut self, run: &mut dyn Control, _step: StepEnd) -> Result<()> {
        run.request((self.request)());
        Ok(())
    }

    fn epoch_end(&mut self, _run: &mut dyn Control, _record: &EpochRecord) -> Result<()> {
        self.in_time = self.answers.len();
        Ok(())
    }

    fn answer(&mut self, run: &mut dyn Control, answer: Answer) -> Result<()> {
        // A request of this hook is done as well.
        if let (0, Answer::Weights(weights)) = (self.answers.len(), &answer) {
            run.request(Request::SetWeights(weights.clone()));
            run.request(Request::Weights);
        }
        self.answers.push(format!("{answer:?}"));
        Ok(())
    }
}

#[test]
fn each_request_is_answered_by_what_the_model_itself_would_say() {
    let data = digits(10);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model");
    for backend in backends().iter().map(unfused) {
        let ask = |request: &(dyn Fn() -> Request + Sync)| {
            let mut model = model(&backend);
            let mut asks = Asks { request, answers: Vec::new(), in_time: 0 };
            let history = model.fit(&data, Fit::new().callback(&mut asks));
            assert_eq!(asks.answers.len(), asks.in_time);
            history.map(|_| (model, asks.answers))
        };
        let (mut model, answers) = ask(&|| Request::Weights).unwrap();
        let weights = format!("{:?}", Answer::Weights(model.weights().unwrap()));
        assert_eq!(answers, [weights.clone(), weights]);
        let (mut model, answers) = ask(&|| Request::Read("dense_2.bias.gradient".into())).unwrap();
        let gradient = model.read("dense_2.bias.gradient").unwrap();
        let expected = Answer::Buffer("dense_2.bias.gradient".into(), gradient);
        assert_eq!(answers, [format!("{expected:?}")]);
        let (mut model, answers) = ask(&|| Request::SaveBytes).unwrap();
        // The whole call counts as begun and made when its only step is.
        assert_eq!(answers, [format!("{:?}", Answer::Bytes(model.save_bytes().unwrap()))]);
        let (mut model, answers) = ask(&|| Request::Save(path.clone())).unwrap();
        assert_eq!(answers, [format!("{:?}", Answer::Saved(path.clone()))]);
        let saved = std::fs::read(&path).unwrap();
        assert!(saved == model.save_bytes().unwrap());
        let (mut model, answers) = ask(&|| Request::RestoreBytes(saved.clone())).unwrap();
        assert!(answers.is_empty() && saved == model.save_bytes().unwrap());

        // What fails ends fit.
        for (request, problem) in [
            (&(|| Request::Read("dense_9".into())) as &(dyn Fn() -> Request + Sync), "dense_9"),
            (&|| Request::SetWeights(Vec::new()), "weights: are 0"),
            (&|| Request::RestoreBytes(vec![1, 2, 3]), "bytes: not a whole safetensors file"),
            (&|| Request::Restore("no/such/file".into()), "cannot read no/such/file"),
            (&|| Request::Save("no/such/file".into()), "cannot create no/such/file"),
            (&|| Request::evaluate(digits(3), 0), "batch_size: is 0"),
        ] {
            let error = ask(request).unwrap_err().to_string();
            assert!(error.contains(problem), "{error:?} does not speak of {problem:?}");
        }
    }
}

#[test]
fn a_run_taken_up_at_its_initial_epoch_is_the_same_run() {
    let data = digits(50);
    for backend in backends() {
        for shuffle in [Shuffle::Full, Shuffle::Batch] {
            let fit = || Fit::new().batch_size(8).shuffle(shuffle).validation_split(0.2);
            let mut whole = model(&backend);
            let history = whole.fit(&data, fit().epochs(3)).unwrap();

            let mut parts = model(&backend);
            parts.fit(&data, fit().epochs(2)).unwrap();
            let last = parts.fit(&data, fit().initial_epoch(2).epochs(3)).unwrap();
            assert_eq!(bits(&mut whole), bits(&mut parts));
            assert_eq!(last.epochs.len(), 1);
            let seconds = history.epochs[2].seconds;
            let mut last = last.epochs[0].clone();
            // How long it took is another matter.
            (last.seconds, last.waits) = (seconds, history.epochs[2].waits);
            assert_eq!(last, history.epochs[2]);

            // Without it, the orders go on as well, but the epochs count anew.
            let mut again = model(&backend);
            again.fit(&data, fit().epochs(2)).unwrap();
            let last = again.fit(&data, fit()).unwrap();
            assert_eq!(bits(&mut whole), bits(&mut again));
            assert_eq!(last.epochs[0].epoch, 1);

            // The order is that of the number, whatever the model was trained before.
            let mut elsewhere = model(&backend);
            elsewhere.fit(&data, fit()).unwrap();
            elsewhere.fit(&data, fit()).unwrap();
            elsewhere.fit(&data, fit().initial_epoch(1).epochs(2)).unwrap();
            assert_ne!(bits(&mut whole), bits(&mut elsewhere));
        }
    }
}

#[test]
fn validation_takes_its_own_steps_batches_and_epochs() {
    let (data, held_out) = (digits(20), synthetic_digits(23, 5).unwrap());
    for backend in backends() {
        fn validated<'a>(model: &mut Model, data: &'a Dataset, fit: Fit<'a>) -> Vec<u32> {
            let fit = fit.epochs(6).batch_size(10).validation_data(data);
            let history = model.fit(data, fit).unwrap();
            let records = history.epochs.iter().filter(|record| record.validation.is_some());
            records.map(|record| record.epoch).collect()
        }
        let mut model = model(&backend);
        assert_eq!(validated(&mut model, &held_out, Fit::new()), [1, 2, 3, 4, 5, 6]);
        assert_eq!(validated(&mut model, &held_out, Fit::new().validation_freq(4)), [4]);
        assert_eq!(
            validated(&mut model, &held_out, Fit::new().validation_freq([1, 2, 5, 9])),
            [1, 2, 5]
        );
        let later = Fit::new().validation_freq(vec![1, 4]).initial_epoch(3);
        assert_eq!(validated(&mut model, &held_out, later), [4]);

        let fit = || Fit::new().validation_data(&held_out).validation_batch_size(5);
        let history = model.fit(&data, fit()).unwrap();
        let scores = model.evaluate(&held_out, Evaluate::new().batch_size(5)).unwrap();
        assert_eq!(history.epochs[0].validation.as_ref(), Some(&scores));
        let mut calls = Calls::default();
        let larger = Fit::new()
            .validation_data(&held_out)
            .batch_size(4)
            .validation_batch_size(12)
            .callback(&mut calls);
        model.fit(&data, larger).unwrap();
        assert!(calls.seen.iter().any(|call| call == "test_batch_end 1 12"), "{:?}", calls.seen);
        let history = model.fit(&data, fit().validation_steps(2)).unwrap();
        let first = held_out.slice(0..10).unwrap();
        let scores = model.evaluate(&first, Evaluate::new().batch_size(5)).unwrap();
        assert_eq!(history.epochs[0].validation.as_ref(), Some(&scores));
        let whole = model.evaluate(&held_out, Evaluate::new().batch_size(5)).unwrap();
        assert_ne!(whole, scores);
    }
}

#[test]
fn steps_take_the_first_batches() {
    let data = digits(23);
    for backend in backends() {
        let mut model = model(&backend);
        for (steps, samples) in [(2, 10), (5, 23)] {
            let part = data.slice(0..samples).unwrap();
            let evaluate = || Evaluate::new().batch_size(5);
            let expected = model.evaluate(&part, evaluate()).unwrap();
            assert_eq!(model.evaluate(&data, evaluate().steps(steps)).unwrap(), expected);
            let predict = || Predict::new().batch_size(5);
            let expected = model.predict(&part, predict()).unwrap();
            assert_eq!(expected.len(), 10 * samples);
            assert_eq!(model.predict(&data, predict().steps(steps)).unwrap(), expected);
        }
    }
}

#[test]
fn a_loop_of_train_on_batch_is_fit() {
    let data = digits(23);
    for backend in backends().iter().map(unfused) {
        let mut fitted = model(&backend);
        let fit = Fit::new().batch_size(5).epochs(2).shuffle(Shuffle::Batch);
        let history = fitted.fit(&data, fit).unwrap();
        let mut looped = model(&backend);
        for epoch in 0..2 {
            let order = BatchOrder::new(data.len(), 5, Shuffle::Batch, 0, epoch);
            let mut loss = 0.0;
            for index in 0..order.len() {
                let batch = Batch { data: &data, indices: &order.batch(index) };
                let before = looped.test_on_batch(batch).unwrap();
                let scores = looped.train_on_batch(batch).unwrap();
                // Of this batch alone, and before the update.
                assert_eq!(scores, before);
                assert_ne!(looped.test_on_batch(batch).unwrap(), before);
                loss += scores.loss * batch.len() as f64;
            }
            let expected = history.epochs[epoch as usize].training.loss;
            assert_abs_diff_eq!(loss / 23.0, expected, epsilon = 1e-6);
        }
        assert_eq!(looped.steps(), 10);
        assert_eq!(bits(&mut fitted), bits(&mut looped));

        let outputs = looped.predict(&data, Predict::new().batch_size(23)).unwrap();
        let part = looped.predict_on_batch(Batch { data: &data, indices: &[20, 3] }).unwrap();
        assert_eq!(part.len(), 20);
        assert_abs_diff_eq!(part[..10], outputs[200..210], epsilon = 1e-6);
        assert_abs_diff_eq!(part[10..], outputs[30..40], epsilon = 1e-6);
    }
}

#[test]
fn batches_that_make_no_sense_are_refused_before_anything_changes() {
    let data = digits(5);
    let pixels = Features::U8(Arc::new(vec![0; 784 * 2]));
    let labels = Dataset::new(pixels, &[28, 28], vec![0, 10]).unwrap();
    let narrow = Dataset::new(Features::U8(Arc::new(vec![0; 2])), &[1], vec![0, 1]).unwrap();
    for backend in backends() {
        let mut model = model(&backend);
        let before = bits(&mut model);
        for (what, data, indices) in [
            ("holds no sample", &data, &[][..]),
            ("sample 5 of a set of 5", &data, &[0, 5]),
            ("sample 1 has label 10", &labels, &[0, 1]),
            ("samples of 1 bytes", &narrow, &[0]),
        ] {
            let batch = Batch { data, indices };
            let trained = model.train_on_batch(batch).unwrap_err().to_string();
            assert!(trained.contains(what), "{trained:?} does not speak of {what:?}");
            assert_eq!(model.test_on_batch(batch).unwrap_err().to_string(), trained);
            // Labels do not matter to a prediction.
            assert_eq!(model.predict_on_batch(batch).is_ok(), what.contains("label"), "{what}");
        }
        assert_eq!((model.steps(), bits(&mut model)), (0, before));
    }
}

/// A net of three inputs, and samples of which number `broken` is not finite.
fn broken(backend: &Backend, samples: usize, broken: usize) -> (Model, Dataset) {
    let mut values = vec![0.5f32; samples * 3];
    values[broken * 3] = f32::NAN;
    let labels: Vec<u32> = (0..samples as u32).map(|i| i % 2).collect();
    let data = Dataset::new(Features::F32(Arc::new(values)), &[3], labels).unwrap();
    let compiled = Sequential::new(3).dense(2, Activation::Softmax).compile(
        Adam::default(),
        Loss::SparseCategoricalCrossentropy,
        [],
    );
    (compiled.build(backend.clone()).unwrap(), data)
}

#[test]
fn terminate_on_nan_looks_before_the_epoch_has_ended() {
    for backend in backends() {
        // The sample is in step 3 of 8.
        for (every, ends_at) in [(1, 3), (2, 4), (3, 3), (0, 8)] {
            let (mut model, data) = broken(&backend, 40, 12);
            let mut terminate = TerminateOnNan::new().every_steps(every);
            let fit = Fit::new().batch_size(5).shuffle(Shuffle::Off).epochs(2);
            match model.fit(&data, fit.callback(&mut terminate)) {
                Err(Error::NonFinite { step: 3, batch: Some((1, 3)) }) => {}
                other => panic!("{other:?}"),
            }
            assert_eq!(model.steps(), ends_at, "looked every {every} steps");
        }
        let (mut model, data) = broken(&backend, 40, 39);
        let mut terminate = TerminateOnNan::new();
        let fit = || Fit::new().batch_size(5).validation_split(0.1);
        assert!(model.fit(&data, fit()).is_ok(), "the samples of validation are not trained on");
        let result = model.fit(&data, fit().callback(&mut terminate));
        assert!(matches!(result, Err(Error::NonFinite { .. })), "{result:?}");

        let (mut model, data) = broken(&backend, 4, 3);
        model.train_on_batch(Batch { data: &data, indices: &[0, 1] }).unwrap();
        match model.train_on_batch(Batch { data: &data, indices: &[2, 3] }) {
            Err(Error::NonFinite { step: 2, batch: None }) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_learning_rate_is_that_of_the_update() {
    let data = digits(8);
    let batch = Batch { data: &data, indices: &[0, 1, 2, 3, 4, 5, 6, 7] };
    for backend in backends() {
        let first = |rate: Option<f64>| -> Vec<f64> {
            let mut model = model(&backend);
            let before = model.weight("dense_2.bias").unwrap();
            if let Some(rate) = rate {
                model.set_learning_rate(rate).unwrap();
                assert_eq!(model.learning_rate(), rate);
            }
            model.train_on_batch(batch).unwrap();
            let after = model.weight("dense_2.bias").unwrap();
            after.iter().zip(&before).map(|(a, b)| f64::from(a - b)).collect()
        };
        let default = first(None);
        assert_eq!(default, first(Some(0.001)));
        for (a, b) in default.iter().zip(first(Some(0.004))) {
            // The biases begin at 0, so the first update is the rate times what does not depend
            // on it.
            assert_ne!(b, 0.0);
            assert_abs_diff_eq!(4.0 * a, b, epsilon = 1e-6 * b.abs());
        }
        let mut model = model(&backend);
        for rate in [-0.5, -1.0, f64::NAN, f64::INFINITY] {
            let error = model.set_learning_rate(rate).unwrap_err().to_string();
            assert!(error.contains("learning_rate: is"), "{error}");
        }
        assert_eq!(model.learning_rate(), 0.001);
    }
}

#[test]
fn a_schedule_is_its_rates_set_by_hand() {
    let data = digits(20);
    let schedules: [Schedule; 6] = [
        Schedule::Constant(0.02),
        ExponentialDecay::new(0.01, 3, 0.5).into(),
        CosineDecay { warmup_target: Some(0.02), warmup_steps: 3, ..CosineDecay::new(0.001, 5) }
            .into(),
        PiecewiseConstantDecay::new([2, 5], [0.01, 0.002, 0.0005]).into(),
        PolynomialDecay::new(0.01, 6).into(),
        OneCycle::new(0.02, 8).into(),
    ];
    for backend in backends() {
        fn fit<'a>() -> Fit<'a> {
            Fit::new().batch_size(5).epochs(2)
        }
        let mut plain = model(&backend);
        plain.fit(&data, fit()).unwrap();
        for schedule in &schedules {
            let mut scheduled = build(&backend, Some(schedule.clone()));
            assert_eq!(scheduled.learning_rate(), schedule.at(0));
            let history = scheduled.fit(&data, fit()).unwrap();
            assert_eq!(scheduled.learning_rate(), schedule.at(8));
            let rates: Vec<f64> = history.epochs.iter().map(|r| r.learning_rate).collect();
            assert_eq!(rates, [schedule.at(3), schedule.at(7)]);

            let mut manual = model(&backend);
            let mut set = LambdaCallback::new()
                .on_batch_begin(|run, _| run.set_learning_rate(schedule.at(run.steps())));
            manual.fit(&data, fit().callback(&mut set)).unwrap();
            assert_eq!(bits(&mut scheduled), bits(&mut manual), "{schedule:?}");
            assert_ne!(bits(&mut scheduled), bits(&mut plain), "{schedule:?}");

            let error = scheduled.set_learning_rate(0.1).unwrap_err().to_string();
            assert!(error.contains("compiled with a schedule"), "{error}");
            let mut reduce = ReduceLrOnPlateau::new().monitor("loss");
            let steps = scheduled.steps();
            assert!(scheduled.fit(&data, fit().callback(&mut reduce)).is_err());
            let mut scheduler = LearningRateScheduler::new(|_, rate| rate);
            assert!(scheduled.fit(&data, fit().callback(&mut scheduler)).is_err());
            assert_eq!(scheduled.steps(), steps, "refused before anything changed");
        }
    }
    let refused = Sequential::new(3)
        .dense(2, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
        .schedule(ExponentialDecay::new(0.1, 0, 0.5))
        .build(&Cpu::new());
    assert!(refused.unwrap_err().to_string().contains("decay_steps: is 0"));
}

#[test]
fn learning_rate_scheduler_counts_epochs_from_0() {
    let data = digits(20);
    for backend in backends() {
        let mut model = model(&backend);
        let mut seen = Vec::new();
        let mut scheduler = LearningRateScheduler::new(|epoch, rate| {
            seen.push((epoch, rate));
            if epoch < 2 { rate } else { rate / 2.0 }
        });
        let history = model.fit(&data, Fit::new().epochs(4).callback(&mut scheduler)).unwrap();
        // As in Keras: def schedule(epoch, lr): return lr if epoch < 2 else lr / 2.
        assert_eq!(seen, [(0, 0.001), (1, 0.001), (2, 0.001), (3, 0.0005)]);
        let rates: Vec<f64> = history.epochs.iter().map(|record| record.learning_rate).collect();
        assert_eq!(rates, [0.001, 0.001, 0.0005, 0.00025]);
        assert_eq!(model.learning_rate(), 0.00025);
        let mut wrong = LearningRateScheduler::new(|_, _| f64::NAN);
        let error = model.fit(&data, Fit::new().callback(&mut wrong)).unwrap_err().to_string();
        assert!(error.contains("learning_rate: is NaN"), "{error}");
    }
}

/// Records that differ in `val_loss` only (in `val_accuracy` for what is better upward); NaN
/// stands for an epoch that was not validated.
fn record(epoch: u32, value: f64) -> EpochRecord {
    let scores = |loss, accuracy| Scores::new(loss, [("accuracy".into(), accuracy)]);
    let mut record = EpochRecord::new(epoch, scores(1.0, 0.5));
    record.validation = (!value.is_nan()).then_some(scores(value, value));
    (record.learning_rate, record.seconds) = (0.001, 1.0);
    record
}

fn train_start(epochs: usize) -> TrainStart {
    let names = ["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"];
    TrainStart::new(0, epochs as u32, 1, names.map(str::to_owned).into())
}

/// Calls the hooks of one callback, as a run does, with a model of which nothing is trained.
struct Driver<'m> {
    model: &'m mut Model,
    requests: Vec<Request>,
    stopped: bool,
}

impl Control for Driver<'_> {
    fn steps(&self) -> u64 {
        self.model.steps()
    }
    fn learning_rate(&self) -> f64 {
        self.model.learning_rate()
    }
    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        self.model.set_learning_rate(learning_rate)
    }
    fn stop(&mut self) {
        self.stopped = true;
    }
    fn request(&mut self, request: Request) {
        self.requests.push(request);
    }
}

impl<'m> Driver<'m> {
    fn new(model: &'m mut Model) -> Self {
        Driver { model, requests: Vec::new(), stopped: false }
    }

    /// Calls a hook and does what it asks for; whether training goes on.
    fn call<C: Callback + ?Sized>(
        &mut self,
        callback: &mut C,
        hook: impl FnOnce(&mut C, &mut dyn Control) -> Result<()>,
    ) -> bool {
        hook(callback, self).unwrap();
        for request in std::mem::take(&mut self.requests) {
            let answer = match request {
                Request::Weights => Answer::Weights(self.model.weights().unwrap()),
                Request::SetWeights(weights) => {
                    self.model.set_weights(&weights).unwrap();
                    continue;
                }
                Request::Save(path) => {
                    self.model.save(&path).unwrap();
                    Answer::Saved(path)
                }
                other => panic!("{other:?}"),
            };
            callback.answer(self, answer).unwrap();
        }
        !self.stopped
    }
}

/// Shows a callback one epoch after the other, as fit would; after each, `after` looks.
fn drive(
    callback: &mut dyn Callback,
    model: &mut Model,
    values: &[f64],
    mut after: impl FnMut(&mut Model, u32),
) {
    let mut driver = Driver::new(model);
    driver.call(callback, |callback, run| callback.train_begin(run, &train_start(values.len())));
    for (epoch, &value) in (1..).zip(values) {
        let record = record(epoch, value);
        let goes_on = driver.call(callback, |callback, run| callback.epoch_end(run, &record));
        after(driver.model, epoch);
        if !goes_on {
            break;
        }
    }
    driver.call(callback, |callback, run| callback.train_end(run, &History::default()));
}

#[test]
fn early_stopping_stops_where_keras_does() {
    let model = &mut model(&Backend::from(&Cpu::new()));
    let new = EarlyStopping::new;
    let nan = f64::NAN;
    // (callback, values, epoch of the stop, epoch of the best), each worked out by Keras' code:
    // wait += 1; if better: best = value, wait = 0 if the baseline is beaten too; else if
    // wait >= patience and it is not the first epoch: stop.
    type Case<'a> = (EarlyStopping, &'a [f64], Option<u32>, Option<u32>);
    let cases: [Case<'_>; 17] = [
        (new(), &[3.0, 2.0, 2.0, 1.0], Some(3), Some(2)),
        // A patience of 1 is one of 0.
        (new().patience(1), &[3.0, 2.0, 2.0, 1.0], Some(3), Some(2)),
        (new().patience(2), &[3.0, 4.0, 2.0, 2.5, 2.5, 1.0], Some(5), Some(3)),
        (new().patience(3), &[3.0, 4.0, 4.0, 2.0, 3.0, 3.0], None, Some(4)),
        // Better by 0.5 is not better by more than 0.5; 1.4 is, and its sign is ignored.
        (new().min_delta(0.5), &[2.0, 1.5, 1.0], Some(2), Some(1)),
        (new().min_delta(-0.5), &[2.0, 1.4, 0.8], None, Some(3)),
        (new().mode(Mode::Max), &[1.0, 2.0, 1.5], Some(3), Some(2)),
        (new().monitor("val_accuracy"), &[0.1, 0.2, 0.1], Some(3), Some(2)),
        (new().monitor("val_accuracy").mode(Mode::Min), &[0.1, 0.2], Some(2), Some(1)),
        // Only what is below 1.0 renews the patience: 2.5 and 2.0 do not, so at the third epoch,
        // the first that is not better than the one before, wait is 3.
        (new().patience(3).baseline(1.0), &[2.5, 2.0, 2.0, 0.5], Some(3), Some(2)),
        (new().patience(3).baseline(1.0), &[2.5, 0.5, 2.0, 2.0, 2.0], Some(5), Some(2)),
        // Better each time: not stopped, although the baseline is never beaten.
        (new().patience(2).baseline(0.5), &[4.0, 3.0, 2.0, 1.0], None, Some(4)),
        // The first two epochs do not count.
        (new().start_from_epoch(2), &[1.0, 1.0, 5.0, 4.0, 6.0], Some(5), Some(4)),
        // Epochs that were not validated do not count.
        (new().patience(2), &[nan, 2.0, nan, 3.0, nan, 3.0, 1.0], Some(6), Some(2)),
        (new().monitor("loss"), &[5.0, 4.0], Some(2), Some(1)),
        (new(), &[f64::INFINITY, 3.0, 2.0], None, Some(3)),
        (new(), &[], None, None),
    ];
    for (number, (mut early, values, stopped, best)) in cases.into_iter().enumerate() {
        // Twice: it begins anew with each run.
        for _ in 0..2 {
            drive(&mut early, model, values, |_, _| {});
            assert_eq!((early.stopped_epoch(), early.best_epoch()), (stopped, best), "{number}");
        }
        assert_eq!(early.best().is_some(), best.is_some());
    }
}

#[test]
fn a_value_that_is_no_number_is_never_the_best() {
    let model = &mut model(&Backend::from(&Cpu::new()));
    let mut early = EarlyStopping::new().patience(2);
    let mut driver = Driver::new(model);
    driver.call(&mut early, |early, run| early.train_begin(run, &train_start(3)));
    for (epoch, loss) in [(1, f64::NAN), (2, 1.0), (3, f64::NAN)] {
        let mut record = record(epoch, 0.0);
        record.validation = Some(Scores::new(loss, []));
        assert!(driver.call(&mut early, |early, run| early.epoch_end(run, &record)));
    }
    assert_eq!((early.best(), early.best_epoch()), (Some(1.0), Some(2)));
}

#[test]
fn monitors_that_cannot_be_are_refused_before_anything_changes() {
    let data = digits(20);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m-{val_loss:.2f}").to_str().unwrap().to_owned();
    let mut model = model(&Backend::from(&Cpu::new()));
    let best = || ModelCheckpoint::new("m").save_best_only(true);
    let reduce = || ReduceLrOnPlateau::new().monitor("loss");
    let callbacks: [(&str, Box<dyn Callback>); 13] = [
        ("this run has loss, accuracy, learning_rate, seconds", Box::new(EarlyStopping::new())),
        ("monitor: is \"los\"", Box::new(EarlyStopping::new().monitor("los"))),
        ("mode: is Auto", Box::new(EarlyStopping::new().monitor("seconds"))),
        ("baseline: is NaN", Box::new(EarlyStopping::new().monitor("loss").baseline(f64::NAN))),
        ("monitor: is \"val_loss\"", Box::new(best())),
        ("every_epochs: is 0", Box::new(ModelCheckpoint::new("m").every_epochs(0))),
        ("no value \"val_loss\"", Box::new(ModelCheckpoint::new(path))),
        ("monitor: is \"val_loss\"", Box::new(ReduceLrOnPlateau::new())),
        ("factor: is 1", Box::new(reduce().factor(1.0))),
        ("min_lr: is -1", Box::new(reduce().min_lr(-1.0))),
        ("min_delta: is NaN", Box::new(reduce().min_delta(f64::NAN))),
        ("separator: is '1'", Box::new(CsvLogger::new("log.csv").separator('1'))),
        ("open no/such/log.csv", Box::new(CsvLogger::new("no/such/log.csv"))),
    ];
    for (what, mut callback) in callbacks {
        let error = model.fit(&data, Fit::new().callback(callback.as_mut())).unwrap_err();
        assert!(error.to_string().contains(what), "{error} does not speak of {what:?}");
    }
    assert_eq!(model.steps(), 0);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    assert!(!Path::new("m").exists() && !Path::new("log.csv").exists());
}

/// Rates under which these digits are first learned and then forgotten.
fn rise_and_fall() -> LearningRateScheduler<impl FnMut(u32, f64) -> f64 + Send> {
    LearningRateScheduler::new(|epoch, _| if epoch < 4 { 0.01 } else { 2.0 })
}

#[test]
fn early_stopping_restores_the_best_epoch_to_the_last_digit() {
    let data = synthetic_digits(300, 3).unwrap();
    for backend in backends() {
        for restore in [true, false] {
            let mut model = model(&backend);
            let mut weights = Vec::new();
            let mut watch =
                LambdaCallback::new().on_epoch_end(ask_for_weights).on_answer(|_, answer| {
                    weights.extend(weights_of(answer));
                    Ok(())
                });
            let mut rates = rise_and_fall();
            let mut early = EarlyStopping::new().patience(2).restore_best_weights(restore);
            let fit = Fit::new()
                .epochs(20)
                .validation_split(0.2)
                .callback(&mut watch)
                .callback(&mut rates)
                .callback(&mut early);
            let history = model.fit(&data, fit).unwrap();
            drop(watch);
            assert!(history.stopped);
            let best = early.best_epoch().unwrap() as usize;
            assert_eq!(early.stopped_epoch(), Some(best as u32 + 2));
            assert_eq!(history.epochs.len(), best + 2);
            let (_, held_out) = data.split_last(0.2).unwrap();
            let scores = model.evaluate(&held_out, Evaluate::new()).unwrap();
            let epoch = if restore { best } else { best + 2 };
            assert_eq!(bits(&mut model), weights[epoch - 1]);
            assert_eq!(history.epochs[epoch - 1].validation, Some(scores));
            assert_eq!(early.best(), history.epochs[best - 1].value("val_loss"));
        }
    }
}

#[test]
fn the_best_is_restored_even_if_training_was_not_stopped() {
    let model = &mut model(&Backend::from(&Cpu::new()));
    let mut early = EarlyStopping::new().patience(9).restore_best_weights(true);
    // Epoch number e ends with the bias e; the second is the best.
    let mut driver = Driver::new(model);
    driver.call(&mut early, |early, run| early.train_begin(run, &train_start(3)));
    for (epoch, value) in [(1, 3.0), (2, 1.0), (3, 2.0)] {
        driver.model.set_weight("dense_2.bias", &[epoch as f32; 10]).unwrap();
        let record = record(epoch, value);
        assert!(driver.call(&mut early, |early, run| early.epoch_end(run, &record)));
    }
    driver.call(&mut early, |early, run| early.train_end(run, &History::default()));
    assert_eq!(model.weight("dense_2.bias").unwrap(), [2.0; 10]);
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn model_checkpoint_saves_what_it_should() {
    let model = &mut model(&Backend::from(&Cpu::new()));
    let nan = f64::NAN;
    type Cases<'a> = [(fn(ModelCheckpoint) -> ModelCheckpoint, &'a [f64], &'a [&'a str]); 7];
    let cases: Cases<'_> = [
        (|c| c, &[3.0, 4.0], &["01-3.00", "02-4.00"]),
        (|c| c.every_epochs(2), &[3.0, 4.0, 5.0, 6.0], &["02-4.00", "04-6.00"]),
        (|c| c.save_best_only(true), &[3.0, 4.0, 2.0, 2.0], &["01-3.00", "03-2.00"]),
        (|c| c.save_best_only(true).mode(Mode::Max), &[3.0, 4.0, 2.0], &["01-3.00", "02-4.00"]),
        // Better than 2.5 already.
        (|c| c.save_best_only(true).initial_value_threshold(2.5), &[3.0, 2.0, 2.25], &["02-2.00"]),
        // Compared at even epochs only: the 1.0 of epoch 3 is not seen.
        (
            |c| c.save_best_only(true).every_epochs(2),
            &[3.0, 4.0, 1.0, 2.0, 0.5, 3.0],
            &["02-4.00", "04-2.00"],
        ),
        // The second epoch was not validated.
        (|c| c, &[3.0, nan, 2.0], &["01-3.00", "03-2.00"]),
    ];
    for (number, (with, values, expected)) in cases.into_iter().enumerate() {
        let directory = tempfile::tempdir().unwrap();
        // The directory within does not exist yet.
        let inner = directory.path().join("a").join("b");
        let pattern = inner.join("{epoch:02}-{val_loss:.2f}").to_str().unwrap().to_owned();
        let mut checkpoint = with(ModelCheckpoint::new(pattern));
        drive(&mut checkpoint, model, values, |_, _| {});
        assert_eq!(names_in(&inner), expected, "{number}");
    }
}

#[test]
fn model_checkpoint_remembers_the_best_of_an_earlier_fit() {
    let model = &mut model(&Backend::from(&Cpu::new()));
    let directory = tempfile::tempdir().unwrap();
    let pattern = directory.path().join("{epoch}-{val_loss:.1f}").to_str().unwrap().to_owned();
    let mut checkpoint = ModelCheckpoint::new(pattern).save_best_only(true);
    drive(&mut checkpoint, model, &[3.0, 2.0], |_, _| {});
    // As in Keras, what is worse than the best so far is no reason to overwrite it.
    drive(&mut checkpoint, model, &[2.5, 1.0], |_, _| {});
    assert_eq!(names_in(directory.path()), ["1-3.0", "2-1.0", "2-2.0"]);
}

#[test]
fn a_checkpoint_is_the_model_of_its_epoch_to_the_last_digit() {
    let data = synthetic_digits(300, 3).unwrap();
    let (_, held_out) = data.split_last(0.2).unwrap();
    for backend in backends() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let mut every = ModelCheckpoint::new(path("{epoch:02}"));
        let mut best =
            ModelCheckpoint::new(path("best")).monitor("val_accuracy").save_best_only(true);
        let mut rates = rise_and_fall();
        let mut model = model(&backend);
        let fit = Fit::new()
            .epochs(6)
            .validation_split(0.2)
            .callback(&mut rates)
            .callback(&mut every)
            .callback(&mut best);
        let history = model.fit(&data, fit).unwrap();
        assert_eq!(names_in(directory.path()), ["01", "02", "03", "04", "05", "06", "best"]);
        let scores = |name: &str| {
            let mut model = Model::load(path(name).as_ref(), backend.clone()).unwrap();
            Some(model.evaluate(&held_out, Evaluate::new()).unwrap())
        };
        for record in &history.epochs {
            assert_eq!(scores(&format!("{:02}", record.epoch)), record.validation);
        }
        let accuracy = |record: &&EpochRecord| record.value("val_accuracy").unwrap();
        let most = history.epochs.iter().map(|record| accuracy(&record)).fold(0.0, f64::max);
        let first = history.epochs.iter().find(|record| accuracy(record) == most).unwrap();
        assert_eq!(scores("best"), first.validation);
        assert_eq!(best.best(), Some(most));
        assert_ne!(scores("best"), history.epochs[5].validation, "the last epoch is no test");
    }
}

#[test]
fn reduce_lr_on_plateau_reduces_where_keras_does() {
    let new = || ReduceLrOnPlateau::new().factor(0.5);
    let quarter = 0.25e-3;
    let half = 0.5e-3;
    let one = 1e-3;
    // (callback, values, rate after each epoch), each worked out by Keras' code: a cooldown is
    // counted down first; if better: wait = 0; else, once cooled down, wait += 1 and at
    // wait >= patience the rate is reduced, wait = 0 and the cooldown begins.
    let cases: [(ReduceLrOnPlateau, &[f64], &[f64]); 8] = [
        (new().patience(2), &[3.0, 3.0, 3.0, 3.0, 3.0], &[one, one, half, half, quarter]),
        (new().patience(1), &[3.0, 3.0, 2.0, 2.0], &[one, half, half, quarter]),
        (new().patience(0), &[3.0, 3.0, 2.0, 2.0], &[one, half, half, quarter]),
        // Better by 0.5 is not better by more than 0.5.
        (new().patience(1).min_delta(0.5), &[3.0, 2.5, 2.25], &[one, half, half]),
        // Reduced at epoch 2; 3 cools down, 4 is the last of the cooldown and waits, reduced.
        (
            new().patience(1).cooldown(2),
            &[3.0, 3.0, 3.0, 3.0, 3.0],
            &[one, half, half, quarter, quarter],
        ),
        (new().patience(1).min_lr(0.4e-3), &[3.0, 3.0, 3.0, 3.0], &[one, half, 0.4e-3, 0.4e-3]),
        (
            new().patience(1).monitor("val_accuracy"),
            &[0.1, 0.2, 0.1, 0.1],
            &[one, one, half, quarter],
        ),
        // Not validated: not counted.
        (new().patience(2), &[3.0, f64::NAN, 3.0, f64::NAN, 3.0], &[one, one, one, one, half]),
    ];
    for (number, (mut reduce, values, expected)) in cases.into_iter().enumerate() {
        for _ in 0..2 {
            let mut model = model(&Backend::from(&Cpu::new()));
            let mut rates = Vec::new();
            drive(&mut reduce, &mut model, values, |model, _| rates.push(model.learning_rate()));
            assert_eq!(rates, expected, "{number}");
        }
    }
}

#[test]
fn a_reduced_rate_is_that_of_the_next_epoch() {
    let data = digits(20);
    for backend in backends() {
        let mut model = model(&backend);
        // No loss can be better by so much.
        let mut reduce =
            ReduceLrOnPlateau::new().monitor("loss").patience(1).factor(0.5).min_delta(1e9);
        let history = model.fit(&data, Fit::new().epochs(3).callback(&mut reduce)).unwrap();
        let rates: Vec<f64> = history.epochs.iter().map(|record| record.learning_rate).collect();
        assert_eq!(rates, [0.001, 0.001, 0.0005]);
        assert_eq!(model.learning_rate(), 0.00025);
    }
}

#[test]
fn csv_logger_writes_each_epoch_as_it_ends() {
    let data = digits(20);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.csv");
    let read = || std::fs::read_to_string(&path).unwrap();
    let mut model = model(&Backend::from(&Cpu::new()));
    fn fit<'a>() -> Fit<'a> {
        Fit::new().epochs(3).validation_split(0.25).validation_freq(2)
    }

    let mut log = CsvLogger::new(&path);
    let mut lines = Vec::new();
    let mut watch = LambdaCallback::new().on_epoch_end(|_, _| {
        lines.push(read().lines().count());
        Ok(())
    });
    let history = model.fit(&data, fit().callback(&mut log).callback(&mut watch)).unwrap();
    drop(watch);
    assert_eq!(lines, [2, 3, 4], "the header, and a line as soon as there is an epoch");
    assert_eq!(read(), history.to_csv());

    // Anew by default; with another separator.
    let mut log = CsvLogger::new(&path).separator(';');
    let history = model.fit(&data, fit().callback(&mut log)).unwrap();
    assert_eq!(read(), history.to_csv().replace(',', ";"));

    let mut log = CsvLogger::new(&path).separator(';').append(true);
    let fourth = model.fit(&data, fit().initial_epoch(3).epochs(4).callback(&mut log)).unwrap();
    let both = [history.epochs, fourth.epochs].concat();
    let history = History::new(both);
    assert_eq!(read(), history.to_csv().replace(',', ";"));

    // A run that broke while it wrote.
    std::fs::write(&path, read() + "5;0.1").unwrap();
    let before = read();
    model.fit(&data, fit().callback(&mut log)).unwrap();
    assert_eq!(read().lines().nth(5), Some("5;0.1"));
    assert!(read().starts_with(&(before + "\n1;")));

    let steps = model.steps();
    let error = model.fit(&data, Fit::new().callback(&mut log)).unwrap_err().to_string();
    assert!(error.contains("has the columns \"epoch;loss;accuracy;val_loss;"), "{error}");
    assert_eq!(model.steps(), steps);
    // To append to nothing is to begin.
    let mut log = CsvLogger::new(directory.path().join("new.csv")).append(true);
    let history = model.fit(&data, fit().callback(&mut log)).unwrap();
    let new = std::fs::read_to_string(directory.path().join("new.csv")).unwrap();
    assert_eq!(new, history.to_csv());
}

#[test]
fn weights_are_read_and_set_whole_or_not_at_all() {
    for backend in backends() {
        let mut model = model(&backend);
        let weights = model.weights().unwrap();
        let names: Vec<&str> = weights.iter().map(|(name, _, _)| name.as_str()).collect();
        assert_eq!(names, ["dense_1.weight", "dense_1.bias", "dense_2.weight", "dense_2.bias"]);
        assert_eq!(weights[2].1, [8, 10]);
        let mut other = weights.clone();
        other.iter_mut().flat_map(|(_, _, values)| values).for_each(|value| *value += 0.5);
        model.set_weights(&other).unwrap();
        assert_eq!(model.weights().unwrap(), other);

        let refused = |change: fn(&mut minibatch::model::Weights)| {
            let mut wrong = weights.clone();
            change(&mut wrong);
            wrong
        };
        for (what, wrong) in [
            ("are 3; the model has 4", refused(|w| drop(w.pop()))),
            ("have \"x\" where the model has \"dense_2.bias\"", refused(|w| w[3].0 = "x".into())),
            ("10 values of shape [8, 10]", refused(|w| w[2].2.truncate(10))),
            ("80 values of shape [10, 8]", refused(|w| w[2].1.reverse())),
        ] {
            let error = model.set_weights(&wrong).unwrap_err().to_string();
            assert!(error.contains(what), "{error:?} does not speak of {what:?}");
            assert_eq!(model.weights().unwrap(), other);
        }
    }
}

/// Real MNIST, where it is: a tenth held out, stopped when that gets no better, the best restored
/// and reloaded.
#[test]
fn mnist_stops_restores_the_best_and_reloads_it() {
    let Some(directory) = std::env::var_os("MNIST_DIR") else {
        println!("MNIST_DIR is not set: the run on real MNIST is left out");
        return;
    };
    let data = minibatch::data::read_idx_dir(directory.as_ref()).unwrap();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("best.safetensors");
    for backend in backends() {
        let mut model = Sequential::new(Input::pixels(&[28, 28]))
            .dense(64, Activation::Relu)
            .dense(10, Activation::Softmax)
            .compile(Adam::new(0.003), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
            .build(backend.clone())
            .unwrap();
        let mut early = EarlyStopping::new().patience(2).restore_best_weights(true);
        let mut checkpoint =
            ModelCheckpoint::new(path.to_str().unwrap().to_owned()).save_best_only(true);
        let fit = Fit::new()
            .batch_size(128)
            .epochs(50)
            .validation_split(0.1)
            .callback(&mut early)
            .callback(&mut checkpoint);
        let history = model.fit(&data.train, fit).unwrap();
        assert!(history.stopped, "50 epochs were not enough");
        let best = early.best_epoch().unwrap() as usize;
        assert_eq!(history.epochs.len(), best + 2);
        let mut reloaded = Model::load(&path, backend).unwrap();
        let evaluate = |model: &mut Model, data: &Dataset| {
            model.evaluate(data, Evaluate::new().batch_size(128)).unwrap()
        };
        assert_eq!(evaluate(&mut model, &data.test), evaluate(&mut reloaded, &data.test));
        let (_, held_out) = data.train.split_last(0.1).unwrap();
        let scores = evaluate(&mut reloaded, &held_out);
        assert_eq!(history.epochs[best - 1].validation, Some(scores));
    }
}

#[test]
fn a_callback_may_return_an_error_of_its_own() {
    let mut model = model(&Backend::from(&Cpu::new()));
    let mut stops =
        LambdaCallback::new().on_epoch_end(|_, _| Err(Error::callback("the battery is low")));
    let error = model.fit(digits(10), Fit::new().callback(&mut stops)).unwrap_err();
    assert!(matches!(error, Error::Callback(_)));
    assert_eq!(error.to_string(), "the battery is low");
}

#[test]
fn a_warm_up_may_begin_with_a_rate_of_0() {
    let mut model = model(&Backend::from(&Cpu::new()));
    let before = bits(&mut model);
    let mut rates = LearningRateScheduler::new(|epoch, _| 1e-3 * f64::from(epoch));
    let history = model.fit(digits(10), Fit::new().epochs(1).callback(&mut rates)).unwrap();
    assert_eq!(history.epochs[0].learning_rate, 0.0);
    assert_eq!(bits(&mut model), before);
}

/// A run that only notes what callbacks ask for.
#[derive(Default)]
struct Noted(Vec<Request>);

impl Control for Noted {
    fn steps(&self) -> u64 {
        0
    }

    fn learning_rate(&self) -> f64 {
        0.001
    }

    fn set_learning_rate(&mut self, _learning_rate: f64) -> Result<()> {
        Ok(())
    }

    fn stop(&mut self) {}

    fn request(&mut self, request: Request) {
        self.0.push(request);
    }
}

/// Where a checkpoint of epoch 7 would be saved: `loss` is 0.25, `accuracy` 0.875, `seconds` -12.5,
/// and `val_loss` was not measured.
fn checkpoint_path(pattern: &str) -> Result<Option<std::path::PathBuf>> {
    let mut record = EpochRecord::new(7, Scores::new(0.25, [("accuracy".into(), 0.875)]));
    (record.learning_rate, record.seconds) = (0.001, -12.5);
    let names = ["loss", "accuracy", "val_loss", "learning_rate", "seconds"];
    let names = names.map(str::to_owned).into();
    let (mut run, mut checkpoint) = (Noted::default(), ModelCheckpoint::new(pattern));
    checkpoint.train_begin(&mut run, &TrainStart::new(0, 9, 1, names))?;
    checkpoint.epoch_end(&mut run, &record)?;
    Ok(run.0.pop().map(|request| match request {
        Request::Save(path) => path,
        other => panic!("{other:?}"),
    }))
}

#[test]
fn the_fields_of_a_checkpoints_name_are_pythons() {
    // Each as Python's str.format gives it with epoch=7, loss=0.25, seconds=-12.5.
    for (pattern, expected) in [
        ("plain.safetensors", "plain.safetensors"),
        ("{epoch}", "7"),
        ("m-{epoch:02}", "m-07"),
        ("m-{epoch:03d}.x", "m-007.x"),
        ("{epoch:3d}", "  7"),
        ("{epoch:.1f}", "7.0"),
        ("{loss:.1f}", "0.2"),
        ("{loss:f}", "0.250000"),
        ("{loss}", "0.25"),
        ("{epoch:02}-{accuracy:.3f}", "07-0.875"),
        ("{seconds:07.2f}", "-012.50"),
        ("{loss:07.2f}", "0000.25"),
        ("{{{epoch}}}", "{7}"),
    ] {
        let path = checkpoint_path(pattern).unwrap().unwrap();
        assert_eq!(path.to_str(), Some(expected), "{pattern}");
    }
    assert_eq!(checkpoint_path("{val_loss:.2f}").unwrap(), None);
}

#[test]
fn a_checkpoints_name_that_is_no_pattern_is_refused() {
    for (pattern, what) in [
        ("{epoch", "is not closed"),
        ("epoch}", "without its {"),
        ("{los}", "there is no value \"los\"; this run has epoch, loss, accuracy"),
        ("{}", "there is no value \"\""),
        ("{loss:.2}", "not understood"),
        ("{loss:d}", "not understood"),
        ("{epoch:.2d}", "not understood"),
        ("{loss:.f}", "not understood"),
        ("{loss:+.2f}", "not understood"),
        ("{loss:.70000f}", "not understood"),
        ("{epoch:100}", "not understood"),
    ] {
        let error = checkpoint_path(pattern).unwrap_err().to_string();
        assert!(error.contains(what), "{error:?} does not speak of {what:?}");
    }
}

/// The best of these values of `name`, one an epoch, with early stopping; an error if the run has
/// no such value among `loss`, `seconds` and `name`.
fn best(stopping: EarlyStopping, name: &str, values: &[f64]) -> Result<Option<f64>> {
    let (mut run, mut stopping) = (Noted::default(), stopping.monitor(name).patience(9));
    let names = ["loss", "seconds", name].map(str::to_owned);
    stopping.train_begin(&mut run, &TrainStart::new(0, 9, 1, names.into()))?;
    for (epoch, &value) in (1..).zip(values) {
        let loss = if name == "loss" { value } else { 0.0 };
        let scores = Scores::new(loss, [(name.to_owned(), value)]);
        stopping.epoch_end(&mut run, &EpochRecord::new(epoch, scores))?;
    }
    Ok(stopping.best())
}

#[test]
fn the_names_of_values_tell_which_way_is_better() {
    let values = [2.0, 1.0, 3.0];
    let of = |name| best(EarlyStopping::new(), name, &values).unwrap();
    for name in ["loss", "val_loss", "mse", "val_mae", "accent_loss", "val_auction_mse"] {
        assert_eq!(of(name), Some(1.0), "{name}");
    }
    for name in ["accuracy", "val_loss_accuracy", "size_auc", "top_k_categorical_accuracy"] {
        assert_eq!(of(name), Some(3.0), "{name}");
    }
    let error = best(EarlyStopping::new(), "unknown", &values).unwrap_err().to_string();
    assert!(error.contains("give Min or Max"), "{error}");
    assert_eq!(best(EarlyStopping::new().mode(Mode::Min), "unknown", &values).unwrap(), Some(1.0));
}

#[test]
fn better_is_strict_and_nan_never_is() {
    let of = |mode, values: &[f64]| {
        let stopping = EarlyStopping::new().min_delta(0.25).mode(mode);
        best(stopping, "x", values).unwrap()
    };
    assert_eq!(of(Mode::Min, &[1.0, 0.5]), Some(0.5));
    assert_eq!(of(Mode::Max, &[1.0, 0.5]), Some(1.0));
    assert_eq!(of(Mode::Min, &[1.0, 0.75]), Some(1.0), "better by exactly min_delta");
    assert_eq!(of(Mode::Max, &[1.0, 1.25]), Some(1.0), "better by exactly min_delta");
    assert_eq!(of(Mode::Max, &[1.0, 1.5]), Some(1.5));
    assert_eq!(of(Mode::Min, &[f64::NAN, 9.0, f64::NAN]), Some(9.0));
    assert_eq!(of(Mode::Min, &[f64::NAN]), None);
}

#[test]
fn what_is_not_measured_is_refused_with_what_is() {
    let names = || vec!["loss".to_owned(), "seconds".to_owned()];
    let error = |name| {
        let start = TrainStart::new(0, 9, 1, names());
        let mut stopping = EarlyStopping::new().monitor(name);
        stopping.train_begin(&mut Noted::default(), &start).unwrap_err().to_string()
    };
    assert_eq!(
        error("val_loss"),
        "monitor: is \"val_loss\" (what begins with val_ needs validation data); this run has \
         loss, seconds"
    );
    assert_eq!(error("los"), "monitor: is \"los\"; this run has loss, seconds");
}
