//! Some of the steps of an epoch, chosen by their numbers.

/// Steps between two that are chosen, if nobody knows how many an epoch has.
const APART: usize = 100;

/// Chooses the first step of an epoch and about so many more, by the numbers of the steps and nothing else:
/// so all processes of a distributed run choose the same ones, where a clock would let each choose its
/// own. A callback that shows progress asks it in [`wants_scores`](crate::training::Callback::wants_scores).
///
/// ```
/// use minibatch::callbacks::SomeSteps;
///
/// let mut some = SomeSteps::new(4, Some(8));
/// let chosen: Vec<usize> = (1..=8).filter(|&step| some.includes(step)).collect();
/// assert_eq!(chosen, [1, 3, 5, 7]);
/// ```
#[derive(Debug, Clone)]
pub struct SomeSteps {
    apart: usize,
    last: Option<usize>,
}

impl SomeSteps {
    /// About `times` of the `steps` of an epoch; every hundredth if these are `None`.
    #[must_use]
    pub fn new(times: usize, steps: Option<usize>) -> Self {
        let apart = steps.map_or(APART, |steps| steps.div_ceil(times.max(1)));
        SomeSteps { apart: apart.max(1), last: None }
    }

    /// Whether this step is chosen. Numbers grow from call to call; some may be left out, as where
    /// callbacks are called for groups of steps.
    pub fn includes(&mut self, step: usize) -> bool {
        let chosen = self.last.is_none_or(|last| step.saturating_sub(last) >= self.apart);
        if chosen {
            self.last = Some(step);
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_follow_the_numbers_of_the_steps_alone() {
        let chosen = |steps, by: usize, until: usize| {
            let mut some = SomeSteps::new(20, steps);
            (1..=until).map(|n| n * by).filter(|&step| some.includes(step)).collect::<Vec<_>>()
        };
        let of_1875 = chosen(Some(1875), 1, 1875);
        assert_eq!(of_1875[..3], [1, 95, 189]);
        assert_eq!(of_1875.len(), 20);
        assert_eq!(chosen(Some(3), 1, 3), [1, 2, 3]);
        assert_eq!(chosen(None, 1, 250), [1, 101, 201]);
        // In groups of 7, the first that is at least 5 after the last.
        assert_eq!(chosen(Some(100), 7, 3), [7, 14, 21]);
        assert_eq!(chosen(Some(0), 1, 2), [1, 2]);
    }
}
