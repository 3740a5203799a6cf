//! The sky: its colours, the sun, stars and clouds.

use crate::colour::{Colour, add, mix};
use crate::noise::{noise_sum, random, smooth, square};

/// Where the far shore meets the water, in parts of the height from above.
pub(crate) const SHORE: f64 = 0.585;
/// Where the sun is setting, behind the mountains.
pub(crate) const SUN: [f64; 2] = [0.63, 0.47];

/// Place and brightness of each.
pub(crate) fn stars() -> Vec<[f64; 3]> {
    (0..140)
        .map(|i| {
            let brightness = random(i, 23);
            [random(i, 21), random(i, 22) * 0.34, brightness * brightness]
        })
        .collect()
}

pub(crate) fn sky(stars: &[[f64; 3]], x: f64, y: f64) -> Colour {
    let height = 1.0 - y / SHORE;
    let stops: [(f64, Colour); 5] = [
        (0.0, [1.00, 0.80, 0.48]),
        (0.18, [0.98, 0.58, 0.40]),
        (0.42, [0.72, 0.42, 0.52]),
        (0.70, [0.32, 0.28, 0.50]),
        (1.0, [0.10, 0.12, 0.30]),
    ];
    let mut colour = stops[0].1;
    for pair in stops.windows(2) {
        colour = mix(colour, pair[1].1, smooth(pair[0].0, pair[1].0, height));
    }
    let distance = libm::hypot(x - SUN[0], (y - SUN[1]) * 1.1);
    colour = add(colour, [1.0, 0.72, 0.35], 0.55 * libm::exp(-distance / 0.11));
    for &[star_x, star_y, brightness] in stars {
        let near = square((x - star_x) / 0.0022) + square((y - star_y) / 0.0022);
        if near < 9.0 {
            colour = add(colour, [0.95, 0.95, 1.0], brightness * libm::exp(-near));
        }
    }
    colour = mix(colour, [1.0, 0.96, 0.80], smooth(0.0405, 0.0385, distance));
    // Clouds: long in x, torn by a second noise, lit from the side of the sun.
    let cloud = |x: f64, y: f64| {
        let torn = noise_sum(x * 5.0, y * 11.0, 4, 31) - 0.5;
        noise_sum(x * 3.0 + torn * 0.9, y * 10.0 + torn * 1.3, 6, 32)
    };
    let dense = cloud(x, y);
    let cover = smooth(0.50, 0.68, dense) * smooth(0.02, 0.20, height) * smooth(1.05, 0.55, height);
    let towards = [SUN[0] - x, SUN[1] - y].map(|part| part / (distance + 1e-9) * 0.014);
    let lit = ((dense - cloud(x + towards[0], y + towards[1])) * 5.0 + 0.45).clamp(0.0, 1.0);
    let dark = [0.33, 0.24, 0.38];
    let bright = mix([1.0, 0.66, 0.45], [1.0, 0.88, 0.66], libm::exp(-distance / 0.25));
    mix(colour, mix(dark, bright, lit), 0.9 * cover)
}
