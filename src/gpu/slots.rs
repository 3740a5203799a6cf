//! How many slots batches are uploaded through.

use super::device::Gpu;

/// Bytes of all slots together, where nobody has chosen their number and there are more than three.
const MOST_BYTES: u64 = 256 << 20;

/// Slots that take more than this many bytes are large.
const LARGE: u64 = 16 << 20;

/// How many slots a ring should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slots {
    /// The number that the user has chosen.
    chosen: Option<usize>,
    /// The number that batches which are read ahead need.
    ahead: usize,
}

impl Slots {
    /// Slots of a ring unless told: one is filled while one is copied and one waits.
    const DEFAULT: usize = 3;

    /// As many as the user has chosen, 3 by default.
    pub(super) fn new(chosen: Option<usize>) -> Self {
        Slots { chosen, ahead: chosen.unwrap_or(Self::DEFAULT) }
    }

    /// The same with at least `ahead` slots, as far as memory goes.
    pub(super) fn at_least(self, ahead: usize) -> Self {
        Slots { ahead: self.ahead.max(ahead), ..self }
    }

    /// How many slots of `size` bytes the ring has. A chosen number is kept whatever it takes. Beyond
    /// that there are as many as memory is for; where nothing was chosen at least three, or two
    /// where they are large.
    pub(super) fn count(self, size: u64) -> usize {
        let least = match self.chosen {
            Some(chosen) => chosen.max(1),
            None if size > LARGE => 2,
            None => 3,
        };
        let fitting = usize::try_from(MOST_BYTES / size.max(1)).unwrap_or(usize::MAX);
        self.ahead.min(fitting).max(least)
    }
}

impl Gpu {
    /// The most upload slots that a model may have.
    pub const MOST_UPLOAD_SLOTS: usize = 1024;

    /// The same device, on which each model or executor has so many upload slots, at least 1; 3
    /// unless told, or 2 where one takes more than 16 MiB.
    /// [`Compiled::upload_slots`](crate::Compiled::upload_slots) says what they are, and replaces the
    /// number for its model. More than [`MOST_UPLOAD_SLOTS`](Self::MOST_UPLOAD_SLOTS) mean so many.
    pub fn with_upload_slots(mut self, slots: usize) -> Self {
        self.upload_slots = Some(slots.clamp(1, Self::MOST_UPLOAD_SLOTS));
        self
    }

    /// What the ring of a model's upload slots should be.
    pub(super) fn upload_slots(&self) -> Slots {
        Slots::new(self.upload_slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_as_many_as_chosen_or_as_memory_is_for() {
        let count = |chosen, ahead, size| Slots::new(chosen).at_least(ahead).count(size);
        assert_eq!([1, LARGE, LARGE + 1, 1 << 40].map(|size| count(None, 0, size)), [3, 3, 3, 2]);
        // Ten that are read ahead, and 256 MiB for all of them.
        assert_eq!([1, 64 << 20, 1 << 40].map(|size| count(None, 10, size)), [10, 4, 2]);
        for chosen in [1, 2, 7] {
            assert_eq!([1, 1 << 40].map(|size| count(Some(chosen), 0, size)), [chosen; 2]);
            // What was chosen is there in any case; more only as far as memory goes.
            let sizes = [1, 64 << 20, 1 << 40];
            let expected = [10, chosen.max(4), chosen];
            assert_eq!(sizes.map(|size| count(Some(chosen), 10, size)), expected);
        }
    }
}
