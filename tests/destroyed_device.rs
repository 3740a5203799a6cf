//! A device that is lost is an error, and no panic.

#[path = "support/digits.rs"]
mod digits;
#[path = "support/host.rs"]
mod host;

use digits::{BATCH_SIZE, model};
use minibatch::data::{Batch, Dataset, Shuffle, synthetic_digits};
use minibatch::gpu::block_on;
use minibatch::{DeviceError, Error, Fit, Gpu, Model};

fn host() -> (wgpu::Device, wgpu::Queue) {
    let host = host::Host::with_default_limits();
    (host.device, host.queue)
}

#[test]
fn a_lost_device_is_an_error_and_no_panic() {
    let (device, queue) = host();
    let data = synthetic_digits(64, 0).unwrap();
    let gpu = Gpu::from_device(device.clone(), queue);
    let mut model = model(&gpu, &data);
    model.fit(&data, Fit::new()).unwrap();
    let bias = model.weight("dense_1.bias").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model");
    model.save(&path).unwrap();
    model.restore(&path).unwrap();
    // No handler: wgpu's own one panics.
    device.destroy();
    let lost = |result: Result<(), Error>| {
        let error = result.unwrap_err();
        assert!(error.is_lost(), "{error}");
        assert!(matches!(error, Error::Device(DeviceError::Lost { .. })), "{error}");
    };
    lost(model.fit(&data, Fit::new()).map(|_| ()));
    lost(model.weight("dense_1.bias").map(|_| ()));
    lost(model.set_weight("dense_1.bias", &bias));
    lost(model.restore(&path));
}

/// Makes a model on a device of its own and calls `work` on it, while another thread destroys the
/// device some time later, each round at another one.
fn against_destroy(rounds: u64, work: impl Fn(&mut Model, &Dataset) -> Result<(), Error>) {
    let data = synthetic_digits(BATCH_SIZE, 0).unwrap();
    for round in 0..rounds {
        let (device, queue) = host();
        let mut model = model(&Gpu::from_device(device.clone(), queue), &data);
        work(&mut model, &data).unwrap();
        let started = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                started.wait();
                std::thread::sleep(std::time::Duration::from_micros(20 * round));
                device.destroy();
            });
            started.wait();
            let error = std::iter::repeat_with(|| work(&mut model, &data)).find_map(Result::err);
            assert!(error.as_ref().is_some_and(Error::is_lost), "round {round}: {error:?}");
        });
    }
}

#[test]
fn a_device_that_is_lost_amidst_a_read_is_an_error_and_no_panic() {
    against_destroy(60, |model, _| {
        let bias = model.weight("dense_1.bias")?;
        assert_eq!(bias, [0.0; 32]);
        Ok(())
    });
}

#[test]
fn a_device_that_is_lost_amidst_fit_is_an_error_and_no_panic() {
    against_destroy(20, |model, data| {
        model.fit(data, Fit::new().batch_size(4).shuffle(Shuffle::Off)).map(|_| ())
    });
}

#[test]
fn a_device_that_is_lost_amidst_recording_is_an_error_and_no_panic() {
    let data = synthetic_digits(BATCH_SIZE, 0).unwrap();
    for round in 0..20 {
        let (device, queue) = host();
        let mut model = model(&Gpu::from_device(device.clone(), queue), &data);
        block_on(model.prepare_steps(BATCH_SIZE)).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(std::time::Duration::from_micros(5 * round));
                device.destroy();
            });
            let batch = Batch { data: &data, indices: &[0, 1, 2] };
            let error = loop {
                let mut encoder = device.create_command_encoder(&Default::default());
                match model.record_step(&mut encoder, batch) {
                    Err(error) => break error,
                    Ok(()) => drop(encoder),
                }
            };
            assert!(error.is_lost(), "{error:?}");
        });
    }
}
