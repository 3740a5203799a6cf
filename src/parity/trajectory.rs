//! A whole training on three executors: GPU, CPU in f32, and the f64 oracle.

use std::collections::HashSet;
use std::sync::Arc;

use super::case::{Values, Worst};
use crate::cpu::CpuExecutor;
use crate::data::{Batch, BatchOrder, Dataset, Features, Row, Shuffle, Targets};
use crate::error::Result;
use crate::gpu::{FusedSteps, Gpu, GpuExecutor};
use crate::model::loss::Loss;
use crate::model::metric::Metric;
use crate::model::{
    Adam, BatchNormalization, Clip, Compiled, Dense, Dropout, Flatten, Functional, GaussianNoise,
    Input, Layer, LayerNormalization, Lowered, Normalization, Objective, Precision, Regularizer,
    Rescaling, Sequential, Sgd, lowered,
};
use crate::operation::LossScale;
use crate::operation::activation::Activation;
use crate::program::{Buffer, Column, Element, Feed, Pass, Program, Role, Step};

/// What is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Training {
    /// Three dense layers on floats.
    F32,
    /// The same on bytes.
    U8,
    /// A functional model of every kind of layer, with two inputs, two outputs, clipped gradients
    /// and two steps an update.
    Functional,
    /// The same in half precision, with an update each step.
    Half,
}

impl Training {
    /// Each of them.
    pub const ALL: [Training; 4] =
        [Training::F32, Training::U8, Training::Functional, Training::Half];

    /// Whether `gpu` can run it.
    pub fn runs_on(self, gpu: &Gpu) -> bool {
        self != Training::Half || gpu.has_halves()
    }

    /// What its [`Verdict`](super::Verdict) is called.
    pub fn name(self) -> &'static str {
        match self {
            Training::F32 => "training f32",
            Training::U8 => "training u8",
            Training::Functional => "training functional",
            Training::Half => "training mixed_float16",
        }
    }
}

/// The GPU may be off by so many times the f32 CPU executor's own error ...
pub(super) const SLACK: f64 = 4.0;
/// ... plus this.
pub(super) const FLOOR: f64 = 1e-6;

const SAMPLES: usize = 77;
const BATCH_SIZE: usize = 16;
const EPOCHS: u32 = 3;

/// Trains a small model for three epochs with a ragged last batch, and compares loss, every
/// activation, every gradient, every parameter and every moment after each step.
pub(super) async fn trajectory(gpu: &Gpu, training: Training) -> Result<Worst> {
    let (compiled, data) = match training {
        Training::F32 => dense(false)?,
        Training::U8 => dense(true)?,
        Training::Functional => {
            let (compiled, data) = functional()?;
            (compiled.gradient_accumulation_steps(2), data)
        }
        Training::Half => {
            let (compiled, data) = functional()?;
            (compiled.precision(Precision::MixedFloat16), data)
        }
    };
    let mut full = match compiled.precision {
        Precision::Float32 => None,
        Precision::MixedFloat16 => Some(Full::new(&compiled)?),
    };
    let Lowered { program, initial, .. } = lowered(&compiled)?;
    let program = Arc::new(program);
    let mut exact = CpuExecutor::<f64>::new(Arc::clone(&program));
    let mut single = CpuExecutor::<f32>::new(Arc::clone(&program));
    // Every value between is compared, so it has to be kept.
    let gpu = gpu.clone().with_fused_steps(FusedSteps::Never);
    let mut device = GpuExecutor::new(&gpu, Arc::clone(&program)).await?;
    for (id, initial) in initial {
        let values = initial.values(compiled.seed);
        exact.write(id, &values)?;
        single.write(id, &values)?;
        device.write(id, &values).await?;
    }
    let in_training: HashSet<_> = [Pass::Train, Pass::Accumulate, Pass::Update]
        .iter()
        .flat_map(|&pass| program.ops(pass))
        .flat_map(|op| program.parts(&[op.reads(), op.writes()].concat()))
        .collect();
    let mut worst = Worst::default();
    let mut number = 0;
    for epoch in 0..EPOCHS {
        let order = BatchOrder::new(SAMPLES, BATCH_SIZE, Shuffle::Full, 0, epoch);
        for index in 0..order.len() {
            number += 1;
            let batch = Batch { data: &data, indices: &order.batch(index) };
            let optimizer = &compiled.optimizer;
            let step = optimizer.accumulating_step(
                batch.len(),
                number,
                optimizer.learning_rate(),
                compiled.gradient_accumulation_steps,
            );
            let step = step.with_noise(compiled.seed);
            let mut feed = exact.feed(batch.len())?;
            fill(&mut feed, &program, batch)?;
            exact.run(Pass::Train, feed, &step)?;
            let mut feed = single.feed(batch.len())?;
            fill(&mut feed, &program, batch)?;
            single.run(Pass::Train, feed, &step)?;
            let mut feed = device.feed(batch.len()).await?;
            fill(&mut feed, &program, batch)?;
            device.run(Pass::Train, feed, &step).await?;
            if let Some(full) = &mut full {
                full.run(batch, &step)?;
            }
            for (id, buffer) in program.buffers() {
                if buffer.element != Element::Real
                    || buffer.role == Role::Arena
                    || !device.is_allocated(id)
                    || !in_training.contains(&id)
                {
                    continue;
                }
                let reference = exact.read(id, batch.len());
                let own = largest_difference(&reference, &single.read(id, batch.len()));
                let error = largest_difference(&reference, &device.read(id, batch.len()).await?);
                let halves = full.as_ref().map_or(0.0, |full| full.distance(buffer, &reference));
                let bound = SLACK * (own + halves) + FLOOR;
                let place = format!("{} after step {number} is off by {error:e}", buffer.name);
                worst = worst.or(Worst { error, bound, place });
            }
        }
    }
    Ok(worst)
}

/// The samples of a batch; all weigh the same.
fn fill(feed: &mut impl Feed, program: &Program, batch: Batch<'_>) -> Result<()> {
    for (id, _) in program.of_role(Role::SampleWeight) {
        let mut column = feed.column(id)?;
        (0..batch.len()).try_for_each(|_| column.push(&1f32.to_ne_bytes()))?;
    }
    for (number, (id, _)) in program.of_role(Role::Target).enumerate() {
        let mut column = feed.column(id)?;
        batch.samples().try_for_each(|sample| column.push(sample?.target(number)))?;
    }
    for (number, (id, _)) in program.of_role(Role::Input).enumerate() {
        let mut column = feed.column(id)?;
        for sample in batch.samples() {
            match sample?.row(number) {
                Row::Dense(bytes) => column.push(bytes)?,
                Row::Sparse { indices, values } => column.push_sparse(indices, values)?,
            }
        }
    }
    Ok(())
}

fn dense(input_u8: bool) -> Result<(Compiled, Dataset)> {
    let mut values = Values::new(1);
    let width = 31;
    let count = SAMPLES * width;
    let (input, features) = if input_u8 {
        let bytes = values.below(count, 256).into_iter().map(|x| x as u8).collect();
        (Input::pixels(&[width]), Features::U8(Arc::new(bytes)))
    } else {
        let floats = values.signed(count).into_iter().map(|x| x as f32).collect();
        (Input::floats(&[width]), Features::F32(Arc::new(floats)))
    };
    let labels: Vec<u32> = values.below(SAMPLES, 10).into_iter().map(|x| x as u32).collect();
    let compiled = Sequential::new(input)
        .dense(33, Activation::Tanh)
        .dense(17, Activation::Sigmoid)
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, []);
    Ok((compiled, Dataset::new(features, &[width], labels)?))
}

/// Functions without a kink, where rounding would decide for a side: small errors stay small.
fn functional() -> Result<(Compiled, Dataset)> {
    let mut values = Values::new(2);
    let (pixels, place) = (19, 5);
    let bytes = values.below(SAMPLES * pixels, 256).into_iter().map(|x| x as u8).collect();
    let mut floats =
        |count| -> Vec<f32> { values.signed(count).into_iter().map(|x| x as f32).collect() };
    let inputs = [
        ("picture", Features::U8(Arc::new(bytes)), &[pixels][..]),
        ("place", Features::F32(Arc::new(floats(SAMPLES * place))), &[place]),
    ];
    let sizes = Targets::values(floats(SAMPLES * 3), 3);
    let weights = floats(SAMPLES).into_iter().map(|x| 1.0 + 0.5 * x).collect();
    let labels: Vec<u32> = values.below(SAMPLES, 7).into_iter().map(|x| x as u32).collect();
    let data = Dataset::named(inputs, [("kind", labels.into()), ("size", sizes)])?
        .with_sample_weights(weights)?;

    let mut model = Functional::new();
    let picture = model.input("picture", Input::pixels(&[pixels]));
    let place_of = model.input("place", place);
    let statistics = |width| Normalization { mean: vec![0.25; width], variance: vec![0.5; width] };
    let picture = model.layer(picture, Layer::Rescaling(Rescaling { scale: 2.0, offset: -1.0 }));
    let place_of = model.layer(place_of, statistics(place));
    let seen = model.dense(picture, 18, Activation::Tanh);
    let seen = model.layer(seen, BatchNormalization::new().momentum(0.9));
    let seen = model.layer(seen, Layer::Dropout(Dropout { rate: 0.25 }));
    let both = model.concatenate([seen, place_of, picture]);
    let costly = Regularizer::l2(0.02);
    let trunk = Dense::new(18, Activation::Gelu).activity_regularizer(costly);
    let trunk = model.layer(both, trunk.weight_regularizer(Regularizer::l2(0.01)));
    let trunk = model.layer(trunk, Layer::GaussianNoise(GaussianNoise { standard_deviation: 0.1 }));
    let summed = model.add([trunk, seen, trunk]);
    let summed = model.layer(summed, LayerNormalization::new());
    let shares = model.layer(summed, Layer::Activation(Activation::Softmax.into()));
    let frozen = model.layer(summed, Dense::new(18, Activation::Sigmoid).frozen());
    let frozen = model.layer(frozen, BatchNormalization::new().frozen());
    let flat = model.layer(frozen, Layer::Flatten(Flatten {}));
    let joined = model.add([shares, flat]);
    let kind = model.dense(joined, 7, Activation::Softmax);
    let size = model.dense(summed, 3, Activation::Linear);
    model.output("kind", kind);
    model.output("size", size);
    let kind = Objective::new(Loss::SparseCategoricalCrossentropy).metrics([Metric::Accuracy]);
    let size = Objective::new(Loss::Huber { delta: 0.5 })
        .loss_weight(0.5)
        .weighted_metrics([Metric::MeanSquaredError]);
    let clip = Clip::GlobalNorm(0.5);
    let sgd = Sgd { learning_rate: 0.1, momentum: 0.9, nesterov: true, clip, ..Sgd::default() };
    let compiled = model.compile(sgd, [("kind", kind), ("size", size)]);
    Ok((compiled, data))
}

/// The same training without half precision, which tells by how much f16 changes each value. Where a
/// number lies near the middle between two f16, two right executors may store one and the other: they
/// differ by twice the largest error of a rounding then, and what follows by as much as that changes.
struct Full {
    program: Arc<Program>,
    exact: CpuExecutor<f64>,
    rows: usize,
}

impl Full {
    fn new(compiled: &Compiled) -> Result<Self> {
        let compiled = compiled.clone().precision(Precision::Float32);
        let Lowered { program, initial, .. } = lowered(&compiled)?;
        let program = Arc::new(program);
        let mut exact = CpuExecutor::<f64>::new(Arc::clone(&program));
        for (id, initial) in initial {
            exact.write(id, &initial.values(compiled.seed))?;
        }
        Ok(Full { program, exact, rows: 0 })
    }

    fn run(&mut self, batch: Batch<'_>, step: &Step) -> Result<()> {
        let mut feed = self.exact.feed(batch.len())?;
        fill(&mut feed, &self.program, batch)?;
        self.rows = batch.len();
        self.exact.run(Pass::Train, feed, step)
    }

    /// How far `values` of `buffer` lie from those here; 0 for what is not here.
    fn distance(&self, buffer: &Buffer, values: &[f64]) -> f64 {
        let Some(id) = self.program.find(&buffer.name) else { return 0.0 };
        // Gradients of what layers make have the loss scale in them, which no step here changes.
        let scaled = buffer.role == Role::Activation && buffer.name.contains(".gradient");
        let scale = if scaled { LossScale::INITIAL } else { 1.0 };
        let own: Vec<f64> = self.exact.read(id, self.rows).into_iter().map(|x| x * scale).collect();
        largest_difference(&own, values)
    }
}

pub(super) fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    if a.len() != b.len() {
        return f64::INFINITY;
    }
    a.iter().zip(b).fold(0.0, |worst, (a, b)| {
        let difference = (a - b).abs();
        // A NaN is the worst of all, and max would drop it.
        if difference.is_nan() { f64::INFINITY } else { difference.max(worst) }
    })
}
