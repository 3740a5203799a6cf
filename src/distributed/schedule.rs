//! Who sends what to whom, so that all processes come to hold the sum of what they have, added along the
//! [tree](super::tree).
//!
//! Each process begins with its *partials*: the largest nodes of the tree that lie within its shards. There
//! are two ways to the sum, by [halving](super::halving) and by [blocks](super::blocks). For P processes, no
//! way sends less than 2 (P-1)/P times the gradients. With as many processes as a power of two, and as many
//! shards, halving sends exactly that, in 2 log2 P exchanges. Otherwise partials of several sizes must be added
//! as the tree says, which takes more. Of 8 shards, the process that sends most sends so many times the
//! gradients, in so many exchanges:
//!
//! | processes | least possible | by halving | by blocks |
//! |---|---|---|---|
//! | 2 | 1.000 | **1.000 in 2** | 1.000 in 2 |
//! | 3 | 1.333 | 2.750 in 9 | **2.000 in 4** |
//! | 4 | 1.500 | **1.500 in 4** | 1.500 in 6 |
//! | 5 | 1.600 | 3.500 in 12 | **2.400 in 8** |
//! | 6 | 1.667 | **1.750 in 6** | 1.667 in 10 |
//! | 7 | 1.714 | **1.750 in 8** | 1.714 in 12 |
//! | 8 | 1.750 | **1.750 in 6** | 1.750 in 14 |
//!
//! What is faster is taken; of very large gradients, that is what sends less. Little more than the least is
//! sent where each process owns a whole node: where the shards are a power of two times the processes.
//!
//! All processes go through their exchanges in an order that all have in common. So each waits only for
//! one that is on its way to the same exchange, or to one before it, and none waits forever.

use super::Process;
use super::owners::Owners;
use super::step::Step;
use super::{blocks, halving};

/// An exchange takes about as long as sending so many elements more, 32 KiB: at 10 Gbit/s 26 µs, at 100
/// Gbit/s 2.6 µs, which is what such networks need for a message of any size.
const EXCHANGE: usize = 8192;

/// More processes than these go by halving: no network is made for so many messages at the same time.
const MOST_BY_BLOCKS: usize = 64;

/// What one process does to get the sum, the final one lying in its first memory.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// How many partials it has.
    pub(crate) partials: usize,
    /// How many elements it collects from others, in the memory after those of its partials.
    pub(crate) collected: usize,
    pub(crate) steps: Vec<Step>,
}

/// The schedule of each of `count` processes, if `present` of `shards` are and gradients have `length`
/// elements. All processes plan the same, so that they agree.
pub(crate) fn plan(count: usize, shards: usize, present: usize, length: usize) -> Vec<Schedule> {
    let owners = Owners::new(count, shards, present);
    let halving = by_halving(&owners, length);
    if count > MOST_BY_BLOCKS {
        return halving;
    }
    let blocks = by_blocks(&owners, length);
    let slowest = |schedules: &[Schedule]| {
        let cost = |schedule: &Schedule| {
            let (elements, exchanges) = sent(&schedule.steps);
            elements + exchanges * EXCHANGE
        };
        schedules.iter().map(cost).max()
    };
    if slowest(&blocks) < slowest(&halving) { blocks } else { halving }
}

fn by_halving(owners: &Owners, length: usize) -> Vec<Schedule> {
    let steps = halving::plan(owners, length).into_iter();
    let schedule = |(steps, partials)| Schedule { partials, collected: 0, steps };
    steps.zip(owners.partials()).map(schedule).collect()
}

fn by_blocks(owners: &Owners, length: usize) -> Vec<Schedule> {
    let partials = owners.partials();
    let schedule = |rank| {
        let process = Process { rank, count: owners.count() };
        Schedule {
            partials: partials[rank],
            collected: blocks::collected(process, &partials, length),
            steps: blocks::plan(process, owners, &partials, length),
        }
    };
    (0..owners.count()).map(schedule).collect()
}

/// How many elements these steps send, and in how many exchanges.
fn sent(steps: &[Step]) -> (usize, usize) {
    let exchanges = steps.iter().filter_map(Step::exchange);
    exchanges.fold((0, 0), |(elements, count), (_, sent)| (elements + sent, count + 1))
}

/// Both ways, for tests that are about either.
#[cfg(test)]
pub(crate) fn both(
    count: usize,
    shards: usize,
    present: usize,
    length: usize,
) -> [Vec<Schedule>; 2] {
    let owners = Owners::new(count, shards, present);
    [by_halving(&owners, length), by_blocks(&owners, length)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [&str; 2] = ["halving", "blocks"];

    fn peers(schedule: &Schedule) -> Vec<usize> {
        schedule.steps.iter().filter_map(Step::exchange).map(|(peer, _)| peer).collect()
    }

    #[test]
    fn powers_of_two_halve_and_double() {
        for shards in [8, 16, 64, 256] {
            for count in [1, 2, 4, 8, 16, 64, 256].into_iter().filter(|&count| count <= shards) {
                let length = 3 * count;
                for (rank, schedule) in plan(count, shards, shards, length).iter().enumerate() {
                    let levels = count.ilog2();
                    let least = 2 * (count - 1) * length / count;
                    assert_eq!(sent(&schedule.steps), (least, 2 * levels as usize));
                    let up = (0..levels).map(|level| rank ^ 1 << level);
                    let down = (0..levels).rev().map(|level| rank ^ 1 << level);
                    assert_eq!(peers(schedule), up.chain(down).collect::<Vec<_>>());
                }
            }
        }
    }

    /// The table in the description of this file. Halving was computed apart from this code, with fractions;
    /// blocks are (k + 1) (P - 1)/P, where the process with most partials has `k`.
    #[test]
    fn what_the_process_sends_that_sends_most() {
        let halving = [(1.0, 2), (2.75, 9), (1.5, 4), (3.5, 12), (1.75, 6), (1.75, 8), (1.75, 6)];
        let most_partials = [1, 2, 1, 2, 1, 1, 1];
        let taken = [0, 1, 0, 1, 0, 0, 0];
        let length = 7 * 5 * 3 << 10;
        for (place, count) in (2..=8).enumerate() {
            let others = (count - 1) as f64 / count as f64;
            let blocks = ((most_partials[place] + 1) as f64 * others, 2 * (count - 1));
            let both = both(count, 8, 8, length);
            for ((schedules, expected), way) in both.iter().zip([halving[place], blocks]).zip(BOTH)
            {
                let sent = schedules.iter().map(|schedule| sent(&schedule.steps));
                let (elements, exchanges): (Vec<_>, Vec<_>) = sent.unzip();
                let most = *elements.iter().max().unwrap() as f64 / length as f64;
                let found = (most, *exchanges.iter().max().unwrap());
                // Elements are whole.
                assert!((found.0 - expected.0).abs() < 1e-3, "{count}, {way}: {found:?}");
                assert_eq!(found.1, expected.1, "{count}, {way}");
            }
            for (schedule, of_way) in plan(count, 8, 8, length).iter().zip(&both[taken[place]]) {
                assert_eq!(schedule.steps, of_way.steps, "{count} processes");
            }
        }
        // Of very large gradients, what sends less.
        let schedules = plan(6, 8, 8, 3 << 20);
        assert!(schedules.iter().all(|schedule| sent(&schedule.steps) == (5 << 20, 10)));
    }

    /// Each exchange waits for its peer.
    #[test]
    fn no_process_waits_forever() {
        for shards in [1, 2, 3, 5, 8, 12, 16, 21] {
            for (count, present) in (1..=shards).flat_map(|p| (1..=shards).map(move |m| (p, m))) {
                for length in [1, 5, 64] {
                    for (schedules, way) in both(count, shards, present, length).iter().zip(BOTH) {
                        let peers: Vec<_> = schedules.iter().map(peers).collect();
                        let mut next = vec![0; count];
                        let meets = |process: usize, next: &[usize]| {
                            let peer = *peers[process].get(next[process])?;
                            (peers[peer].get(next[peer]) == Some(&process)).then_some(peer)
                        };
                        while let Some((process, peer)) =
                            (0..count).find_map(|process| Some((process, meets(process, &next)?)))
                        {
                            next[process] += 1;
                            next[peer] += 1;
                        }
                        let done: Vec<usize> = peers.iter().map(Vec::len).collect();
                        assert_eq!(next, done, "{way}: {count}, {present} of {shards} shards");
                    }
                }
            }
        }
    }

    #[test]
    fn thousands_of_processes_and_shards_are_planned() {
        for (count, shards, present) in
            [(1000, 1024, 1024), (1024, 8192, 8191), (3, 1 << 20, 1 << 20)]
        {
            let schedules = plan(count, shards, present, 1 << 16);
            assert_eq!(schedules.len(), count);
            for schedule in schedules {
                assert!(schedule.partials > 0 && !schedule.steps.is_empty());
            }
        }
    }
}
