//! Runs a [`Program`] on the CPU, in f32 (the fallback without a GPU) or in f64 (the oracle that
//! the GPU is checked against). One plain function an operation, named as its kernel.

mod activate;
mod activate_backward;
pub(crate) mod activation;
mod adagrad;
mod adam;
mod amsgrad;
mod categorical_cross_entropy;
mod clip_by_norm;
mod clip_by_value;
mod convert;
mod dense_backward_input;
mod dense_backward_weights;
mod dense_forward;
mod dropout;
mod loss;
mod penalty;
mod penalty_gradient;
mod pointwise_loss;
mod real;
mod rms_prop;
mod sgd;
mod shape;
mod softmax;
mod softmax_cross_entropy;
mod squared_norm;

use std::cell::{Ref, RefCell, RefMut};
use std::sync::Arc;

pub use real::{Matrix, Real};

use crate::data::{Batch, Sample};
use crate::error::Result;
use crate::program::{
    AdamRule, Buffer, BufferId, Element, Metrics, Op, Pass, Program, Role, Rows, Step,
    dropout_threshold,
};
use shape::Dense;

/// The CPU as the place where a model is built.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu;

impl Cpu {
    /// The CPU, computing in f32 on the calling thread.
    pub fn new() -> Self {
        Cpu
    }
}

/// The memory of one buffer. Arenas have none: their slices are allocated one by one.
#[derive(Debug, Clone)]
enum Storage<T> {
    Arena,
    Real(Vec<T>),
    U8(Vec<u8>),
    U32(Vec<u32>),
}

/// Runs a program, computing in `T`.
#[derive(Debug)]
pub struct CpuExecutor<T> {
    program: Arc<Program>,
    batch_capacity: usize,
    // Operations borrow several buffers of the table at once, some of them mutably; the program's
    // builder has checked that no operation reads what it writes.
    storage: Vec<RefCell<Storage<T>>>,
}

impl<T: Real> CpuExecutor<T> {
    /// Allocates what does not depend on the batch; all zeros.
    pub fn new(program: Arc<Program>) -> Self {
        let storage = program.buffers().map(|(_, buffer)| RefCell::new(allocate(buffer, 0)));
        CpuExecutor { storage: storage.collect(), batch_capacity: 0, program }
    }

    /// Makes room for batches of up to `rows` samples.
    pub fn reserve(&mut self, rows: usize) {
        if rows <= self.batch_capacity {
            return;
        }
        self.batch_capacity = rows;
        for ((_, buffer), storage) in self.program.buffers().zip(&mut self.storage) {
            match storage.get_mut() {
                Storage::Arena => {}
                Storage::Real(values) => values.resize(buffer.allocated(rows), T::ZERO),
                Storage::U8(values) => values.resize(buffer.allocated(rows), 0),
                Storage::U32(values) => values.resize(buffer.allocated(rows), 0),
            }
        }
    }

    /// Runs `pass` on `batch`.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if a sample does not exist,
    /// [`Error::Shape`](crate::Error::Shape) if it or its target does not fit.
    pub fn run(&mut self, pass: Pass, batch: Batch<'_>, step: &Step) -> Result<()> {
        self.reserve(batch.len());
        self.load(pass, batch)?;
        let program = Arc::clone(&self.program);
        for op in program.ops(pass) {
            self.execute(op, step);
        }
        Ok(())
    }

    fn load(&mut self, pass: Pass, batch: Batch<'_>) -> Result<()> {
        for (id, buffer) in self.program.of_role(Role::Input) {
            buffer.check_input(batch.data)?;
            self.fill(id, batch, |sample| sample.features)?;
        }
        // Predictions look at no target.
        if pass == Pass::Predict {
            return Ok(());
        }
        for (id, buffer) in self.program.of_role(Role::Target) {
            buffer.check_target(batch.data)?;
            self.fill(id, batch, |sample| sample.target)?;
        }
        for (id, _) in self.program.of_role(Role::SampleWeight) {
            let mut weights = self.real_mut(id);
            for (to, sample) in weights.iter_mut().zip(batch.samples()) {
                *to = T::from_f32(sample?.weight);
            }
        }
        Ok(())
    }

    /// Fills the rows of `id` with the bytes that `part` takes of each sample.
    fn fill(
        &self,
        id: BufferId,
        batch: Batch<'_>,
        part: impl Fn(Sample<'_>) -> &[u8],
    ) -> Result<()> {
        let stride = self.program.buffer(id).stride();
        let words = |bytes| <[u8]>::chunks_exact(bytes, 4);
        match &mut *self.storage[id.index()].borrow_mut() {
            Storage::U8(rows) => {
                for (row, sample) in rows.chunks_exact_mut(stride).zip(batch.samples()) {
                    let values = part(sample?);
                    if let Some(to) = row.get_mut(..values.len()) {
                        to.copy_from_slice(values);
                    }
                }
            }
            Storage::Real(rows) => {
                for (row, sample) in rows.chunks_exact_mut(stride).zip(batch.samples()) {
                    for (to, from) in row.iter_mut().zip(words(part(sample?))) {
                        *to = T::from_f32(bytemuck::pod_read_unaligned(from));
                    }
                }
            }
            Storage::U32(rows) => {
                for (row, sample) in rows.chunks_exact_mut(stride).zip(batch.samples()) {
                    for (to, from) in row.iter_mut().zip(words(part(sample?))) {
                        *to = bytemuck::pod_read_unaligned(from);
                    }
                }
            }
            Storage::Arena => {}
        }
        Ok(())
    }

    /// Runs one operation on what its buffers hold.
    pub fn execute(&self, op: &Op, step: &Step) {
        let rows = step.live_rows;
        let real = |scalar: f64| T::from_f64(scalar);
        match *op {
            Op::Convert { input, output, scale } => {
                let live = rows * self.program.buffer(input).stride();
                let mut output = self.real_mut(output);
                convert::convert(&self.u8(input)[..live], &mut output[..live], real(scale));
            }
            Op::DenseForward { input, weight, bias, output, activation } => {
                dense_forward::dense_forward(
                    &self.real(input),
                    &self.real(weight),
                    &self.real(bias),
                    &mut self.real_mut(output),
                    self.dense(rows, input, output),
                    activation,
                );
            }
            Op::Activate { input, output, activation } => {
                activate::activate(
                    &self.real(input),
                    &mut self.real_mut(output),
                    self.elements(rows, input),
                    activation,
                );
            }
            Op::ActivateBackward { output_gradient, value, input_gradient, activation } => {
                activate_backward::activate_backward(
                    &self.real(output_gradient),
                    &self.real(value),
                    &mut self.real_mut(input_gradient),
                    self.elements(rows, value),
                    activation,
                );
            }
            Op::Dropout { input, output, rate, layer } => {
                dropout::dropout(
                    &self.real(input),
                    &mut self.real_mut(output),
                    self.elements(rows, input),
                    dropped(rate, layer, step),
                );
            }
            Op::DropoutBackward {
                output_gradient,
                input,
                input_gradient,
                activation,
                rate,
                layer,
            } => {
                dropout::dropout_backward(
                    &self.real(output_gradient),
                    &self.real(input),
                    &mut self.real_mut(input_gradient),
                    self.elements(rows, input),
                    activation,
                    dropped(rate, layer, step),
                );
            }
            Op::Softmax { input, output } => {
                let buffer = self.program.buffer(input);
                let (input, mut output) = (self.real(input), self.real_mut(output));
                softmax::softmax(&input, &mut output, rows, buffer.columns, buffer.stride());
            }
            Op::SoftmaxCrossEntropy { logits, labels, sample_weights, loss, counts, gradient } => {
                softmax_cross_entropy::softmax_cross_entropy(
                    self.rows(&self.real(logits), &self.real(sample_weights), logits, step),
                    &self.u32(labels),
                    loss::Outputs {
                        loss: &mut self.real_mut(loss),
                        counts: &mut self.u32_mut(counts),
                        gradient: &mut self.real_mut(gradient),
                    },
                );
            }
            Op::CategoricalCrossEntropy {
                logits,
                targets,
                sample_weights,
                loss,
                counts,
                gradient,
                label_smoothing,
            } => {
                categorical_cross_entropy::categorical_cross_entropy(
                    self.rows(&self.real(logits), &self.real(sample_weights), logits, step),
                    &self.real(targets),
                    loss::Outputs {
                        loss: &mut self.real_mut(loss),
                        counts: &mut self.u32_mut(counts),
                        gradient: &mut self.real_mut(gradient),
                    },
                    real(label_smoothing),
                );
            }
            Op::PointwiseLoss {
                outputs,
                targets,
                sample_weights,
                loss,
                counts,
                gradient,
                function,
                activation,
            } => {
                pointwise_loss::pointwise_loss(
                    self.rows(&self.real(outputs), &self.real(sample_weights), outputs, step),
                    &self.real(targets),
                    loss::Outputs {
                        loss: &mut self.real_mut(loss),
                        counts: &mut self.u32_mut(counts),
                        gradient: &mut self.real_mut(gradient),
                    },
                    function,
                    activation,
                );
            }
            Op::SquaredNorm { gradient, sum, first } => {
                if let Some(sum) = self.real_mut(sum).first_mut() {
                    squared_norm::squared_norm(&self.real(gradient), sum, first);
                }
            }
            Op::ClipByNorm { squared_norm, gradient, limit } => {
                if let Some(&squared) = self.real(squared_norm).first() {
                    let gradient = &mut self.real_mut(gradient);
                    clip_by_norm::clip_by_norm(squared, gradient, real(limit));
                }
            }
            Op::ClipByValue { gradient, limit } => {
                clip_by_value::clip_by_value(&mut self.real_mut(gradient), real(limit));
            }
            Op::Penalty { weight, penalty, l1, l2 } => {
                penalty::penalty(
                    &self.real(weight),
                    &mut self.real_mut(penalty),
                    [real(l1), real(l2)],
                    real(rows as f64),
                );
            }
            Op::PenaltyGradient { weight, weight_gradient, l1, l2 } => {
                penalty_gradient::penalty_gradient(
                    &self.real(weight),
                    &mut self.real_mut(weight_gradient),
                    [real(l1), real(l2)],
                );
            }
            Op::DenseBackwardWeights { input, output_gradient, weight_gradient, bias_gradient } => {
                dense_backward_weights::dense_backward_weights(
                    &self.real(input),
                    &self.real(output_gradient),
                    &mut self.real_mut(weight_gradient),
                    &mut self.real_mut(bias_gradient),
                    self.dense(rows, input, output_gradient),
                );
            }
            Op::DenseBackwardInput {
                output_gradient,
                weight,
                input,
                input_gradient,
                activation,
            } => {
                dense_backward_input::dense_backward_input(
                    &self.real(output_gradient),
                    &self.real(weight),
                    &self.real(input),
                    &mut self.real_mut(input_gradient),
                    self.dense(rows, input, output_gradient),
                    activation,
                );
            }
            Op::Adam { gradients, parameters, moment_1, moment_2, rule } => {
                let scalars = self.adam(rule, step);
                self.update(gradients, [parameters, moment_1, moment_2], |g, changed| {
                    adam::adam(g, changed, scalars);
                });
            }
            Op::AmsGrad { gradients, parameters, moment_1, moment_2, largest_moment_2, rule } => {
                let scalars = self.adam(rule, step);
                let changed = [parameters, moment_1, moment_2, largest_moment_2];
                self.update(gradients, changed, |g, changed| {
                    amsgrad::amsgrad(g, changed, scalars);
                });
            }
            Op::Sgd { gradients, parameters, velocity, momentum, nesterov } => {
                let scalars = sgd::Sgd {
                    step_size: real(step.step_size),
                    momentum: real(momentum),
                    nesterov,
                    decay: real(step.decay),
                };
                self.update(gradients, [parameters, velocity], |g, changed| {
                    sgd::sgd(g, changed, scalars);
                });
            }
            Op::RmsProp {
                gradients,
                parameters,
                mean_square,
                mean_gradient,
                velocity,
                rho,
                momentum,
                epsilon,
                centered,
            } => {
                let scalars = rms_prop::RmsProp {
                    step_size: real(step.step_size),
                    one_minus_rho: real(1.0 - rho),
                    momentum: real(momentum),
                    epsilon: real(epsilon),
                    centered,
                    decay: real(step.decay),
                };
                let changed = [parameters, mean_square, mean_gradient, velocity];
                self.update(gradients, changed, |g, changed| {
                    rms_prop::rms_prop(g, changed, scalars);
                });
            }
            Op::Adagrad { gradients, parameters, accumulator, epsilon } => {
                let scalars = adagrad::Adagrad {
                    step_size: real(step.step_size),
                    epsilon: real(epsilon),
                    decay: real(step.decay),
                };
                self.update(gradients, [parameters, accumulator], |g, changed| {
                    adagrad::adagrad(g, changed, scalars);
                });
            }
        }
    }

    fn rows<'a>(
        &self,
        outputs: &'a [T],
        sample_weights: &'a [T],
        id: BufferId,
        step: &Step,
    ) -> loss::Rows<'a, T> {
        let buffer = self.program.buffer(id);
        loss::Rows {
            outputs,
            sample_weights,
            rows: step.live_rows,
            units: buffer.columns,
            stride: buffer.stride(),
            step_number: step.number as u32,
        }
    }

    fn adam(&self, rule: AdamRule, step: &Step) -> adam::Adam<T> {
        adam::Adam {
            step_size: T::from_f64(step.step_size),
            root_scale: T::from_f64(step.root_scale),
            one_minus_beta_1: T::from_f64(1.0 - rule.beta_1),
            one_minus_beta_2: T::from_f64(1.0 - rule.beta_2),
            epsilon: T::from_f64(rule.epsilon),
            decay: T::from_f64(step.decay),
        }
    }

    /// Runs `each` on one slice of the arenas after the other: the gradients, and what the update
    /// changes.
    fn update<const N: usize>(
        &self,
        gradients: BufferId,
        changed: [BufferId; N],
        mut each: impl FnMut(&[T], [&mut [T]; N]),
    ) {
        for (i, (gradient, _)) in self.program.slices(gradients).enumerate() {
            let slice = |arena| self.program.slices(arena).nth(i);
            let mut changed = changed.map(|arena| slice(arena).map(|(id, _)| self.real_mut(id)));
            let changed = changed.each_mut().map(|slice| match slice {
                Some(values) => &mut **values,
                None => &mut [],
            });
            each(&self.real(gradient), changed);
        }
    }

    /// Rows, columns and stride.
    fn elements(&self, rows: usize, id: BufferId) -> [usize; 3] {
        let buffer = self.program.buffer(id);
        [rows, buffer.columns, buffer.stride()]
    }

    fn dense(&self, rows: usize, input: BufferId, output: BufferId) -> Dense {
        let (input, output) = (self.program.buffer(input), self.program.buffer(output));
        Dense {
            rows,
            inputs: input.columns,
            units: output.columns,
            input_stride: input.stride(),
            unit_stride: output.stride(),
        }
    }

    fn real(&self, id: BufferId) -> Ref<'_, [T]> {
        Ref::map(self.storage[id.index()].borrow(), |storage| match storage {
            Storage::Real(values) => values.as_slice(),
            _ => &[],
        })
    }

    fn real_mut(&self, id: BufferId) -> RefMut<'_, [T]> {
        RefMut::map(self.storage[id.index()].borrow_mut(), |storage| match storage {
            Storage::Real(values) => values.as_mut_slice(),
            _ => &mut [],
        })
    }

    fn u8(&self, id: BufferId) -> Ref<'_, [u8]> {
        Ref::map(self.storage[id.index()].borrow(), |storage| match storage {
            Storage::U8(values) => values.as_slice(),
            _ => &[],
        })
    }

    fn u32(&self, id: BufferId) -> Ref<'_, [u32]> {
        Ref::map(self.storage[id.index()].borrow(), |storage| match storage {
            Storage::U32(values) => values.as_slice(),
            _ => &[],
        })
    }

    fn u32_mut(&self, id: BufferId) -> RefMut<'_, [u32]> {
        RefMut::map(self.storage[id.index()].borrow_mut(), |storage| match storage {
            Storage::U32(values) => values.as_mut_slice(),
            _ => &mut [],
        })
    }

    /// The values of `id`, `[rows, columns]` without padding; `live_rows` rows of a batch.
    pub fn read(&self, id: BufferId, live_rows: usize) -> Vec<f64> {
        let buffer = self.program.buffer(id);
        let rows = buffer.live_rows(live_rows);
        let to_f64: Vec<f64> = match &*self.storage[id.index()].borrow() {
            Storage::Arena => Vec::new(),
            Storage::Real(values) => values.iter().map(|x| x.to_f64()).collect(),
            Storage::U8(values) => values.iter().map(|&x| f64::from(x)).collect(),
            Storage::U32(values) => values.iter().map(|&x| f64::from(x)).collect(),
        };
        to_f64
            .chunks(buffer.stride())
            .take(rows)
            .flat_map(|r| &r[..buffer.columns])
            .copied()
            .collect()
    }

    /// Sets the values of `id`, `[rows, columns]` without padding.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the number of values is not that of whole rows, or of all of them if
    /// the number of rows is fixed.
    pub fn write(&mut self, id: BufferId, values: &[f64]) -> Result<()> {
        let rows = self.program.buffer(id).check_values(values.len())?;
        if self.program.buffer(id).rows == Rows::Batch {
            self.reserve(rows);
        }
        let buffer = self.program.buffer(id);
        let (columns, stride) = (buffer.columns, buffer.stride());
        let from = values.chunks_exact(columns);
        match self.storage[id.index()].get_mut() {
            Storage::Arena => {}
            Storage::Real(to) => fill_rows(to.chunks_exact_mut(stride).zip(from), T::from_f64),
            Storage::U8(to) => fill_rows(to.chunks_exact_mut(stride).zip(from), |x| x as u8),
            Storage::U32(to) => fill_rows(to.chunks_exact_mut(stride).zip(from), |x| x as u32),
        }
        Ok(())
    }

    /// What the steps since the last [`clear_metrics`](Self::clear_metrics) have added up to.
    pub fn read_metrics(&self) -> Metrics {
        let (Some(loss), Some(counts)) =
            (self.program.find(Program::LOSS), self.program.find(Program::COUNTS))
        else {
            return Metrics::default();
        };
        let penalty = self.program.find(Program::PENALTY).map(|id| self.real(id));
        let penalty = penalty.iter().flat_map(|values| values.iter().take(Program::PENALTY_SLOTS));
        let loss = self.real(loss);
        Metrics::sum(loss.iter().chain(penalty).map(|x| x.to_f64()), &self.u32(counts))
    }

    /// Sets loss and counts to 0.
    pub fn clear_metrics(&mut self) {
        for (id, _) in self.program.of_role(Role::Metric) {
            match self.storage[id.index()].get_mut() {
                Storage::Real(values) => values.fill(T::ZERO),
                Storage::U32(values) => values.fill(0),
                Storage::Arena | Storage::U8(_) => {}
            }
        }
    }
}

fn dropped<T: Real>(rate: f64, layer: u32, step: &Step) -> dropout::Dropout<T> {
    dropout::Dropout {
        noise: step.noise,
        layer,
        threshold: dropout_threshold(rate),
        scale: T::from_f64(1.0 / (1.0 - rate)),
    }
}

fn fill_rows<'a, E: 'a>(
    rows: impl Iterator<Item = (&'a mut [E], &'a [f64])>,
    convert: impl Fn(f64) -> E,
) {
    for (to, from) in rows {
        for (to, &from) in to.iter_mut().zip(from) {
            *to = convert(from);
        }
    }
}

fn allocate<T: Real>(buffer: &Buffer, batch: usize) -> Storage<T> {
    let elements = buffer.allocated(batch);
    match (buffer.role, buffer.element) {
        (Role::Arena, _) => Storage::Arena,
        (_, Element::Real) => Storage::Real(vec![T::ZERO; elements]),
        (_, Element::U8) => Storage::U8(vec![0; elements]),
        (_, Element::U32) => Storage::U32(vec![0; elements]),
    }
}
