//! The executor behind a model: one of two, with the same calls.

use std::sync::Arc;

use super::feed::fill;
use crate::cpu::{Cpu, CpuExecutor};
use crate::data::Batch;
use crate::error::Result;
use crate::gpu::{Gpu, GpuExecutor};
use crate::program::{BufferId, Metrics, Pass, Program, Step};

/// Where a model runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Backend {
    /// On the CPU, in f32.
    Cpu,
    /// On the CPU, in f64: how the tests compare whole trainings with Keras' own. What a model
    /// returns as f32 is rounded; [`Model::read_exactly`](super::Model::read_exactly) is not.
    #[doc(hidden)]
    CpuInF64,
    /// On a device of wgpu.
    Gpu(Gpu),
}

impl From<&Cpu> for Backend {
    fn from(_: &Cpu) -> Self {
        Backend::Cpu
    }
}

impl From<&Gpu> for Backend {
    fn from(gpu: &Gpu) -> Self {
        Backend::Gpu(gpu.clone())
    }
}

#[derive(Debug)]
pub(super) enum Executor {
    Cpu(CpuExecutor<f32>),
    CpuInF64(CpuExecutor<f64>),
    Gpu(Box<GpuExecutor>),
}

/// The same on either CPU executor, and what a GPU's does.
macro_rules! on {
    ($executor:expr, $cpu:pat => $on_cpu:expr, $gpu:pat => $on_gpu:expr) => {
        match $executor {
            Executor::Cpu($cpu) => $on_cpu,
            Executor::CpuInF64($cpu) => $on_cpu,
            Executor::Gpu($gpu) => $on_gpu,
        }
    };
}

impl Executor {
    pub(super) async fn new(backend: Backend, program: Arc<Program>) -> Result<Self> {
        Ok(match backend {
            Backend::Cpu => Executor::Cpu(CpuExecutor::new(program)),
            Backend::CpuInF64 => Executor::CpuInF64(CpuExecutor::new(program)),
            Backend::Gpu(gpu) => Executor::Gpu(Box::new(GpuExecutor::new(&gpu, program).await?)),
        })
    }

    /// Makes room for batches of `rows` samples and compiles `pass`.
    pub(super) async fn prepare(&mut self, pass: Pass, rows: usize) -> Result<()> {
        on!(self, cpu => cpu.reserve(rows), gpu => {
            gpu.reserve(rows).await?;
            gpu.prepare(pass).await?;
        });
        Ok(())
    }

    /// Runs `pass` on a batch; `eagerly` is one operation at a time, each checked.
    pub(super) async fn run(
        &mut self,
        pass: Pass,
        batch: Batch<'_>,
        step: &Step,
        eagerly: bool,
    ) -> Result<()> {
        on!(self, cpu => {
            let mut feed = cpu.feed(batch.len())?;
            fill(&mut feed, cpu.program(), pass, batch)?;
            if eagerly { cpu.run_eagerly(pass, feed, step) } else { cpu.run(pass, feed, step) }
        }, gpu => {
            let mut feed = gpu.feed(batch.len()).await?;
            fill(&mut feed, gpu.program(), pass, batch)?;
            match eagerly {
                true => gpu.run_eagerly(pass, feed, step).await,
                false => gpu.run(pass, feed, step).await,
            }
        })
    }

    /// Bytes that its buffers take with room for batches of `rows` samples.
    pub(super) fn bytes(&self, rows: usize) -> u64 {
        on!(self, cpu => cpu.bytes(rows), gpu => gpu.bytes(rows))
    }

    pub(super) async fn read(&mut self, id: BufferId, live_rows: usize) -> Result<Vec<f64>> {
        on!(self, cpu => Ok(cpu.read(id, live_rows)), gpu => gpu.read(id, live_rows).await)
    }

    pub(super) async fn write(&mut self, id: BufferId, values: &[f64]) -> Result<()> {
        on!(self, cpu => cpu.write(id, values), gpu => gpu.write(id, values).await)
    }

    pub(super) async fn read_metrics(&mut self) -> Result<Metrics> {
        on!(self, cpu => Ok(cpu.read_metrics()), gpu => gpu.read_metrics().await)
    }

    pub(super) fn clear_metrics(&mut self) -> Result<()> {
        on!(self, cpu => cpu.clear_metrics(), gpu => gpu.clear_metrics()?);
        Ok(())
    }
}
