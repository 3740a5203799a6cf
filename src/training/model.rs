//! A model that can be trained: a program, an executor and what changes from step to step.

use std::path::Path;
use std::sync::Arc;

use super::arguments::{Evaluate, Predict, check_batch_size, steps};
use super::callback::{Callback, StepEnd};
use super::executor::{Backend, Executor};
use super::history::Scores;
use super::recording::Recorded;
use super::totals::Totals;
use crate::data::{Batch, BatchOrder, Dataset, Shuffle};
use crate::error::{Error, Result};
use crate::gpu::GpuExecutor;
use crate::loss::Accuracy;
use crate::metric::Metric;
use crate::model::{Compiled, Saved, Sequential, Weights, load, lower, save, tensors};
use crate::optimizer::Optimizer;
use crate::program::{BufferId, Metrics, Pass, Program, Role, Step};
use crate::schedule::Schedule;

/// A model on a backend: fit, evaluate, predict.
#[derive(Debug)]
pub struct Model {
    pub(super) compiled: Compiled,
    pub(super) program: Arc<Program>,
    pub(super) executor: Executor,
    /// Updates made so far.
    pub(super) steps: u64,
    /// Epochs begun so far, or as many as `initial_epoch` has said: the next one's number in the
    /// order of the samples.
    pub(super) epochs: u32,
    pub(super) recorded: Recorded,
    /// Calls of fit and evaluate that have not ended: callbacks may make some within others.
    pub(super) running: u32,
    pub(super) totals: Totals,
}

impl Compiled {
    /// Checks the shapes, allocates on `backend` (`&Gpu` or `&Cpu`) and sets the initial weights.
    ///
    /// # Errors
    /// [`Error::Argument`] or [`Error::Shape`] for a model that cannot be built,
    /// [`Error::Device`] if the device cannot hold it.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn build(self, backend: impl Into<Backend>) -> Result<Model> {
        pollster::block_on(self.build_async(backend))
    }

    /// [`build`](Self::build) for where nothing may block, the web above all.
    ///
    /// # Errors
    /// As `build`.
    pub async fn build_async(self, backend: impl Into<Backend>) -> Result<Model> {
        let program = Arc::new(lower(&self)?);
        self.schedule.iter().try_for_each(Schedule::check)?;
        let mut executor = Executor::new(backend.into(), Arc::clone(&program)).await?;
        for (number, (inputs, dense)) in (0u32..).zip(self.architecture.dense_layers()) {
            for (part, rows, initializer, stream) in [
                ("weight", inputs, dense.weight_initializer, number),
                ("bias", 0, dense.bias_initializer, u32::MAX - number),
            ] {
                if let Some(id) = program.find(&format!("dense_{}.{part}", number + 1)) {
                    let values = initializer.values(self.seed, stream, rows, dense.units);
                    executor.write(id, &values).await?;
                }
            }
        }
        if let Optimizer::Adagrad(adagrad) = self.optimizer {
            for (id, buffer) in program.of_role(Role::OptimizerState) {
                let count = buffer.live_rows(0) * buffer.columns;
                let values = vec![adagrad.initial_accumulator_value; count];
                executor.write(id, &values).await?;
            }
        }
        Ok(Model {
            compiled: self,
            program,
            executor,
            steps: 0,
            epochs: 0,
            recorded: Recorded::default(),
            running: 0,
            totals: Totals::default(),
        })
    }
}

impl Model {
    /// Its layers.
    pub fn architecture(&self) -> &Sequential {
        &self.compiled.architecture
    }

    /// Its buffers and operations.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Updates made so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The GPU executor, to embed it: dispatch counts, the device, buffers read by name. `None`
    /// on the CPU.
    pub fn gpu(&mut self) -> Option<&mut GpuExecutor> {
        match &mut self.executor {
            Executor::Gpu(gpu) => Some(gpu),
            Executor::Cpu(_) => None,
        }
    }

    pub(super) fn next_step(&mut self, live_rows: usize) -> Step {
        let learning_rate = self.learning_rate();
        self.steps += 1;
        Step::train(&self.compiled.optimizer, live_rows, self.steps, learning_rate)
            .with_noise(self.compiled.seed)
    }

    pub(super) fn scores(&self, metrics: &Metrics, samples: usize) -> Scores {
        let Compiled { loss, metrics: watched, architecture, .. } = &self.compiled;
        let kind = loss.accuracy().filter(|_| watched.contains(&Metric::Accuracy));
        let answers = kind.map(|kind| match kind {
            Accuracy::Sample => 1,
            Accuracy::Output => architecture.outputs(),
        });
        Scores::new(metrics, samples, answers)
    }

    /// Whether there are samples and they fit the model's input.
    pub(super) fn check_samples(&self, data: &Dataset) -> Result<()> {
        if data.is_empty() {
            return Err(Error::argument("data", "holds no sample; give at least one"));
        }
        self.program.of_role(Role::Input).try_for_each(|(_, input)| input.check_input(data))?;
        // Flat samples fit any shape of their width, and a flat input takes any such sample.
        let (actual, expected) = (data.sample_shape(), &*self.compiled.architecture.input.shape);
        if actual != expected && actual.len() > 1 && expected.len() > 1 {
            return Err(Error::Shape {
                what: "the data does not fit the model's input".into(),
                actual: format!("samples of shape {actual:?}"),
                expected: format!("{expected:?}"),
            });
        }
        Ok(())
    }

    /// Whether the samples fit the model's input and the labels its outputs.
    pub(super) fn check_data(&self, data: &Dataset) -> Result<()> {
        self.check_samples(data)?;
        self.check_targets(data)?;
        let mut labels = data.labels().iter().enumerate();
        labels.try_for_each(|(sample, &label)| self.check_label(sample, label))
    }

    pub(super) fn check_targets(&self, data: &Dataset) -> Result<()> {
        self.program.of_role(Role::Target).try_for_each(|(_, target)| target.check_target(data))
    }

    pub(super) fn check_label(&self, sample: usize, label: u32) -> Result<()> {
        let outputs = self.compiled.architecture.outputs();
        if (label as usize) < outputs {
            return Ok(());
        }
        Err(Error::argument(
            "labels",
            format!(
                "sample {sample} has label {label}; the model has {outputs} outputs, so labels \
                 must be 0 to {}",
                outputs - 1
            ),
        ))
    }

    /// Mean loss and metrics over `data`, in its order.
    ///
    /// # Errors
    /// [`Error::Argument`] and [`Error::Shape`] if the data does not fit or the batch size is 0,
    /// [`Error::Device`] if the device fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn evaluate(&mut self, data: &Dataset, arguments: Evaluate<'_>) -> Result<Scores> {
        pollster::block_on(self.evaluate_async(data, arguments))
    }

    /// [`evaluate`](Self::evaluate) for where nothing may block.
    ///
    /// # Errors
    /// As `evaluate`.
    pub async fn evaluate_async(
        &mut self,
        data: &Dataset,
        arguments: Evaluate<'_>,
    ) -> Result<Scores> {
        let Evaluate { batch_size, sample_weight, steps: asked, mut callbacks, verbose } =
            arguments;
        let mut progress = None;
        let mut callbacks = verbose.add_to(&mut callbacks, &mut progress);
        self.check_data(data)?;
        check_batch_size("batch_size", batch_size)?;
        let steps = steps("steps", asked, data.len(), batch_size)?;
        let data = &match sample_weight {
            Some(weights) => data.clone().with_sample_weights(weights)?,
            None => data.clone(),
        };
        self.measure(data, batch_size, steps, &mut callbacks).await
    }

    /// Evaluates on the first `steps` batches of `data`, which was checked.
    pub(super) async fn measure(
        &mut self,
        data: &Dataset,
        batch_size: usize,
        steps: usize,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<Scores> {
        for callback in callbacks.iter_mut() {
            callback.test_begin(self, steps)?;
        }
        let outer = self.begin_totals().await?;
        let scores = self.measure_steps(data, batch_size, steps, callbacks).await;
        let ended = self.end_totals(outer);
        let scores = scores?;
        ended?;
        for callback in callbacks {
            callback.test_end(self, &scores)?;
        }
        Ok(scores)
    }

    async fn measure_steps(
        &mut self,
        data: &Dataset,
        batch_size: usize,
        steps: usize,
        callbacks: &mut [&mut dyn Callback],
    ) -> Result<Scores> {
        let order = BatchOrder::new(data.len(), batch_size, Shuffle::Off, 0, 0);
        let mut samples = 0;
        for index in 0..steps {
            for callback in callbacks.iter_mut() {
                callback.test_batch_begin(self, index + 1)?;
            }
            let batch = Batch { data, indices: order.batch(index) };
            self.executor.run(Pass::Evaluate, batch, &Step::forward(batch.len())).await?;
            self.totals.on_device = true;
            samples += batch.len();
            let step = StepEnd { step: index + 1, samples };
            let mut scores = None;
            for callback in callbacks.iter_mut() {
                if callback.wants_test_scores(step) {
                    let scores = match &scores {
                        Some(scores) => scores,
                        None => {
                            let metrics = self.read_totals().await?;
                            scores.insert(self.scores(&metrics, samples))
                        }
                    };
                    callback.test_scores(step, scores);
                }
                callback.test_batch_end(self, step)?;
            }
        }
        let metrics = self.read_totals().await?;
        Ok(self.scores(&metrics, samples))
    }

    /// The outputs for each sample of `data`: `[samples, outputs]`, row-major. Labels are ignored.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn predict(&mut self, data: &Dataset, arguments: Predict<'_>) -> Result<Vec<f32>> {
        pollster::block_on(self.predict_async(data, arguments))
    }

    /// [`predict`](Self::predict) for where nothing may block.
    ///
    /// # Errors
    /// As `predict`.
    pub async fn predict_async(
        &mut self,
        data: &Dataset,
        arguments: Predict<'_>,
    ) -> Result<Vec<f32>> {
        let Predict { batch_size, steps: asked, mut callbacks, verbose } = arguments;
        let mut progress = None;
        let mut callbacks = verbose.add_to(&mut callbacks, &mut progress);
        self.check_samples(data)?;
        check_batch_size("batch_size", batch_size)?;
        let steps = steps("steps", asked, data.len(), batch_size)?;
        for callback in &mut callbacks {
            callback.predict_begin(self, steps)?;
        }
        let order = BatchOrder::new(data.len(), batch_size, Shuffle::Off, 0, 0);
        let samples = data.len().min(steps.saturating_mul(batch_size));
        let mut outputs = Vec::with_capacity(samples * self.compiled.architecture.outputs());
        let mut samples = 0;
        for index in 0..steps {
            for callback in &mut callbacks {
                callback.predict_batch_begin(self, index + 1)?;
            }
            let batch = Batch { data, indices: order.batch(index) };
            let part = self.forward(batch).await?;
            samples += batch.len();
            for callback in &mut callbacks {
                let step = StepEnd { step: index + 1, samples };
                callback.predict_batch_end(self, step, &part)?;
            }
            outputs.extend(part);
        }
        for callback in &mut callbacks {
            callback.predict_end(self)?;
        }
        Ok(outputs)
    }

    /// The outputs of one batch, which was checked.
    pub(super) async fn forward(&mut self, batch: Batch<'_>) -> Result<Vec<f32>> {
        let output = self.find("output")?;
        // Room for a larger batch is made by clearing the metrics.
        self.keep_totals().await?;
        self.executor.run(Pass::Predict, batch, &Step::forward(batch.len())).await?;
        let values = self.executor.read(output, batch.len()).await?;
        Ok(values.into_iter().map(|value| value as f32).collect())
    }

    fn find(&self, name: &str) -> Result<BufferId> {
        self.program.find(name).ok_or_else(|| {
            Error::argument("name", format!("the model has no buffer called {name:?}"))
        })
    }

    pub(super) fn find_parameter(&self, name: &str) -> Result<BufferId> {
        let parameters = || self.program.of_role(Role::Parameter);
        let found = parameters().find(|(_, parameter)| parameter.name == name);
        found.map(|(id, _)| id).ok_or_else(|| {
            let names: Vec<&str> = parameters().map(|(_, buffer)| buffer.name.as_str()).collect();
            let names = names.join(", ");
            Error::argument("name", format!("no parameter is called {name:?}; there are {names}"))
        })
    }

    /// A parameter by its name: `dense_1.weight` `[inputs, units]`, `dense_1.bias` `[units]`, ...
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no such parameter, [`Error::Device`] if reading fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn weight(&mut self, name: &str) -> Result<Vec<f32>> {
        let id = self.find_parameter(name)?;
        let values = pollster::block_on(self.executor.read(id, 0))?;
        Ok(values.into_iter().map(|value| value as f32).collect())
    }

    /// Sets a parameter by its name.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is none of that name, [`Error::Shape`] if the number of
    /// values is not its own.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn set_weight(&mut self, name: &str, values: &[f32]) -> Result<()> {
        let id = self.find_parameter(name)?;
        let values: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
        pollster::block_on(self.executor.write(id, &values))
    }

    /// Writes the whole model as one safetensors file: layers, weights, how it is trained, the
    /// optimizer's state, and how far it is. The file is whole, or as it was.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written, [`Error::Device`] if reading the weights fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn save(&mut self, path: &Path) -> Result<()> {
        let mut read = Weights::new();
        for (name, shape) in tensors(&self.program) {
            let id = self.find(&name)?;
            let values = pollster::block_on(self.executor.read(id, 0))?;
            read.push((name, shape, values.into_iter().map(|value| value as f32).collect()));
        }
        let compiled = self.compiled.clone();
        save(path, &Saved { compiled, steps: self.steps, epochs: self.epochs, tensors: read })
    }

    /// A model from a file that [`save`](Self::save) wrote, on `backend`: to evaluate, to predict,
    /// or to train on. On the same device, training goes on with the same bits as if it had not
    /// been interrupted between two epochs.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::ModelFile`] for the file, else as [`Compiled::build`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn load(path: &Path, backend: impl Into<Backend>) -> Result<Self> {
        let Saved { compiled, steps, epochs, tensors } = load(path)?;
        let mut model = compiled.build(backend)?;
        for (name, _, values) in tensors {
            let id = model.find(&name)?;
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            pollster::block_on(model.executor.write(id, &values))?;
        }
        (model.steps, model.epochs) = (steps, epochs);
        Ok(model)
    }
}
