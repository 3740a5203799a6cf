//! A transport over MPI.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use mpi::datatype::DatatypeRef;
use mpi::environment::{Universe, threading_support};
use mpi::point_to_point::{Status, send_receive_into};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Destination, Equivalence, Root, Source};
use mpi::{Rank, Threading};

use super::transport::{Process, Transport};
use crate::error::{Error, Result};

/// The most bytes of a message: MPI counts in 32 bits with a sign, and some libraries fail before its
/// end. Smaller pieces would not be slower before they were a hundred times smaller.
const PIECE: usize = 1 << 26;

/// The processes that `mpirun`, Slurm or another launcher of MPI has started together.
///
/// Clones are the same transport. When the last one is dropped, MPI is finalized, if it was
/// [`world`](Self::world) that initialized it; so drop it in the thread that made it.
///
/// # Failures
/// MPI's errors are fatal: where it cannot reach a process, or a message is longer than what it is
/// received into, MPI prints what happened and ends all processes. A process that is killed is noticed by
/// the launcher, which ends the others.
///
/// A process that ends with an error while others wait for it must say so, or they wait for ever:
/// [`fail`](Transport::fail) notes the reason, and when the last clone is dropped, the reason is printed on
/// standard error and all processes are ended by `MPI_Abort`, with the code 1. The same happens if it is
/// dropped by a panic. `fit`, `evaluate` and `predict` call it for their own errors; for all others:
///
/// ```no_run
/// use minibatch::distributed::{Mpi, Transport};
///
/// # fn train(mpi: &Mpi) -> minibatch::Result<()> { Ok(()) }
/// fn main() -> minibatch::Result<()> {
///     let mpi = Mpi::world()?;
///     train(&mpi).inspect_err(|error| mpi.fail(&error.to_string()))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Mpi(Arc<World>);

impl Mpi {
    /// All processes, each of which must call this. It initializes MPI, with threads that call it one at
    /// a time (`MPI_THREAD_SERIALIZED`); a program that no launcher has started is the only process. As
    /// long as a clone is there, a second call gives another one.
    ///
    /// If the host has initialized MPI already, that is used and left for the host to finalize, after this
    /// is dropped. Messages do not mix with the host's (the communicator is a duplicate), but no
    /// thread of the host may call MPI at the same time as this, unless the host asked for
    /// `MPI_THREAD_MULTIPLE`.
    ///
    /// # Errors
    /// [`Error::Distributed`] if MPI does not allow calls from any thread, or was finalized before:
    /// it cannot be initialized twice.
    pub fn world() -> Result<Self> {
        let mut last = lock(&LAST);
        if let Some(world) = last.world.upgrade() {
            return Ok(Mpi(world));
        }
        // Its last clone may be about to finalize MPI in another thread.
        if last.finalizes || mpi::is_finalized() {
            return Err(Error::distributed("MPI", FINALIZED));
        }
        let (universe, threading) = match mpi::initialize_with_threading(Threading::Serialized) {
            Some((universe, threading)) => (Some(universe), threading),
            None => (None, threading_support()),
        };
        if threading < Threading::Serialized {
            let problem = format!(
                "its threads are {threading:?}, at least Serialized is needed; initialize MPI with \
                 MPI_THREAD_SERIALIZED, or use an MPI that was built with threads"
            );
            return Err(Error::distributed("MPI", problem));
        }
        last.finalizes = universe.is_some();
        let world = Arc::new(World::new(universe));
        last.world = Arc::downgrade(&world);
        Ok(Mpi(world))
    }

    /// Which it is of the processes of its machine.
    #[must_use]
    pub fn local(&self) -> Process {
        self.0.local
    }

    /// How many threads it should compute with, at least 1: the cores that it may use, shared with the
    /// processes of its machine that may use the same. A launcher that binds each process to one
    /// core leaves it one; see `mpirun --bind-to`.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.0.threads
    }

    /// Which of `adapters` equal GPUs of its machine it should compute on, from 0: the processes of a
    /// machine take one after the other.
    #[must_use]
    pub fn adapter(&self, adapters: usize) -> usize {
        self.0.local.rank % adapters.max(1)
    }

    /// Calls MPI, which one thread at a time may do.
    fn call<T>(&self, call: impl FnOnce(&SimpleCommunicator) -> Result<T>) -> Result<T> {
        let communicator = lock(&self.0.communicator);
        if mpi::is_finalized() {
            return Err(self.error(FINALIZED));
        }
        call(&communicator)
    }

    /// An error that names this process.
    fn error(&self, problem: impl Into<String>) -> Error {
        Error::distributed(self.0.process.to_string(), problem)
    }

    /// `rank` as MPI's, if there is such a process.
    fn rank(&self, rank: usize, argument: &'static str) -> Result<Rank> {
        let count = self.0.process.count;
        match Rank::try_from(rank) {
            Ok(mpi) if rank < count => Ok(mpi),
            _ => {
                let problem = format!("is {rank}, but there are {count} processes, from 0");
                Err(Error::argument(argument, problem))
            }
        }
    }
}

impl Transport for Mpi {
    fn process(&self) -> Process {
        self.0.process
    }

    fn exchange(&self, peer: usize, sent: &[u8], received: &mut [u8]) -> Result<()> {
        let other = self.rank(peer, "peer")?;
        let expected = |piece: &[u8], found: usize| {
            if piece.len() == found {
                return Ok(());
            }
            let problem = format!(
                "process {peer} has sent {found} bytes where {} were expected; do all processes run the \
                 same program with the same arguments?",
                piece.len()
            );
            Err(self.error(problem))
        };
        if peer == self.0.process.rank {
            expected(received, sent.len())?;
            received.copy_from_slice(sent);
            return Ok(());
        }
        self.call(|communicator| {
            let process = communicator.process_at_rank(other);
            let (mut sent, mut received) = (sent.chunks(PIECE), received.chunks_mut(PIECE));
            // Both processes cut both directions into the same pieces, so they make the same calls.
            loop {
                match (sent.next(), received.next()) {
                    (Some(sent), Some(received)) => {
                        let status = send_receive_into(sent, &process, received, &process);
                        expected(received, bytes_in(&status))?;
                    }
                    (Some(sent), None) => process.send(sent),
                    (None, Some(received)) => {
                        let status = process.receive_into(received);
                        expected(received, bytes_in(&status))?;
                    }
                    (None, None) => return Ok(()),
                }
            }
        })
    }

    fn broadcast(&self, root: usize, bytes: &mut Vec<u8>) -> Result<()> {
        let root_rank = self.rank(root, "root")?;
        self.call(|communicator| {
            let process = communicator.process_at_rank(root_rank);
            let mut length = bytes.len() as u64;
            process.broadcast_into(&mut length);
            if root != self.0.process.rank {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                bytes.clear();
                if bytes.try_reserve_exact(length).is_err() {
                    let problem = format!("has no memory for {length} bytes of process {root}");
                    return Err(self.error(problem));
                }
                bytes.resize(length, 0);
            }
            for piece in bytes.chunks_mut(PIECE) {
                process.broadcast_into(piece);
            }
            Ok(())
        })
    }

    fn barrier(&self) -> Result<()> {
        self.call(|communicator| {
            communicator.barrier();
            Ok(())
        })
    }

    fn fail(&self, reason: &str) {
        // The first reason is the cause of the others.
        self.0.failed.get_or_init(|| reason.to_owned());
    }
}

const FINALIZED: &str = "it is finalized, and cannot be initialized again; keep a clone of \
                         Mpi::world() as long as there is work";

/// How much later than the process before it a process ends all others.
const TURN: Duration = Duration::from_millis(100);

/// Those after so many processes wait no longer.
const MOST_TURNS: usize = 20;

/// What [`Mpi::world`] gave last.
struct Last {
    world: Weak<World>,
    /// Whether MPI is finalized when that is dropped.
    finalizes: bool,
}

static LAST: Mutex<Last> = Mutex::new(Last { world: Weak::new(), finalizes: false });

struct World {
    process: Process,
    local: Process,
    threads: usize,
    failed: OnceLock<String>,
    /// Locked for each call of MPI. It stands before `universe`, as MPI must not be finalized before it
    /// is freed.
    communicator: Mutex<SimpleCommunicator>,
    /// Finalizes MPI when it is dropped; `None` if the host does.
    _universe: Option<Universe>,
}

// SAFETY: what is not `Send` is MPI's handle of the communicator, a pointer in some libraries. MPI allows
// its use from any thread, one at a time, at the level of threads that `Mpi::world` demands.
unsafe impl Send for World {}

// SAFETY: as above. All calls that use the handle are made under the lock of `communicator`.
unsafe impl Sync for World {}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("process", &self.process)
            .field("local", &self.local)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl World {
    fn new(universe: Option<Universe>) -> Self {
        // Messages of the host's in the original do not meet ours.
        let communicator = SimpleCommunicator::world().duplicate();
        let process = process_of(&communicator);
        let machine = communicator.split_shared(communicator.rank());
        let local = process_of(&machine);
        let own = allowed_cores();
        let mut all = vec![0_u64; local.count];
        machine.all_gather_into(&own, all.as_mut_slice());
        let sharing = all.into_iter().filter(|&other| other == own).count();
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        World {
            process,
            local,
            threads: (cores / sharing.max(1)).max(1),
            failed: OnceLock::new(),
            communicator: Mutex::new(communicator),
            _universe: universe,
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let communicator = self.communicator.get_mut().unwrap_or_else(PoisonError::into_inner);
        if mpi::is_finalized() {
            // By the host. Then there is nothing left to free, and to try would be an error.
            let freed = std::mem::replace(communicator, SimpleCommunicator::world());
            std::mem::forget(freed);
            return;
        }
        let reason = match self.failed.get() {
            Some(reason) => reason,
            None if std::thread::panicking() => "it panicked",
            None => return,
        };
        // The process ends here, so that nobody can be given this as an error. A reason that all of them
        // have found together says whom it concerns.
        let names_one = reason.starts_with("process ");
        let who = if names_one { String::new() } else { format!("{}: ", self.process) };
        // In one piece, as all processes may write to one terminal.
        let line = format!("error: {who}{reason}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
        // Where all processes have the same error, they would end the run at one moment, after which
        // OpenMPI's launcher was seen to hang. So one does, and the others give it the time.
        std::thread::sleep(TURN * self.process.rank.min(MOST_TURNS) as u32);
        communicator.abort(1);
    }
}

/// A panic elsewhere does not change what these locks protect.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn process_of(communicator: &SimpleCommunicator) -> Process {
    // MPI's numbers are never negative.
    let number = |rank: Rank| rank.unsigned_abs() as usize;
    Process { rank: number(communicator.rank()), count: number(communicator.size()) }
}

fn bytes_in(status: &Status) -> usize {
    let byte: DatatypeRef<'_> = u8::equivalent_datatype();
    status.count(byte).unsigned_abs() as usize
}

/// A number that tells the cores on which this thread may run from others. It is the same for all where
/// the system does not say.
fn allowed_cores() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let cores = status.lines().find(|line| line.starts_with("Cpus_allowed_list:"));
    let mut hasher = DefaultHasher::new();
    cores.hash(&mut hasher);
    hasher.finish()
}
