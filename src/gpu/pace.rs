//! How many steps make one submission, by how long those before took.
//!
//! A driver gives up on a submission that takes seconds (Windows after two), and nobody else on the
//! device gets a turn before it ends. How steps are shared out over submissions changes no bit.

use std::time::Duration;

use crate::clock::Instant;
use crate::program::{Pass, Step};

/// A submission is planned for this share of what it may take: one in so many. Steps of one kind
/// differ by less, such as a part of a batch and the part that ends with the update.
const SHARE: u32 = 2;

/// How much larger than one that was measured a submission may be.
const GROWTH: usize = 8;

/// What the time of a step goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// The lists of operations that it runs.
    pub lists: &'static [Pass],
    /// Rows of the step.
    pub rows: usize,
}

impl Kind {
    pub(super) fn of(pass: Pass, step: &Step) -> Self {
        Kind { lists: pass.lists(step), rows: step.live_rows }
    }

    /// That of training steps which run together, whichever of them update the parameters.
    pub(super) fn of_recorded(rows: usize) -> Self {
        Kind { lists: &[Pass::Train], rows }
    }

    /// Whether a step of the `other` kind takes no longer than one of this.
    pub(super) fn covers(self, other: Kind) -> bool {
        self.lists == other.lists && self.rows >= other.rows
    }
}

/// A submission that is on its way: what it holds, and when it was submitted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flight {
    /// Of its last step the lists, and the most rows of any.
    pub kind: Kind,
    pub steps: usize,
    pub submitted: Instant,
}

/// What is known of a kind of step.
#[derive(Debug)]
struct Known {
    kind: Kind,
    /// Steps that may be submitted together.
    steps: usize,
}

/// How many steps of each kind may be submitted together.
#[derive(Debug)]
pub(super) struct Pace {
    /// The longest that a submission should take.
    longest: Duration,
    /// One for each of the lists that were measured.
    known: Vec<Known>,
    /// When the last submission came back.
    back: Option<Instant>,
}

impl Pace {
    pub(super) fn new(longest: Duration) -> Self {
        Pace { longest, known: Vec::new(), back: None }
    }

    /// Steps of this kind that may be submitted together: one until it was measured.
    pub(super) fn steps(&self, kind: Kind) -> usize {
        if self.longest == Duration::MAX {
            return usize::MAX;
        }
        let known = self.known.iter().find(|known| known.kind.covers(kind));
        known.map_or(1, |known| known.steps)
    }

    /// Learns from a submission that came back at `back`; they come back in their order.
    pub(super) fn measured(&mut self, flight: Flight, back: Instant) {
        let Flight { kind, steps, submitted } = flight;
        // It begins when the one before it has ended.
        let begun = self.back.map_or(submitted, |before| before.max(submitted));
        self.back = Some(back);
        let took = back.saturating_duration_since(begun);
        let planned = (self.longest / SHARE).as_nanos().saturating_mul(steps as u128);
        let fitting = usize::try_from(planned / took.as_nanos().max(1)).unwrap_or(usize::MAX);
        match self.known.iter_mut().find(|known| known.kind.lists == kind.lists) {
            // Fewer rows tell nothing of more.
            Some(known) if known.kind.rows > kind.rows => {}
            Some(known) => {
                let most = if known.kind == kind { steps.max(known.steps) } else { steps };
                *known = Known { kind, steps: fitting.clamp(1, most.saturating_mul(GROWTH)) };
            }
            None => {
                let steps = fitting.clamp(1, steps.saturating_mul(GROWTH));
                self.known.push(Known { kind, steps });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Kind = Kind { lists: &[Pass::Train, Pass::Update], rows: 32 };

    /// A device on which each step takes `step`; the steps of its submissions.
    fn submissions(pace: &mut Pace, kind: Kind, step: Duration, most: usize) -> Vec<usize> {
        // Goes on where the last submission came back.
        let mut now = pace.back.unwrap_or_else(Instant::now);
        let submissions = (0..6).map(|_| {
            let steps = pace.steps(kind).min(most);
            let flight = Flight { kind, steps, submitted: now };
            now += step * steps as u32;
            pace.measured(flight, now);
            steps
        });
        submissions.collect()
    }

    #[test]
    fn submissions_grow_to_what_was_asked_for_or_half_the_time_that_they_may_take() {
        let pace = || Pace::new(Duration::from_millis(100));
        let us = Duration::from_micros(20);
        assert_eq!(submissions(&mut pace(), STEP, us, 50), [1, 8, 50, 50, 50, 50]);
        let ms = Duration::from_millis(2);
        assert_eq!(submissions(&mut pace(), STEP, ms, 50), [1, 8, 25, 25, 25, 25]);
        let slow = Duration::from_millis(300);
        assert_eq!(submissions(&mut pace(), STEP, slow, 50), [1; 6]);
        // Where nothing is too long, nothing is measured first.
        assert_eq!(submissions(&mut Pace::new(Duration::MAX), STEP, slow, 50), [50; 6]);
    }

    #[test]
    fn steps_of_another_kind_begin_by_themselves() {
        let mut pace = Pace::new(Duration::from_millis(100));
        submissions(&mut pace, STEP, Duration::from_millis(1), 50);
        assert_eq!(pace.steps(STEP), 50);
        assert_eq!(pace.steps(Kind { rows: 5, ..STEP }), 50);
        assert_eq!(pace.steps(Kind { rows: 33, ..STEP }), 1);
        assert_eq!(pace.steps(Kind { lists: &[Pass::Evaluate], ..STEP }), 1);
        // A device that is slower now, as somebody else works on it.
        let slower = submissions(&mut pace, STEP, Duration::from_millis(5), 50);
        assert_eq!(slower, [50, 10, 10, 10, 10, 10]);
    }

    /// A submission that waits for the one before it takes the time since that one's end.
    #[test]
    fn the_time_that_a_submission_has_waited_for_others_is_not_its_own() {
        let mut pace = Pace::new(Duration::from_millis(100));
        let submitted = Instant::now();
        for number in 1..=3 {
            let flight = Flight { kind: STEP, steps: 10, submitted };
            pace.measured(flight, submitted + Duration::from_millis(20) * number);
        }
        // Of two milliseconds each.
        assert_eq!(pace.steps(STEP), 25);
    }
}
