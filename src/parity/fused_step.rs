//! Fused training steps, against the CPU executors, which run the operations one by one.

use std::sync::Arc;

use super::Verdict;
use super::case::{GUARD_ROWS, Worst, poison, poison_of};
use super::fused_forms::{FusedForm, FusedShape};
use super::trajectory::{FLOOR, SLACK, largest_difference};
use crate::clock::Instant;
use crate::cpu::CpuExecutor;
use crate::error::{Error, Result};
use crate::gpu::{Gpu, GpuExecutor};
use crate::model::Compiled;
use crate::model::loss::Loss;
use crate::operation::case::Values;
use crate::operation::{Access, FusedSteps};
use crate::program::{BufferId, Element, Pass, Program, Role};

/// Trains with a form at each of `shapes` on `gpu`, three steps of which the second has fewer rows, and
/// compares parameters, what the optimizer keeps, loss and counts after each of them. The error may be
/// four times that of f32 on the CPU, plus 1e-6. What the kernels hand over begins as NaN each time.
///
/// # Errors
/// [`Error::Device`] if the device fails, [`Error::Argument`] if a step is not fused at one of the
/// shapes. A wrong result is no error but a [`Verdict`].
pub async fn fused_step(gpu: &Gpu, form: &FusedForm, shapes: &[FusedShape]) -> Result<Verdict> {
    let start = Instant::now();
    let gpu = gpu.clone().with_fused_steps(FusedSteps::Always(form.from));
    let (mut worst, mut stray, mut kernels) = (Worst::default(), None, Vec::new());
    for (seed, &shape) in (0..).zip(shapes) {
        let mut run = Run::new(&gpu, form, shape, seed).await?;
        for number in 1..=3 {
            let rows = if number == 2 { shape.rows.div_ceil(2) } else { shape.rows };
            worst = worst.or(run.step(form, number, rows).await?);
            stray = stray.or(run.stray(rows).await?);
        }
        kernels.extend(run.device.kernels(Pass::Train, shape.rows));
    }
    let (name, seconds) = (form.name.clone(), start.elapsed().as_secs_f64());
    Ok(Verdict { name, shapes: shapes.len(), worst, stray, kernels, seconds })
}

/// A training on three executors.
struct Run {
    program: Arc<Program>,
    compiled: Compiled,
    handover: BufferId,
    /// What a kernel before the fused ones computes for them.
    before: Vec<BufferId>,
    exact: CpuExecutor<f64>,
    single: CpuExecutor<f32>,
    device: GpuExecutor,
    values: Values,
    /// Rows of the largest batch.
    rows: usize,
}

impl Run {
    async fn new(gpu: &Gpu, form: &FusedForm, shape: FusedShape, seed: u64) -> Result<Self> {
        let (program, compiled) = form.program(shape)?;
        let program = Arc::new(program);
        let handover = program.of_role(Role::Handover).map(|(id, _)| id).next();
        let handover = handover.ok_or_else(|| Error::argument("form", "hands nothing over"))?;
        let mut before = Vec::new();
        for op in program.fused_step().iter().flat_map(|(chain, _)| chain.before(form.from)) {
            op.each(&mut |access, id| before.extend((access == Access::Write).then_some(id)));
        }
        let mut run = Run {
            exact: CpuExecutor::new(Arc::clone(&program)),
            single: CpuExecutor::new(Arc::clone(&program)),
            device: GpuExecutor::new(gpu, Arc::clone(&program)).await?,
            values: Values::new(seed),
            rows: shape.rows,
            program,
            compiled,
            handover,
            before,
        };
        run.exact.reserve(shape.rows);
        run.single.reserve(shape.rows);
        run.device.reserve(shape.rows + GUARD_ROWS).await?;
        let program = Arc::clone(&run.program);
        for (id, buffer) in program.buffers() {
            let count = buffer.columns * buffer.live_rows(shape.rows);
            let values = match (buffer.role, buffer.element) {
                (Role::Parameter, _) => run.values.scaled(count, 0.4),
                (Role::OptimizerState, _) => run.values.positive(count),
                (Role::Metric, Element::Real) => run.values.positive(count),
                (Role::Metric, _) => vec![0.0; count],
                _ => continue,
            };
            run.write(id, &values).await?;
        }
        Ok(run)
    }

    async fn write(&mut self, id: BufferId, values: &[f64]) -> Result<()> {
        self.exact.write(id, values)?;
        self.single.write(id, values)?;
        self.device.write(id, values).await
    }

    /// One step on samples at random; the worst of what it changed.
    async fn step(&mut self, form: &FusedForm, number: u64, rows: usize) -> Result<Worst> {
        let program = Arc::clone(&self.program);
        for (id, buffer) in program.buffers() {
            let count = rows * buffer.columns;
            let values = match (buffer.role, buffer.element) {
                (Role::Input, Element::U8) => self.values.below(count, 256),
                (Role::Input, _) => self.values.signed(count),
                (Role::SampleWeight, _) => self.values.positive(count),
                (Role::Target, Element::U32) => {
                    let logits =
                        program.outputs().first().map_or(1, |(_, id)| program.buffer(*id).columns);
                    self.values.below(count, logits as u64)
                }
                (Role::Target, _) => match form.loss {
                    Loss::BinaryCrossentropy { .. } => self.values.below(count, 2),
                    _ => self.values.positive(count),
                },
                _ if id == self.handover || self.before.contains(&id) => {
                    poison(&mut self.device, id, buffer, self.rows)?;
                    continue;
                }
                _ => continue,
            };
            poison(&mut self.device, id, buffer, self.rows)?;
            self.write(id, &values).await?;
        }
        let optimizer = &self.compiled.optimizer;
        let step = optimizer.accumulating_step(rows, number, optimizer.learning_rate(), 1);
        for op in Pass::Train.lists(&step).iter().flat_map(|&pass| program.ops(pass)) {
            self.exact.execute(op, &step);
            self.single.execute(op, &step);
        }
        self.device.execute(Pass::Train, &step).await?;
        let mut worst = Worst::default();
        for (id, buffer) in program.buffers() {
            match buffer.role {
                Role::Parameter | Role::OptimizerState | Role::Metric => {}
                _ => continue,
            }
            let reference = self.exact.read(id, self.rows);
            let own = largest_difference(&reference, &self.single.read(id, self.rows));
            let actual = self.device.read(id, self.rows).await?;
            let error = largest_difference(&reference, &actual);
            let bound = SLACK * own + FLOOR;
            let place = format!("{} after step {number} is off by {error:e}", buffer.name);
            worst = worst.or(Worst { error, bound, place });
        }
        Ok(worst)
    }

    /// Rows beyond the live ones that were written, or padding that is not zero.
    async fn stray(&mut self, rows: usize) -> Result<Option<String>> {
        let program = Arc::clone(&self.program);
        for (id, buffer) in program.buffers() {
            let raw = match buffer.role {
                Role::Parameter | Role::OptimizerState => self.device.read_raw(id, rows).await?,
                _ => continue,
            };
            let words = raw.chunks_exact(4).map(bytemuck::pod_read_unaligned::<u32>);
            for (i, word) in words.enumerate() {
                let (row, column) = (i / buffer.stride(), i % buffer.stride());
                let live = row < buffer.live_rows(rows) && column < buffer.columns;
                if !live && word != 0 {
                    return Ok(Some(format!("{}[{row}, {column}] holds {word:#x}", buffer.name)));
                }
            }
        }
        let handover = program.buffer(self.handover);
        let raw = self.device.read_raw(self.handover, self.rows + GUARD_ROWS).await?;
        let words: Vec<u32> = raw.chunks_exact(4).map(bytemuck::pod_read_unaligned).collect();
        let (live, beyond) = words.split_at(rows * handover.stride());
        if live.iter().any(|&word| f32::from_bits(word).is_nan()) {
            return Ok(Some("a place of all.handover was not written".into()));
        }
        let poison = poison_of(self.handover, handover);
        if beyond.iter().any(|&word| word != poison) {
            return Ok(Some("a row of all.handover beyond the live ones was written".into()));
        }
        Ok(None)
    }
}
