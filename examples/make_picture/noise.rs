//! Random numbers, noise, and curves.

/// How much of a surface with ridges faces the sun, 0 to 1.
pub(crate) fn slope(x: f64, y: f64, seed: u32) -> f64 {
    let here = ridges(x, y, 6, seed);
    let there = ridges(x + 0.035, y + 0.012, 6, seed);
    ((here - there) * 4.5 + 0.45).clamp(0.0, 1.0)
}

/// Noise with sharp crests, 0 to 1: Musgrave's ridged multifractal.
pub(crate) fn ridges(x: f64, y: f64, octaves: u32, seed: u32) -> f64 {
    octave_sum(x, y, octaves, seed, |value| square(1.0 - (2.0 * value - 1.0).abs()))
}

/// Octaves of noise, each of half the size and half the height, 0 to 1.
pub(crate) fn noise_sum(x: f64, y: f64, octaves: u32, seed: u32) -> f64 {
    octave_sum(x, y, octaves, seed, |value| value)
}

fn octave_sum(x: f64, y: f64, octaves: u32, seed: u32, shape: impl Fn(f64) -> f64) -> f64 {
    let (mut sum, mut total, mut height, mut scale) = (0.0, 0.0, 1.0, 1.0);
    for octave in 0..octaves {
        sum +=
            height * shape(noise(x * scale, y * scale, seed.wrapping_mul(64).wrapping_add(octave)));
        total += height;
        height *= 0.52;
        scale *= 2.03;
    }
    sum / total
}

/// Random values at the corners of a grid, and smooth in between, 0 to 1.
fn noise(x: f64, y: f64, seed: u32) -> f64 {
    let corner = |dx: f64, dy: f64| {
        let (column, row) = ((x.floor() + dx) as i32 as u32, (y.floor() + dy) as i32 as u32);
        random(column.wrapping_mul(0x9e37_79b1) ^ row.wrapping_mul(0x85eb_ca77), seed)
    };
    let ease = |part: f64| part * part * part * (part * (part * 6.0 - 15.0) + 10.0);
    let (across, down) = (ease(x - x.floor()), ease(y - y.floor()));
    let line = |dy: f64| corner(0.0, dy) * (1.0 - across) + corner(1.0, dy) * across;
    line(0.0) * (1.0 - down) + line(1.0) * down
}

/// A number from 0 up to 1, as random as PCG's output function makes it.
pub(crate) fn random(index: u32, seed: u32) -> f64 {
    let mut bits =
        index.wrapping_mul(0xc2b2_ae35) ^ seed.wrapping_mul(0x27d4_eb2f).wrapping_add(0x1656_67b1);
    for _ in 0..2 {
        bits = bits.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        bits = ((bits >> ((bits >> 28) + 4)) ^ bits).wrapping_mul(277_803_737);
        bits = (bits >> 22) ^ bits;
    }
    f64::from(bits) / 4_294_967_296.0
}

pub(crate) fn square(x: f64) -> f64 {
    x * x
}

/// 0 at `from` and before, 1 at `to` and beyond, smooth in between.
pub(crate) fn smooth(from: f64, to: f64, x: f64) -> f64 {
    let part = ((x - from) / (to - from)).clamp(0.0, 1.0);
    part * part * (3.0 - 2.0 * part)
}
