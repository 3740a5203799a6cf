//! An axis: its scale, its range and its ticks.

/// Values beyond it are not drawn: differences between them would overflow.
const LARGEST: f64 = 1e150;

/// What runs along one edge of a [`Panel`](super::Panel). Its range is that of the values drawn, and
/// its ticks are at round numbers, unless they are given.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    pub(super) label: String,
    log: bool,
    integers: bool,
    range: Option<(f64, f64)>,
    ticks: Vec<f64>,
}

impl Axis {
    /// A linear axis.
    pub fn linear(label: impl Into<String>) -> Self {
        let label = label.into();
        Axis { label, log: false, integers: false, range: None, ticks: Vec::new() }
    }

    /// A logarithmic axis. Values that are not positive have no place on it and are not drawn.
    pub fn log(label: impl Into<String>) -> Self {
        Axis { log: true, ..Axis::linear(label) }
    }

    /// Has ticks at whole numbers only, as for epochs. Nothing changes on a logarithmic axis.
    #[must_use]
    pub fn integers(self) -> Self {
        Axis { integers: true, ..self }
    }

    /// Shows `low` to `high` and no more: what is drawn ends there. Ignored if this is no range
    /// that the axis can show.
    #[must_use]
    pub fn range(self, low: f64, high: f64) -> Self {
        Axis { range: Some((low, high)), ..self }
    }

    /// Has ticks at these values, in place of round numbers; those outside the range are left out.
    #[must_use]
    pub fn ticks(self, values: impl Into<Vec<f64>>) -> Self {
        Axis { ticks: values.into(), ..self }
    }

    /// The axis laid out for `values`, with at most so many ticks, at least 2.
    pub(super) fn scale(&self, values: impl Iterator<Item = f64>, most_ticks: usize) -> Scale {
        let most_ticks = most_ticks.max(2);
        let mut scale = Scale { log: self.log, low: 0.0, high: 1.0, ticks: Vec::new() };
        let given = self.range.and_then(|(low, high)| {
            Some((scale.transformed(low)?, scale.transformed(high)?))
                .filter(|(low, high)| low < high)
        });
        (scale.low, scale.high) = given.unwrap_or_else(|| {
            let values = values.filter_map(|value| scale.transformed(value));
            let ends = values.fold(None, |ends: Option<(f64, f64)>, value| {
                Some(ends.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
            });
            padded(ends.unwrap_or((0.0, 1.0)), self.log)
        });
        let mut ticks = if self.ticks.is_empty() {
            scale.round_ticks(most_ticks, self.integers)
        } else {
            self.ticks.iter().map(|&value| (value, number(value))).collect()
        };
        let inside = |value| scale.place(value).is_some_and(|place| (0.0..=1.0).contains(&place));
        ticks.retain(|&(value, _)| inside(value));
        scale.ticks = ticks;
        scale
    }
}

/// A range with room at both ends, so that no point lies on the frame.
fn padded((low, high): (f64, f64), log: bool) -> (f64, f64) {
    // As much as rounding leaves of a difference between equal values is no difference.
    let flat = high - low <= high.abs().max(low.abs()) * 1e-12;
    let room = match (flat, log) {
        (false, _) => (high - low) * 0.04,
        (true, true) => 0.3,
        (true, false) => (high.abs() * 0.1).max(if high == 0.0 { 1.0 } else { 0.0 }),
    };
    (low - room, high + room)
}

/// An [`Axis`] laid out.
#[derive(Debug)]
pub(super) struct Scale {
    log: bool,
    /// The ends, or their logarithms to base 10.
    low: f64,
    high: f64,
    /// Values on the axis with their labels.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Scale {
    fn transformed(&self, value: f64) -> Option<f64> {
        let drawn = value.is_finite() && value.abs() <= LARGEST && (!self.log || value > 0.0);
        drawn.then(|| if self.log { value.log10() } else { value })
    }

    /// Where a value lies: 0 at the low end, 1 at the high one, beyond these outside the range.
    /// `None` if it has no place, as NaN.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        Some((self.transformed(value)? - self.low) / (self.high - self.low))
    }

    fn round_ticks(&self, most: usize, integers: bool) -> Vec<(f64, String)> {
        let (low, high) = (self.low, self.high);
        if !self.log {
            return linear_ticks(low, high, most, integers);
        }
        let ticks = log_ticks(low, high, most);
        // A range without two round numbers of that kind is so narrow that it is nearly linear.
        if ticks.len() < 2 {
            return linear_ticks(10f64.powf(low), 10f64.powf(high), most, false);
        }
        ticks.into_iter().map(|value| (value, number(value))).collect()
    }
}

/// At most `most` multiples of 1, 2 or 5 times a power of ten.
fn linear_ticks(low: f64, high: f64, most: usize, integers: bool) -> Vec<(f64, String)> {
    let smallest = ((high - low) / most as f64).log10().floor() as i32;
    let smallest = if integers { smallest.max(0) } else { smallest };
    let steps = (smallest..=smallest + 2).flat_map(|power| [1, 2, 5].map(|digit| (digit, power)));
    for (digit, power) in steps {
        let step = scaled(f64::from(digit), power);
        let (first, last) = ((low / step).ceil(), (high / step).floor());
        let count = last - first + 1.0;
        if count > most as f64 || step == 0.0 {
            continue;
        }
        let multiples = (0..count.max(0.0) as usize).map(|i| (first + i as f64) * f64::from(digit));
        let largest = low.abs().max(high.abs());
        // Zero may come as minus zero.
        let values = multiples.map(|multiple| scaled(multiple, power) + 0.0);
        return values.map(|value| (value, spaced_number(value, power, largest))).collect();
    }
    Vec::new()
}

/// Round numbers between `10^low` and `10^high`, as many as are allowed: some of each power of ten,
/// or some powers of ten.
fn log_ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let (first, last) = (low.floor() as i32, high.ceil() as i32);
    let inside = |value: &f64| (low..=high).contains(&value.log10());
    let of_each = |digits: &[f64]| -> Vec<f64> {
        let powers = first..=last;
        let all = powers.flat_map(|power| digits.iter().map(move |&digit| scaled(digit, power)));
        all.filter(inside).collect()
    };
    let dense: [&[f64]; 4] = [&[1.0, 2.0, 3.0, 5.0, 7.0], &[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]];
    if let Some(ticks) = dense.map(of_each).into_iter().find(|ticks| ticks.len() <= most) {
        return ticks;
    }
    let powers = |every: i32| (first..=last).filter(move |power| power.rem_euclid(every) == 0);
    let ticks = |every| powers(every).map(|power| scaled(1.0, power)).filter(inside);
    let every = (2..=last - first).find(|&every| ticks(every).count() <= most);
    ticks(every.unwrap_or(1)).collect()
}

/// `value * 10^power`, rounded once as long as the power is exact.
fn scaled(value: f64, power: i32) -> f64 {
    let factor = 10f64.powi(power.abs());
    if power < 0 { value / factor } else { value * factor }
}

/// A value by itself, in as few digits as tell it.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        1e-3..1e6 => value.to_string(),
        _ => format!("{value:e}"),
    }
}

/// A multiple of `10^power` on an axis that reaches to `largest`: all labels have the same digits.
fn spaced_number(value: f64, power: i32, largest: f64) -> String {
    match power {
        -5..=6 if largest < 1e7 => format!("{value:.*}", usize::try_from(-power).unwrap_or(0)),
        _ if value == 0.0 => "0".to_owned(),
        _ => {
            let digits = value.abs().log10().floor() as i32 - power;
            format!("{value:.*e}", usize::try_from(digits).unwrap_or(0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis, values: &[f64], most: usize) -> Vec<String> {
        let scale = axis.scale(values.iter().copied(), most);
        scale.ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers_inside_the_range() {
        let linear = Axis::linear("x");
        assert_eq!(labels(&linear, &[0.0, 1.0], 6), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&linear, &[-3.0, 7.5], 8), ["-2", "0", "2", "4", "6"]);
        assert_eq!(labels(&linear, &[0.0, 60_000.0], 5), ["0", "20000", "40000", "60000"]);
        assert_eq!(labels(&linear, &[1e-7, 3e-7], 3), ["1e-7", "2e-7", "3e-7"]);
        assert_eq!(labels(&linear, &[12e8, 30e8], 3), ["2e9", "3e9"]);
        let epochs = Axis::linear("epoch").integers();
        assert_eq!(labels(&epochs, &[1.0, 3.0], 10), ["1", "2", "3"]);
        assert_eq!(labels(&epochs, &[1.0], 10), ["1"]);
        let log = Axis::log("x");
        assert_eq!(labels(&log, &[0.02, 3.0], 6), ["0.03", "0.1", "0.3", "1", "3"]);
        assert_eq!(labels(&log, &[1e-9, 1.0], 5), ["1e-8", "1e-6", "1e-4", "0.01", "1"]);
        assert_eq!(labels(&log, &[0.401, 0.404], 4), ["0.401", "0.402", "0.403", "0.404"]);
        let batches = Axis::log("batch size").ticks([1.0, 32.0, 64.0, 60_000.0]);
        assert_eq!(labels(&batches, &[16.0, 128.0], 4), ["32", "64"]);
    }

    #[test]
    fn every_range_gets_a_scale_that_is_finite_and_holds_its_values() {
        let samples: [&[f64]; 8] = [
            &[],
            &[f64::NAN, f64::INFINITY],
            &[0.0],
            &[-0.25, -0.25],
            &[1e-300, 2e-300],
            &[-1e150, 1e150],
            &[f64::MAX, 1.0],
            &[0.1, 0.1 + 1e-16],
        ];
        for values in samples {
            for axis in [Axis::linear("x"), Axis::log("x"), Axis::linear("x").integers()] {
                let scale = axis.scale(values.iter().copied(), 6);
                assert!(scale.low < scale.high, "{values:?} {scale:?}");
                assert!(scale.low.is_finite() && scale.high.is_finite(), "{values:?} {scale:?}");
                assert!(scale.ticks.len() <= 6, "{values:?} {scale:?}");
                for place in values.iter().filter_map(|&value| scale.place(value)) {
                    assert!((0.0..=1.0).contains(&place), "{values:?} {scale:?}");
                }
            }
        }
    }

    #[test]
    fn places_follow_the_scale() {
        let linear = Axis::linear("x").range(-1.0, 3.0).scale(std::iter::empty(), 5);
        assert_eq!(linear.place(0.0), Some(0.25));
        assert_eq!(linear.place(5.0), Some(1.5));
        assert_eq!(linear.place(f64::NAN), None);
        let log = Axis::log("x").range(0.01, 100.0).scale(std::iter::empty(), 5);
        assert_eq!(log.place(1.0), Some(0.5));
        assert_eq!(log.place(0.0), None);
        // A range that cannot be shown is as none.
        let refused = Axis::log("x").range(0.0, 10.0).scale([1.0, 10.0].into_iter(), 5);
        assert!(refused.place(1.0).is_some_and(|place| place > 0.0 && place < 0.1));
    }
}
