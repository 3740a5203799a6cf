//! Trains the networks of `steps.py` with burn, told what to do line by line as `worker.py` is.
//!
//!     peers-burn flex|wgpu|vulkan --data DIR --threads N --started SECONDS

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use burn::module::Module;
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::{Linear, LinearConfig, Relu};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, DeviceKind, Int, Tensor, TensorData};

/// A warm-up lasts at least so long.
const WARM_UP_SECONDS: f64 = 0.3;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Module, Debug)]
struct Network {
    layers: Vec<Linear>,
    activation: Relu,
    objective: CrossEntropyLoss,
}

impl Network {
    fn loss(&self, images: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
        let last = self.layers.len() - 1;
        let logits = self.layers.iter().enumerate().fold(images, |x, (i, layer)| {
            let x = layer.forward(x);
            if i < last { self.activation.forward(x) } else { x }
        });
        self.objective.forward(logits, labels)
    }
}

/// All samples on the device, images as f32 from 0 to 1.
struct Samples {
    images: Tensor<2>,
    labels: Tensor<1, Int>,
    count: usize,
}

impl Samples {
    fn read(directory: &Path, device: &Device) -> Result<Self> {
        let file = |name: &str, header: usize| -> Result<Vec<u8>> {
            Ok(std::fs::read(directory.join(name))?.split_off(header))
        };
        let labels = file("train-labels-idx1-ubyte", 8)?;
        let images = file("train-images-idx3-ubyte", 16)?;
        let (count, pixels) = (labels.len(), images.len() / labels.len());
        let images: Vec<f32> = images.iter().map(|&byte| f32::from(byte) / 255.0).collect();
        let labels: Vec<i32> = labels.into_iter().map(i32::from).collect();
        Ok(Samples {
            images: Tensor::from_data(TensorData::new(images, [count, pixels]), device),
            labels: Tensor::from_data(TensorData::new(labels, [count]), device),
            count,
        })
    }
}

struct Training {
    /// `None` only while a step has it.
    network: Option<Network>,
    optimizer: ModuleOptimizer,
    batch: usize,
    next: usize,
    last_loss: Option<Tensor<1>>,
    step_seconds: f64,
}

impl Training {
    fn new(sizes: &[usize], batch: usize, device: &Device) -> Self {
        let layers = sizes.windows(2).map(|of| LinearConfig::new(of[0], of[1]).init(device));
        let network = Network {
            layers: layers.collect(),
            activation: Relu::new(),
            objective: CrossEntropyLossConfig::new().init(device),
        };
        let optimizer = AdamConfig::new().with_epsilon(1e-7).init();
        let network = Some(network);
        Training { network, optimizer, batch, next: 0, last_loss: None, step_seconds: 0.0 }
    }

    fn step(&mut self, samples: &Samples) -> Result<()> {
        let network = self.network.take().ok_or("a step failed before")?;
        let first = self.next * self.batch;
        self.next = (self.next + 1) % (samples.count / self.batch);
        let rows = first..first + self.batch;
        let images = samples.images.clone().slice([rows.clone()]);
        let labels = samples.labels.clone().slice([rows]);
        let loss = network.loss(images, labels);
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        self.network = Some(self.optimizer.step(1e-3, network, gradients));
        self.last_loss = Some(loss.inner());
        Ok(())
    }

    /// Waits until all steps are done. The last update is not part of the loss, so the device is
    /// waited for besides.
    fn loss(&self, device: &Device) -> Result<f32> {
        device.sync().map_err(|error| format!("{error:?}"))?;
        let loss = self.last_loss.clone().ok_or("no step ran yet")?;
        Ok(loss.into_scalar())
    }

    fn run(&mut self, seconds: f64, samples: &Samples, device: &Device) -> Result<(usize, f64, f32)> {
        let steps = ((seconds / self.step_seconds).round() as usize).max(1);
        let start = Instant::now();
        for _ in 0..steps {
            self.step(samples)?;
        }
        let loss = self.loss(device)?;
        let taken = start.elapsed().as_secs_f64();
        self.step_seconds = taken / steps as f64;
        Ok((steps, taken, loss))
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |flag: &str| -> Result<&str> {
        let place = arguments.iter().position(|argument| argument == flag);
        let value = place.and_then(|place| arguments.get(place + 1));
        Ok(value.ok_or_else(|| format!("{flag} is missing"))?)
    };
    let started = UNIX_EPOCH + Duration::from_secs_f64(after("--started")?.parse()?);
    // The threads are told by RAYON_NUM_THREADS, which steps.py sets.
    let device = match arguments.get(1).map(String::as_str) {
        Some("flex") => Device::flex(),
        // Which shader language comes of it is burn's choice.
        Some("wgpu") => Device::wgpu(DeviceKind::DefaultDevice),
        Some("vulkan") => Device::vulkan(DeviceKind::DefaultDevice),
        other => return Err(format!("{other:?} is not flex, wgpu or vulkan").into()),
    };
    let device = device.autodiff();
    let samples = Samples::read(Path::new(after("--data")?), &device)?;
    let mut trainings = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match words[..] {
            ["prepare", name, sizes, batch] => {
                let sizes: Vec<usize> =
                    sizes.split('-').map(str::parse).collect::<std::result::Result<_, _>>()?;
                let mut training = Training::new(&sizes, batch.parse()?, &device);
                training.step(&samples)?;
                training.loss(&device)?;
                let first = SystemTime::now().duration_since(started)?.as_secs_f64();
                // What comes next may still compile and tune; only then is a step's time known.
                training.step_seconds = WARM_UP_SECONDS;
                for _ in 0..3 {
                    training.run(WARM_UP_SECONDS, &samples, &device)?;
                }
                let (_, _, loss) = training.run(WARM_UP_SECONDS, &samples, &device)?;
                trainings.insert(name.to_owned(), training);
                format!(
                    r#"{{"first_step_seconds": {first}, "loss": {loss}, "versions": {{"burn": "{}"}}}}"#,
                    env!("BURN_VERSION")
                )
            }
            ["run", name, seconds] => {
                let training = trainings.get_mut(name).ok_or("not prepared")?;
                let (steps, seconds, loss) = training.run(seconds.parse()?, &samples, &device)?;
                format!(r#"{{"steps": {steps}, "seconds": {seconds}, "loss": {loss}}}"#)
            }
            _ => return Err(format!("not a command: {line}").into()),
        };
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}
