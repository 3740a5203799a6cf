//! Measures the gradient noise scale while a model is trained.

use serde::Serialize;

use crate::data::{BatchOrder, Dataset, Shuffle};
use crate::error::{Error, Result};
use crate::random::{Random, Stream};
use crate::training::callback::{Callback, StepEnd, TrainStart};
use crate::training::control::{Answer, Control, Request};
use crate::training::history::EpochRecord;
use crate::training::noise_scale::{GradientNoise, PartGradients};
use crate::training::settings::settings;

/// One measurement of [`GradientNoiseScale`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NoiseMeasurement {
    /// Training steps that the model had made.
    pub step: u64,
    /// What was measured there.
    #[serde(flatten)]
    pub noise: GradientNoise,
}

/// Measures how large a batch would pay: the gradient noise scale `B = tr(Σ) / |G|²` of
/// McCandlish and others, ["An Empirical Model of Large-Batch
/// Training"](https://arxiv.org/abs/1812.06162), 2018.
///
/// After each epoch, or [every](Self::every) so many steps, it takes samples at random, computes
/// the gradients of equal parts of them, and tells the gradient from the noise in it by how much
/// the parts differ. What is learned is the same without it, to the last bit; it takes the time of
/// the gradients of so many samples, and one readback for each part.
///
/// At a batch size of `B`, twice the batch saves a quarter of the steps; far below it saves half of
/// them, far above hardly any. The scale grows while a model learns. [`mean`](Self::mean) averages the measurements of one `fit`, numerators
/// and denominators by themselves.
///
/// The gradients are those of [`Model::gradients`](crate::Model::gradients): without the penalties
/// of weight regularizers. With batch normalization, where a gradient depends on the other samples
/// of its part, the scale is only roughly one.
///
/// ```
/// use minibatch::callbacks::GradientNoiseScale;
/// # use minibatch::{Activation, Adam, Cpu, Fit, Loss, Sequential};
/// # fn main() -> minibatch::Result<()> {
/// # let data = minibatch::data::synthetic_digits(640, 0)?;
/// # let mut model = Sequential::new(minibatch::model::Input::pixels(data.sample_shape()))
/// #     .dense(data.classes(), Activation::Softmax)
/// #     .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [])
/// #     .build(&Cpu::new())?;
/// let mut noise = GradientNoiseScale::new(&data).every(10);
/// model.fit(&data, Fit::new().epochs(2).callback(&mut noise))?;
/// println!("gradient noise scale: {:?} samples", noise.mean().scale());
/// # assert_eq!(noise.measurements().len(), 4);
/// # assert!(noise.mean().scale().is_some_and(|scale| scale > 1.0));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct GradientNoiseScale {
    data: Dataset,
    every: Option<u64>,
    parts: usize,
    part_size: usize,
    seed: u64,
    measured: Vec<NoiseMeasurement>,
    /// The model's steps at the last measurement, or when training began.
    last: u64,
    /// What was asked for and has not come yet.
    asked: Option<PartGradients>,
}

impl GradientNoiseScale {
    /// Measures on samples of `data`, usually the training data: after each epoch, on 32 parts of
    /// 32 samples.
    #[must_use]
    pub fn new(data: &Dataset) -> Self {
        GradientNoiseScale {
            data: data.clone(),
            every: None,
            parts: 32,
            part_size: 32,
            seed: 0,
            measured: Vec::new(),
            last: 0,
            asked: None,
        }
    }

    settings! {
        /// Measures every so many steps, at least 1, instead of after each epoch.
        every(steps: u64): every = Some(steps);

        /// How many parts a measurement takes, at least 2; at most as many as there are samples. 32
        /// by default.
        parts(parts: usize): parts = parts;

        /// Samples in each part, at least 1; fewer if the data has not as many. 32 by default.
        part_size(samples: usize): part_size = samples;

        /// Decides which samples are taken; 0 by default.
        seed(seed: u64): seed = seed;
    }

    /// What was measured in the last `fit`, in order.
    #[must_use]
    pub fn measurements(&self) -> &[NoiseMeasurement] {
        &self.measured
    }

    /// The mean of all measurements of the last `fit`.
    #[must_use]
    pub fn mean(&self) -> GradientNoise {
        GradientNoise::mean(self.measured.iter().map(|measured| measured.noise))
    }

    /// Number of parts, and samples in each.
    fn cut(&self) -> (usize, usize) {
        let parts = self.parts.min(self.data.len());
        (parts, self.part_size.min(self.data.len() / parts.max(1)))
    }

    fn measure(&mut self, run: &mut dyn Control) {
        let (parts, rows) = self.cut();
        self.last = run.steps();
        self.asked = Some(PartGradients::new(rows));
        // Not an order that training may have just gone through.
        let number = self.measured.len() as u64;
        let seed = Random::new(self.seed, Stream::GradientNoise).at(number);
        let order = BatchOrder::new(self.data.len(), parts * rows, Shuffle::Full, seed, 0);
        let indices = order.batch(0);
        for part in 0..parts {
            let part = part * rows..(part + 1) * rows;
            run.request(Request::gradients(self.data.clone(), indices.clone(), part));
        }
    }
}

impl Callback for GradientNoiseScale {
    fn train_begin(&mut self, run: &mut dyn Control, _train: &TrainStart) -> Result<()> {
        if self.every == Some(0) {
            return Err(Error::argument("every", "is 0; give at least 1"));
        }
        if self.part_size == 0 {
            return Err(Error::argument("part_size", "is 0; give at least 1"));
        }
        if self.cut().0 < 2 {
            let (parts, samples) = (self.parts, self.data.len());
            let problem = format!("are {parts} of {samples} samples; it takes at least 2 of each");
            return Err(Error::argument("parts", problem));
        }
        self.measured.clear();
        (self.last, self.asked) = (run.steps(), None);
        Ok(())
    }

    fn batch_end(&mut self, run: &mut dyn Control, _step: StepEnd) -> Result<()> {
        if self.every.is_some_and(|every| run.steps().saturating_sub(self.last) >= every) {
            self.measure(run);
        }
        Ok(())
    }

    fn epoch_end(&mut self, run: &mut dyn Control, _record: &EpochRecord) -> Result<()> {
        if self.every.is_none() {
            self.measure(run);
        }
        Ok(())
    }

    fn answer(&mut self, run: &mut dyn Control, answer: Answer) -> Result<()> {
        let (parts, _) = self.cut();
        let (Answer::Gradients(gradients), Some(asked)) = (answer, &mut self.asked) else {
            return Ok(());
        };
        // What came is the part's share of the gradient of all parts.
        let values = gradients.iter().flat_map(|(.., values)| values);
        asked.add(values.map(|&value| f64::from(value) * parts as f64));
        if asked.parts() < parts {
            return Ok(());
        }
        if let Some(noise) = self.asked.take().and_then(|asked| asked.noise())
            && noise.squared_norm.is_finite()
            && noise.variance.is_finite()
        {
            self.measured.push(NoiseMeasurement { step: run.steps(), noise });
        }
        Ok(())
    }
}
