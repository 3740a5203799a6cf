//! What a training step costs where several processes share it: a model, not a measurement.
//!
//! A process computes its shards, copies their gradients from the device, exchanges and adds up gradients
//! with the other processes, and copies the sum back. The model takes these one after the other, and the
//! slowest process of each. A message of `n` bytes takes `latency + n / bandwidth`, whatever else goes over
//! the network at that time (Hockney, ["The communication challenge for MPP"](
//! https://doi.org/10.1016/S0167-8191(06)80021-9), Parallel Computing 20, 1994), and two processes send to
//! each other at the same time. The messages are those that a run sends. For `P` processes and as many shards
//! or a multiple, both powers of two, and `n` bytes of gradients that is
//!
//! ```text
//! 2 log2(P) latency + 2 (P-1)/P n / bandwidth + (P-1)/P n / addition
//! ```
//!
//! (Thakur, Rabenseifner, Gropp, ["Optimization of Collective Communication Operations in MPICH"](
//! https://doi.org/10.1177/1094342005051521), International Journal of High Performance Computing
//! Applications 19, 2005). Any other number of processes takes more. What the model leaves out:
//! networks that are not as fast for all at once as for two, and devices that compute a small shard less
//! efficiently than a large one.
//!
//! ```
//! use minibatch::distributed::cost::{Link, Machine, Training};
//!
//! // A device that trains on 300,000 samples a second, and 25 Gb Ethernet.
//! let machine = Machine::new(300_000.0, Link::ETHERNET_25G);
//! let training = Training::new(101_770, 1024);
//! let alone = machine.alone(&training)?;
//! let eight = machine.step(&training, 8)?;
//! assert!(eight.seconds() < alone && eight.seconds() > alone / 8.0);
//! # Ok::<(), minibatch::Error>(())
//! ```

use super::Process;
use super::schedule::{Schedule, plan};
use super::step::Step;
use crate::error::{Error, Result};

/// Bytes of an `f32`.
const BYTES: f64 = 4.0;

/// More processes than these are refused: their messages are planned one by one.
const MOST_PROCESSES: usize = 1 << 16;

/// The way between two processes, both directions at the same time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// Seconds until the first byte of a message arrives: half the time of a ping-pong of empty messages.
    pub latency: f64,
    /// Bytes a second; may be infinite.
    pub bandwidth: f64,
}

impl Link {
    /// 1 Gb Ethernet by TCP: its rate less the headers of TCP, IP and Ethernet in frames of 1,500 bytes
    /// (1,448 of 1,538 bytes are data), and a latency of 50 microseconds, as is usual for cheap switches.
    pub const ETHERNET_1G: Link = Link { latency: 50e-6, bandwidth: 1.177e8 };
    /// 25 Gb Ethernet by TCP: its rate less the same headers, and a latency of 20 microseconds, most of
    /// which are the kernels'.
    pub const ETHERNET_25G: Link = Link { latency: 20e-6, bandwidth: 2.94e9 };
    /// InfiniBand HDR: 200 Gb a second, and a latency of 1.5 microseconds, as is usual between MPI
    /// processes through one or two switches.
    pub const INFINIBAND_HDR: Link = Link { latency: 1.5e-6, bandwidth: 2.5e10 };
    /// Processes on one machine, through shared memory: what two copies by one core leave of a memory that
    /// it copies at some 10 GB a second, and a latency of 1 microsecond.
    pub const SAME_MACHINE: Link = Link { latency: 1e-6, bandwidth: 5e9 };
}

/// What each process computes with, all of them alike, and what joins them.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Machine {
    /// Samples a second that go forward and backward on one process, without what follows.
    pub samples_per_second: f64,
    /// Seconds of a step that more processes do not shorten: the optimizer's update, and launching a step.
    pub step_seconds: f64,
    /// Seconds that each shard of a process after its first takes besides its samples: launching it, and
    /// adding its gradients to those before.
    pub shard_seconds: f64,
    /// Between two processes.
    pub link: Link,
    /// Bytes a second from the device to the host, and back; may be infinite.
    pub copy_bandwidth: f64,
    /// Bytes a second of gradients that a process adds to others on the host; may be infinite.
    pub add_bandwidth: f64,
}

impl Machine {
    /// With nothing but samples to compute, copies at 10 GB a second (PCI Express 3.0 x16 has 15.8 GB/s at
    /// most, of which drivers reach some two thirds), and additions at 8 GB a second (one core of a server,
    /// measured).
    #[must_use]
    pub fn new(samples_per_second: f64, link: Link) -> Self {
        Machine {
            samples_per_second,
            step_seconds: 0.0,
            shard_seconds: 0.0,
            link,
            copy_bandwidth: 1e10,
            add_bandwidth: 8e9,
        }
    }

    /// Seconds of a step of one process that runs the batch as a whole and exchanges nothing: what
    /// several processes are compared with.
    ///
    /// # Errors
    /// [`Error::Argument`] if a number of the machine or of the training is none that can be.
    pub fn alone(&self, training: &Training) -> Result<f64> {
        self.check()?;
        training.check(1)?;
        Ok(self.step_seconds + training.batch_size as f64 / self.samples_per_second)
    }

    /// What a step costs `processes` processes.
    ///
    /// # Errors
    /// As [`alone`](Self::alone); also if there are no processes, more than shards, or more than 65,536.
    pub fn step(&self, training: &Training, processes: usize) -> Result<StepCost> {
        self.check()?;
        training.check(processes)?;
        let shards = training.shards_for(processes);
        let rows = training.batch_size.div_ceil(shards);
        let present = training.batch_size.div_ceil(rows);
        let seconds = |rank: usize| {
            let own = Process { rank, count: processes }.shards(shards);
            let samples = (own.end * rows).min(training.batch_size)
                - (own.start * rows).min(training.batch_size);
            let own = own.end.min(present).saturating_sub(own.start);
            self.step_seconds
                + samples as f64 / self.samples_per_second
                + own.saturating_sub(1) as f64 * self.shard_seconds
        };
        let computing = (0..processes).map(seconds).fold(0.0, f64::max);
        let exchange = self.exchange(processes, shards, present, training.gradients);
        Ok(StepCost { processes, shards, batch_size: training.batch_size, computing, ..exchange })
    }

    /// The rest of a step's cost.
    fn exchange(&self, count: usize, shards: usize, present: usize, gradients: usize) -> StepCost {
        let none = StepCost {
            processes: count,
            shards,
            batch_size: 0,
            computing: 0.0,
            copying: 0.0,
            exchange: 0.0,
            bytes: 0.0,
            messages: 0,
        };
        if count < 2 {
            return none;
        }
        let schedules = plan(count, shards, present, gradients);
        let partials = schedules.iter().map(|schedule| schedule.partials).max().unwrap_or(0);
        let bytes = gradients as f64 * BYTES;
        let sent = schedules.iter().map(|schedule| {
            schedule.steps.iter().filter_map(Message::of).map(|message| message.sent)
        });
        StepCost {
            copying: (partials + 1) as f64 * bytes / self.copy_bandwidth,
            exchange: self.time(&schedules),
            bytes: sent.clone().map(Iterator::sum::<f64>).fold(0.0, f64::max),
            messages: sent.map(Iterator::count).max().unwrap_or(0),
            ..none
        }
    }

    /// Seconds until every process has gone through its schedule, if all begin at the same time. Two
    /// exchange as soon as both are there.
    fn time(&self, schedules: &[Schedule]) -> f64 {
        let mut clocks = vec![0.0f64; schedules.len()];
        let mut steps: Vec<_> =
            schedules.iter().map(|schedule| schedule.steps.iter().peekable()).collect();
        // Those whose next step may be possible.
        let mut ready: Vec<usize> = (0..schedules.len()).collect();
        while let Some(process) = ready.pop() {
            let Some(&step) = steps[process].peek() else { continue };
            let Some(Message { peer, sent, added }) = Message::of(step) else {
                clocks[process] += step.moved() as f64 * BYTES / self.add_bandwidth;
                steps[process].next();
                ready.push(process);
                continue;
            };
            let theirs = steps[peer].peek().and_then(|step| Message::of(step));
            let Some(theirs) = theirs.filter(|theirs| theirs.peer == process) else { continue };
            let both = clocks[process].max(clocks[peer]);
            let arrived = both + self.link.latency + sent.max(theirs.sent) / self.link.bandwidth;
            clocks[process] = arrived + added / self.add_bandwidth;
            clocks[peer] = arrived + theirs.added / self.add_bandwidth;
            for process in [process, peer] {
                steps[process].next();
                ready.push(process);
            }
        }
        clocks.into_iter().fold(0.0, f64::max)
    }

    /// The least batch size for which twice as many processes pay: they shorten a step by at least the share
    /// `gain` (0.1 is a tenth), of what it takes these processes and of what it takes one that runs the
    /// batch as a whole. `None` if no batch is large enough, as where there are not so many shards. It is
    /// told for batches that the shards cut into equal parts.
    ///
    /// With `F(P)` for all that does not depend on the batch, and `s(P)` for the largest share of the shards
    /// that one of `P` processes has, a step takes `F(P) + s(P) B / r`, `r` being
    /// [`samples_per_second`](Self::samples_per_second). So twice as many pay from
    /// `B = r (F(2P) - (1 - gain) F(P)) / ((1 - gain) s(P) - s(2P))` on. One process alone has `s = 1` and
    /// [`step_seconds`](Self::step_seconds) for `F`. There is at least a sample for each shard.
    ///
    /// # Errors
    /// As [`step`](Self::step); also if `gain` is not between 0 and 1.
    pub fn batch_that_pays(
        &self,
        training: &Training,
        processes: usize,
        gain: f64,
    ) -> Result<Option<usize>> {
        check_gain(gain)?;
        self.check()?;
        training.check(processes)?;
        let twice = processes.saturating_mul(2);
        if training.check(twice).is_err() {
            return Ok(None);
        }
        let of = |processes: usize| {
            let shards = training.shards_for(processes);
            let most = shards.div_ceil(processes);
            let exchange = self.exchange(processes, shards, shards, training.gradients);
            let fixed = self.step_seconds
                + (most - 1) as f64 * self.shard_seconds
                + exchange.copying
                + exchange.exchange;
            (fixed, most as f64 / shards as f64)
        };
        let alone = (self.step_seconds, 1.0);
        let now = if processes == 1 { alone } else { of(processes) };
        let (fixed_twice, share_twice) = of(twice);
        let left = 1.0 - gain;
        let mut least = training.shards_for(twice) as f64;
        for (fixed, share) in [now, alone] {
            let saved = left * share - share_twice;
            if saved <= 0.0 {
                return Ok(None);
            }
            let batch = self.samples_per_second * (fixed_twice - left * fixed) / saved;
            least = least.max(batch.ceil());
        }
        Ok((least < usize::MAX as f64).then_some(least as usize))
    }

    /// The most processes that pay, a power of two up to `most`: they shorten a step by at least the share
    /// `gain` of what any smaller power of two takes, and one that runs the batch as a whole. 1 if
    /// none do.
    ///
    /// # Errors
    /// As [`step`](Self::step), and [`batch_that_pays`](Self::batch_that_pays).
    pub fn processes_that_pay(&self, training: &Training, most: usize, gain: f64) -> Result<usize> {
        check_gain(gain)?;
        let (mut pay, mut least) = (1, self.alone(training)?);
        let powers = (1..usize::BITS).map(|level| 1 << level);
        for processes in powers.take_while(|&processes| processes <= most) {
            if training.check(processes).is_err() {
                break;
            }
            let seconds = self.step(training, processes)?.seconds();
            if seconds <= (1.0 - gain) * least {
                pay = processes;
            }
            least = least.min(seconds);
        }
        Ok(pay)
    }

    fn check(&self) -> Result<()> {
        let refused = |name, value, expected| {
            Err(Error::argument(name, format!("is {value}; give {expected}")))
        };
        let Link { latency, bandwidth } = self.link;
        if !(self.samples_per_second > 0.0 && self.samples_per_second.is_finite()) {
            return refused("samples_per_second", self.samples_per_second, "a number above 0");
        }
        for (name, seconds) in [
            ("latency", latency),
            ("step_seconds", self.step_seconds),
            ("shard_seconds", self.shard_seconds),
        ] {
            if !(seconds >= 0.0 && seconds.is_finite()) {
                return refused(name, seconds, "a number of seconds from 0 on");
            }
        }
        for (name, bandwidth) in [
            ("bandwidth", bandwidth),
            ("copy_bandwidth", self.copy_bandwidth),
            ("add_bandwidth", self.add_bandwidth),
        ] {
            if bandwidth.is_nan() || bandwidth <= 0.0 {
                return refused(name, bandwidth, "a number of bytes a second above 0");
            }
        }
        Ok(())
    }
}

fn check_gain(gain: f64) -> Result<()> {
    if gain > 0.0 && gain < 1.0 {
        return Ok(());
    }
    Err(Error::argument("gain", format!("is {gain}; give a number between 0 and 1")))
}

/// An exchange as one of the two sees it.
struct Message {
    peer: usize,
    /// Bytes.
    sent: f64,
    /// Bytes of what is received that are added to what is there.
    added: f64,
}

impl Message {
    /// `None` if the step is no exchange.
    fn of(step: &Step) -> Option<Self> {
        let bytes = |elements: usize| elements as f64 * BYTES;
        let (peer, sent) = step.exchange()?;
        Some(Message { peer, sent: bytes(sent), added: bytes(step.moved()) })
    }
}

/// What is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Training {
    /// Numbers in the gradients: the model's trained parameters.
    pub gradients: usize,
    /// Samples a step, of all processes together.
    pub batch_size: usize,
    /// Parts that each batch is cut into. `None`: for each number of processes the least power of two that
    /// is not below it, and at least 8.
    pub shards: Option<usize>,
}

impl Training {
    /// In as many shards as the processes need.
    #[must_use]
    pub fn new(gradients: usize, batch_size: usize) -> Self {
        Training { gradients, batch_size, shards: None }
    }

    /// The shards of a batch, for so many processes.
    #[must_use]
    pub fn shards_for(&self, processes: usize) -> usize {
        self.shards.unwrap_or_else(|| processes.min(MOST_PROCESSES).next_power_of_two().max(8))
    }

    fn check(&self, processes: usize) -> Result<()> {
        let refused = |name, problem: String| Err(Error::argument(name, problem));
        if self.batch_size == 0 {
            return refused("batch_size", "is 0; give at least 1".into());
        }
        if processes == 0 || processes > MOST_PROCESSES {
            let problem = format!("are {processes}; give 1 to {MOST_PROCESSES}");
            return refused("processes", problem);
        }
        let shards = self.shards_for(processes);
        if shards < processes {
            let problem = format!(
                "are {shards}, fewer than the {processes} processes; give at least as many"
            );
            return refused("shards", problem);
        }
        Ok(())
    }
}

/// What a step costs so many processes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct StepCost {
    /// How many.
    pub processes: usize,
    /// Parts that the batch is cut into.
    pub shards: usize,
    /// Samples of all processes.
    pub batch_size: usize,
    /// Seconds in which the process with the most samples computes.
    pub computing: f64,
    /// Seconds of copies from the device to the host, and back.
    pub copying: f64,
    /// Seconds until all have exchanged and added up the gradients.
    pub exchange: f64,
    /// Bytes that the process sends that sends most.
    pub bytes: f64,
    /// Exchanges of the process that has most of them. In each it sends and receives a message.
    pub messages: usize,
}

impl StepCost {
    /// Seconds of the step.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.computing + self.copying + self.exchange
    }

    /// Samples a second of all processes together.
    #[must_use]
    pub fn samples_per_second(&self) -> f64 {
        self.batch_size as f64 / self.seconds()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Powers of two, so that no sum rounds.
    fn machine() -> Machine {
        Machine {
            samples_per_second: 1024.0,
            step_seconds: 0.25,
            shard_seconds: 0.0625,
            link: Link { latency: 0.03125, bandwidth: 4096.0 },
            copy_bandwidth: 16384.0,
            add_bandwidth: 8192.0,
        }
    }

    /// Gradients of 4,096 bytes.
    fn training(batch_size: usize, shards: usize) -> Training {
        Training { shards: Some(shards), ..Training::new(1024, batch_size) }
    }

    fn step(machine: &Machine, training: &Training, processes: usize) -> StepCost {
        machine.step(training, processes).unwrap()
    }

    #[test]
    fn steps_computed_by_hand() {
        // 512 samples are half a second, and 3 more shards of a process 3/16.
        let two = step(&machine(), &training(1024, 8), 2);
        assert_eq!(two.computing, 0.25 + 0.5 + 0.1875);
        // 4,096 bytes down and up.
        assert_eq!(two.copying, 0.5);
        // Half of them in each of two messages, and half of them added.
        assert_eq!(two.exchange, 2.0 * 0.03125 + 2.0 * 0.5 + 0.25);
        assert_eq!((two.bytes, two.messages), (4096.0, 2));
        assert_eq!(two.seconds(), 2.75);
        assert_eq!(two.samples_per_second(), 1024.0 / 2.75);
        // 12 samples in 8 shards are shards of 2 rows, of which 6 are there: one process has 4.
        let short = step(&machine(), &training(12, 8), 2);
        assert_eq!(short.computing, 0.25 + 8.0 / 1024.0 + 0.1875);
        assert_eq!(machine().alone(&training(1024, 8)).unwrap(), 1.25);
    }

    /// Thakur, Rabenseifner and Gropp's formula, see the description of this file.
    #[test]
    fn powers_of_two_take_what_recursive_halving_and_doubling_takes() {
        let machine = machine();
        let Link { latency, bandwidth } = machine.link;
        for shards in [16, 64, 1024] {
            for levels in [1, 2, 4] {
                let count = f64::from(1 << levels);
                let cost = step(&machine, &training(4096, shards), 1 << levels);
                let share = (count - 1.0) / count * 4096.0;
                let expected = 2.0 * f64::from(levels) * latency
                    + 2.0 * share / bandwidth
                    + share / machine.add_bandwidth;
                assert_eq!(cost.exchange, expected, "{count} processes, {shards} shards");
                assert_eq!(cost.bytes, 2.0 * share);
                assert_eq!(cost.messages, 2 * levels as usize);
            }
        }
    }

    #[test]
    fn other_numbers_send_what_their_schedules_say() {
        // The figures of schedule.rs for 8 shards, in gradients.
        let sent = [(3, 2.0, 4), (5, 2.4, 8), (6, 1.75, 6), (7, 1.75, 8)];
        for (processes, most, messages) in sent {
            let cost = step(&machine(), &training(1024, 8), processes);
            // Of numbers that cannot be cut into equal blocks one process has one more.
            assert!((cost.bytes - most * 4096.0).abs() < 4.0 * processes as f64, "{cost:?}");
            assert_eq!(cost.messages, messages);
            // No process is done before it has sent its bytes, and waited for its messages.
            let least = (cost.bytes / 4096.0).max(messages as f64 * 0.03125);
            assert!(cost.exchange >= least, "{cost:?}");
        }
        // Shards 3, 3, 2 of three processes: a process with three has two nodes to give.
        let three = step(&machine(), &training(1024, 8), 3);
        assert_eq!(three.copying, 3.0 * 4096.0 / 16384.0);
        assert_eq!(three.computing, 0.25 + 384.0 / 1024.0 + 2.0 * 0.0625);
    }

    /// Of three shards, the first two are added, then the third. 0 and 1 exchange halves; each of them
    /// then exchanges quarters with 2, which can only do one after the other; and all that backwards.
    #[test]
    fn an_exchange_begins_when_both_are_there() {
        let machine = Machine {
            link: Link { latency: 1.0, bandwidth: f64::INFINITY },
            add_bandwidth: f64::INFINITY,
            ..machine()
        };
        let cost = step(&machine, &training(1024, 3), 3);
        assert_eq!((cost.messages, cost.exchange), (4, 6.0));
    }

    #[test]
    fn what_costs_nothing_scales_without_end() {
        let free = Machine {
            step_seconds: 0.0,
            shard_seconds: 0.0,
            link: Link { latency: 0.0, bandwidth: f64::INFINITY },
            copy_bandwidth: f64::INFINITY,
            add_bandwidth: f64::INFINITY,
            ..machine()
        };
        let alone = free.alone(&training(1024, 1024)).unwrap();
        for levels in 0..=10 {
            let cost = step(&free, &training(1024, 1024), 1 << levels);
            assert_eq!(alone / cost.seconds(), f64::from(1 << levels));
            let pays = free.batch_that_pays(&training(1024, 2048), 1 << levels, 0.1);
            assert_eq!(pays.unwrap(), Some(2048));
        }
        // Latency is all that is left of empty messages, and nothing of it of no messages.
        let late = Machine { link: Link { latency: 0.5, ..free.link }, ..free };
        assert_eq!(step(&late, &training(1024, 1024), 64).exchange, 0.5 * 12.0);
        assert_eq!(step(&late, &training(1024, 1024), 1).exchange, 0.0);
    }

    #[test]
    fn one_process_exchanges_and_copies_nothing() {
        let cost = step(&machine(), &training(1024, 8), 1);
        assert_eq!((cost.exchange, cost.copying, cost.bytes, cost.messages), (0.0, 0.0, 0.0, 0));
        assert_eq!(cost.seconds(), 0.25 + 1.0 + 7.0 * 0.0625);
        let whole = step(&machine(), &training(1024, 1), 1);
        assert_eq!(whole.seconds(), machine().alone(&training(1024, 1)).unwrap());
    }

    #[test]
    fn from_the_batch_that_pays_on_a_step_is_shorter_by_the_gain() {
        let machine = Machine { shard_seconds: 0.0009765625, ..machine() };
        for (processes, gain) in [(1, 0.1), (2, 0.1), (4, 0.25), (16, 0.1), (3, 0.25), (64, 0.01)] {
            let shards = 128;
            let of = training(1, shards);
            let batch = machine.batch_that_pays(&of, processes, gain).unwrap().unwrap();
            assert!(batch > shards, "{batch}");
            let shorter = |batch: usize| {
                // A multiple of the shards, so that each has the same number of rows.
                let training = training(batch, shards);
                let seconds = |processes| step(&machine, &training, processes).seconds();
                let alone = machine.alone(&training).unwrap();
                let once = if processes == 1 { alone } else { alone.min(seconds(processes)) };
                1.0 - seconds(2 * processes) / once
            };
            assert!(shorter(batch.next_multiple_of(shards)) >= gain - 1e-12);
            assert!(shorter(batch.next_multiple_of(shards) - shards) < gain + 1e-12);
        }
        // The same seen from the other side: a batch that pays for 4 and not for 8 stops at 8.
        let of = |processes| machine.batch_that_pays(&training(1, 128), processes, 0.1);
        let [four, eight] = [4, 8].map(|processes| of(processes).unwrap().unwrap());
        let between = four.midpoint(eight).next_multiple_of(128);
        assert!(four <= between && between < eight, "{four}, {between}, {eight}");
        let stops = |batch, most| machine.processes_that_pay(&training(batch, 128), most, 0.1);
        assert_eq!(stops(between, 1024).unwrap(), 8);
        assert_eq!(stops(between, 4).unwrap(), 4);
        // There are no more processes than shards, and a batch of one row is not shared.
        assert_eq!(stops(1 << 30, 1024).unwrap(), 128);
        assert_eq!(stops(1, 1024).unwrap(), 1);
        // Half the time is the most that twice as many can save.
        assert_eq!(machine.batch_that_pays(&training(1, 128), 4, 0.5).unwrap(), None);
        assert_eq!(machine.batch_that_pays(&training(1, 8), 8, 0.1).unwrap(), None);
    }

    /// A step takes `B / (r P) + 2 latency log2 P - c n / P` and what does not depend on P, for
    /// `c = 2 / bandwidth + 1 / addition`; its derivative is 0 where
    /// `P = ln 2 (B / r - c n) / (2 latency)`. The power of two with the shortest step is next to it.
    #[test]
    fn a_step_is_shortest_where_its_derivative_is_0() {
        let machine = Machine { shard_seconds: 0.0, ..machine() };
        let Link { latency, bandwidth } = machine.link;
        for batch_size in [4096, 8192, 16384] {
            let training = training(batch_size, 4096);
            let powers = (0..=10).map(|level| 1usize << level);
            let seconds = |&processes: &usize| step(&machine, &training, processes).seconds();
            let shortest = powers.min_by(|a, b| seconds(a).total_cmp(&seconds(b))).unwrap() as f64;
            let per_byte = 2.0 / bandwidth + 1.0 / machine.add_bandwidth;
            let computing = batch_size as f64 / machine.samples_per_second;
            let best = 2f64.ln() * (computing - per_byte * 4096.0) / (2.0 * latency);
            assert!(shortest / 2.0 < best && best < 2.0 * shortest, "{shortest}, {best}");
        }
    }

    #[test]
    fn numbers_that_cannot_be_are_refused_by_name() {
        let good = training(1024, 8);
        let wrong = |machine: Machine| machine.step(&good, 2).unwrap_err().to_string();
        let link = machine().link;
        for (message, name) in [
            (wrong(Machine { samples_per_second: 0.0, ..machine() }), "samples_per_second"),
            (wrong(Machine { step_seconds: f64::NAN, ..machine() }), "step_seconds"),
            (wrong(Machine { shard_seconds: -1.0, ..machine() }), "shard_seconds"),
            (wrong(Machine { link: Link { latency: -1.0, ..link }, ..machine() }), "latency"),
            (wrong(Machine { link: Link { bandwidth: 0.0, ..link }, ..machine() }), "bandwidth"),
            (wrong(Machine { copy_bandwidth: -1.0, ..machine() }), "copy_bandwidth"),
            (wrong(Machine { add_bandwidth: f64::NAN, ..machine() }), "add_bandwidth"),
        ] {
            assert!(message.contains(name), "{message}");
        }
        for (training, processes, name) in [
            (training(0, 8), 2, "batch_size"),
            (training(8, 8), 0, "processes"),
            (training(8, 8), 9, "shards"),
            (Training::new(1, 8), usize::MAX, "processes"),
        ] {
            let message = machine().step(&training, processes).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
        for gain in [0.0, 1.0, f64::NAN] {
            machine().batch_that_pays(&good, 2, gain).unwrap_err();
        }
    }
}
