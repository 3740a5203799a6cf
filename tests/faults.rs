//! Faults injected into a host's device, each at a random one of the points where it is given work or
//! awaited: what is asked for comes right or is a typed error, the model has made whole steps, nothing
//! reaches the host's handlers, nothing panics and nothing hangs.
//!
//! `MINIBATCH_FAULTS_ROUNDS` says how many rounds run, `MINIBATCH_FAULTS_SEED` from which seed, and
//! `MINIBATCH_FAULTS_FIRST` from which on; `WGPU_ADAPTER_NAME` names the adapter.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytemuck::cast_slice;
use minibatch::data::{Batch, BatchOrder, Dataset, Features, Shuffle};
use minibatch::gpu::{Fault, Faults, block_on};
use minibatch::model::{Compiled, Input};
use minibatch::random::{Random, Stream};
use minibatch::{
    Activation, Adam, DataOn, DeviceColumns, DeviceElement, DeviceError, DeviceRows, Error,
    Evaluate, Fit, Gpu, Loss, Metric, Model, Predict, Scores, Sequential,
};

use wgpu::util::DeviceExt;

#[path = "support/watched_host.rs"]
mod host;
use host::Host;

/// Steps of an epoch; the last has fewer samples.
const STEPS: usize = 5;
const BATCH_SIZE: usize = 4;
const SAMPLES: usize = STEPS * BATCH_SIZE - 1;

fn compiled() -> Compiled {
    Sequential::new(Input::pixels(&[28, 28]))
        .dense(8, Activation::Relu)
        .dropout(0.25)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .gradient_accumulation_steps(2)
}

/// What is asked of a model while the fault happens.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Work {
    Build,
    Fit(DataOn),
    Record,
    RecordOn,
    TrainOnBatch,
    Evaluate,
    Predict,
    Save,
    Restore,
    SetWeights,
    Snapshot,
    Rebuild,
}

impl Work {
    const ALL: [Work; 13] = [
        Work::Build,
        Work::Fit(DataOn::Host),
        Work::Fit(DataOn::Device),
        Work::Record,
        Work::RecordOn,
        Work::TrainOnBatch,
        Work::Evaluate,
        Work::Predict,
        Work::Save,
        Work::Restore,
        Work::SetWeights,
        Work::Snapshot,
        Work::Rebuild,
    ];
}

/// What a work returns, to be compared.
#[derive(Debug, Clone, PartialEq)]
enum Outcome {
    Done,
    Scores(Vec<Scores>),
    Values(Vec<f32>),
    Bytes(Vec<u8>),
}

/// Does `work` on `model`. Steps are those of the data in its order.
async fn run(
    work: Work,
    model: &mut Model,
    gpu: &Gpu,
    host: &Host,
    buffers: &[wgpu::Buffer; 2],
    truth: &Truth,
) -> Result<Outcome, Error> {
    let data = &truth.data;
    let fit = Fit::new().batch_size(BATCH_SIZE).shuffle(Shuffle::Off).steps_per_submit(2);
    match work {
        Work::Build => {
            *model = compiled().build_async(gpu).await?;
            Ok(Outcome::Done)
        }
        Work::Fit(data_on) => {
            let fit = fit.data_on(data_on).validation_data(data.clone()).snapshot_every(STEPS);
            let history = model.fit_async(data, fit).await?;
            let epochs = history.epochs.into_iter();
            let scores = epochs.flat_map(|epoch| [Some(epoch.training), epoch.validation]);
            Ok(Outcome::Scores(scores.flatten().collect()))
        }
        Work::Record => {
            model.prepare_steps(BATCH_SIZE).await?;
            for step in 0..STEPS {
                let mut encoder = host.encoder();
                let recorded = model.record_step(&mut encoder, truth.batch(step));
                // The host's own work is in there too, whatever the guest made of its part.
                host.queue.submit([encoder.finish()]);
                let _ = host.device.poll(wgpu::PollType::wait_indefinitely());
                recorded?;
            }
            Ok(Outcome::Scores(model.take_scores().await?.into_iter().collect()))
        }
        Work::RecordOn => {
            let [pixels, labels] = buffers;
            let rows = SAMPLES as u32;
            let columns = DeviceColumns::new()
                .input("pixels", DeviceRows::new(pixels, rows).element(DeviceElement::U8))
                .target("class", DeviceRows::new(labels, rows).element(DeviceElement::U32));
            let bound = model.bind_rows(columns, BATCH_SIZE).await?;
            for indices in &truth.batches {
                let mut encoder = host.encoder();
                let rows = indices[0]..indices[0] + indices.len() as u32;
                let recorded = model.record_step_on(&mut encoder, &bound, rows);
                host.queue.submit([encoder.finish()]);
                let _ = host.device.poll(wgpu::PollType::wait_indefinitely());
                recorded?;
            }
            // As a frame loop asks for them: they arrive some frames later, or an error does.
            for _ in 0..10 {
                if let Some(scores) = model.try_take_scores()? {
                    return Ok(Outcome::Scores(vec![scores]));
                }
                let _ = host.device.poll(wgpu::PollType::wait_indefinitely());
            }
            Ok(Outcome::Done)
        }
        Work::TrainOnBatch => {
            let scores = model.train_on_batch_async(truth.batch(0)).await?;
            Ok(Outcome::Scores(vec![scores]))
        }
        Work::Evaluate => {
            let scores = model.evaluate_async(data, Evaluate::new().batch_size(3)).await?;
            Ok(Outcome::Scores(vec![scores]))
        }
        Work::Predict => {
            // Larger batches than any before.
            let values = model.predict_async(data, Predict::new().batch_size(7)).await?;
            Ok(Outcome::Values(values))
        }
        Work::Save => Ok(Outcome::Bytes(model.save_bytes_async().await?)),
        Work::Restore => {
            model.restore_bytes_async(&truth.saved[0]).await?;
            Ok(Outcome::Done)
        }
        Work::SetWeights => {
            let weights = model.weights_async().await?;
            model.set_weights_async(&weights).await?;
            Ok(Outcome::Done)
        }
        Work::Snapshot => {
            model.snapshot_async().await?;
            Ok(Outcome::Done)
        }
        Work::Rebuild => {
            model.rebuild_async(gpu).await?;
            Ok(Outcome::Done)
        }
    }
}

/// What an undisturbed model does on the same adapter.
struct Truth {
    pixels: Vec<u8>,
    labels: Vec<u32>,
    data: Dataset,
    batches: Vec<Vec<u32>>,
    /// After so many steps, twice through the data: all that the next step depends on, and what the
    /// model says of the data.
    states: Vec<(State, Scores, Vec<f32>)>,
    /// Models before any step and after one epoch.
    saved: [Vec<u8>; 2],
    /// Of each work, from the model after one epoch: what comes of it, and how many points it has:
    /// pieces of work, buffers, polls.
    works: Vec<(Outcome, [u64; 3])>,
}

/// Parameters and optimizer state by name, as bytes.
type State = BTreeMap<String, Vec<u8>>;

fn state(model: &mut Model) -> State {
    let bytes = model.save_bytes().unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    tensors.iter().map(|(name, tensor)| (name.to_owned(), tensor.data().to_vec())).collect()
}

impl Truth {
    fn new() -> Self {
        let pixels: Vec<u8> = (0..SAMPLES * 784).map(|i| (i * 37 % 251) as u8).collect();
        let labels: Vec<u32> = (0..SAMPLES as u32).map(|i| i * 7 % 10).collect();
        let features = Features::U8(pixels.clone().into());
        let data = Dataset::new(features, &[28, 28], labels.clone()).unwrap();
        let data = data.with_classes(10).unwrap();
        let order = BatchOrder::new(data.len(), BATCH_SIZE, Shuffle::Off, 0, 0);
        let batches = (0..STEPS).map(|index| order.batch(index).to_vec()).collect();
        let (states, works, saved) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
        let mut truth = Truth { pixels, labels, data, batches, states, saved, works };
        let host = Host::new();
        let faults = Arc::new(Faults::default());
        // So that steps share a submission from the first on.
        let gpu = host.gpu().with_faults(&faults).with_submit_time(Duration::MAX);
        let mut model = compiled().build(&gpu).unwrap();
        for step in 0..=2 * STEPS + 1 {
            if step == 0 || step == STEPS {
                truth.saved[step / STEPS] = model.save_bytes().unwrap();
            }
            let scores = truth.scores(&mut model);
            let predictions = truth.predictions(&mut model);
            truth.states.push((state(&mut model), scores, predictions));
            model.train_on_batch(truth.batch(step)).unwrap();
        }
        let buffers = truth.buffers(&host);
        for work in Work::ALL {
            let mut model = truth.after_an_epoch(&gpu);
            let before = [faults.works(), faults.buffers()];
            let mut polls = 0;
            let outcome = {
                let mut future = pin!(run(work, &mut model, &gpu, &host, &buffers, &truth));
                let mut context = Context::from_waker(Waker::noop());
                loop {
                    match future.as_mut().poll(&mut context) {
                        Poll::Ready(outcome) => break outcome.unwrap(),
                        Poll::Pending => polls += 1,
                    }
                    host.wait();
                }
            };
            let [works, buffers] = [faults.works() - before[0], faults.buffers() - before[1]];
            truth.works.push((outcome, [works, buffers, polls]));
            truth.check(&mut model);
        }
        assert_eq!(host.uncaptured(), [""; 0]);
        truth
    }

    /// Inputs and classes of the data, on the device.
    fn buffers(&self, host: &Host) -> [wgpu::Buffer; 2] {
        [&self.pixels, cast_slice(&self.labels)].map(|contents: &[u8]| {
            host.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
                label: None,
                contents,
                usage: wgpu::BufferUsages::STORAGE,
            })
        })
    }

    fn batch(&self, step: usize) -> Batch<'_> {
        Batch { data: &self.data, indices: &self.batches[step % STEPS] }
    }

    fn scores(&self, model: &mut Model) -> Scores {
        model.evaluate(&self.data, Evaluate::new().batch_size(7)).unwrap()
    }

    fn predictions(&self, model: &mut Model) -> Vec<f32> {
        model.predict(&self.data, Predict::new().batch_size(7)).unwrap()
    }

    /// A model with one epoch behind it, and a snapshot of its beginning.
    fn after_an_epoch(&self, gpu: &Gpu) -> Model {
        let mut model = compiled().build(gpu).unwrap();
        model.snapshot().unwrap();
        model.restore_bytes(&self.saved[1]).unwrap();
        model
    }

    fn of(&self, work: Work) -> (&Outcome, [u64; 3]) {
        let place = Work::ALL.iter().position(|&other| other == work).unwrap();
        let (outcome, points) = &self.works[place];
        (outcome, *points)
    }

    /// Whether the model has made whole steps, all of them counted, and goes on as one that has never
    /// done anything else.
    fn check(&self, model: &mut Model) {
        let steps = model.steps() as usize;
        let (expected, scores, predictions) = &self.states[steps];
        assert!(state(model) == *expected, "not the state after {steps} steps");
        assert_eq!(self.scores(model), *scores, "after {steps} steps");
        assert_eq!(self.predictions(model), *predictions, "after {steps} steps");
        model.train_on_batch(self.batch(steps)).unwrap();
        assert!(state(model) == self.states[steps + 1].0, "not the state a step later");
    }
}

/// What goes wrong in a round.
#[derive(Debug, Clone, Copy)]
enum Disturbance {
    /// At this point of the work.
    Fault(Fault, u64),
    /// The device is destroyed by another thread after so many microseconds.
    LostMeanwhile(u64),
    /// The future is dropped after so many polls, between which the device may come to its end.
    Dropped { polls: u64, device_waits: bool },
}

impl Disturbance {
    fn draw(random: &mut Random, [works, buffers, polls]: [u64; 3]) -> Self {
        let kinds = [Fault::Lost, Fault::Refused, Fault::NoMemory, Fault::NoMemoryFromThen];
        match random.below(8) {
            place @ (0 | 1) => Disturbance::Fault(kinds[place as usize], random.below(works + 1)),
            place @ (2 | 3) => Disturbance::Fault(kinds[place as usize], random.below(buffers + 1)),
            4 => Disturbance::LostMeanwhile(random.below(4000)),
            _ => {
                let polls = random.below(polls + 2);
                Disturbance::Dropped { polls, device_waits: random.below(4) > 0 }
            }
        }
    }

    /// Whether the device does not outlive it.
    fn ends_the_device(self) -> bool {
        matches!(self, Disturbance::Fault(Fault::Lost, _) | Disturbance::LostMeanwhile(_))
    }

    /// Whether a work may end in `error` by it.
    fn explains(self, error: &Error) -> bool {
        match self {
            Disturbance::Fault(Fault::Lost, _) | Disturbance::LostMeanwhile(_) => error.is_lost(),
            Disturbance::Fault(Fault::Refused | Fault::NoMemory | Fault::NoMemoryFromThen, _) => {
                matches!(error, Error::Device(DeviceError::OutOfMemory(_)))
            }
            Disturbance::Dropped { .. } => false,
        }
    }
}

/// A host with a model that faults happen to.
struct Guest {
    host: Host,
    gpu: Gpu,
    faults: Arc<Faults>,
    model: Model,
    /// The samples in memory of the host's.
    buffers: [wgpu::Buffer; 2],
}

impl Guest {
    fn new(truth: &Truth) -> Self {
        let host = Host::new();
        let faults = Arc::new(Faults::default());
        let gpu = host.gpu().with_faults(&faults).with_submit_time(Duration::MAX);
        let model = truth.after_an_epoch(&gpu);
        let buffers = truth.buffers(&host);
        Guest { host, gpu, faults, model, buffers }
    }

    /// Does `work`, disturbed; `None` if it was dropped.
    fn disturbed(
        &mut self,
        work: Work,
        disturbance: Disturbance,
        truth: &Truth,
    ) -> Option<Result<Outcome, Error>> {
        let Guest { host, gpu, faults, model, buffers } = self;
        let device = host.device.clone();
        let work = run(work, model, gpu, host, buffers, truth);
        match disturbance {
            Disturbance::Fault(fault, after) => {
                faults.arm(fault, after);
                let result = block_on(work);
                faults.disarm();
                Some(result)
            }
            Disturbance::LostMeanwhile(microseconds) => std::thread::scope(|scope| {
                scope.spawn(move || {
                    std::thread::sleep(Duration::from_micros(microseconds));
                    device.destroy();
                });
                Some(block_on(work))
            }),
            Disturbance::Dropped { polls, device_waits } => {
                let mut work = pin!(work);
                let mut context = Context::from_waker(Waker::noop());
                for _ in 0..polls {
                    if let Poll::Ready(result) = work.as_mut().poll(&mut context) {
                        return Some(result);
                    }
                    if device_waits {
                        let _ = device.poll(wgpu::PollType::wait_indefinitely());
                    }
                }
                None
            }
        }
    }
}

/// How a round has ended.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Right,
    Failed,
    Dropped,
}

/// A guest, and a host to which its model goes when its own has lost the device.
struct Rounds {
    truth: Truth,
    guest: Guest,
    spare: Host,
    spare_gpu: Gpu,
}

impl Rounds {
    fn new() -> Self {
        let truth = Truth::new();
        let (guest, spare) = (Guest::new(&truth), Host::new());
        let spare_gpu = spare.gpu();
        Rounds { truth, guest, spare, spare_gpu }
    }

    fn run(&mut self, work: Work, disturbance: Disturbance) -> End {
        let Rounds { truth, guest, spare, spare_gpu } = self;
        let end = match guest.disturbed(work, disturbance, truth) {
            None => End::Dropped,
            Some(Ok(outcome)) => {
                assert_eq!(&outcome, truth.of(work).0);
                End::Right
            }
            Some(Err(error)) => {
                assert!(disturbance.explains(&error), "{error:?}");
                End::Failed
            }
        };
        if disturbance.ends_the_device() {
            // Wherever it came to, the device is gone now.
            guest.host.device.destroy();
            let lost = |result: Result<(), Error>| {
                assert!(result.as_ref().is_err_and(Error::is_lost), "{result:?}");
            };
            lost(guest.model.save_bytes().map(drop));
            lost(guest.model.fit(&truth.data, Fit::new()).map(drop));
            assert!(guest.host.was_told_of_loss());
            match guest.model.snapshot_steps() {
                Some(steps) => {
                    assert_eq!(guest.model.rebuild(&*spare_gpu).unwrap().steps, steps);
                    truth.check(&mut guest.model);
                }
                // It was built anew meanwhile.
                None => assert_eq!(work, Work::Build),
            }
            assert_eq!(guest.host.uncaptured(), [""; 0]);
            *guest = Guest::new(truth);
        } else {
            truth.check(&mut guest.model);
            assert_eq!(guest.host.uncaptured(), [""; 0]);
            // The next round finds the same model, with all that this one has left in it but scores.
            block_on(guest.model.take_scores()).unwrap();
            guest.model.restore_bytes(&truth.saved[0]).unwrap();
            guest.model.snapshot().unwrap();
            guest.model.restore_bytes(&truth.saved[1]).unwrap();
        }
        assert_eq!(spare.uncaptured(), [""; 0]);
        end
    }
}

/// Ends the process if it is not dropped in time: a round that hangs would else say nothing. If it is
/// dropped by a panic, it says how to repeat the round.
struct Watch {
    what: String,
    over: Arc<(Mutex<bool>, Condvar)>,
}

impl Watch {
    /// A round takes a second at most.
    const LONGEST: Duration = Duration::from_secs(300);

    fn over(what: String) -> Self {
        let over = Arc::new((Mutex::new(false), Condvar::new()));
        let (watched, name) = (Arc::clone(&over), what.clone());
        std::thread::spawn(move || {
            let (over, changed) = &*watched;
            let waited = changed
                .wait_timeout_while(over.lock().unwrap(), Self::LONGEST, |over| !*over)
                .unwrap();
            if waited.1.timed_out() {
                eprintln!("{name} hangs");
                std::process::abort();
            }
        });
        Watch { what, over }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} has failed", self.what);
        }
        *self.over.0.lock().unwrap() = true;
        self.over.1.notify_all();
    }
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn a_fault_at_any_point_is_a_typed_error_or_changes_nothing() {
    let seed = setting("MINIBATCH_FAULTS_SEED", 0);
    let first = setting("MINIBATCH_FAULTS_FIRST", 0);
    let number = setting("MINIBATCH_FAULTS_ROUNDS", 60);
    let mut rounds = Rounds::new();
    let mut ends = Vec::new();
    for round in first..first + number {
        let mut random = Random::new(seed, Stream::Parity).of(round);
        let work = Work::ALL[random.below(Work::ALL.len() as u64) as usize];
        let disturbance = Disturbance::draw(&mut random, rounds.truth.of(work).1);
        let _watch = Watch::over(format!(
            "MINIBATCH_FAULTS_SEED={seed} MINIBATCH_FAULTS_FIRST={round}: {work:?}, {disturbance:?}"
        ));
        ends.push(rounds.run(work, disturbance));
    }
    let [failed, dropped] =
        [End::Failed, End::Dropped].map(|end| ends.iter().filter(|&&other| other == end).count());
    println!("{number} rounds from seed {seed}: {failed} errors, {dropped} dropped");
    if number >= 60 {
        let some = number as usize / 8;
        assert!(failed > some && dropped > some, "hardly a fault has happened");
    }
}

/// All that the rounds above draw from, one after the other: some 2,000 rounds.
#[test]
#[ignore = "takes minutes; .ci/long runs it"]
fn every_fault_at_every_point() {
    let mut rounds = Rounds::new();
    let mut count = 0;
    for work in Work::ALL {
        let [works, buffers, polls] = rounds.truth.of(work).1;
        let mut refused = 0;
        let at = |fault, points| (0..points).map(move |at| Disturbance::Fault(fault, at));
        let dropped = (0..=polls).flat_map(|polls| {
            [true, false].map(|device_waits| Disturbance::Dropped { polls, device_waits })
        });
        let faults = at(Fault::Lost, works)
            .chain(at(Fault::Refused, works))
            .chain(at(Fault::NoMemory, buffers))
            .chain(at(Fault::NoMemoryFromThen, buffers));
        for disturbance in faults.chain(dropped) {
            let _watch = Watch::over(format!("{work:?}, {disturbance:?}"));
            // One that has prepared nothing yet, so that it comes to all points.
            rounds.guest.model = rounds.truth.after_an_epoch(&rounds.guest.gpu);
            let end = rounds.run(work, disturbance);
            if let (Disturbance::Fault(Fault::Refused, _), End::Failed) = (disturbance, end) {
                refused += 1;
            }
            count += 1;
        }
        // The first work of its kind on a device compiles kernels, which the others find.
        assert!(refused * 4 >= works * 3, "{work:?}: {refused} of {works} points were reached");
        println!("{work:?}: {works} pieces of work, {buffers} buffers, {polls} polls");
    }
    println!("{count} rounds");
}
