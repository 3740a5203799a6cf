//! The shards of a batch: a set of metrics for each, and their gradients, which are kept and added up.

use std::sync::PoisonError;

use super::executor::CpuExecutor;
use crate::error::{Error, Result};
use crate::number::Real;
use crate::program::{BufferId, Metrics, Pass, Program, Role, Step};
use crate::table::Storage;

impl<T: Real> CpuExecutor<T> {
    /// Makes metrics for so many shards, at least 1, if there are fewer.
    pub fn reserve_shards(&mut self, shards: usize) {
        while self.shards.sets.len() < shards {
            let metrics = self.program.of_role(Role::Metric);
            let set = metrics.map(|(id, buffer)| (id, Storage::new(buffer, self.batch_capacity)));
            self.shards.sets.push(set.collect());
        }
    }

    /// Lets what runs from now on add to the metrics of this shard, from 0.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are no metrics for it.
    pub fn begin_shard(&mut self, shard: usize) -> Result<()> {
        if shard == self.shards.current {
            return Ok(());
        }
        if shard >= self.shards.sets.len() {
            let problem = format!("is {shard}, with metrics for {}", self.shards.sets.len().max(1));
            return Err(Error::argument("shard", problem));
        }
        // Its own set stands in the place of the one that runs.
        for number in [self.shards.current, shard] {
            self.exchange_metrics(number);
        }
        self.shards.current = shard;
        Ok(())
    }

    fn exchange_metrics(&mut self, shard: usize) {
        let memory = self.memory.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (id, storage) in self.shards.sets.get_mut(shard).into_iter().flatten() {
            storage.reserve(self.program.buffer(*id), self.batch_capacity);
            memory.swap(*id, storage);
        }
    }

    /// What the steps of each shard, for which there are metrics, have added up to since the last
    /// [`clear_metrics`](Self::clear_metrics); of all steps if there are no shards.
    pub fn read_shard_metrics(&self) -> Vec<Metrics> {
        let mut each: Vec<Metrics> =
            self.shards.sets.iter().map(|set| metrics_of(&self.program, set)).collect();
        let running = self.read_metrics();
        match each.get_mut(self.shards.current) {
            Some(metrics) => *metrics = running,
            None => each.push(running),
        }
        each
    }

    pub(super) fn clear_shard_metrics(&mut self) {
        for (id, storage) in self.shards.sets.iter_mut().flatten() {
            *storage = Storage::new(self.program.buffer(*id), self.batch_capacity);
        }
    }

    /// Adds to the gradients those that were kept at these heights of the tree over the shards, in this
    /// order, and keeps the sum at height `keep`.
    pub fn add_up_shards(&mut self, added: &[usize], keep: Option<usize>, step: &Step) {
        let added = added.iter().map(|&level| (Pass::AddShards, level));
        for (pass, level) in added.chain(keep.map(|level| (Pass::KeepShards, level))) {
            if let Some(op) = self.program.ops(pass).get(level) {
                self.execute(op, step);
            }
        }
    }

    /// Runs the second half of a step on the gradients as they are.
    pub fn finish_shards(&mut self, step: &Step) {
        self.run_lists(Pass::Accumulate, step);
    }

    /// The same, looking at what each operation writes.
    ///
    /// # Errors
    /// [`Error::NonFiniteValue`] for the first value that is NaN or infinite.
    pub fn finish_shards_eagerly(&mut self, step: &Step) -> Result<()> {
        self.run_lists_eagerly(Pass::Accumulate, step)
    }

    /// All gradients, of each parameter after the other, padding included; there is room for one more.
    pub fn gradients(&self) -> Vec<T> {
        let mut gradients = Vec::with_capacity(self.gradients_len() + 1);
        let memory = self.memory();
        for id in slices(&self.program) {
            gradients.extend_from_slice(&memory.real(id));
        }
        gradients
    }

    /// Replaces all gradients by these.
    ///
    /// # Errors
    /// [`Error::Argument`] if they are of another number.
    pub fn write_gradients(&mut self, gradients: &[T]) -> Result<()> {
        let expected = self.gradients_len();
        if gradients.len() != expected {
            let problem = format!("are {} numbers; expected {expected}", gradients.len());
            return Err(Error::argument("gradients", problem));
        }
        let memory = self.memory();
        let mut rest = gradients;
        for id in slices(&self.program) {
            let mut slice = memory.real_mut(id);
            let (own, others) = rest.split_at(slice.len().min(rest.len()));
            rest = others;
            slice.copy_from_slice(own);
        }
        Ok(())
    }

    /// How many [`gradients`](Self::gradients) gives.
    pub fn gradients_len(&self) -> usize {
        let memory = self.memory();
        slices(&self.program).map(|id| memory.real(id).len()).sum()
    }
}

fn slices(program: &Program) -> impl Iterator<Item = BufferId> {
    let arena = program.shard_gradients().into_iter();
    arena.flat_map(|arena| program.slices(arena).map(|(id, _)| id))
}

fn metrics_of<T: Real>(program: &Program, set: &[(BufferId, Storage<T>)]) -> Metrics {
    let gathered = Metrics::gather(program, |id, _| {
        let own = set.iter().find(|(other, _)| *other == id);
        Ok::<_, std::convert::Infallible>(own.map_or(Vec::new(), |(_, own)| own.elements()))
    });
    gathered.unwrap_or_default()
}
