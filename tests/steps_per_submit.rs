//! How many steps are one submission: it changes no bit, no hook and no error.

use std::sync::Arc;
use std::time::Duration;

use minibatch::callbacks::{BackupAndRestore, Frequency};
use minibatch::data::{Dataset, Features};
use minibatch::model::{Compiled, Dropout, Input};
use minibatch::training::{
    Answer, Callback, Control, EpochRecord, EpochStart, History, Request, Scores, StepEnd,
};
use minibatch::{Activation, Adam, DataOn, Error, Fit, Gpu, Loss, Metric, Model, Sequential};

/// The numbers that are compared; `None` is what the device has by itself.
const TOGETHER: [Option<usize>; 5] = [Some(1), Some(3), Some(50), Some(1000), None];
const SAMPLES: usize = 150;
const BATCH_SIZE: usize = 4;
/// Of an epoch; the last one has two samples.
const STEPS: usize = 38;

/// A device of ours, on which time changes nothing.
fn gpu() -> Gpu {
    let gpu = Gpu::new().unwrap_or_else(|error| panic!("{error}"));
    gpu.with_submit_time(Duration::MAX)
}

fn compiled() -> Compiled {
    Sequential::new(Input::pixels(&[3, 5]))
        .dense(6, Activation::Relu)
        .layer(Dropout { rate: 0.25 })
        .dense(3, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
}

fn data() -> Dataset {
    let pixels: Vec<u8> = (0..SAMPLES * 15).map(|i| (i * 37 % 251) as u8).collect();
    let labels: Vec<u32> = (0..SAMPLES as u32).map(|i| i * 7 % 3).collect();
    Dataset::new(Features::U8(Arc::new(pixels)), &[3, 5], labels).unwrap()
}

fn fit<'a>(together: Option<usize>) -> Fit<'a> {
    let fit = Fit::new().batch_size(BATCH_SIZE).data_on(DataOn::Device);
    match together {
        Some(steps) => fit.steps_per_submit(steps),
        None => fit,
    }
}

fn bits(model: &mut Model) -> Vec<u32> {
    let weights = model.weights().unwrap();
    weights.into_iter().flat_map(|(_, _, values)| values).map(f32::to_bits).collect()
}

/// What a run has led to.
fn scores(history: History) -> Vec<(Scores, Option<Scores>)> {
    history.epochs.into_iter().map(|epoch| (epoch.training, epoch.validation)).collect()
}

/// Writes down each hook, wants scores now and then, reads weights, and changes the rate.
#[derive(Default, PartialEq, Debug)]
struct Hooks {
    told: Vec<String>,
    weights: Vec<u32>,
    /// The step of an epoch after which the run fails.
    fails_after: Option<usize>,
}

impl Callback for Hooks {
    fn epoch_begin(&mut self, run: &mut dyn Control, epoch: EpochStart) -> minibatch::Result<()> {
        self.told.push(format!("epoch {} after {}", epoch.epoch, run.steps()));
        Ok(())
    }

    fn epoch_end(&mut self, _: &mut dyn Control, record: &EpochRecord) -> minibatch::Result<()> {
        self.told.push(format!("end {:?}", record.training.loss));
        Ok(())
    }

    fn batch_begin(&mut self, run: &mut dyn Control, step: usize) -> minibatch::Result<()> {
        self.told.push(format!("begin {step} after {}", run.steps()));
        Ok(())
    }

    fn wants_scores(&mut self, step: StepEnd) -> bool {
        [1, 2, 17].contains(&step.step)
    }

    fn scores(&mut self, step: StepEnd, scores: &Scores) {
        self.told.push(format!("scores of {}: {:?}", step.step, scores.loss));
    }

    fn batch_end(&mut self, run: &mut dyn Control, step: StepEnd) -> minibatch::Result<()> {
        self.told.push(format!("end {} of {} after {}", step.step, step.samples, run.steps()));
        if step.step == 20 {
            run.request(Request::Weights);
        }
        if step.step == 23 {
            run.set_learning_rate(run.learning_rate() * 0.5)?;
        }
        if self.fails_after == Some(step.step) {
            return Err(Error::callback("enough"));
        }
        Ok(())
    }

    fn answer(&mut self, _: &mut dyn Control, answer: Answer) -> minibatch::Result<()> {
        let Answer::Weights(weights) = answer else { panic!("{answer:?} was not asked for") };
        let values = weights.into_iter().flat_map(|(_, _, values)| values);
        self.weights.extend(values.map(f32::to_bits));
        Ok(())
    }
}

#[test]
fn steps_of_one_submission_have_the_same_bits_and_hooks() {
    let (gpu, data) = (gpu(), data());
    for micro in [None, Some(3)] {
        let train = |together: Option<usize>, data_on: DataOn| {
            let mut compiled = compiled();
            compiled.micro_batch_size = micro;
            let mut model = compiled.build(&gpu).unwrap();
            let mut hooks = Hooks::default();
            let fit = fit(together).epochs(3).validation_split(0.2).data_on(data_on);
            let history = model.fit(&data, fit.callback(&mut hooks)).unwrap();
            (scores(history), hooks, bits(&mut model))
        };
        let expected = train(None, DataOn::Host);
        assert!(expected.1.told.len() > 3 * 60 && !expected.1.weights.is_empty());
        for together in TOGETHER {
            assert_eq!(train(together, DataOn::Device), expected, "{together:?}, {micro:?}");
        }
    }
}

#[test]
fn so_many_steps_are_one_submission() {
    let (gpu, data) = (gpu(), data());
    let submits = |gpu: &Gpu, together: Option<usize>| {
        let mut model = compiled().build(gpu).unwrap();
        model.fit(&data, fit(together).epochs(2)).unwrap();
        model.gpu().unwrap().submits() as usize
    };
    // The scores of an epoch are read at its end.
    for (together, expected) in [(1, STEPS), (3, STEPS.div_ceil(3)), (37, 2), (38, 1), (500, 1)] {
        assert_eq!(submits(&gpu, Some(together)), 2 * expected, "{together}");
    }
    assert_eq!(submits(&gpu, None), 2, "50 on a device of ours");
    let awaited = |together: Option<usize>| {
        let mut model = compiled().build(&gpu).unwrap();
        pollster::block_on(model.fit_async(&data, fit(together).epochs(2))).unwrap();
        model.gpu().unwrap().submits() as usize
    };
    assert_eq!(awaited(None), 2 * STEPS, "1 for what is awaited, which may be cancelled");
    assert_eq!(awaited(Some(50)), 2);
    let adapter = pollster::block_on(
        wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env())
            .request_adapter(&wgpu::RequestAdapterOptions::default()),
    );
    let device = pollster::block_on(adapter.unwrap().request_device(&Default::default()));
    let (device, queue) = device.unwrap();
    let guest = Gpu::from_device(device, queue).with_submit_time(Duration::MAX);
    assert_eq!(submits(&guest, None), 2 * STEPS, "1 on a host's");
    assert_eq!(submits(&guest, Some(50)), 2);
    // Where no submission may take any time, each step is one.
    assert_eq!(submits(&gpu.clone().with_submit_time(Duration::ZERO), Some(50)), 2 * STEPS);
    let mut model = compiled().build(&gpu).unwrap();
    let refused = model.fit(&data, fit(Some(0))).unwrap_err().to_string();
    assert!(refused.contains("steps_per_submit") && refused.contains("is 0"), "{refused}");
    assert_eq!(model.steps(), 0);
}

/// What is measured may change the number of steps, and nothing else.
#[test]
fn the_measured_time_changes_no_bit() {
    let data = data();
    let train = |gpu: Gpu| {
        let mut model = compiled().build(&gpu).unwrap();
        let history = model.fit(&data, fit(Some(50)).epochs(4)).unwrap();
        (scores(history), bits(&mut model))
    };
    let expected = train(gpu());
    for longest in [Duration::ZERO, Duration::from_millis(3), Gpu::SUBMIT_TIME] {
        assert_eq!(train(gpu().with_submit_time(longest)), expected, "{longest:?}");
    }
}

#[test]
fn an_error_between_two_steps_leaves_the_steps_before_it() {
    let (gpu, data) = (gpu(), data());
    let train = |together: Option<usize>| {
        let mut model = compiled().build(&gpu).unwrap();
        let mut hooks = Hooks { fails_after: Some(29), ..Hooks::default() };
        let error = model.fit(&data, fit(together).callback(&mut hooks)).unwrap_err();
        assert!(error.to_string().contains("enough"), "{error}");
        let failed = (model.steps(), bits(&mut model));
        let history = model.fit(&data, fit(together).epochs(2)).unwrap();
        (failed, hooks, scores(history), bits(&mut model))
    };
    let expected = train(Some(1));
    assert_eq!(expected.0.0, 29);
    for together in TOGETHER {
        assert_eq!(train(together), expected, "{together:?}");
    }
}

#[test]
fn a_loss_that_is_no_number_names_its_step_and_batch() {
    let gpu = gpu();
    // A weight of infinity makes the loss so.
    let mut weights = vec![1.0f32; SAMPLES];
    weights[4 * BATCH_SIZE] = f32::MAX;
    weights[4 * BATCH_SIZE + 1] = f32::MAX;
    let data = data().with_sample_weights(weights).unwrap();
    let told = TOGETHER.map(|together| {
        let mut model = compiled().build(&gpu).unwrap();
        model.fit(&data, fit(together).shuffle(minibatch::Shuffle::Off)).unwrap_err().to_string()
    });
    assert!(told[0].contains("step 5"), "{}", told[0]);
    assert!(told.iter().all(|other| *other == told[0]), "{told:?}");
}

/// Breaks off in the middle of an epoch and goes on from the last checkpoint, with other numbers.
#[test]
fn a_run_that_was_broken_off_goes_on_with_the_same_bits() {
    let (gpu, data) = (gpu(), data());
    let mut model = compiled().build(&gpu).unwrap();
    model.fit(&data, fit(Some(1)).epochs(3)).unwrap();
    let expected = bits(&mut model);
    for (first, second) in [(Some(50), Some(3)), (Some(3), Some(50)), (Some(50), Some(1))] {
        let directory = tempfile::tempdir().unwrap();
        let backup = || BackupAndRestore::new(directory.path()).save_freq(Frequency::Batches(7));
        let mut broken = compiled().build(&gpu).unwrap();
        let (mut backups, mut fails) = (backup(), Fails(70));
        let fit_first = fit(first).epochs(3).callback(&mut backups).callback(&mut fails);
        broken.fit(&data, fit_first).unwrap_err();
        let mut resumed = compiled().seed(99).build(&gpu).unwrap();
        let mut backups = backup();
        resumed.fit(&data, fit(second).epochs(3).callback(&mut backups)).unwrap();
        assert_eq!(bits(&mut resumed), expected, "{first:?}, then {second:?}");
    }
}

/// Fails after so many steps of the model.
struct Fails(u64);

impl Callback for Fails {
    fn batch_end(&mut self, run: &mut dyn Control, _: StepEnd) -> minibatch::Result<()> {
        match run.steps() >= self.0 {
            true => Err(Error::callback("broken off")),
            false => Ok(()),
        }
    }
}
