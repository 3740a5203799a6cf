//! Mountains and hills.

use crate::colour::{Colour, mix};
use crate::noise::{noise_sum, ridges, slope, smooth};
use crate::sky::{SHORE, SUN};

/// The snow-covered range, and a paler one behind it.
pub(crate) fn mountains(under: Colour, x: f64, y: f64) -> Colour {
    let mut colour = under;
    let far_top = 0.44 - 0.13 * noise_sum(x * 3.5 + 7.0, 0.5, 6, 61);
    if y > far_top {
        let light = slope(x * 9.0, y * 12.0, 62);
        let rock = mix([0.50, 0.36, 0.46], [0.86, 0.55, 0.47], light);
        let haze = [0.96, 0.60, 0.46];
        colour = mix(rock, haze, 0.30 + 0.55 * smooth(far_top, SHORE, y));
    }
    // Two peaks, and rugged everywhere.
    let peaks = 0.24 * libm::exp(-libm::fabs(x - 0.30) / 0.16)
        + 0.15 * libm::exp(-libm::fabs(x - 0.88) / 0.13);
    let top = 0.50
        - peaks
        - 0.10 * (ridges(x * 4.0, 0.3, 6, 63) - 0.3)
        - 0.012 * noise_sum(x * 60.0, 0.0, 3, 64);
    if y > top {
        let light = slope(x * 7.0 + y * 1.5, y * 8.0, 65);
        let rough = noise_sum(x * 50.0, y * 70.0, 4, 66);
        let rock = mix([0.13, 0.12, 0.20], [0.62, 0.36, 0.31], light * (0.55 + 0.75 * rough));
        let snow = mix([0.36, 0.38, 0.58], [1.0, 0.80, 0.70], light);
        // Snow lies high up, and where the rock is not too steep.
        let lies = smooth(
            0.46,
            0.30,
            y + 0.12 * (rough - 0.5) + 0.10 * (ridges(x * 9.0, y * 7.0, 4, 67) - 0.5),
        );
        let face = mix(rock, snow, smooth(0.35, 0.62, lies));
        colour = mix(face, [0.72, 0.45, 0.44], 0.55 * smooth(0.36, SHORE, y));
    }
    colour
}

/// Wooded hills before the mountains.
pub(crate) fn hills(under: Colour, x: f64, y: f64) -> Colour {
    let top = SHORE
        - 0.012
        - 0.075 * noise_sum(x * 5.0 + 2.0, 1.7, 4, 71) * (0.35 + libm::fabs(x - SUN[0]) * 1.5)
        - 0.010 * noise_sum(x * 130.0, 0.0, 2, 72);
    if y < top {
        return under;
    }
    let woods = noise_sum(x * 120.0, y * 150.0, 3, 73);
    let light = slope(x * 14.0, y * 20.0, 74);
    let green = mix(
        [0.07, 0.09, 0.11],
        [0.36, 0.24, 0.15],
        (light * 0.7 + woods * 0.5 - 0.1).clamp(0.0, 1.0),
    );
    mix(green, [0.60, 0.36, 0.34], 0.25)
}
