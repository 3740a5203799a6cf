//! Carries out a schedule: sends, receives and adds.

use std::ops::Range;
use std::time::Duration;

use super::Transport;
use super::schedule::{Piece, Step};
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

    /// Carries out a step of a schedule that was made for as many partials as these, of their length.
    ///
    /// # Errors
    /// Those of the transport.
    pub(crate) fn carry_out(
        &mut self,
        step: &Step,
        transport: &dyn Transport,
        partials: &mut [Vec<f32>],
    ) -> Result<()> {
        match step {
            Step::Add { into, from, range } => {
                let (into, from) = two(partials, *into, *from);
                add(&mut into[range.clone()], &from[range.clone()]);
            }
            Step::Place { from, range } => {
                let (into, from) = two(partials, 0, *from);
                into[range.clone()].copy_from_slice(&from[range.clone()]);
            }
            Step::Reduce { peer, given, kept } => {
                self.reduce(transport, *peer, partials, given, kept)?;
            }
            Step::Share { peer, sent, received } => {
                self.share(transport, *peer, &mut partials[0], sent, received)?;
            }
        }
        Ok(())
    }

    fn reduce(
        &mut self,
        transport: &dyn Transport,
        peer: usize,
        partials: &mut [Vec<f32>],
        given: &[Piece],
        kept: &[Piece],
    ) -> Result<()> {
        let slice = |piece: &Piece| &partials[piece.partial][piece.range.clone()];
        let outgoing = match given {
            [piece] => slice(piece),
            pieces => joined(&mut self.outgoing, pieces.iter().map(slice)),
        };
        let length = kept.iter().map(|piece| piece.range.len()).sum();
        let incoming = beginning(&mut self.incoming, length);
        self.traffic.exchange(transport, peer, outgoing, incoming)?;
        let mut rest = &*incoming;
        for Piece { partial, range } in kept {
            let (piece, others) = rest.split_at(range.len());
            add(&mut partials[*partial][range.clone()], piece);
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

/// One partial to be changed, and another one.
fn two(partials: &mut [Vec<f32>], into: usize, from: usize) -> (&mut [f32], &[f32]) {
    let middle = into.max(from);
    let (before, after) = partials.split_at_mut(middle);
    if into < from { (&mut before[into], &after[0]) } else { (&mut after[0], &before[from]) }
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
    use super::super::schedule::Schedule;
    use super::super::testing::{bits, in_threads, partials, tree_sum};
    use super::super::{Process, Transport};
    use super::*;

    const LENGTH: usize = 96;

    fn schedules(count: usize, shards: usize, present: usize) -> Vec<Schedule> {
        let of = |rank| Schedule::new(Process { rank, count }, shards, present, LENGTH);
        (0..count).map(of).collect()
    }

    /// The bits that each process ends with; none if there is an error.
    fn run(schedules: &[Schedule], shards: usize, present: usize) -> Vec<Option<Vec<u32>>> {
        in_threads(schedules.len(), |transport| {
            let process = transport.process();
            let mut partials = partials(process, shards, present, LENGTH);
            if partials.is_empty() {
                partials.push(vec![0.0; LENGTH]);
            }
            let mut messages = Messages::default();
            for step in &schedules[process.rank].steps {
                messages.carry_out(step, &transport, &mut partials).ok()?;
            }
            Some(bits(&partials[0]))
        })
    }

    /// The peer of a step that is an exchange.
    fn peer(step: &Step) -> Option<usize> {
        match step {
            Step::Reduce { peer, .. } | Step::Share { peer, .. } => Some(*peer),
            Step::Add { .. } | Step::Place { .. } => None,
        }
    }

    /// Takes a step away; of an exchange that of the other process too.
    fn without(schedules: &mut [Schedule], process: usize, place: usize) -> Step {
        let steps = &schedules[process].steps;
        let with =
            |steps: &[Step], other| steps.iter().filter(|step| peer(step) == Some(other)).count();
        if let Some(other) = peer(&steps[place]) {
            let before = with(&steps[..place], other);
            let theirs = &schedules[other].steps;
            let mut exchanges =
                (0..theirs.len()).filter(|&place| peer(&theirs[place]) == Some(process));
            let place = exchanges.nth(before).unwrap();
            schedules[other].steps.remove(place);
        }
        schedules[process].steps.remove(place)
    }

    #[test]
    fn every_step_is_needed_and_a_missing_one_is_noticed() {
        let mut kinds = std::collections::BTreeMap::new();
        for (count, shards, present) in [(4, 4, 4), (3, 8, 8), (5, 8, 8), (2, 12, 11), (4, 8, 3)] {
            let expected = Some(bits(&tree_sum(present, LENGTH)));
            let right = run(&schedules(count, shards, present), shards, present);
            assert_eq!(right, vec![expected.clone(); count]);
            for process in 0..count {
                for place in 0..schedules(count, shards, present)[process].steps.len() {
                    let mut wrong = schedules(count, shards, present);
                    let step = without(&mut wrong, process, place);
                    let results = run(&wrong, shards, present);
                    let what = format!("{count} of {shards}: {process} without {step:?}");
                    assert!(results.iter().any(|result| *result != expected), "{what}");
                    let kind = match step {
                        Step::Add { .. } => "add",
                        Step::Place { .. } => "place",
                        Step::Reduce { .. } => "reduce",
                        Step::Share { .. } => "share",
                    };
                    *kinds.entry(kind).or_insert(0) += 1;
                }
            }
        }
        assert_eq!(kinds.len(), 4, "{kinds:?}");
    }

    #[test]
    fn processes_that_change_places_are_noticed() {
        // The sums of two processes take each other's place in the tree: another order of additions.
        let (count, shards) = (4, 4);
        let plan = schedules(count, shards, shards);
        let results = in_threads(count, |transport| {
            let Process { rank, count } = transport.process();
            let place = Process { rank: [0, 2, 1, 3][rank], count };
            let mut partials = partials(place, shards, shards, LENGTH);
            let mut messages = Messages::default();
            for step in &plan[rank].steps {
                messages.carry_out(step, &transport, &mut partials).unwrap();
            }
            bits(&partials[0])
        });
        let expected = bits(&tree_sum(shards, LENGTH));
        assert!(results.iter().all(|result| *result != expected));
    }
}
