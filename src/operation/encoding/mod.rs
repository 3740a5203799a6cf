//! Encodings of coordinates, for networks that learn a function of few numbers: a picture, a shape.

mod cases;
mod frequency;
mod frequency_backward;
mod gradient;
mod sample;

pub use frequency::{Frequencies, FrequencyEncoding};
pub use frequency_backward::FrequencyEncodingBackward;
