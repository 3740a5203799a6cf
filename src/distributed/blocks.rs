//! Sums by blocks.
//!
//! The elements are cut into a block for each process. It collects what all others have of its block, adds
//! that up along the tree, and sends the sum to all. Of `k` partials a process sends all but its own block,
//! and then P - 1 times its own block: (k + 1) (P - 1)/P times the gradients, in 2 (P - 1) exchanges.

use std::ops::Range;

use super::Process;
use super::owners::{Owner, Owners};
use super::step::{Piece, Step};
use super::tree::Node;

/// The block of a process.
fn block(process: Process, length: usize) -> Range<usize> {
    // Elements are shared out as shards are.
    process.shards(length)
}

/// How many elements a process collects from others, each of which has so many `partials`.
pub(crate) fn collected(process: Process, partials: &[usize], length: usize) -> usize {
    let others = partials.iter().sum::<usize>() - partials[process.rank];
    others * block(process, length).len()
}

/// The steps of one process, by which it gets the sum of gradients of `length` elements.
pub(crate) fn plan(
    process: Process,
    owners: &Owners,
    partials: &[usize],
    length: usize,
) -> Vec<Step> {
    let Process { rank, count } = process;
    let block = |rank| block(Process { rank, count }, length);
    let own = block(rank);
    let memory = partials[rank].max(1);
    let mut steps = Vec::new();

    let mut places = vec![0; count];
    let mut end = 0;
    for peer in (0..count).filter(|&peer| peer != rank) {
        places[peer] = end;
        end += partials[peer] * own.len();
    }
    for peer in peers(process) {
        let piece = |memory| Piece { memory, range: block(peer) };
        let given: Vec<Piece> = (0..partials[rank]).map(piece).collect();
        let range = places[peer]..places[peer] + partials[peer] * own.len();
        if !range.is_empty() || given.iter().any(|piece| !piece.range.is_empty()) {
            steps.push(Step::Collect { peer, given, collected: Piece { memory, range } });
        }
    }

    // From here on, the place of the next partial of each process.
    places[rank] = 0;
    let mut adder = Adder { rank, owners, own: own.clone(), memory, places, steps };
    let from = adder.add(Node::root(owners.present()));
    let mut steps = adder.steps;
    if from != (Piece { memory: 0, range: own.clone() }) && !own.is_empty() {
        steps.push(Step::Place { from, range: own.clone() });
    }

    for peer in peers(process) {
        let ranges =
            |range: Range<usize>| (!range.is_empty()).then_some(range).into_iter().collect();
        let (sent, received): (Vec<_>, Vec<_>) = (ranges(own.clone()), ranges(block(peer)));
        if !(sent.is_empty() && received.is_empty()) {
            steps.push(Step::Share { peer, sent, received });
        }
    }
    steps
}

/// The other processes, in such an order that all have a peer at the same time: in each round the two ranks
/// have the same sum, but for multiples of the number of processes.
fn peers(Process { rank, count }: Process) -> impl Iterator<Item = usize> {
    (0..count).map(move |round| (round + count - rank) % count).filter(move |&peer| peer != rank)
}

/// Plans the additions of a block.
struct Adder<'a> {
    rank: usize,
    owners: &'a Owners,
    own: Range<usize>,
    /// That of what was collected.
    memory: usize,
    /// Where the next partial of each process lies there; of this one, which memory it is.
    places: Vec<usize>,
    steps: Vec<Step>,
}

impl Adder<'_> {
    /// Where the block of a node lies once it is computed.
    fn add(&mut self, node: Node) -> Piece {
        match self.owners.of(node) {
            Owner::Several([left, right]) => {
                let into = self.add(left);
                let from = self.add(right);
                if !self.own.is_empty() {
                    self.steps.push(Step::Add { into: into.clone(), from });
                }
                into
            }
            Owner::One(process) if process == self.rank => {
                self.places[process] += 1;
                Piece { memory: self.places[process] - 1, range: self.own.clone() }
            }
            Owner::One(process) => {
                let first = self.places[process];
                self.places[process] += self.own.len();
                Piece { memory: self.memory, range: first..self.places[process] }
            }
        }
    }
}
