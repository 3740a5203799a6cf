//! Sums by halving and doubling.
//!
//! Each process begins with its partials. Each element of a node above them is the sum of two, of which each
//! is held by some process. Where both are held by the same one, it adds them. Where two processes hold a range
//! of elements, one of the left and one of the right child, the first one gets its first half and the second
//! one the second half: each sends what it gives up, and adds what it keeps. On the way down from the root the
//! same pairs exchange, in reverse, the halves of the final sum, without those that a process has already.
//! Processes of which no shard is present get the whole sum then, from ever more that have it.
//!
//! With as many processes as a power of two, and as many shards, this is recursive halving and doubling
//! (Thakur, Rabenseifner, Gropp, "Optimization of collective communication operations in MPICH", 2005).

use std::collections::BTreeMap;
use std::ops::Range;

use super::owners::{Owner, Owners};
use super::ranges::Ranges;
use super::step::{Piece, Step};
use super::tree::Node;

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

/// The steps of each process, by which all get the sum of gradients of `length` elements.
pub(crate) fn plan(owners: &Owners, length: usize) -> Vec<Vec<Step>> {
    let count = owners.count();
    let mut planner = Planner { owners, partials: vec![0; count], length, sums: Vec::new() };
    let root = planner.hold(Node::root(owners.present()));
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
    for Held { process, piece } in root {
        let range = piece.range.clone();
        have[process].insert(range.clone());
        if piece.memory != 0 {
            steps[process].push(Step::Place { from: piece, range });
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
    steps
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

struct Planner<'a> {
    owners: &'a Owners,
    /// How many partials were found of each process.
    partials: Vec<usize>,
    length: usize,
    sums: Vec<Sum>,
}

impl Planner<'_> {
    /// Where the elements of a node are held once it is computed, in order.
    fn hold(&mut self, node: Node) -> Vec<Held> {
        match self.owners.of(node) {
            Owner::Several([left, right]) => {
                let left = self.hold(left);
                let right = self.hold(right);
                self.sum(node, &left, &right)
            }
            Owner::One(process) => {
                let memory = self.partials[process];
                self.partials[process] += 1;
                vec![Held { process, piece: Piece { memory, range: 0..self.length } }]
            }
        }
    }

    /// Plans the sum of two nodes that are held so.
    fn sum(&mut self, node: Node, left: &[Held], right: &[Held]) -> Vec<Held> {
        let mut held: Vec<Held> = Vec::new();
        let mut hold = |process: usize, piece: &Piece| {
            let same =
                |last: &&mut Held| last.process == process && last.piece.memory == piece.memory;
            match held.last_mut().filter(same) {
                Some(last) => last.piece.range.end = piece.range.end,
                None => held.push(Held { process, piece: piece.clone() }),
            }
        };
        let mut exchanges: BTreeMap<[usize; 2], Exchange> = BTreeMap::new();
        let mut adds = Vec::new();
        for (range, left, right) in overlaps(left, right) {
            if left.process == right.process {
                let piece = |of: &Held| Piece { memory: of.piece.memory, range: range.clone() };
                let (into, from) = (piece(left), piece(right));
                hold(left.process, &into);
                adds.push((left.process, Step::Add { into, from }));
                continue;
            }
            let middle = range.start + range.len() / 2;
            let halves = [(range.start..middle, left), (middle..range.end, right)];
            for (range, keeps) in halves.into_iter().filter(|(range, _)| !range.is_empty()) {
                let piece = |of: &Held| Piece { memory: of.piece.memory, range: range.clone() };
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
