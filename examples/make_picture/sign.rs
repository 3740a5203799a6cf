//! The board with the words.

use crate::colour::{Colour, mix};
use crate::noise::{noise_sum, square};

/// A board on two posts, with words cut into it.
pub(crate) fn sign(under: Colour, x: f64, y: f64) -> Colour {
    const LEFT: f64 = 0.345;
    const TOP: f64 = 0.735;
    const PIXEL: f64 = 1.0 / 256.0;
    let (u, v) = ((x - LEFT) / PIXEL, (y - TOP) / PIXEL);
    let grain = noise_sum(u * 0.05, v * 0.9, 4, 101);
    for post in [10.0, 58.0] {
        if (u - post).abs() < 2.2 && (-3.0..46.0).contains(&v) {
            let round = 1.0 - square((u - post) / 2.6);
            return mix([0.10, 0.07, 0.06], [0.42, 0.27, 0.17], round * (0.5 + 0.6 * grain));
        }
    }
    if !(0.0..69.0).contains(&u) || !(0.0..25.0).contains(&v) {
        return under;
    }
    if !(1.0..68.0).contains(&u) || !(1.0..24.0).contains(&v) {
        return [0.14, 0.09, 0.07];
    }
    for (line, (text, left)) in [("MINI", 23.0), ("BATCH", 20.0)].into_iter().enumerate() {
        let (column, row) = (u - left, v - 3.0 - 10.0 * line as f64);
        if column < 0.0 || !(0.0..8.0).contains(&row) {
            continue;
        }
        let letter = (column / 6.0) as usize;
        let Some(glyph) = text.chars().nth(letter).map(glyph) else { continue };
        let bit = (column - 6.0 * letter as f64) as usize;
        if bit < 5 && row < 7.0 && glyph[row as usize] >> (4 - bit) & 1 == 1 {
            return [0.98, 0.90, 0.68];
        }
    }
    mix([0.25, 0.15, 0.10], [0.58, 0.37, 0.21], grain)
}

/// Seven rows of five dots.
fn glyph(letter: char) -> [u8; 7] {
    match letter {
        'A' => [0b01110, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001],
        'B' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10001, 0b10001, 0b11110],
        'C' => [0b01110, 0b10001, 0b10000, 0b10000, 0b10000, 0b10001, 0b01110],
        'H' => [0b10001, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001],
        'I' => [0b01110, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        'M' => [0b10001, 0b11011, 0b10101, 0b10101, 0b10001, 0b10001, 0b10001],
        'N' => [0b10001, 0b11001, 0b10101, 0b10011, 0b10001, 0b10001, 0b10001],
        'T' => [0b11111, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100],
        _ => [0; 7],
    }
}
