//! Colours, and how they mix.

/// Red, green and blue: 0 is black and 1 white.
pub(crate) type Colour = [f64; 3];

pub(crate) fn mix(from: Colour, to: Colour, share: f64) -> Colour {
    [0, 1, 2].map(|i| from[i] + (to[i] - from[i]) * share)
}

pub(crate) fn add(to: Colour, what: Colour, times: f64) -> Colour {
    [0, 1, 2].map(|i| to[i] + what[i] * times)
}
