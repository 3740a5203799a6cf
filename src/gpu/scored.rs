//! What steps have added up to: read while it stays on the device, or taken from there.

use std::sync::Arc;

use super::executor::GpuExecutor;
use super::labels::encoder;
use super::readback::Source;
use super::staging::Scored;
use super::table::Table;
use super::taking::{Taken, Taking};
use super::values::numbers;
use crate::error::Result;
use crate::program::{Metrics, Program, Role};

/// After so many looks in vain it is found out whether the device is lost.
const ASKED: u32 = 64;

impl GpuExecutor {
    /// What the steps since the last [`clear_metrics`](Self::clear_metrics) have added up to.
    /// Waits for them. Those of recorded evaluations are not among it.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device is lost.
    pub async fn read_metrics(&mut self) -> Result<Metrics> {
        let each = self.read_shard_metrics().await?;
        Ok(each.into_iter().next().unwrap_or_default())
    }

    /// The same of each shard for which there are metrics; of all steps if there are no shards.
    ///
    /// # Errors
    /// As [`read_metrics`](Self::read_metrics).
    pub async fn read_shard_metrics(&mut self) -> Result<Vec<Metrics>> {
        self.submit_gathered().await?;
        let mut sources = self.metric_sources(Scored::Training)?;
        let count = sources.len();
        if count == 0 {
            return Ok(vec![Metrics::default(); 1 + self.shards.others().count()]);
        }
        for own in self.shards.others() {
            sources.extend(sources_of(&self.program, &own.table)?);
        }
        let sizes = sizes(&sources);
        let recorded = self.has_recorded();
        if recorded {
            sources.push(self.upload.ledger());
        }
        let bytes = self.readback.read(&self.gpu, &sources)?.wait().await?;
        let (own, ledger) = split(&bytes, &sizes);
        if recorded {
            self.upload.settle(ledger);
        }
        let mut rest = own;
        let each = sizes.chunks(count).map(|sizes| {
            let (own, others) = split(rest, sizes);
            rest = others;
            gathered(&self.program, sizes, own)
        });
        each.collect()
    }

    /// Sets all metrics to 0, after the steps submitted before, but for those of recorded
    /// evaluations.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device is lost.
    pub fn clear_metrics(&mut self) -> Result<()> {
        self.submit_gathered_now()?;
        let mut sources = self.metric_sources(Scored::Training)?;
        for own in self.shards.others() {
            sources.extend(sources_of(&self.program, &own.table)?);
        }
        self.gpu.guarded(|| {
            let mut encoder = encoder(&self.gpu, "minibatch.clear");
            for (buffer, offset, bytes) in &sources {
                encoder.clear_buffer(buffer, *offset, Some(*bytes));
            }
            self.gpu.queue.submit([encoder.finish()]);
            Ok(())
        })?;
        self.upload.ring().clear(Scored::Training);
        Ok(())
    }

    /// Submits a copy of what recorded steps have added up to and sets it to 0, both at once: what
    /// runs afterwards is left for the next copy. True if there is a copy under way now; none is
    /// begun where nothing was recorded.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device is lost.
    pub(crate) fn take_scored(&mut self, scored: Scored) -> Result<bool> {
        if self.taking(scored).is_some() {
            return Ok(true);
        }
        if !self.upload.slots().has_recorded(scored) {
            return Ok(false);
        }
        let mut sources = self.metric_sources(scored)?;
        let (cleared, sizes) = (sources.clone(), sizes(&sources));
        sources.push(self.upload.ledger());
        let copy = self.readback.read_and(&self.gpu, &sources, |encoder| {
            for (buffer, offset, bytes) in &cleared {
                encoder.clear_buffer(buffer, *offset, Some(*bytes));
            }
        })?;
        let samples = self.upload.ring().begin_copy(scored);
        *self.taking(scored) = Some(Taking { copy, sizes, samples, asked: 0 });
        Ok(true)
    }

    /// What the copy that is under way has brought, or `None` if it has not arrived. Neither waits
    /// nor submits.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device is lost; there is no copy under way
    /// then.
    pub(crate) fn try_taken(&mut self, scored: Scored) -> Result<Option<Taken>> {
        let Some(taking) = self.taking(scored) else { return Ok(None) };
        if let Some(bytes) = taking.copy.try_wait().transpose() {
            return self.arrived(scored, bytes);
        }
        taking.asked += 1;
        // Of a lost device no copy arrives, and it tells so only when it is asked for something.
        if taking.asked.is_multiple_of(ASKED)
            && let Err(lost) = self.gpu.check_alive()
        {
            return self.arrived(scored, Err(lost));
        }
        Ok(None)
    }

    /// The same, waiting for it; `None` if no copy is under way. It stays so if the future is dropped.
    ///
    /// # Errors
    /// As [`try_taken`](Self::try_taken).
    pub(crate) async fn taken(&mut self, scored: Scored) -> Result<Option<Taken>> {
        let Some(taking) = self.taking(scored) else { return Ok(None) };
        let bytes = taking.copy.wait().await;
        self.arrived(scored, bytes)
    }

    fn arrived(&mut self, scored: Scored, bytes: Result<Vec<u8>>) -> Result<Option<Taken>> {
        let Some(Taking { sizes, samples, .. }) = self.taking(scored).take() else {
            return Ok(None);
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => {
                self.upload.end_copy(scored, &[]);
                return Err(error);
            }
        };
        let (own, ledger) = split(&bytes, &sizes);
        let samples = samples + self.upload.end_copy(scored, ledger);
        Ok(Some(Taken { samples, metrics: gathered(&self.program, &sizes, own)? }))
    }

    fn taking(&mut self, scored: Scored) -> &mut Option<Taking> {
        match scored {
            Scored::Training => &mut self.taking_steps,
            Scored::Evaluation => &mut self.taking_evaluations,
        }
    }

    /// Where the metrics lie.
    fn metric_sources(&self, scored: Scored) -> Result<Vec<Source>> {
        sources_of(&self.program, self.scored_table(scored))
    }

    /// The table that has these metrics.
    fn scored_table(&self, scored: Scored) -> &Table {
        match (scored, &self.evaluations) {
            (Scored::Evaluation, Some(evaluations)) => &evaluations.table,
            (Scored::Evaluation, None) | (Scored::Training, _) => &self.table,
        }
    }
}

/// Where the metrics of a table lie.
fn sources_of(program: &Program, table: &Table) -> Result<Vec<Source>> {
    let sources = program.of_role(Role::Metric).map(|(id, _)| {
        let (buffer, offset) = table.locate(id)?;
        Ok((buffer.clone(), offset, table.byte_size(id)))
    });
    sources.collect()
}

/// Bytes of each source.
fn sizes(sources: &[Source]) -> Vec<u64> {
    sources.iter().map(|(_, _, bytes)| *bytes).collect()
}

/// The bytes of the metrics, and what follows them.
fn split<'a>(bytes: &'a [u8], sizes: &[u64]) -> (&'a [u8], &'a [u8]) {
    let own: u64 = sizes.iter().sum();
    bytes.split_at((own as usize).min(bytes.len()))
}

/// What metric buffers of these sizes add up to.
fn gathered(program: &Arc<Program>, sizes: &[u64], mut bytes: &[u8]) -> Result<Metrics> {
    let mut sizes = sizes.iter().map(|size| *size as usize);
    Metrics::gather(program, |_, buffer| {
        let (own, others) = bytes.split_at(sizes.next().unwrap_or(0).min(bytes.len()));
        bytes = others;
        Ok(numbers(buffer, own))
    })
}
