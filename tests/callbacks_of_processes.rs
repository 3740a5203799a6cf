//! Callbacks where several processes train one model: all decide alike, and only the first writes.

use std::path::Path;
use std::time::Duration;

use minibatch::callbacks::{
    BackupAndRestore, CsvLogger, EarlyStopping, Frequency, LearningRateScheduler, ModelCheckpoint,
    Plot, ProgressBar, ReduceLrOnPlateau, TensorBoard, TerminateOnNan,
};
use minibatch::data::synthetic_digits;
use minibatch::distributed::{InProcess, Process, Transport};
use minibatch::model::Input;
use minibatch::training::{
    Answer, Callback, Control, EpochRecord, EpochStart, History, Request, Resume, Scores, StepEnd,
    TrainStart,
};
use minibatch::{Activation, Adam, Cpu, Error, Fit, Loss, Model, Result, Sequential, Verbose};

/// A run in one of several processes, which notes what is asked of it.
struct Run {
    process: Process,
    learning_rate: f64,
    stopped: bool,
    requests: Vec<Request>,
}

impl Run {
    fn new(rank: usize, count: usize) -> Self {
        let process = Process { rank, count };
        Run { process, learning_rate: 0.1, stopped: false, requests: Vec::new() }
    }
}

impl Control for Run {
    fn steps(&self) -> u64 {
        7
    }
    fn process(&self) -> Process {
        self.process
    }
    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }
    fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        self.learning_rate = learning_rate;
        Ok(())
    }
    fn stop(&mut self) {
        self.stopped = true;
    }
    fn request(&mut self, request: Request) {
        self.requests.push(request);
    }
}

fn train_start(epochs: u32, steps: usize) -> TrainStart {
    let names = ["loss", "learning_rate", "seconds"].map(str::to_owned);
    TrainStart::new(0, epochs, steps, names.into())
}

fn record(epoch: u32, loss: f64) -> EpochRecord {
    let mut record = EpochRecord::new(epoch, Scores::new(loss, []));
    (record.learning_rate, record.seconds) = (0.1, f64::from(epoch));
    record
}

/// Calls the hooks of two epochs of three steps, and says that files are written. Returns what was
/// asked for, and after which steps scores were wanted.
fn drive(callback: &mut dyn Callback, run: &mut Run) -> Result<(Vec<String>, Vec<usize>)> {
    let (mut asked, mut wanted) = (Vec::new(), Vec::new());
    let mut answer = |callback: &mut dyn Callback, run: &mut Run| -> Result<()> {
        for request in std::mem::take(&mut run.requests) {
            asked.push(format!("{request:?}"));
            match request {
                Request::Save(path) | Request::SaveWithNote { path, .. } => {
                    callback.answer(run, Answer::Saved(path))?;
                }
                other => panic!("{other:?}"),
            }
        }
        Ok(())
    };
    callback.train_begin(run, &train_start(2, 3))?;
    for epoch in 1..=2 {
        callback.epoch_begin(run, EpochStart::new(epoch, 2, 3))?;
        for step in 1..=3 {
            callback.batch_begin(run, step)?;
            let end = StepEnd::new(step, 32 * step);
            if callback.wants_scores(end) {
                wanted.push(step);
                callback.scores(end, &Scores::new(0.5, []));
            }
            callback.batch_end(run, end)?;
            answer(callback, run)?;
        }
        callback.test_begin(run, Some(1))?;
        callback.test_end(run, &Scores::new(0.5, []))?;
        callback.epoch_end(run, &record(epoch, 1.0 / f64::from(epoch)))?;
        answer(callback, run)?;
    }
    callback.train_end(run, &History::default())?;
    answer(callback, run)?;
    Ok((asked, wanted))
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn only_the_first_process_writes_and_all_ask_for_the_same() {
    type Make = fn(&Path) -> Box<dyn Callback>;
    let writers: [(Make, &[&str]); 5] = [
        (|at| Box::new(CsvLogger::new(at.join("log.csv"))), &["log.csv"]),
        (|at| Box::new(Plot::new(at.join("plot.svg"))), &["plot.svg"]),
        (
            |at| Box::new(TensorBoard::new(at).update_freq(Frequency::Batches(2))),
            &["train", "validation"],
        ),
        // The files themselves are written where the request is carried out.
        (
            |at| {
                let path = at.join("made/{epoch}.safetensors");
                Box::new(ModelCheckpoint::new(path.to_str().unwrap()).monitor("loss"))
            },
            &["made"],
        ),
        (
            |at| Box::new(BackupAndRestore::new(at.join("backup")).delete_checkpoint(false)),
            &["backup"],
        ),
    ];
    for (make, written) in writers {
        let directory = tempfile::tempdir().unwrap();
        let of_rank = |rank| {
            let mut callback = make(directory.path());
            drive(&mut *callback, &mut Run::new(rank, 3)).unwrap()
        };
        let others = [of_rank(1), of_rank(2)];
        assert!(names(directory.path()).is_empty(), "{:?}", names(directory.path()));
        let first = of_rank(0);
        assert_eq!(names(directory.path()), written);
        assert_eq!(others, [first.clone(), first]);
    }
}

fn small_model() -> Model {
    Sequential::new(Input::pixels(&[28, 28]))
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
        .build(&Cpu::new())
        .unwrap()
}

#[test]
fn a_backup_belongs_to_the_first_process_alone() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    for file in ["after-epoch-1.safetensors", "after-epoch-2.safetensors"] {
        small_model().save(&at.join(file)).unwrap();
    }
    let start = train_start(3, 3);
    let (mut first, mut other) = (Run::new(0, 2), Run::new(1, 2));
    let backup = || BackupAndRestore::new(at).keep(1);

    assert_eq!(backup().resume(&mut first, &start).unwrap(), Some(Resume::new(2, 0)));
    let restored = format!("{:?}", Request::Restore(at.join("after-epoch-2.safetensors")));
    assert_eq!(format!("{:?}", first.requests), format!("[{restored}]"));
    assert_eq!(backup().resume(&mut other, &start).unwrap(), None);
    assert!(other.requests.is_empty());

    // A new backup makes the older ones superfluous, and the end makes all so: the first one removes
    // them. What another does first must change nothing.
    let saved = || Answer::Saved(at.join("after-epoch-2.safetensors"));
    let before = names(at);
    backup().answer(&mut other, saved()).unwrap();
    backup().train_end(&mut other, &History::default()).unwrap();
    assert_eq!(names(at), before);
    backup().answer(&mut first, saved()).unwrap();
    assert_eq!(names(at), ["after-epoch-2.safetensors"]);
    backup().train_end(&mut first, &History::default()).unwrap();
    assert!(!at.exists());

    // A file that is damaged stops the first one; the others do not read it.
    std::fs::create_dir(at).unwrap();
    std::fs::write(at.join("after-epoch-1.safetensors"), "damaged").unwrap();
    backup().resume(&mut first, &start).unwrap_err();
    assert_eq!(backup().resume(&mut other, &start).unwrap(), None);
}

/// Where a progress bar writes in a test: into a file nobody reads any more, if it fails.
struct Output {
    text: std::sync::Arc<std::sync::Mutex<Vec<u8>>>,
    fails: bool,
}

impl std::io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.fails {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        self.text.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The steps of an epoch after which a progress bar wants scores, and what it shows. Each step of the
/// last process takes a while where that is asked for.
fn shown(rank: usize, verbose: Verbose, steps: Option<usize>, fails: bool) -> (Vec<usize>, String) {
    let text = std::sync::Arc::default();
    let mut bar = ProgressBar::to(Output { text: std::sync::Arc::clone(&text), fails }, verbose);
    let mut run = Run::new(rank, 2);
    let mut wanted = Vec::new();
    bar.train_begin(&mut run, &TrainStart::new(0, 1, steps, vec!["loss".into()])).unwrap();
    bar.epoch_begin(&mut run, EpochStart::new(1, 1, steps)).unwrap();
    for step in 1..=400 {
        let end = StepEnd::new(step, 64 * step);
        if bar.wants_scores(end) {
            wanted.push(step);
            bar.scores(end, &Scores::new(0.5, []));
            if rank == 1 {
                // Longer than a bar that follows a clock waits.
                std::thread::sleep(Duration::from_millis(15));
            }
        }
        bar.batch_end(&mut run, end).unwrap();
    }
    let mut record = record(1, 0.5);
    record.waits.for_exchange = 0.25;
    bar.epoch_end(&mut run, &record).unwrap();
    drop(bar);
    let text = String::from_utf8(text.lock().unwrap().clone()).unwrap();
    (wanted, text)
}

#[test]
fn the_progress_bar_wants_scores_after_the_same_steps_in_all_processes() {
    for (steps, times) in [(Some(400), 20), (None, 4)] {
        let (wanted, text) = shown(0, Verbose::Bar, steps, false);
        assert_eq!(wanted.len(), times, "{wanted:?}");
        assert_eq!(text.matches('\r').count(), times + 1, "{text}");
        assert_eq!(shown(1, Verbose::Bar, steps, false), (wanted.clone(), String::new()));
        // Nobody reads what the first one writes: still the others wait for it.
        assert_eq!(shown(0, Verbose::Bar, steps, true), (wanted, String::new()));
    }
    assert_eq!(shown(1, Verbose::Line, Some(400), false), (Vec::new(), String::new()));
    // On a terminal or not, which may differ from process to process.
    let mut auto = ProgressBar::new(Verbose::Auto);
    auto.train_begin(&mut Run::new(1, 2), &train_start(1, 400)).unwrap();
    auto.epoch_begin(&mut Run::new(1, 2), EpochStart::new(1, 1, 400)).unwrap();
    assert_eq!((1..=400).filter(|&step| auto.wants_scores(StepEnd::new(step, 1))).count(), 20);
}

#[test]
fn an_epochs_line_tells_the_speed_of_all_processes_and_how_long_they_waited() {
    let (_, text) = shown(0, Verbose::Line, Some(400), false);
    let (before, after) = text.trim_end().split_once(" samples/s - ").unwrap();
    assert_eq!(after, "25% waiting for processes");
    let speed: f64 = before.rsplit(" - ").next().unwrap().parse().unwrap();
    // 25,600 samples.
    assert!(speed > 0.0, "{text}");

    let mut text = Vec::new();
    let mut bar = ProgressBar::to(&mut text, Verbose::Line);
    let data = synthetic_digits(64, 0).unwrap().with_classes(10).unwrap();
    let history = small_model().fit(&data, Fit::new().callback(&mut bar)).unwrap();
    drop(bar);
    assert_eq!(history.epochs[0].waits.for_exchange, 0.0);
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("loss") && !text.contains("samples/s"), "{text}");
}

#[test]
fn what_each_process_would_measure_for_itself_decides_nothing() {
    fn refused(argument: &str, begun: Result<()>) {
        let error = begun.unwrap_err();
        assert!(
            matches!(error, Error::Argument { argument: found, .. } if found == argument),
            "{error}"
        );
    }
    let start = train_start(2, 3);
    let (mut alone, mut one) = (Run::new(0, 1), Run::new(1, 2));
    let directory = tempfile::tempdir().unwrap();
    let board =
        || TensorBoard::new(directory.path()).update_freq(Frequency::Time(Duration::from_secs(1)));
    board().train_begin(&mut alone, &start).unwrap();
    refused("update_freq", board().train_begin(&mut one, &start));
    let stopping = || EarlyStopping::new().monitor("seconds").mode(minibatch::callbacks::Mode::Min);
    stopping().train_begin(&mut alone, &start).unwrap();
    refused("monitor", stopping().train_begin(&mut one, &start));
    let plateau =
        || ReduceLrOnPlateau::new().monitor("seconds").mode(minibatch::callbacks::Mode::Min);
    plateau().train_begin(&mut alone, &start).unwrap();
    refused("monitor", plateau().train_begin(&mut one, &start));
}

#[test]
fn what_changes_training_acts_in_every_process() {
    for rank in 0..2 {
        let mut run = Run::new(rank, 2);
        let mut stopping = EarlyStopping::new().monitor("loss");
        stopping.train_begin(&mut run, &train_start(9, 3)).unwrap();
        stopping.epoch_end(&mut run, &record(1, 0.5)).unwrap();
        assert!(!run.stopped);
        stopping.epoch_end(&mut run, &record(2, 0.6)).unwrap();
        assert!(run.stopped);

        let mut plateau = ReduceLrOnPlateau::new().monitor("loss").factor(0.5).patience(1);
        plateau.train_begin(&mut run, &train_start(9, 3)).unwrap();
        plateau.epoch_end(&mut run, &record(1, 0.5)).unwrap();
        assert_eq!(run.learning_rate, 0.1);
        plateau.epoch_end(&mut run, &record(2, 0.6)).unwrap();
        assert_eq!(run.learning_rate, 0.05);

        let mut scheduler = LearningRateScheduler::new(|epoch, rate| rate / f64::from(epoch + 1));
        scheduler.epoch_begin(&mut run, EpochStart::new(2, 9, 3)).unwrap();
        assert_eq!(run.learning_rate, 0.025);

        let mut looks = TerminateOnNan::new().every_steps(2);
        let wanted = (1..=5).map(|step| looks.wants_scores(StepEnd::new(step, 32)));
        assert_eq!(wanted.collect::<Vec<_>>(), [false, true, false, true, false]);
        let error = looks.epoch_end(&mut run, &{
            let mut broken = record(1, 0.5);
            broken.validation = Some(Scores::new(f64::NAN, []));
            broken
        });
        assert!(matches!(error, Err(Error::NonFinite { step: 7, .. })), "{error:?}");
    }
}

/// Notes the samples of each step, and who says so.
#[derive(Default)]
struct Samples(Vec<usize>, Option<Process>);

impl Callback for Samples {
    fn batch_end(&mut self, run: &mut dyn Control, step: StepEnd) -> Result<()> {
        self.0.push(step.samples);
        self.1 = Some(run.process());
        Ok(())
    }
}

#[test]
fn a_run_of_two_processes_counts_the_samples_of_both_and_writes_one_log() {
    let directory = tempfile::tempdir().unwrap();
    let data = synthetic_digits(80, 0).unwrap().with_classes(10).unwrap();
    let fit = |transport: InProcess| {
        let process = transport.process();
        let mut samples = Samples::default();
        let mut log = CsvLogger::new(directory.path().join(format!("{}.csv", process.rank)));
        let text = std::sync::Arc::default();
        let output = Output { text: std::sync::Arc::clone(&text), fails: false };
        let mut bar = ProgressBar::to(output, Verbose::Bar);
        let fit = Fit::new().batch_size(32).callback(&mut samples).callback(&mut log);
        let history =
            small_model().fit(&data, fit.callback(&mut bar).distribute(&transport)).unwrap();
        let waited = history.epochs[0].waits.for_exchange;
        assert!((0.0..=1.0).contains(&waited), "{waited}");
        drop(bar);
        // Of 80 samples, the last batch has 16.
        assert_eq!((samples.0, samples.1), (vec![32, 64, 80], Some(process)));
        String::from_utf8(text.lock().unwrap().clone()).unwrap()
    };
    let shown: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> =
            InProcess::group(2).into_iter().map(|own| scope.spawn(|| fit(own))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert!(shown[0].contains("samples/s") && shown[0].contains("waiting for processes"));
    assert_eq!(shown[1], "");
    assert_eq!(names(directory.path()), ["0.csv"]);
}
