//! Carries out a schedule: sends, receives and adds.

use std::ops::Range;
use std::time::Duration;

use super::Transport;
use super::schedule::Schedule;
use super::step::{Piece, Step};
use crate::clock::Instant;
use crate::error::Result;
use crate::number::add_normal;

/// The memory of messages, which is used again, and what sending them took.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    /// Pieces that are sent as one.
    outgoing: Vec<f32>,
    /// What is added, and pieces that were sent as one.
    incoming: Vec<f32>,
    /// What is collected.
    collected: Vec<f32>,
    traffic: Traffic,
}

#[derive(Debug, Default)]
struct Traffic {
    sent: u64,
    waited: Duration,
}

impl Messages {
    /// Bytes that were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.traffic.sent
    }

    /// How long exchanges took.
    pub(crate) fn waited(&self) -> Duration {
        self.traffic.waited
    }

    /// Carries out a schedule that was made for as many partials as these, of `length` elements, and
    /// returns the sum.
    ///
    /// # Errors
    /// Those of the transport.
    pub(crate) fn carry_out(
        &mut self,
        schedule: &Schedule,
        transport: &dyn Transport,
        partials: Vec<Vec<f32>>,
        length: usize,
    ) -> Result<Vec<f32>> {
        let mut memories = partials;
        if memories.is_empty() {
            memories.push(vec![0.0; length]);
        }
        beginning(&mut self.collected, schedule.collected);
        memories.push(std::mem::take(&mut self.collected));
        for step in &schedule.steps {
            self.step(step, transport, &mut memories)?;
        }
        self.collected = memories.pop().unwrap_or_default();
        Ok(memories.swap_remove(0))
    }

    fn step(
        &mut self,
        step: &Step,
        transport: &dyn Transport,
        memories: &mut [Vec<f32>],
    ) -> Result<()> {
        match step {
            Step::Add { into, from } => {
                let (into, from) = two(memories, into, from);
                add(into, from);
            }
            Step::Place { from, range } => {
                let into = Piece { memory: 0, range: range.clone() };
                let (into, from) = two(memories, &into, from);
                into.copy_from_slice(from);
            }
            Step::Collect { peer, given, collected } => {
                let Some((into, partials)) = memories.split_last_mut() else { return Ok(()) };
                let outgoing = message(&mut self.outgoing, partials, given);
                let into = &mut into[collected.range.clone()];
                self.traffic.exchange(transport, *peer, outgoing, into)?;
            }
            Step::Reduce { peer, given, kept } => {
                self.reduce(transport, *peer, memories, given, kept)?;
            }
            Step::Share { peer, sent, received } => {
                self.share(transport, *peer, &mut memories[0], sent, received)?;
            }
        }
        Ok(())
    }

    fn reduce(
        &mut self,
        transport: &dyn Transport,
        peer: usize,
        memories: &mut [Vec<f32>],
        given: &[Piece],
        kept: &[Piece],
    ) -> Result<()> {
        let outgoing = message(&mut self.outgoing, memories, given);
        let length = kept.iter().map(|piece| piece.range.len()).sum();
        let incoming = beginning(&mut self.incoming, length);
        self.traffic.exchange(transport, peer, outgoing, incoming)?;
        let mut rest = &*incoming;
        for Piece { memory, range } in kept {
            let (piece, others) = rest.split_at(range.len());
            add(&mut memories[*memory][range.clone()], piece);
            rest = others;
        }
        Ok(())
    }

    /// What is a single range is sent from where it lies, and received where it will lie.
    fn share(
        &mut self,
        transport: &dyn Transport,
        peer: usize,
        sum: &mut [f32],
        sent: &[Range<usize>],
        received: &[Range<usize>],
    ) -> Result<()> {
        let direct = match received {
            [range] => range.clone(),
            _ => 0..0,
        };
        let (before, rest) = sum.split_at_mut(direct.start);
        let (target, after) = rest.split_at_mut(direct.len());
        // What is sent is none of what is received.
        let slice = |range: &Range<usize>| {
            if range.start < direct.start {
                &before[range.clone()]
            } else {
                &after[range.start - direct.end..range.end - direct.end]
            }
        };
        let outgoing = match sent {
            [range] => slice(range),
            ranges => joined(&mut self.outgoing, ranges.iter().map(slice)),
        };
        if received.len() == 1 {
            return self.traffic.exchange(transport, peer, outgoing, target);
        }
        let length = received.iter().map(Range::len).sum();
        let incoming = beginning(&mut self.incoming, length);
        self.traffic.exchange(transport, peer, outgoing, incoming)?;
        let mut rest = &*incoming;
        for range in received {
            let (piece, others) = rest.split_at(range.len());
            sum[range.clone()].copy_from_slice(piece);
            rest = others;
        }
        Ok(())
    }
}

impl Traffic {
    fn exchange(
        &mut self,
        transport: &dyn Transport,
        peer: usize,
        sent: &[f32],
        received: &mut [f32],
    ) -> Result<()> {
        let begin = Instant::now();
        let bytes: &[u8] = bytemuck::cast_slice(sent);
        transport.exchange(peer, bytes, bytemuck::cast_slice_mut(received))?;
        self.waited += begin.elapsed();
        self.sent += bytes.len() as u64;
        Ok(())
    }
}

fn add(into: &mut [f32], from: &[f32]) {
    for (into, &from) in into.iter_mut().zip(from) {
        *into = add_normal(*into, from);
    }
}

/// A piece to be changed and another one, which do not overlap.
fn two<'a>(memories: &'a mut [Vec<f32>], into: &Piece, from: &Piece) -> (&'a mut [f32], &'a [f32]) {
    let into_first = (into.memory, into.range.start) < (from.memory, from.range.start);
    let (first, second) = if into_first { (into, from) } else { (from, into) };
    let (before, after) = memories.split_at_mut(second.memory);
    let (a, b) = if first.memory == second.memory {
        let (before, after) = after[0].split_at_mut(second.range.start);
        (&mut before[first.range.clone()], &mut after[..second.range.len()])
    } else {
        (&mut before[first.memory][first.range.clone()], &mut after[0][second.range.clone()])
    };
    if into_first { (a, b) } else { (b, a) }
}

/// The pieces as one, without a copy if it is one.
fn message<'a>(
    outgoing: &'a mut Vec<f32>,
    memories: &'a [Vec<f32>],
    pieces: &[Piece],
) -> &'a [f32] {
    let slice = |piece: &Piece| &memories[piece.memory][piece.range.clone()];
    match pieces {
        [piece] => slice(piece),
        pieces => joined(outgoing, pieces.iter().map(slice)),
    }
}

/// All of these, one after the other.
fn joined<'a>(memory: &'a mut Vec<f32>, slices: impl Iterator<Item = &'a [f32]>) -> &'a [f32] {
    memory.clear();
    slices.for_each(|slice| memory.extend_from_slice(slice));
    memory
}

/// The first `length` elements, of which there may be too few yet.
fn beginning(memory: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if memory.len() < length {
        memory.resize(length, 0.0);
    }
    &mut memory[..length]
}

#[cfg(test)]
mod tests {
    use super::super::schedule::both;
    use super::super::testing::{bits, in_threads, partials, tree_sum};
    use super::super::{Process, Transport};
    use super::*;

    const LENGTH: usize = 96;

    /// The bits that each process ends with; none if there is an error.
    fn run(schedules: &[Schedule], shards: usize, present: usize) -> Vec<Option<Vec<u32>>> {
        in_threads(schedules.len(), |transport| {
            let process = transport.process();
            let partials = partials(process, shards, present, LENGTH);
            let schedule = &schedules[process.rank];
            let sum = Messages::default().carry_out(schedule, &transport, partials, LENGTH);
            sum.ok().map(|sum| bits(&sum))
        })
    }

    fn peer(step: &Step) -> Option<usize> {
        step.exchange().map(|(peer, _)| peer)
    }

    /// Takes a step away; of an exchange that of the other process too.
    fn without(schedules: &mut [Schedule], process: usize, place: usize) -> Step {
        let steps = &schedules[process].steps;
        if let Some(other) = peer(&steps[place]) {
            let before = steps[..place].iter().filter(|step| peer(step) == Some(other)).count();
            let theirs = &schedules[other].steps;
            let mut exchanges =
                (0..theirs.len()).filter(|&place| peer(&theirs[place]) == Some(process));
            let place = exchanges.nth(before).unwrap();
            schedules[other].steps.remove(place);
        }
        schedules[process].steps.remove(place)
    }

    #[test]
    fn both_ways_lead_to_the_sum_along_the_tree() {
        for shards in [1, 2, 3, 5, 8, 12, 16] {
            let lengths = [0, 1, 2, 3, 7, 64, 1000];
            let cases: Vec<_> =
                (1..=shards).flat_map(|m| lengths.map(|length| (m, length))).collect();
            let expected: Vec<_> =
                cases.iter().map(|&(m, length)| bits(&tree_sum(m, length))).collect();
            for count in 1..=shards.min(8) {
                let plans: Vec<_> =
                    cases.iter().map(|&(m, length)| both(count, shards, m, length)).collect();
                in_threads(count, |transport| {
                    let process = transport.process();
                    let mut messages = Messages::default();
                    for ((&(m, length), plans), expected) in cases.iter().zip(&plans).zip(&expected)
                    {
                        for (plan, way) in plans.iter().zip(["halving", "blocks"]) {
                            let partials = partials(process, shards, m, length);
                            let plan = &plan[process.rank];
                            let sum = messages.carry_out(plan, &transport, partials, length);
                            let what = format!("{way}, {process}, {m} of {shards}, {length}");
                            assert_eq!(bits(&sum.unwrap()), *expected, "{what}");
                        }
                    }
                });
            }
        }
    }

    #[test]
    fn every_step_is_needed_and_a_missing_one_is_noticed() {
        let mut kinds = std::collections::BTreeMap::new();
        for (count, shards, present) in [(4, 4, 4), (3, 8, 8), (5, 8, 8), (2, 12, 11), (4, 8, 3)] {
            let expected = Some(bits(&tree_sum(present, LENGTH)));
            for way in 0..2 {
                let schedules =
                    || both(count, shards, present, LENGTH).into_iter().nth(way).unwrap();
                let right = run(&schedules(), shards, present);
                assert_eq!(right, vec![expected.clone(); count]);
                for process in 0..count {
                    for place in 0..schedules()[process].steps.len() {
                        let mut wrong = schedules();
                        let step = without(&mut wrong, process, place);
                        let results = run(&wrong, shards, present);
                        let what = format!("{count} of {shards}: {process} without {step:?}");
                        assert!(results.iter().any(|result| *result != expected), "{what}");
                        let kind = match step {
                            Step::Add { .. } => "add",
                            Step::Place { .. } => "place",
                            Step::Collect { .. } => "collect",
                            Step::Reduce { .. } => "reduce",
                            Step::Share { .. } => "share",
                        };
                        *kinds.entry(kind).or_insert(0) += 1;
                    }
                }
            }
        }
        assert_eq!(kinds.len(), 5, "{kinds:?}");
    }

    #[test]
    fn processes_that_change_places_are_noticed() {
        // The sums of two processes take each other's place in the tree: another order of additions.
        let (count, shards) = (4, 4);
        for plan in both(count, shards, shards, LENGTH) {
            let results = in_threads(count, |transport| {
                let Process { rank, count } = transport.process();
                let place = Process { rank: [0, 2, 1, 3][rank], count };
                let partials = partials(place, shards, shards, LENGTH);
                let plan = &plan[rank];
                let sum = Messages::default().carry_out(plan, &transport, partials, LENGTH);
                bits(&sum.unwrap())
            });
            let expected = bits(&tree_sum(shards, LENGTH));
            assert!(results.iter().all(|result| *result != expected));
        }
    }
}
