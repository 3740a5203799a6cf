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
