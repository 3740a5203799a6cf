//! How many steps take no longer than a frame has for them, by how long those before took.

use std::collections::VecDeque;
use std::time::Duration;

use super::marginal::Marginal;
use super::pace::Kind;

/// Measurements that are remembered of a kind of step.
const RECENT: usize = 16;

/// A step is taken to be as long as this share of those remembered, of four: the longer ones are
/// what others on the device have held up.
const QUARTERS: usize = 3;

/// How many times more steps than were measured together may be recorded together.
const GROWTH: usize = 8;

/// What a time was told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// The device: it is that of the steps alone.
    Device,
    /// The host, who looks now and then: other work and waiting are part of it.
    Host,
}

/// Steps that were measured together.
#[derive(Debug, Clone, Copy)]
struct Measured {
    steps: usize,
    /// The time of one of them.
    step: Duration,
}

/// What is known of a kind of step.
#[derive(Debug)]
struct Known {
    kind: Kind,
    recent: VecDeque<Measured>,
    /// Time that calls have had for a step which is longer than what one call has.
    saved: Duration,
    /// What one more step takes, where a time is that of more than the steps.
    marginal: Option<Marginal>,
}

impl Known {
    /// The time of a step.
    fn step(&self) -> Duration {
        let mut steps: Vec<Duration> = self.recent.iter().map(|measured| measured.step).collect();
        steps.sort_unstable();
        let place = (steps.len() * QUARTERS / 4).min(steps.len().saturating_sub(1));
        let alone = steps.get(place).copied().unwrap_or_default();
        let more = self.marginal.as_ref().and_then(Marginal::step);
        more.map_or(alone, |more| more.min(alone))
    }

    /// The most steps that were measured together.
    fn most(&self) -> usize {
        self.recent.iter().map(|measured| measured.steps).max().unwrap_or(0)
    }
}

/// What is known of steps that are recorded for a time.
#[derive(Debug, Default)]
pub(super) struct Budget {
    known: Vec<Known>,
}

impl Budget {
    /// How many steps of this kind to record in `time`: one until some were measured, and then as
    /// many as fit, though no more than eight times those that were measured together. Where a
    /// single one does not fit, there is one as soon as the calls since the last one had the time
    /// for it, all together. Where only the host's clock tells the time, it tries some numbers of
    /// steps now and then, to learn what one more takes. Never more than `most`.
    pub(super) fn steps(&mut self, kind: Kind, time: Duration, most: usize) -> usize {
        if time.is_zero() {
            return 0;
        }
        let Some(known) = self.known.iter_mut().find(|known| known.kind.covers(kind)) else {
            return most.min(1);
        };
        if let Some(tried) = known.marginal.as_mut().and_then(|marginal| marginal.tries(most)) {
            return tried;
        }
        let step = known.step();
        let fitting = time.as_nanos() / step.as_nanos().max(1);
        if fitting > 0 {
            known.saved = Duration::ZERO;
            let grown = known.most().saturating_mul(GROWTH);
            return usize::try_from(fitting).unwrap_or(usize::MAX).min(grown).min(most);
        }
        known.saved = known.saved.saturating_add(time);
        match known.saved.checked_sub(step) {
            Some(left) => {
                known.saved = left;
                most.min(1)
            }
            None => 0,
        }
    }

    /// Learns that `steps` steps of this kind took so long, as `clock` says.
    pub(super) fn measured(&mut self, kind: Kind, steps: usize, took: Duration, clock: Clock) {
        let Ok(count) = u32::try_from(steps) else { return };
        if count == 0 || took.is_zero() {
            return;
        }
        let place = self.known.iter().position(|known| known.kind.lists == kind.lists);
        let known = match place.and_then(|place| self.known.get_mut(place)) {
            // Fewer rows tell nothing of more.
            Some(known) if known.kind.rows > kind.rows => return,
            Some(known) if known.kind == kind => known,
            other => {
                let marginal = (clock == Clock::Host).then(Marginal::default);
                let (recent, saved) = (VecDeque::new(), Duration::ZERO);
                let known = Known { kind, recent, saved, marginal };
                match other {
                    Some(of_fewer_rows) => {
                        *of_fewer_rows = known;
                        of_fewer_rows
                    }
                    None => {
                        self.known.push(known);
                        let Some(last) = self.known.last_mut() else { return };
                        last
                    }
                }
            }
        };
        // What each submission takes besides its steps makes those of a few seem longer.
        known.recent.retain(|before| before.steps.saturating_mul(2) >= steps);
        known.recent.push_back(Measured { steps, step: took / count });
        if let Some(marginal) = &mut known.marginal {
            marginal.measured(steps, took);
        }
        if known.recent.len() > RECENT {
            known.recent.pop_front();
        }
    }

    /// The time of a step of the kind that was measured with the most rows; `None` if none was.
    pub(super) fn step_time(&self) -> Option<Duration> {
        self.known.iter().max_by_key(|known| known.kind.rows).map(Known::step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Pass;
    use crate::random::{Random, Stream};

    const STEP: Kind = Kind { lists: &[Pass::Train, Pass::Update], rows: 32 };
    const MS: Duration = Duration::from_millis(1);

    /// A device of which each step takes `step` of the frame's number, and each submission some time
    /// besides. What it has measured is known `late` frames later.
    struct Device<S> {
        step: S,
        besides: Duration,
        late: usize,
        clock: Clock,
    }

    impl<S: FnMut(usize) -> Duration> Device<S> {
        /// Steps and time of each of so many frames.
        fn run(
            &mut self,
            budget: &mut Budget,
            time: Duration,
            frames: usize,
        ) -> Vec<(usize, Duration)> {
            let mut done: Vec<(usize, Duration)> = Vec::new();
            for frame in 0..frames {
                let known = frame.checked_sub(self.late).and_then(|known| done.get(known));
                if let Some(&(steps, took)) = known {
                    budget.measured(STEP, steps, took, self.clock);
                }
                let steps = budget.steps(STEP, time, 128);
                let took = match steps {
                    0 => Duration::ZERO,
                    steps => self.besides + (self.step)(frame) * steps as u32,
                };
                done.push((steps, took));
            }
            done
        }
    }

    fn used(frames: &[(usize, Duration)]) -> Duration {
        frames.iter().map(|(_, took)| *took).sum()
    }

    #[test]
    fn a_steady_device_is_used_as_long_as_it_may_be_and_no_longer() {
        for late in [1, 3] {
            for (step, besides) in [(70, 100), (300, 100), (300, 0), (1_500, 500)] {
                let [step, besides] = [step, besides].map(Duration::from_micros);
                let mut device = Device { step: |_| step, besides, late, clock: Clock::Device };
                let frames = device.run(&mut Budget::default(), 8 * MS, 200);
                assert!(frames.iter().all(|(_, took)| *took <= 8 * MS), "{step:?}: {frames:?}");
                let last = frames.get(50..).unwrap_or_default();
                assert!(used(last) >= 6 * MS * 150, "{step:?}: {last:?}");
            }
        }
    }

    /// A display of 60 frames a second, whose host looks once a frame what has come back.
    #[test]
    fn a_host_that_looks_once_a_frame_uses_some_of_its_budget() {
        let frame = Duration::from_micros(16_667);
        for (step, besides) in [(100, 1_000), (300, 3_000), (700, 0)] {
            let [step, besides] = [step, besides].map(Duration::from_micros);
            let (mut budget, mut done) = (Budget::default(), Vec::new());
            for number in 0..2_000usize {
                if let Some(&steps) = number.checked_sub(2).and_then(|known| done.get(known)) {
                    let frames = (besides + step * steps as u32).div_duration_f64(frame).ceil();
                    budget.measured(STEP, steps, frame.mul_f64(frames), Clock::Host);
                }
                done.push(budget.steps(STEP, 4 * MS, 128));
            }
            let took = |steps: usize| step * steps as u32;
            let below = done.iter().filter(|&&steps| took(steps) <= 6 * MS).count();
            assert!(below * 10 >= done.len() * 9, "{step:?}: {below} of {}", done.len());
            let used: Duration = done.iter().map(|&steps| took(steps).min(4 * MS)).sum();
            assert!(used >= MS * 2_000, "{step:?}: {used:?}");
        }
    }

    /// A host without timestamps that waits for its frames.
    #[test]
    fn a_host_that_waits_for_its_frames_uses_half_of_its_budget() {
        let mut random = Random::new(1, Stream::Shuffle(0));
        for besides in [100, 2_000] {
            let step = |_| Duration::from_micros(300 + random.below(150));
            let besides = Duration::from_micros(besides);
            let mut device = Device { step, besides, late: 1, clock: Clock::Host };
            let frames = device.run(&mut Budget::default(), 8 * MS, 2_000);
            let below = frames.iter().filter(|(_, took)| *took < 12 * MS + besides).count();
            assert!(below * 10 >= frames.len() * 9, "{below}");
            assert!(used(&frames) >= 4 * MS * 2_000, "{:?}", used(&frames));
        }
    }

    /// As on a machine that others use: each frame takes up to twice as long, and one in twenty four
    /// times.
    #[test]
    fn of_an_unsteady_device_most_frames_are_below_one_and_a_half_times_the_budget() {
        let mut random = Random::new(0, Stream::Shuffle(0));
        let step = |_| {
            let slower = 100 + random.below(100);
            let held_up = if random.below(20) == 0 { 4 } else { 1 };
            Duration::from_micros(3 * slower * held_up)
        };
        let mut device =
            Device { step, besides: Duration::from_micros(50), late: 2, clock: Clock::Device };
        let frames = device.run(&mut Budget::default(), 8 * MS, 2_000);
        let below = frames.iter().filter(|(_, took)| *took < 12 * MS).count();
        assert!(below * 10 >= frames.len() * 9, "{below}");
        assert!(used(&frames) >= 6 * MS * 2_000, "{:?}", used(&frames));
    }

    #[test]
    fn a_device_that_becomes_slower_or_faster_is_followed() {
        let step =
            |frame| Duration::from_micros(if (100..200).contains(&frame) { 2_000 } else { 200 });
        let mut device = Device { step, besides: Duration::ZERO, late: 2, clock: Clock::Device };
        let frames = device.run(&mut Budget::default(), 8 * MS, 300);
        let steps = |frame: usize| frames.get(frame).map(|(steps, _)| *steps);
        assert_eq!([99, 130, 199].map(steps), [Some(40), Some(4), Some(4)]);
        assert_eq!([230, 299].map(steps), [Some(40); 2]);
        let over = frames.iter().filter(|(_, took)| *took > 8 * MS).count();
        assert!(over <= 20, "{over} frames were too long");
    }

    #[test]
    fn a_step_that_is_longer_than_the_budget_comes_as_often_as_the_budget_has_the_time() {
        let step = 10 * MS + MS / 2;
        let mut device =
            Device { step: |_| step, besides: Duration::ZERO, late: 1, clock: Clock::Device };
        let frames = device.run(&mut Budget::default(), 2 * MS, 1_000);
        assert!(frames.iter().all(|(steps, _)| *steps <= 1));
        // But for the first one, which nothing was known of.
        let expected = 2 * MS * 1_000;
        assert!(used(&frames) <= expected + 2 * step, "{:?}", used(&frames));
        assert!(used(&frames) >= expected - 2 * step, "{:?}", used(&frames));
    }

    #[test]
    fn what_a_submission_takes_besides_its_steps_is_forgotten_with_more_of_them() {
        let mut budget = Budget::default();
        budget.measured(STEP, 1, 10 * MS, Clock::Device);
        budget.measured(STEP, 8, 16 * MS, Clock::Device);
        assert_eq!(budget.step_time(), Some(2 * MS));
        // Half as many are not too few.
        budget.measured(STEP, 4, 12 * MS, Clock::Device);
        assert_eq!(budget.step_time(), Some(3 * MS));
    }

    #[test]
    fn time_that_was_saved_is_gone_once_a_step_fits() {
        let mut budget = Budget::default();
        budget.measured(STEP, 1, 4 * MS, Clock::Device);
        let mut steps = |times: [u32; 4]| times.map(|time| budget.steps(STEP, MS * time, 128));
        assert_eq!(steps([3, 4, 3, 3]), [0, 1, 0, 1]);
        // Two of the six were left.
        assert_eq!(steps([2, 1, 1, 1]), [1, 0, 0, 0]);
    }

    #[test]
    fn what_is_unknown_is_one_step_and_no_time_is_none() {
        let mut budget = Budget::default();
        assert_eq!([MS, MS, Duration::ZERO].map(|time| budget.steps(STEP, time, 128)), [1, 1, 0]);
        assert_eq!(budget.step_time(), None);
        budget.measured(STEP, 1, MS, Clock::Device);
        assert_eq!([1, 3, 128].map(|most| budget.steps(STEP, 4 * MS, most)), [1, 3, 4]);
        // Eight times those that were measured.
        assert_eq!(budget.steps(STEP, 1_000 * MS, 128), 8);
        // Steps of fewer rows are no longer; of more rows, or of another kind, they may be.
        assert_eq!(budget.steps(Kind { rows: 5, ..STEP }, 4 * MS, 128), 4);
        assert_eq!(budget.steps(Kind { rows: 33, ..STEP }, 4 * MS, 128), 1);
        assert_eq!(budget.steps(Kind { lists: &[Pass::Train], ..STEP }, 4 * MS, 128), 1);
        budget.measured(Kind { rows: 5, ..STEP }, 8, MS, Clock::Device);
        assert_eq!(budget.step_time(), Some(MS));
        budget.measured(Kind { rows: 64, ..STEP }, 2, 4 * MS, Clock::Device);
        assert_eq!(budget.step_time(), Some(2 * MS));
        assert_eq!(budget.steps(STEP, 4 * MS, 128), 2);
        // A device that tells no time, or none of any step, teaches nothing.
        budget.measured(STEP, 0, MS, Clock::Device);
        budget.measured(Kind { rows: 64, ..STEP }, 1, Duration::ZERO, Clock::Device);
        assert_eq!(budget.step_time(), Some(2 * MS));
    }
}
