//! What one more step takes, where the time of a submission is not that of its steps alone.
//!
//! A host that looks once a frame what has come back sees a whole frame pass, however short its
//! steps were, and what it draws takes time too. So one step, two, four and so on are tried, until
//! the time grows with them: what it has grown by is that of the steps that were added.

use std::time::Duration;

/// Time grows with the steps where twice as many take more than this much longer, in quarters.
const QUARTERS: u32 = 5;

/// Submissions after which the steps are tried anew: a device may become faster.
const AGE: usize = 256;

/// How many times longer than expected a submission takes on a device that has become slower.
const SLOWER: u32 = 3;

/// Such submissions in a row, before the steps are tried anew.
const IN_A_ROW: usize = 3;

/// A number of steps, and how long they took.
type Tried = (usize, Duration);

/// What one more step takes.
#[derive(Debug)]
pub(super) struct Marginal {
    /// The number of steps that is tried; `None` if enough is known.
    next: Option<usize>,
    /// The number that was tried before.
    before: Option<Tried>,
    /// Time of one more step, as the last trials have shown.
    step: Option<Duration>,
    /// The longest submission of these.
    longest: Duration,
    /// Submissions since.
    age: usize,
    slower: usize,
}

impl Default for Marginal {
    fn default() -> Self {
        let (before, step, longest) = (None, None, Duration::ZERO);
        Marginal { next: Some(1), before, step, longest, age: 0, slower: 0 }
    }
}

impl Marginal {
    /// Time of one more step, if that is known.
    pub(super) fn step(&self) -> Option<Duration> {
        self.step
    }

    /// The number of steps that is to be tried; `None` if enough is known, or that is more than
    /// `most`.
    pub(super) fn tries(&mut self, most: usize) -> Option<usize> {
        let next = self.next?;
        if next <= most {
            return Some(next);
        }
        if let Some((steps, took)) = self.before {
            // The time has not grown so far, so all of it may be that of the steps.
            self.settle(took / u32::try_from(steps.max(1)).unwrap_or(u32::MAX), took);
        }
        None
    }

    /// Learns that so many steps took so long.
    pub(super) fn measured(&mut self, steps: usize, took: Duration) {
        let Some(next) = self.next else {
            self.age += 1;
            self.slower = if took > self.longest * SLOWER { self.slower + 1 } else { 0 };
            if self.age >= AGE || self.slower >= IN_A_ROW {
                *self = Marginal { step: self.step, ..Marginal::default() };
            }
            return;
        };
        if steps != next {
            return;
        }
        match self.before {
            Some((fewer, before)) if took * 4 > before * QUARTERS && steps > fewer => {
                let more = u32::try_from(steps - fewer).unwrap_or(u32::MAX);
                self.settle(took.saturating_sub(before) / more, took);
            }
            _ => {
                self.before = Some((steps, took));
                self.next = Some(steps.saturating_mul(2));
            }
        }
    }

    fn settle(&mut self, step: Duration, longest: Duration) {
        *self = Marginal { next: None, step: Some(step), longest, ..Marginal::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Tries steps on a device where so many take so long, until enough is known; their numbers.
    fn tried(marginal: &mut Marginal, most: usize, took: impl Fn(u32) -> Duration) -> Vec<usize> {
        let tried = std::iter::from_fn(|| {
            let steps = marginal.tries(most)?;
            marginal.measured(steps, took(steps as u32));
            Some(steps)
        });
        tried.collect()
    }

    #[test]
    fn steps_are_tried_until_the_time_grows_with_them() {
        let mut marginal = Marginal::default();
        assert_eq!(tried(&mut marginal, 128, |steps| MS * steps), [1, 2]);
        assert_eq!(marginal.step(), Some(MS));
        // Eight besides: 9, 10, 12, and 16 are more than a quarter longer.
        let mut marginal = Marginal::default();
        assert_eq!(tried(&mut marginal, 128, |steps| MS * (8 + steps)), [1, 2, 4, 8]);
        assert_eq!(marginal.step(), Some(MS));
        // A frame each, and two from twenty steps on.
        let mut marginal = Marginal::default();
        let frames = |steps| 16 * MS * (1 + steps / 20);
        assert_eq!(tried(&mut marginal, 128, frames), [1, 2, 4, 8, 16, 32]);
        assert_eq!(marginal.step(), Some(MS));
    }

    #[test]
    fn where_no_more_can_be_tried_all_of_the_time_is_that_of_the_steps() {
        let mut marginal = Marginal::default();
        assert_eq!(tried(&mut marginal, 5, |_| 16 * MS), [1, 2, 4]);
        assert_eq!(marginal.step(), Some(4 * MS));
    }

    #[test]
    fn steps_are_tried_anew_when_they_take_longer_or_after_some_time() {
        let mut marginal = Marginal::default();
        tried(&mut marginal, 128, |steps| MS * steps);
        for took in [7, 7, 5, 7, 7] {
            marginal.measured(2, took * MS);
            assert_eq!(marginal.tries(128), None);
        }
        marginal.measured(2, 7 * MS);
        assert_eq!(marginal.tries(128), Some(1));
        // What was known holds until more is.
        assert_eq!(marginal.step(), Some(MS));
        // An answer to what was not asked.
        marginal.measured(2, 7 * MS);
        assert_eq!(tried(&mut marginal, 128, |steps| 4 * MS * steps), [1, 2]);
        assert_eq!(marginal.step(), Some(4 * MS));
        for _ in 0..256 {
            assert_eq!(marginal.tries(128), None);
            marginal.measured(2, MS);
        }
        assert_eq!(marginal.tries(128), Some(1));
    }
}
