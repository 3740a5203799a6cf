//! Who sends what to whom, so that all processes come to hold the sum of what they have, added along the
//! [tree](super::tree).
//!
//! Each process begins with its *partials*: the largest nodes of the tree that lie within its shards. A node
//! above them is the sum of two, and each element of these is held by some process. Where both are held by
//! the same one, it adds them. Where two processes hold a range of elements, one of the left and one of the
//! right child, the first one gets its first half and the second one the second half: each sends what it
//! gives up, and adds what it keeps. On the way down from the root the same pairs exchange, in reverse, the
//! halves of the final sum, without those that a process has already. Processes of which no shard is
//! present get the whole sum then, from ever more that have it.
//!
//! With as many processes as a power of two, and as many shards, this is recursive halving and doubling
//! (Thakur, Rabenseifner, Gropp, "Optimization of collective communication operations in MPICH", 2005):
//! of P processes each sends 2 (P-1)/P times the gradients in 2 log2 P exchanges, and no sum of P vectors takes
//! less. Otherwise partials of other sizes must be added as the tree says, which takes more. Of the bytes of
//! the gradients, the process that sends most sends, if 8 shards are present:
//!
//! | processes | least possible | of 8 shards | exchanges |
//! |---|---|---|---|
//! | 2 | 1.000 | 1.000 | 2 |
//! | 3 | 1.333 | 2.750 | 9 |
//! | 4 | 1.500 | 1.500 | 4 |
//! | 5 | 1.600 | 3.500 | 12 |
//! | 6 | 1.667 | 1.750 | 6 |
//! | 7 | 1.714 | 1.750 | 8 |
//! | 8 | 1.750 | 1.750 | 6 |
//!
//! Little more than the least is sent where each process owns a whole node: where the shards are a power of
//! two times the processes.
//!
//! All processes go through their exchanges in an order that all have in common. So each waits only for
//! one that is on its way to the same exchange, or to one before it, and none waits forever.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Process;
use super::ranges::Ranges;
use super::tree::Node;

/// A range of elements of one of a process's partials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) partial: usize,
    pub(crate) range: Range<usize>,
}

/// What a process does. Whatever is received or sent is one message, all pieces in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Adds, over `range`, the partial `from` to the partial `into`.
    Add { into: usize, from: usize, range: Range<usize> },
    /// Sends the pieces `given` to `peer`, and adds what that sends to the pieces `kept`.
    Reduce { peer: usize, given: Vec<Piece>, kept: Vec<Piece> },
    /// Copies a range of the final sum from the partial `from` to the first partial, from where all that
    /// follows is sent, and where all that follows is received.
    Place { from: usize, range: Range<usize> },
    /// Sends ranges of the final sum to `peer`, and receives others.
    Share { peer: usize, sent: Vec<Range<usize>>, received: Vec<Range<usize>> },
}

/// What one process does to get the sum, the final one lying in its first partial. A process without
/// partials receives it in place of one.
#[derive(Debug)]
pub(crate) struct Schedule {
    pub(crate) partials: usize,
    pub(crate) steps: Vec<Step>,
}

impl Schedule {
    /// For `process`, if `present` of `shards` are, and gradients have `length` elements.
    pub(crate) fn new(process: Process, shards: usize, present: usize, length: usize) -> Self {
        // All processes plan the whole, so that they agree.
        let mut schedules = plan(process.count, shards, present, length);
        if process.rank < schedules.len() {
            schedules.swap_remove(process.rank)
        } else {
            Schedule { partials: 0, steps: Vec::new() }
        }
    }
}

/// A range of a node's elements, and where it is held.
#[derive(Debug, Clone)]
struct Held {
    process: usize,
    piece: Piece,
}

/// What two processes exchange for a node.
#[derive(Debug, Default)]
struct Exchange {
    /// What the process of the lower rank gives up and the other one keeps: the piece of either. Both
    /// pieces have the same range.
    lower_gives: Vec<[Piece; 2]>,
    /// What the process of the lower rank keeps and the other one gives up.
    lower_keeps: Vec<[Piece; 2]>,
}

/// What is done for a node above the partials.
#[derive(Debug)]
struct Sum {
    node: Node,
    /// By both ranks, the lower one first.
    exchanges: Vec<([usize; 2], Exchange)>,
    /// By process.
    adds: Vec<(usize, Step)>,
}

/// The schedules of all processes.
pub(super) fn plan(count: usize, shards: usize, present: usize, length: usize) -> Vec<Schedule> {
    let starts = (0..count).map(|rank| Process { rank, count }.shards(shards).start).collect();
    let mut planner =
        Planner { starts, partials: vec![0; count], present, length, sums: Vec::new() };
    let root = planner.hold(Node::root(present));
    let Planner { partials, mut sums, .. } = planner;
    // A node comes after those that it is the sum of, which are of lower levels.
    sums.sort_by_key(|sum| (sum.node.level, sum.node.index));

    let mut steps = vec![Vec::new(); count];
    for sum in &sums {
        for ([lower, higher], Exchange { lower_gives, lower_keeps }) in &sum.exchanges {
            let side = |pairs: &[[Piece; 2]], side: usize| {
                pairs.iter().map(|pair| pair[side].clone()).collect()
            };
            steps[*lower].push(Step::Reduce {
                peer: *higher,
                given: side(lower_gives, 0),
                kept: side(lower_keeps, 0),
            });
            steps[*higher].push(Step::Reduce {
                peer: *lower,
                given: side(lower_keeps, 1),
                kept: side(lower_gives, 1),
            });
        }
        for (process, add) in &sum.adds {
            steps[*process].push(add.clone());
        }
    }

    let mut have: Vec<Ranges> = (0..count).map(|_| Ranges::default()).collect();
    for Held { process, piece: Piece { partial, range } } in root {
        have[process].insert(range.clone());
        if partial != 0 {
            steps[process].push(Step::Place { from: partial, range });
        }
    }
    for sum in sums.iter().rev() {
        for ([lower, higher], Exchange { lower_gives, lower_keeps }) in sum.exchanges.iter().rev() {
            let missing = |process: usize, pairs: &[[Piece; 2]], have: &mut [Ranges]| {
                let ranges = pairs.iter().map(|[piece, _]| piece.range.clone());
                ranges.flat_map(|range| have[process].insert(range)).collect::<Vec<_>>()
            };
            let to_lower = missing(*lower, lower_gives, &mut have);
            let to_higher = missing(*higher, lower_keeps, &mut have);
            share(&mut steps, [*lower, *higher], to_higher, to_lower);
        }
    }

    let (mut having, lacking): (Vec<usize>, Vec<usize>) =
        (0..count).partition(|&process| partials[process] > 0);
    let mut lacking = lacking.into_iter().peekable();
    while length > 0 && !having.is_empty() && lacking.peek().is_some() {
        for place in 0..having.len() {
            let Some(process) = lacking.next() else { break };
            let whole = std::iter::once(0..length).collect();
            share(&mut steps, [having[place], process], whole, Vec::new());
            having.push(process);
        }
    }
    partials.into_iter().zip(steps).map(|(partials, steps)| Schedule { partials, steps }).collect()
}

/// Lets the first process of the pair send some ranges of the final sum, and receive others.
fn share(
    steps: &mut [Vec<Step>],
    [first, second]: [usize; 2],
    sent: Vec<Range<usize>>,
    received: Vec<Range<usize>>,
) {
    if !(sent.is_empty() && received.is_empty()) {
        let back = Step::Share { peer: first, sent: received.clone(), received: sent.clone() };
        steps[first].push(Step::Share { peer: second, sent, received });
        steps[second].push(back);
    }
}

struct Planner {
    /// The first shard of each process.
    starts: Vec<usize>,
    /// How many partials were found of each.
    partials: Vec<usize>,
    present: usize,
    length: usize,
    sums: Vec<Sum>,
}

impl Planner {
    /// The process that owns a shard.
    fn owner(&self, shard: usize) -> usize {
        self.starts.partition_point(|&start| start <= shard).saturating_sub(1)
    }

    /// Where the elements of a node are held once it is computed, in order.
    fn hold(&mut self, node: Node) -> Vec<Held> {
        let shards = node.shards(self.present);
        let process = self.owner(shards.start);
        let within = shards.is_empty() || self.owner(shards.end - 1) == process;
        match node.children(self.present) {
            Some([left, right]) if !within => {
                let left = self.hold(left);
                let right = self.hold(right);
                self.sum(node, &left, &right)
            }
            Some(_) | None => {
                let partial = self.partials[process];
                self.partials[process] += 1;
                vec![Held { process, piece: Piece { partial, range: 0..self.length } }]
            }
        }
    }

    /// Plans the sum of two nodes that are held so.
    fn sum(&mut self, node: Node, left: &[Held], right: &[Held]) -> Vec<Held> {
        let mut held: Vec<Held> = Vec::new();
        let mut hold = |process: usize, piece: &Piece| {
            let same =
                |last: &&mut Held| last.process == process && last.piece.partial == piece.partial;
            match held.last_mut().filter(same) {
                Some(last) => last.piece.range.end = piece.range.end,
                None => held.push(Held { process, piece: piece.clone() }),
            }
        };
        let mut exchanges: BTreeMap<[usize; 2], Exchange> = BTreeMap::new();
        let mut adds = Vec::new();
        for (range, left, right) in overlaps(left, right) {
            if left.process == right.process {
                let (into, from) = (left.piece.partial, right.piece.partial);
                adds.push((left.process, Step::Add { into, from, range: range.clone() }));
                hold(left.process, &Piece { partial: into, range });
                continue;
            }
            let middle = range.start + range.len() / 2;
            let halves = [(range.start..middle, left), (middle..range.end, right)];
            for (range, keeps) in halves.into_iter().filter(|(range, _)| !range.is_empty()) {
                let piece = |of: &Held| Piece { partial: of.piece.partial, range: range.clone() };
                hold(keeps.process, &piece(keeps));
                let [lower, higher] =
                    if left.process < right.process { [left, right] } else { [right, left] };
                let exchange = exchanges.entry([lower.process, higher.process]).or_default();
                let pieces = [piece(lower), piece(higher)];
                if keeps.process == lower.process {
                    exchange.lower_keeps.push(pieces);
                } else {
                    exchange.lower_gives.push(pieces);
                }
            }
        }
        self.sums.push(Sum { node, exchanges: in_rounds(exchanges), adds });
        held
    }
}

/// The ranges that lie in one piece of either, and these.
fn overlaps<'a>(left: &'a [Held], right: &'a [Held]) -> Vec<(Range<usize>, &'a Held, &'a Held)> {
    let mut found = Vec::new();
    let (mut lefts, mut rights) = (left.iter().peekable(), right.iter().peekable());
    while let (Some(&left), Some(&right)) = (lefts.peek(), rights.peek()) {
        let (l, r) = (&left.piece.range, &right.piece.range);
        let range = l.start.max(r.start)..l.end.min(r.end);
        if l.end == range.end {
            lefts.next();
        }
        if r.end == range.end {
            rights.next();
        }
        if !range.is_empty() {
            found.push((range, left, right));
        }
    }
    found
}

/// In an order in which as many as possible go on at the same time: a round is of pairs that have no
/// process in common.
fn in_rounds(exchanges: BTreeMap<[usize; 2], Exchange>) -> Vec<([usize; 2], Exchange)> {
    let mut ordered = Vec::new();
    let mut left: Vec<_> = exchanges.into_iter().collect();
    while !left.is_empty() {
        let mut busy = std::collections::BTreeSet::new();
        let (round, others) = left.into_iter().partition(|([lower, higher], _)| {
            let free = !busy.contains(lower) && !busy.contains(higher);
            if free {
                busy.extend([*lower, *higher]);
            }
            free
        });
        let round: Vec<_> = round;
        ordered.extend(round);
        left = others;
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchanges(schedule: &Schedule) -> Vec<usize> {
        let peer = |step: &Step| match step {
            Step::Reduce { peer, .. } | Step::Share { peer, .. } => Some(*peer),
            Step::Add { .. } | Step::Place { .. } => None,
        };
        schedule.steps.iter().filter_map(peer).collect()
    }

    fn sent(schedule: &Schedule) -> usize {
        let elements = |step: &Step| match step {
            Step::Reduce { given, .. } => given.iter().map(|piece| piece.range.len()).sum(),
            Step::Share { sent, .. } => sent.iter().map(Range::len).sum(),
            Step::Add { .. } | Step::Place { .. } => 0,
        };
        schedule.steps.iter().map(elements).sum()
    }

    #[test]
    fn powers_of_two_halve_and_double() {
        for shards in [8, 16, 64, 256] {
            for count in [1, 2, 4, 8, 16, 64, 256].into_iter().filter(|&count| count <= shards) {
                let length = 3 * count;
                for (rank, schedule) in plan(count, shards, shards, length).iter().enumerate() {
                    assert_eq!(sent(schedule), 2 * (count - 1) * length / count);
                    let levels = count.ilog2();
                    let up = (0..levels).map(|level| rank ^ 1 << level);
                    let down = (0..levels).rev().map(|level| rank ^ 1 << level);
                    assert_eq!(exchanges(schedule), up.chain(down).collect::<Vec<_>>());
                }
            }
        }
    }

    /// The table in the description of this file; computed apart from this code, with fractions.
    #[test]
    fn what_the_process_sends_that_sends_most() {
        let table = [1.0, 2.75, 1.5, 3.5, 1.75, 1.75, 1.75];
        for (count, most) in (2..).zip(table) {
            let length = 1 << 10;
            let schedules = plan(count, 8, 8, length);
            let sent = schedules.iter().map(sent).max().unwrap();
            assert_eq!(sent as f64 / length as f64, most, "{count} processes");
        }
        let most = [2, 9, 4, 12, 6, 8, 6];
        for (count, most) in (2..).zip(most) {
            let schedules = plan(count, 8, 8, 1 << 10);
            let exchanges = schedules.iter().map(|schedule| exchanges(schedule).len()).max();
            assert_eq!(exchanges, Some(most), "{count} processes");
        }
    }

    /// Each exchange waits for its peer.
    #[test]
    fn no_process_waits_forever() {
        for shards in [1, 2, 3, 5, 8, 12, 16, 31] {
            for (count, present) in (1..=shards).flat_map(|p| (1..=shards).map(move |m| (p, m))) {
                for length in [1, 5, 64] {
                    let schedules = plan(count, shards, present, length);
                    let peers: Vec<_> = schedules.iter().map(exchanges).collect();
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
                    assert_eq!(next, done, "{count} processes, {present} of {shards} shards");
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
            assert!(schedules.iter().all(|schedule| schedule.partials > 0));
        }
    }
}
