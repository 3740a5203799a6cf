//! Numbers that options of several commands take.

pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.trim().parse().ok().filter(|&number| number > 0);
    number.ok_or_else(|| "give a whole number of at least 1".into())
}

pub(super) fn at_least_one_u32(text: &str) -> Result<u32, String> {
    let number = text.trim().parse().ok().filter(|&number| number > 0);
    number.ok_or_else(|| format!("give a whole number from 1 to {}", u32::MAX))
}

pub(super) fn fraction(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok().filter(|share| (0.0..1.0).contains(share));
    number.ok_or_else(|| "give a number of at least 0 and below 1".into())
}
