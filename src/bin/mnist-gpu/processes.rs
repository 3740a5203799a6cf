//! The processes that work together, as `--distributed` asks for them.

use minibatch::distributed::Process;
use minibatch::{Evaluate, Fit, Predict};

use crate::args::{Distributed, Sharing};

#[cfg(feature = "mpi")]
use {
    crate::one_line,
    minibatch::distributed::{Mpi, Transport},
    minibatch::gpu::{adapter_key, adapters, block_on},
};

/// This process alone, or it and those that the launcher has started with it.
pub(crate) struct Processes {
    #[cfg(feature = "mpi")]
    mpi: Option<Mpi>,
}

#[cfg(feature = "mpi")]
impl Processes {
    pub(crate) const ALONE: Processes = Processes { mpi: None };

    /// Meets the other processes, if there are any.
    ///
    /// # Errors
    /// If MPI cannot be used.
    pub(crate) fn meet(distributed: Option<Distributed>) -> anyhow::Result<Self> {
        Ok(match distributed {
            Some(Distributed::Mpi) => Processes { mpi: Some(Mpi::world()?) },
            None => Processes::ALONE,
        })
    }

    pub(crate) fn process(&self) -> Process {
        self.mpi.as_ref().map_or(Process::ALONE, Transport::process)
    }

    /// In one line, who works together; `None` if nobody asked for it.
    pub(crate) fn describe(&self) -> Option<String> {
        let mpi = self.mpi.as_ref()?;
        let of = |count: usize| {
            if count == 1 { "1 process".into() } else { format!("{count} processes") }
        };
        let (all, here) = (mpi.process().count, mpi.local().count);
        Some(format!("distributed: {} over MPI, {here} on this machine", of(all)))
    }

    /// How many threads this process should compute with, if it shares its machine.
    pub(crate) fn threads(&self) -> Option<usize> {
        self.mpi.as_ref().map(Mpi::threads)
    }

    /// The place of the adapter that this process should compute on, if it shares its machine's: of those
    /// that are like the best one, as all processes must have the same kind.
    pub(crate) fn adapter(&self) -> Option<usize> {
        let mpi = self.mpi.as_ref()?;
        let keys: Vec<String> = block_on(adapters()).iter().map(adapter_key).collect();
        let is_like_best = |place: &usize| keys.get(*place) == keys.first();
        let alike: Vec<usize> = (0..keys.len()).filter(is_like_best).collect();
        alike.get(mpi.adapter(alike.len())).copied()
    }

    /// Does what only one process of a machine can do at a time, for which the others find it done: the
    /// first one of each machine before all others.
    ///
    /// # Errors
    /// Those of `work`, and if another process is gone.
    pub(crate) fn one_first<T>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let Some(mpi) = &self.mpi else { return work() };
        if mpi.local().is_first() {
            let done = work()?;
            mpi.barrier()?;
            return Ok(done);
        }
        mpi.barrier()?;
        work()
    }

    pub(crate) fn share_fit<'a>(&self, fit: Fit<'a>) -> Fit<'a> {
        match &self.mpi {
            Some(mpi) => fit.distribute(mpi),
            None => fit,
        }
    }

    pub(crate) fn share_evaluation<'a>(&self, evaluate: Evaluate<'a>) -> Evaluate<'a> {
        match &self.mpi {
            Some(mpi) => evaluate.distribute(mpi),
            None => evaluate,
        }
    }

    pub(crate) fn share_prediction<'a>(&self, predict: Predict<'a>) -> Predict<'a> {
        match &self.mpi {
            Some(mpi) => predict.distribute(mpi),
            None => predict,
        }
    }

    /// Ends with this result. If it is an error and others wait for this process, it is printed with this
    /// process's number, and all of them end here.
    pub(crate) fn end<T>(self, result: anyhow::Result<T>) -> anyhow::Result<T> {
        if let (Some(mpi), Err(error)) = (&self.mpi, &result) {
            mpi.fail(&one_line(error));
        }
        result
    }
}

#[cfg(not(feature = "mpi"))]
impl Processes {
    pub(crate) const ALONE: Processes = Processes {};

    /// # Errors
    /// Always, if others are to be met: this program was built without what it takes.
    pub(crate) fn meet(distributed: Option<Distributed>) -> anyhow::Result<Self> {
        match distributed {
            Some(Distributed::Mpi) => anyhow::bail!(
                "--distributed mpi: this program was built without MPI; build it with cargo build \
                 --release --features mpi, which needs an MPI and libclang (on Debian or Ubuntu: apt-get \
                 install -y openmpi-bin libopenmpi-dev libclang-dev)"
            ),
            None => Ok(Processes::ALONE),
        }
    }

    pub(crate) fn process(&self) -> Process {
        Process::ALONE
    }

    pub(crate) fn describe(&self) -> Option<String> {
        None
    }

    pub(crate) fn threads(&self) -> Option<usize> {
        None
    }

    pub(crate) fn adapter(&self) -> Option<usize> {
        None
    }

    /// # Errors
    /// Those of `work`.
    pub(crate) fn one_first<T>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        work()
    }

    pub(crate) fn share_fit<'a>(&self, fit: Fit<'a>) -> Fit<'a> {
        fit
    }

    pub(crate) fn share_evaluation<'a>(&self, evaluate: Evaluate<'a>) -> Evaluate<'a> {
        evaluate
    }

    pub(crate) fn share_prediction<'a>(&self, predict: Predict<'a>) -> Predict<'a> {
        predict
    }

    pub(crate) fn end<T>(self, result: anyhow::Result<T>) -> anyhow::Result<T> {
        result
    }
}

/// Shards of a batch of a distributed run, unless another number is given.
const SHARDS: usize = 8;

impl Sharing {
    /// Into how many shards a batch is cut, if it is.
    pub(crate) fn shards(&self) -> Option<usize> {
        self.shards.or_else(|| self.distributed.map(|_| SHARDS))
    }
}
