//! A model that can be trained: a program, an executor and what changes from step to step.

use std::path::Path;
use std::sync::Arc;

use super::executor::{Backend, Executor};
use super::recording::Recorded;
use super::totals::Totals;
use crate::data::{Batch, Dataset};
use crate::error::{Error, Result};
use crate::gpu::GpuExecutor;
use crate::model::{
    Compiled, Functional, Lowered, Report, Saved, Weights, load, lowered, save, tensors,
};
use crate::optimizer::Optimizer;
use crate::program::{Buffer, BufferId, Element, Pass, Program, Role, Step};
use crate::schedule::Schedule;

/// A model on a backend: fit, evaluate, predict.
pub struct Model {
    pub(super) compiled: Compiled,
    pub(super) program: Arc<Program>,
    /// What the metric buffers mean.
    pub(super) report: Arc<Report>,
    pub(super) executor: Executor,
    /// Samples of the last batch that ran.
    pub(super) last_rows: usize,
    /// Training steps made so far.
    pub(super) steps: u64,
    /// Epochs begun so far, or as many as `initial_epoch` has said: the next one's number in the
    /// order of the samples.
    pub(super) epochs: u32,
    pub(super) recorded: Recorded,
    /// Calls of fit and evaluate that have not ended: callbacks may make some within others.
    pub(super) running: u32,
    pub(super) totals: Totals,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("compiled", &self.compiled)
            .field("executor", &self.executor)
            .field("steps", &self.steps)
            .field("epochs", &self.epochs)
            .finish_non_exhaustive()
    }
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
        let Lowered { program, initial, report } = lowered(&self)?;
        let program = Arc::new(program);
        self.schedule.iter().try_for_each(Schedule::check)?;
        let mut executor = Executor::new(backend.into(), Arc::clone(&program)).await?;
        for (id, initial) in initial {
            executor.write(id, &initial.values(self.seed)).await?;
        }
        if let Optimizer::Adagrad(adagrad) = self.optimizer {
            let state = program.of_role(Role::OptimizerState);
            for (id, buffer) in state.filter(|(_, state)| state.name.ends_with(".accumulator")) {
                let count = buffer.live_rows(0) * buffer.columns;
                let values = vec![adagrad.initial_accumulator_value; count];
                executor.write(id, &values).await?;
            }
        }
        Ok(Model {
            compiled: self,
            program,
            report: Arc::new(report),
            executor,
            last_rows: 0,
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
    pub fn architecture(&self) -> &Functional {
        &self.compiled.architecture
    }

    /// Its buffers and operations.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Training steps made so far, those of gradients that are gathered for a later update
    /// included.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The GPU executor, to embed it: dispatch counts, the device, buffers read by name. `None`
    /// on the CPU.
    pub fn gpu(&mut self) -> Option<&mut GpuExecutor> {
        match &mut self.executor {
            Executor::Gpu(gpu) => Some(gpu),
            Executor::Cpu(_) | Executor::CpuInF64(_) => None,
        }
    }

    pub(super) fn next_step(&mut self, live_rows: usize) -> Step {
        let learning_rate = self.learning_rate();
        self.steps += 1;
        let Compiled { optimizer, gradient_accumulation_steps: accumulated, seed, .. } =
            &self.compiled;
        Step::accumulate(optimizer, live_rows, self.steps, learning_rate, *accumulated)
            .with_noise(*seed)
    }

    /// Runs `pass` on a batch that was checked.
    pub(super) async fn run(&mut self, pass: Pass, batch: Batch<'_>, step: &Step) -> Result<()> {
        self.last_rows = batch.len();
        match self.compiled.run_eagerly {
            true => self.executor.run_eagerly(pass, batch, step).await,
            false => self.executor.run(pass, batch, step).await,
        }
    }

    /// The same data with its inputs, and its targets if they are wanted, in the model's order.
    pub(super) fn arranged(&self, data: &Dataset, targets: bool) -> Result<Dataset> {
        let inputs: Vec<&str> = self.architecture().inputs().map(|(name, _)| name).collect();
        let judged: Vec<&str> =
            self.report.outputs.iter().map(|output| output.name.as_str()).collect();
        data.arranged(&inputs, if targets { &judged } else { &[] })
    }

    /// Of each target the number of classes, or 0 if it has none.
    pub(super) fn classes(&self) -> Vec<usize> {
        let widths = self.report.outputs.iter().map(|output| {
            let width = self.architecture().width_of(&output.name);
            width.unwrap_or(0)
        });
        let targets = self.program.of_role(Role::Target);
        let classes = widths.zip(targets).map(|(width, (_, target))| match target.element {
            Element::U32 => width,
            _ => 0,
        });
        classes.collect()
    }

    /// Whether there are samples and they, arranged, fit the model's inputs.
    pub(super) fn check_samples(&self, data: &Dataset) -> Result<()> {
        if data.is_empty() {
            return Err(Error::argument("data", "holds no sample; give at least one"));
        }
        let inputs = self.program.of_role(Role::Input).enumerate();
        for ((column, (_, buffer)), (_, input)) in inputs.zip(self.architecture().inputs()) {
            buffer.check_input(data, column)?;
            // Flat samples fit any shape of their width, and a flat input takes any such sample.
            let actual = data.inputs().get(column).map_or(&[][..], |input| &input.shape);
            let expected = &*input.shape;
            if actual != expected && actual.len() > 1 && expected.len() > 1 {
                return Err(Error::Shape {
                    what: format!("the data does not fit the model's input ({})", buffer.name),
                    actual: format!("samples of shape {actual:?}"),
                    expected: format!("{expected:?}"),
                });
            }
        }
        Ok(())
    }

    /// Whether the samples, arranged, fit the model's inputs and the labels its outputs.
    pub(super) fn check_data(&self, data: &Dataset) -> Result<()> {
        self.check_samples(data)?;
        self.check_targets(data)?;
        self.classes().into_iter().enumerate().try_for_each(|(column, classes)| {
            let mut labels = data.labels_of(column).unwrap_or_default().iter().enumerate();
            labels.try_for_each(|(sample, &label)| check_label(sample, label, classes))
        })
    }

    pub(super) fn check_targets(&self, data: &Dataset) -> Result<()> {
        let mut targets = self.program.of_role(Role::Target).enumerate();
        targets.try_for_each(|(column, (_, target))| target.check_target(data, column))
    }

    /// What the last batch that ran has left in a buffer: `dense_1.output` `[samples, units]`, its
    /// `dense_1.output.gradient` after a training step, `dense_1.weight.gradient`, ...; see
    /// [`Program::buffers`] for the names. Waits for the device. A step that is not
    /// [run eagerly](Compiled::run_eagerly) leaves the same values.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is none of that name or nothing uses it, [`Error::Device`] if
    /// reading fails.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn read(&mut self, name: &str) -> Result<Vec<f32>> {
        let values = self.read_exactly(name)?;
        Ok(values.into_iter().map(|value| value as f32).collect())
    }

    /// [`read`](Self::read) without rounding to f32, for tests of a model that computes in f64.
    ///
    /// # Errors
    /// As `read`.
    #[cfg(not(target_arch = "wasm32"))]
    #[doc(hidden)]
    pub fn read_exactly(&mut self, name: &str) -> Result<Vec<f64>> {
        let id = self.find(name)?;
        pollster::block_on(self.executor.read(id, self.last_rows))
    }

    fn find(&self, name: &str) -> Result<BufferId> {
        self.program.find(name).ok_or_else(|| {
            Error::argument("name", format!("the model has no buffer called {name:?}"))
        })
    }

    pub(super) fn find_parameter(&self, name: &str) -> Result<BufferId> {
        let parameters = || {
            let learned =
                |(_, buffer): &(_, &Buffer)| matches!(buffer.role, Role::Parameter | Role::State);
            self.program.buffers().filter(learned)
        };
        let found = parameters().find(|(_, parameter)| parameter.name == name);
        found.map(|(id, _)| id).ok_or_else(|| {
            let names: Vec<&str> = parameters().map(|(_, buffer)| buffer.name.as_str()).collect();
            let names = names.join(", ");
            Error::argument("name", format!("no parameter is called {name:?}; there are {names}"))
        })
    }

    /// A parameter, or another part of what was learned, by its name: `dense_1.weight` `[inputs, units]`, `dense_1.bias` `[units]`, ...
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

/// Whether a label is one of so many classes; any is if there are none.
pub(super) fn check_label(sample: usize, label: u32, classes: usize) -> Result<()> {
    if classes == 0 || (label as usize) < classes {
        return Ok(());
    }
    Err(Error::argument(
        "labels",
        format!(
            "sample {sample} has label {label}; the model has {classes} outputs, so labels must be \
             0 to {}",
            classes - 1
        ),
    ))
}
