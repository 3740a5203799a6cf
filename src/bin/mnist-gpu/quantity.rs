//! Quantities with units, as a user writes and reads them.

/// Units and what each is of a second.
const TIMES: [(&str, f64); 4] = [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];

/// What stands before a unit, and how many of it that is.
const PREFIXES: [(char, f64); 4] = [('k', 1e3), ('M', 1e6), ('G', 1e9), ('T', 1e12)];

/// Seconds: `25us`, `1.5 ms`, `0s`.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    let text = text.trim();
    // "s" comes last: it ends the other units.
    let of = |&(unit, seconds): &(&str, f64)| Some(number(text.strip_suffix(unit)?)? * seconds);
    let seconds = TIMES.iter().find_map(of).filter(|seconds| seconds.is_finite());
    seconds.ok_or_else(|| "give a time, as 25us, 1.5ms or 0s".into())
}

/// Bytes a second, of bytes or of bits: `3GB/s`, `25Gb/s`, `100 Mbit`.
pub(crate) fn bytes_per_second(text: &str) -> Result<f64, String> {
    let amount = text.trim();
    let amount = amount.strip_suffix("/s").unwrap_or(amount);
    let of = |(unit, bytes): (&str, f64)| Some(count_of(amount.strip_suffix(unit)?)? * bytes);
    let rate = [("bit", 0.125), ("b", 0.125), ("B", 1.0)].into_iter().find_map(of);
    let rate = rate.filter(|rate| *rate > 0.0 && rate.is_finite());
    rate.ok_or_else(|| "give a rate in bytes, as 3GB/s, or in bits, as 25Gb/s".into())
}

/// A number above 0, in short or not: `300000`, `300k`, `2e11`.
pub(crate) fn count_per_second(text: &str) -> Result<f64, String> {
    let count = count_of(text.trim()).filter(|count| *count > 0.0 && count.is_finite());
    count.ok_or_else(|| "give a number above 0, as 300000 or 300k".into())
}

fn count_of(text: &str) -> Option<f64> {
    let (digits, factor) = match text.chars().last() {
        Some(last) => match PREFIXES.iter().find(|(prefix, _)| *prefix == last) {
            Some((prefix, factor)) => (text.strip_suffix(*prefix)?, *factor),
            None => (text, 1.0),
        },
        None => return None,
    };
    Some(number(digits)? * factor)
}

/// Not negative; not infinite or NaN, which are read as numbers too.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| *number >= 0.0 && number.is_finite())
}

/// A number in three digits, before a unit: `6.42 M`, `101 k`.
pub(crate) fn short(number: f64) -> String {
    let (number, prefix) = match number {
        n if n < 1e3 => return format!("{} ", n.round()),
        n if n < 1e6 => (n / 1e3, "k"),
        n if n < 1e9 => (n / 1e6, "M"),
        n if n < 1e12 => (n / 1e9, "G"),
        n => (n / 1e12, "T"),
    };
    format!("{} {prefix}", three_digits(number))
}

/// A time in three digits: `3.21 ms`, `102 us`.
pub(crate) fn time(seconds: f64) -> String {
    let fits = |&&(_, unit): &&(&str, f64)| seconds >= 0.9995 * unit;
    match TIMES.iter().rev().find(fits) {
        Some((name, unit)) => format!("{} {name}", three_digits(seconds / unit)),
        None => "0 s".into(),
    }
}

fn three_digits(number: f64) -> String {
    let decimals = if number < 9.995 { 2 } else { usize::from(number < 99.95) };
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        for (text, expected) in
            [("25us", 25e-6), ("1.5 ms", 1.5e-3), ("0s", 0.0), ("3ns", 3e-9), (" 2s ", 2.0)]
        {
            assert!((seconds(text).unwrap() - expected).abs() <= 1e-15, "{text}");
        }
        for (text, expected) in [
            ("3GB/s", 3e9),
            ("25Gb/s", 3.125e9),
            ("25 Gbit", 3.125e9),
            ("100MB", 1e8),
            ("8b/s", 1.0),
            ("1.5kB", 1500.0),
        ] {
            assert_eq!(bytes_per_second(text), Ok(expected), "{text}");
        }
        for (text, expected) in [("300k", 3e5), ("300000", 3e5), ("2e11", 2e11), ("1T", 1e12)] {
            assert_eq!(count_per_second(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_has_no_unit_or_no_sense_is_refused() {
        for text in ["", "25", "us", "-1us", "inf s", "NaNs", "5m", "5 hours", "1e400s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
        for text in ["", "3", "3G", "0GB/s", "-1GB", "GB/s", "infB", "3GB/h", "k"] {
            assert!(bytes_per_second(text).is_err(), "{text}");
        }
        for text in ["", "0", "-5", "inf", "NaN", "5x", "k", "µ"] {
            assert!(count_per_second(text).is_err(), "{text}");
        }
    }

    #[test]
    fn they_are_shown_in_three_digits() {
        let shown = [0.0, 999.0, 1e3, 101_770.0, 6.42e6, 1e12].map(short);
        assert_eq!(shown, ["0 ", "999 ", "1.00 k", "102 k", "6.42 M", "1.00 T"]);
        let shown = [0.0, 2.5e-8, 1.018e-4, 3.214e-3, 0.9996, 75.0].map(time);
        assert_eq!(shown, ["0 s", "25.0 ns", "102 us", "3.21 ms", "1.00 s", "75.0 s"]);
    }
}
