//! What a process does to get the sum of all gradients.

use std::ops::Range;

/// A range of elements of one of a process's memories. The first memories are its partials, or one to receive the
/// sum if it has none; the last one is for what it collects from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) memory: usize,
    pub(crate) range: Range<usize>,
}

/// What a process does. Whatever is received or sent is one message, all pieces in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Adds the piece `from` to the piece `into`.
    Add { into: Piece, from: Piece },
    /// Sends the pieces `given` to `peer`, and adds what that sends to the pieces `kept`.
    Reduce { peer: usize, given: Vec<Piece>, kept: Vec<Piece> },
    /// Sends the pieces `given` to `peer`, and what that sends becomes the piece `collected`, which lies in
    /// another memory.
    Collect { peer: usize, given: Vec<Piece>, collected: Piece },
    /// Copies a piece of the final sum to `range` of the first memory, from where all that follows is sent,
    /// and where all that follows is received.
    Place { from: Piece, range: Range<usize> },
    /// Sends ranges of the final sum to `peer`, and receives others.
    Share { peer: usize, sent: Vec<Range<usize>>, received: Vec<Range<usize>> },
}

impl Step {
    /// The process with which it exchanges something, and how many elements it sends.
    pub(crate) fn exchange(&self) -> Option<(usize, usize)> {
        let elements = |pieces: &[Piece]| pieces.iter().map(|piece| piece.range.len()).sum();
        match self {
            Step::Reduce { peer, given, .. } | Step::Collect { peer, given, .. } => {
                Some((*peer, elements(given)))
            }
            Step::Share { peer, sent, .. } => Some((*peer, sent.iter().map(Range::len).sum())),
            Step::Add { .. } | Step::Place { .. } => None,
        }
    }

    /// How many elements it adds or copies within the process.
    pub(crate) fn moved(&self) -> usize {
        match self {
            Step::Add { from, .. } | Step::Place { from, .. } => from.range.len(),
            Step::Reduce { kept, .. } => kept.iter().map(|piece| piece.range.len()).sum(),
            Step::Collect { .. } | Step::Share { .. } => 0,
        }
    }
}
