//! What happens before the first step: kernels are compiled, on several threads and with what a
//! driver has kept of an earlier run. None of it changes a number.

use std::collections::HashSet;

use minibatch::data::synthetic_digits;
use minibatch::gpu::{Kernel, block_on};
use minibatch::model::Input;
use minibatch::{
    Activation, Adam, DataOn, Dataset, Fit, Gpu, Loss, Metric, Model, Predict, Sequential, wgpu,
};

const BATCH: usize = 32;

fn digits() -> Dataset {
    synthetic_digits(96, 3).unwrap()
}

fn model(gpu: &Gpu) -> Model {
    Sequential::new(Input::pixels(&[28, 28]))
        .flatten()
        .dense(24, Activation::Relu)
        .dropout(0.25)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .seed(7)
        .build(gpu)
        .unwrap()
}

fn fit<'a>() -> Fit<'a> {
    // On the device, a kernel more would gather the rows.
    Fit::new().batch_size(BATCH).epochs(1).data_on(DataOn::Host)
}

/// The bits of all weights after an epoch.
fn trained(gpu: &Gpu) -> Vec<u32> {
    let mut model = model(gpu);
    model.fit(digits(), fit()).unwrap();
    let weights = model.weights().unwrap();
    weights.iter().flat_map(|(_, _, values)| values).map(|value| value.to_bits()).collect()
}

fn kernels(gpu: &Gpu) -> HashSet<Kernel> {
    gpu.compiled_kernels().into_iter().collect()
}

#[test]
fn the_number_of_threads_that_compile_changes_no_bit() {
    let expected = trained(&Gpu::new().unwrap().with_compile_threads(1));
    for threads in [0, 2, 3, 64] {
        let gpu = Gpu::new().unwrap().with_compile_threads(threads);
        assert_eq!(trained(&gpu), expected, "{threads} threads");
    }
}

#[test]
fn only_what_runs_is_compiled() {
    let trains = Gpu::new().unwrap();
    let mut model_that_trains = model(&trains);
    assert_eq!(kernels(&trains), HashSet::new(), "nothing runs yet");
    model_that_trains.prepare_fit(BATCH).unwrap();
    let training = kernels(&trains);
    model_that_trains.fit(digits(), fit()).unwrap();
    assert_eq!(kernels(&trains), training, "fit compiles nothing that was not prepared");

    let predicts = Gpu::new().unwrap();
    model(&predicts).predict(digits(), Predict::new()).unwrap();
    let prediction = kernels(&predicts);
    assert_ne!(training.difference(&prediction).count(), 0, "an update is none of prediction's");
    assert_ne!(prediction.difference(&training).count(), 0, "softmax alone is none of training's");

    model_that_trains.predict(digits(), Predict::new()).unwrap();
    assert_eq!(kernels(&trains), &training | &prediction);
}

/// An adapter with a pipeline cache; `None` where there is none, as on Metal.
fn with_cache(bytes: &[u8]) -> Option<Gpu> {
    // SAFETY: the bytes are those of `pipeline_cache_data`, or were damaged by accident.
    let gpu = unsafe { Gpu::new().unwrap().with_pipeline_cache(bytes) };
    gpu.pipeline_cache_key().map(|_| gpu)
}

#[test]
fn what_a_driver_has_kept_changes_no_bit_and_damage_is_ignored() {
    let Some(gpu) = with_cache(b"") else { return };
    let expected = trained(&Gpu::new().unwrap());
    assert_eq!(trained(&gpu), expected);
    let kept = gpu.pipeline_cache_data().unwrap();
    let mut flipped = kept.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let cut = &kept[..last];
    let longer = [kept.as_slice(), &kept].concat();
    for bytes in [&kept, &flipped, cut, &longer, b"not at all", &[0xff; 4096]] {
        let gpu = with_cache(bytes).unwrap();
        assert_eq!(trained(&gpu), expected);
        assert!(gpu.pipeline_cache_data().is_some());
    }
}

#[test]
fn a_device_without_the_feature_has_no_cache_and_trains() {
    let gpu = Gpu::new().unwrap();
    assert_eq!(gpu.pipeline_cache_data(), None, "nobody asked for it");
    let instance =
        wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let adapters = block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let adapter = adapters.iter().find(|adapter| adapter.get_info() == *gpu.info()).unwrap();
    let descriptor = wgpu::DeviceDescriptor {
        required_features: adapter.features() & wgpu::Features::SUBGROUP,
        required_limits: adapter.limits(),
        ..Default::default()
    };
    let (device, queue) = block_on(adapter.request_device(&descriptor)).unwrap();
    // SAFETY: there are no bytes.
    let guest = unsafe { Gpu::from_device(device, queue).with_pipeline_cache(b"") };
    assert_eq!((guest.pipeline_cache_key(), guest.pipeline_cache_data()), (None, None));
    assert_eq!(trained(&guest), trained(&gpu));
}

#[cfg(feature = "cli")]
mod program {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    /// The file of a model that `mnist-gpu` trains, with its caches in `caches`.
    fn trained(home: &Path, caches: &Path) -> Vec<u8> {
        let line = "train --synthetic --backend gpu --hidden 8 --epochs 1 --steps-per-epoch 3 \
                    --save model.safetensors";
        let output = Command::new(env!("CARGO_BIN_EXE_mnist-gpu"))
            .args(line.split_whitespace())
            .current_dir(home)
            .env("HOME", home)
            .env("XDG_CACHE_HOME", caches)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read(home.join("model.safetensors")).unwrap()
    }

    #[test]
    fn the_program_keeps_pipelines_and_goes_on_whatever_it_finds_in_their_place() {
        let key = minibatch::Gpu::new().unwrap().pipeline_cache_key();
        let home = tempfile::tempdir().unwrap();
        let caches = home.path().join("caches");
        let model = trained(home.path(), &caches);
        let Some(key) = key else {
            assert!(!caches.exists(), "there is nothing to keep");
            return;
        };
        let file = caches.join("minibatch/pipelines").join(key);
        let kept = fs::read(&file).unwrap();
        assert_eq!(trained(home.path(), &caches), model);

        let middle = kept.len() / 2;
        let mut flipped = kept.clone();
        flipped[middle] ^= 0x10;
        for damaged in [&b""[..], &kept[..middle], &flipped] {
            fs::write(&file, damaged).unwrap();
            assert_eq!(trained(home.path(), &caches), model);
            assert_ne!(fs::read(&file).unwrap(), damaged, "it is replaced");
        }

        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert_eq!(trained(home.path(), &caches), model);
        assert!(file.is_dir(), "what is not ours stays");

        // Nobody can make a directory in a file.
        let occupied = home.path().join("occupied");
        fs::write(&occupied, "").unwrap();
        assert_eq!(trained(home.path(), &occupied), model);
    }
}
