//! The executor behind a model: one of two, with the same calls.

use std::sync::Arc;

use crate::cpu::{Cpu, CpuExecutor, CpuFeed};
use crate::error::{Error, Result};
use crate::gpu::{GatherFeed, Gpu, GpuExecutor, GpuFeed, Gradients};
use crate::model::Compiled;
use crate::profile::Profile;
use crate::program::{BufferId, Feed, Metrics, Pass, Program, Step};

/// Where a model runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Backend {
    /// On the CPU, in f32, on the threads that it says.
    Cpu(Cpu),
    /// On the CPU, in f64: how the tests compare whole trainings with Keras' own. What a model
    /// returns as f32 is rounded; [`Model::read_exactly`](super::Model::read_exactly) is not.
    #[doc(hidden)]
    CpuInF64,
    /// On a device of wgpu.
    Gpu(Gpu),
}

impl From<&Cpu> for Backend {
    fn from(cpu: &Cpu) -> Self {
        Backend::Cpu(cpu.clone())
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

/// The gradients of some shards.
#[derive(Debug)]
pub(super) enum Partial {
    Read(Vec<f32>),
    OnTheWay(Box<Gradients>),
}

impl Partial {
    /// All of them, of each parameter after the other.
    pub(super) async fn wait(self) -> Result<Vec<f32>> {
        match self {
            Partial::Read(gradients) => Ok(gradients),
            Partial::OnTheWay(gradients) => gradients.wait().await,
        }
    }
}

/// Memory for the rows of one step, lent by an [`Executor`]. It can be filled by another thread.
pub(super) enum Lent {
    Cpu(CpuFeed<f32>),
    CpuInF64(CpuFeed<f64>),
    Gpu(GpuFeed),
    /// Of rows whose inputs lie on the device.
    Gathering(GatherFeed),
}

impl Lent {
    /// Takes the step to have `rows` rows, no more than before.
    pub(super) fn truncate(&mut self, rows: usize) {
        match self {
            Lent::Cpu(feed) => feed.truncate(rows),
            Lent::CpuInF64(feed) => feed.truncate(rows),
            Lent::Gpu(feed) => feed.truncate(rows),
            // It is lent for as many as there are.
            Lent::Gathering(_) => {}
        }
    }

    /// Fills it.
    ///
    /// # Errors
    /// Those of `fill`.
    pub(super) fn fill(&mut self, fill: &impl Fill) -> Result<()> {
        match self {
            Lent::Cpu(feed) => fill.fill(feed),
            Lent::CpuInF64(feed) => fill.fill(feed),
            Lent::Gpu(feed) => fill.fill(feed),
            Lent::Gathering(_) => {
                Err(Error::argument("feed", "is for rows that lie on the device; fill it as such"))
            }
        }
    }
}

/// Something that fills a feed of any executor.
pub(super) trait Fill {
    /// # Errors
    /// Those of the data.
    fn fill(&self, feed: &mut impl Feed) -> Result<()>;
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
    /// Makes what runs `program`, which `compiled` was turned into.
    ///
    /// # Errors
    /// [`Error::Argument`] for a number of upload slots that cannot be, and those of the executor.
    pub(super) async fn new(
        backend: Backend,
        program: Arc<Program>,
        compiled: &Compiled,
    ) -> Result<Self> {
        let most = Gpu::MOST_UPLOAD_SLOTS;
        if let Some(slots) = compiled.upload_slots.filter(|slots| !(1..=most).contains(slots)) {
            return Err(Error::argument("upload_slots", format!("is {slots}; give 1 to {most}")));
        }
        Ok(match backend {
            Backend::Cpu(cpu) => {
                let mut executor = CpuExecutor::new(program);
                executor.set_threads(cpu.pool());
                Executor::Cpu(executor)
            }
            Backend::CpuInF64 => Executor::CpuInF64(CpuExecutor::new(program)),
            Backend::Gpu(mut gpu) => {
                if let Some(prefix) = &compiled.label_prefix {
                    gpu = gpu.with_label_prefix(prefix);
                }
                if let Some(slots) = compiled.upload_slots {
                    gpu = gpu.with_upload_slots(slots);
                }
                Executor::Gpu(Box::new(GpuExecutor::new(&gpu, program).await?))
            }
        })
    }

    /// Records what the steps do from now on.
    pub(super) fn set_profile(&mut self, profile: &Profile) -> Result<()> {
        on!(self, cpu => cpu.set_profile(profile), gpu => gpu.set_profile(profile)?);
        Ok(())
    }

    /// Where it runs.
    pub(super) fn backend(&self) -> Backend {
        match self {
            Executor::Cpu(cpu) => Backend::Cpu(Cpu::on(cpu.threads())),
            Executor::CpuInF64(_) => Backend::CpuInF64,
            Executor::Gpu(gpu) => Backend::Gpu(gpu.gpu().clone()),
        }
    }

    /// Makes room for batches of `rows` samples and compiles `pass` for them.
    pub(super) async fn prepare(&mut self, pass: Pass, rows: usize) -> Result<()> {
        on!(self, cpu => cpu.reserve(rows), gpu => {
            gpu.reserve(rows).await?;
            gpu.prepare(pass, rows).await?;
        });
        Ok(())
    }

    /// Makes room for so many feeds at a time, as far as memory goes.
    pub(super) async fn reserve_slots(&mut self, slots: usize) -> Result<()> {
        if let Executor::Gpu(gpu) = self {
            gpu.reserve_slots(slots).await?;
        }
        Ok(())
    }

    /// How many steps on rows that lie on the device are one submission; `None` is the device's own
    /// number.
    pub(super) fn set_steps_per_submit(&mut self, steps: Option<usize>) -> Result<()> {
        if let Executor::Gpu(gpu) = self {
            let steps = steps.unwrap_or(gpu.gpu().steps_per_submit());
            gpu.set_steps_per_submit(steps)?;
        }
        Ok(())
    }

    /// Memory for the rows of one step. Waits if none is free.
    pub(super) async fn lend(&mut self, rows: usize) -> Result<Lent> {
        Ok(match self {
            Executor::Cpu(cpu) => Lent::Cpu(cpu.feed(rows)?),
            Executor::CpuInF64(cpu) => Lent::CpuInF64(cpu.feed(rows)?),
            Executor::Gpu(gpu) => Lent::Gpu(gpu.feed(rows).await?),
        })
    }

    /// Memory for the numbers of `rows` rows whose inputs lie on the device, and for what belongs to
    /// them.
    pub(super) async fn lend_gathering(&mut self, rows: usize) -> Result<GatherFeed> {
        match self {
            Executor::Gpu(gpu) => gpu.gather_feed(rows).await,
            Executor::Cpu(_) | Executor::CpuInF64(_) => Err(not_attached()),
        }
    }

    /// The same for `step` of `pass` if that can be handed over without any wait, else `None`.
    pub(super) fn try_lend_gathering(&mut self, pass: Pass, step: &Step) -> Option<GatherFeed> {
        match self {
            Executor::Gpu(gpu) => gpu.try_gather_feed(pass, step),
            Executor::Cpu(_) | Executor::CpuInF64(_) => None,
        }
    }

    /// Runs `pass` on what [`try_lend_gathering`](Self::try_lend_gathering) has lent just before.
    pub(super) fn run_gathered(&mut self, pass: Pass, feed: GatherFeed, step: &Step) -> Result<()> {
        match self {
            Executor::Gpu(gpu) => gpu.push_gathered(pass, feed, step),
            Executor::Cpu(_) | Executor::CpuInF64(_) => Err(not_attached()),
        }
    }

    /// [`lend`](Self::lend) without waiting and without making room; `None` if none is free.
    pub(super) fn try_lend(&mut self, rows: usize) -> Result<Option<Lent>> {
        let lent = match self {
            Executor::Cpu(cpu) => Lent::Cpu(cpu.feed(rows)?),
            Executor::CpuInF64(cpu) => Lent::CpuInF64(cpu.feed(rows)?),
            Executor::Gpu(gpu) => match gpu.feed_if_free(rows) {
                Ok(feed) => Lent::Gpu(feed),
                Err(Error::Busy { .. }) => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        Ok(Some(lent))
    }

    /// Whether a step can still run on `feed`: not if room was made for larger batches since it was
    /// lent.
    pub(super) fn is_current(&self, feed: &Lent) -> bool {
        match (self, feed) {
            (Executor::Gpu(gpu), Lent::Gpu(feed)) => gpu.is_current(feed),
            _ => true,
        }
    }

    /// Runs `pass` on `feed`; `eagerly` is one operation at a time, each checked.
    pub(super) async fn run(
        &mut self,
        pass: Pass,
        feed: Lent,
        step: &Step,
        eagerly: bool,
    ) -> Result<()> {
        match (self, feed) {
            (Executor::Gpu(gpu), Lent::Gathering(feed)) => gpu.run_gathered(pass, feed, step).await,
            (Executor::Gpu(gpu), Lent::Gpu(feed)) => match eagerly {
                true => gpu.run_eagerly(pass, feed, step).await,
                false => gpu.run(pass, feed, step).await,
            },
            (cpu, feed) => cpu.run_on_cpu(pass, feed, step, eagerly),
        }
    }

    /// [`run`](Self::run) on the CPU. It is neither async nor generic, so that no other crate compiles the
    /// CPU's operations again.
    fn run_on_cpu(&mut self, pass: Pass, feed: Lent, step: &Step, eagerly: bool) -> Result<()> {
        match (self, feed) {
            (Executor::Cpu(cpu), Lent::Cpu(feed)) => match eagerly {
                true => cpu.run_eagerly(pass, feed, step),
                false => cpu.run(pass, feed, step),
            },
            (Executor::CpuInF64(cpu), Lent::CpuInF64(feed)) => match eagerly {
                true => cpu.run_eagerly(pass, feed, step),
                false => cpu.run(pass, feed, step),
            },
            _ => Err(Error::argument("feed", "is of another executor; take one from this")),
        }
    }

    /// Submissions made so far; 0 on the CPU.
    pub(super) fn submits(&self) -> u64 {
        match self {
            Executor::Gpu(gpu) => gpu.submits(),
            Executor::Cpu(_) | Executor::CpuInF64(_) => 0,
        }
    }

    pub(super) async fn read(&mut self, id: BufferId, live_rows: usize) -> Result<Vec<f64>> {
        on!(self, cpu => Ok(cpu.read(id, live_rows)), gpu => gpu.read(id, live_rows).await)
    }

    /// The values of buffers that do not depend on a batch, all of the same moment, and how many
    /// recorded steps had not run by then.
    pub(super) async fn read_together(&mut self, ids: &[BufferId]) -> Result<(Vec<Vec<f64>>, u64)> {
        on!(self, cpu => Ok((ids.iter().map(|&id| cpu.read(id, 0)).collect(), 0)),
            gpu => gpu.read_together(ids).await)
    }

    pub(super) async fn write(&mut self, id: BufferId, values: &[f64]) -> Result<()> {
        on!(self, cpu => cpu.write(id, values), gpu => gpu.write(id, values).await)
    }

    /// Sets buffers that do not depend on a batch, all or none.
    pub(super) async fn write_together(&mut self, values: &[(BufferId, &[f32])]) -> Result<()> {
        on!(self, cpu => {
            for (id, values) in values {
                let values: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
                cpu.write(*id, &values)?;
            }
            Ok(())
        }, gpu => gpu.write_together(values).await)
    }

    /// What the steps of each shard have added up to; of all steps if batches have no shards.
    pub(super) async fn read_metrics(&mut self) -> Result<Vec<Metrics>> {
        on!(self, cpu => Ok(cpu.read_shard_metrics()), gpu => gpu.read_shard_metrics().await)
    }

    /// Lets what runs from now on add to the metrics of this one of so many shards.
    pub(super) async fn begin_shard(&mut self, shard: usize, of: usize) -> Result<()> {
        on!(self, cpu => {
            cpu.reserve_shards(of);
            cpu.begin_shard(shard)
        }, gpu => {
            gpu.reserve_shards(of).await?;
            gpu.begin_shard(shard)
        })
    }

    /// Compiles what adds up the gradients of shards, and the second half of a step.
    pub(super) async fn prepare_shards(&mut self) -> Result<()> {
        match self {
            Executor::Gpu(gpu) => gpu.prepare_shards().await,
            Executor::Cpu(_) | Executor::CpuInF64(_) => Ok(()),
        }
    }

    /// Adds to the gradients those that were kept at these heights of the tree over the shards, and
    /// keeps the sum at height `keep`.
    pub(super) async fn add_up_shards(
        &mut self,
        added: &[usize],
        keep: Option<usize>,
        step: &Step,
    ) -> Result<()> {
        on!(self, cpu => {
            cpu.add_up_shards(added, keep, step);
            Ok(())
        }, gpu => gpu.add_up_shards(added, keep, step).await)
    }

    /// Begins to read the gradients, which are added to those of other processes.
    pub(super) fn read_gradients(&mut self) -> Result<Partial> {
        match self {
            Executor::Cpu(cpu) => Ok(Partial::Read(cpu.gradients())),
            Executor::CpuInF64(_) => Err(Error::argument(
                "backend",
                "is the CPU in f64, whose gradients are not exchanged; take the CPU in f32",
            )),
            Executor::Gpu(gpu) => Ok(Partial::OnTheWay(Box::new(gpu.read_gradients()?))),
        }
    }

    /// Replaces the gradients by a sum of such.
    pub(super) fn write_gradients(&mut self, sum: &[f32]) -> Result<()> {
        match self {
            Executor::Cpu(cpu) => cpu.write_gradients(sum),
            Executor::CpuInF64(_) => Ok(()),
            Executor::Gpu(gpu) => gpu.write_gradients(sum),
        }
    }

    /// How many numbers all gradients are, padding included.
    pub(super) fn gradients_len(&self) -> Result<usize> {
        on!(self, cpu => Ok(cpu.gradients_len()), gpu => gpu.gradients_len())
    }

    /// Runs the second half of a step, on the gradients as they are; `eagerly` is one operation at a time,
    /// each checked.
    pub(super) async fn finish_shards(&mut self, step: &Step, eagerly: bool) -> Result<()> {
        match self {
            Executor::Gpu(gpu) => match eagerly {
                true => gpu.execute_eagerly(Pass::Accumulate, step).await,
                false => gpu.execute(Pass::Accumulate, step).await,
            },
            cpu => cpu.finish_shards_on_cpu(step, eagerly),
        }
    }

    /// [`finish_shards`](Self::finish_shards) on the CPU, apart for the same reason as
    /// [`run_on_cpu`](Self::run_on_cpu).
    fn finish_shards_on_cpu(&mut self, step: &Step, eagerly: bool) -> Result<()> {
        on!(self, cpu => match eagerly {
            true => cpu.finish_shards_eagerly(step),
            false => {
                cpu.finish_shards(step);
                Ok(())
            }
        }, _gpu => Ok(()))
    }

    pub(super) fn clear_metrics(&mut self) -> Result<()> {
        on!(self, cpu => cpu.clear_metrics(), gpu => gpu.clear_metrics()?);
        Ok(())
    }
}

fn not_attached() -> Error {
    Error::argument("feed", "is for rows that lie on a GPU; there are none")
}
