//! A set of numbers, as ranges.

use std::ops::Range;

/// A set of numbers, as ranges that are in order and do not touch each other.
#[derive(Debug, Default)]
pub(crate) struct Ranges(Vec<Range<usize>>);

impl Ranges {
    /// Adds the numbers of `range` and returns those that were not in the set.
    pub(crate) fn insert(&mut self, range: Range<usize>) -> Vec<Range<usize>> {
        if range.is_empty() {
            return Vec::new();
        }
        let first = self.0.partition_point(|old| old.end < range.start);
        let end = self.0.partition_point(|old| old.start <= range.end);
        let (mut missing, mut whole) = (Vec::new(), range.clone());
        let mut next = range.start;
        for old in self.0.drain(first..end) {
            if next < old.start {
                missing.push(next..old.start);
            }
            next = old.end;
            whole = whole.start.min(old.start)..whole.end.max(old.end);
        }
        if next < range.end {
            missing.push(next..range.end);
        }
        self.0.insert(first, whole);
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_what_no_range_before_had() {
        let mut random = 1u32;
        let mut draw = |below: usize| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) as usize % below
        };
        for _ in 0..300 {
            let (mut ranges, mut plain) = (Ranges::default(), [false; 40]);
            for _ in 0..12 {
                let start = draw(40);
                let range = start..start + draw(41 - start);
                let missing: Vec<usize> =
                    ranges.insert(range.clone()).into_iter().flatten().collect();
                let expected: Vec<usize> = range.clone().filter(|&i| !plain[i]).collect();
                assert_eq!(missing, expected);
                plain[range].fill(true);
                let all: Vec<usize> = ranges.0.iter().cloned().flatten().collect();
                assert_eq!(all, (0..40).filter(|&i| plain[i]).collect::<Vec<_>>());
                assert!(ranges.0.windows(2).all(|pair| pair[0].end < pair[1].start));
            }
        }
    }
}
