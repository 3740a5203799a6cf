//! The near bank: grass and flowers.

use crate::colour::{Colour, mix};
use crate::noise::{noise_sum, random};

/// A blade of grass from its root up; `lean` is how far its tip is to the side.
pub(crate) struct Blade {
    root: [f64; 2],
    height: f64,
    lean: f64,
    shade: f64,
    /// A flower at its tip.
    flower: Option<Colour>,
}

/// Nine hundred, from back to front; each ninth has a flower.
pub(crate) fn blades() -> Vec<Blade> {
    let flowers = [[0.93, 0.35, 0.42], [0.97, 0.80, 0.35], [0.92, 0.90, 0.96], [0.62, 0.45, 0.85]];
    let mut blades: Vec<Blade> = (0..900)
        .map(|i| {
            let depth = random(i, 11);
            let x = random(i, 12) * 1.1 - 0.05;
            let flower = (i % 9 == 0).then(|| flowers[(i / 9) as usize % flowers.len()]);
            Blade {
                root: [x, bank(x) + 0.004 + 0.17 * depth],
                height: (0.018 + 0.04 * random(i, 13)) * (0.6 + 0.9 * depth),
                lean: (random(i, 14) - 0.4) * 0.03,
                shade: 0.35 + 0.65 * random(i, 15),
                flower,
            }
        })
        .collect();

    blades.sort_by(|a, b| a.root[1].total_cmp(&b.root[1]));
    blades
}

pub(crate) fn meadow(blades: &[Blade], under: Colour, x: f64, y: f64) -> Colour {
    let mut colour = under;
    let edge = bank(x);
    if y > edge {
        let deep = (y - edge) / 0.17;
        let patch = noise_sum(x * 30.0, y * 60.0, 4, 51);
        let soil = mix([0.10, 0.12, 0.07], [0.20, 0.19, 0.08], patch);
        colour = mix(soil, [0.05, 0.07, 0.05], 0.5 * deep.min(1.0));
    }
    for blade in blades {
        let up = (blade.root[1] - y) / blade.height;
        if !(0.0..=1.25).contains(&up) || (x - blade.root[0]).abs() > 0.05 {
            continue;
        }
        let spine = blade.root[0] + blade.lean * up * up;
        if up <= 1.0 && (x - spine).abs() < 0.0034 * (1.0 - up) {
            let tip = mix([0.12, 0.20, 0.07], [0.80, 0.70, 0.28], up * up);
            colour = tip.map(|value| value * blade.shade);
        }
        if let Some(flower) = blade.flower {
            let tip = [blade.root[0] + blade.lean, blade.root[1] - blade.height];
            let (dx, dy) = (x - tip[0], y - tip[1]);
            let petals = 0.0065 * (0.75 + 0.25 * libm::cos(5.0 * libm::atan2(dy, dx)));
            let distance = libm::hypot(dx, dy);
            if distance < petals {
                colour = if distance < 0.0022 { [0.98, 0.82, 0.25] } else { flower };
            }
        }
    }
    colour
}

/// Where the near bank begins, from above.
fn bank(x: f64) -> f64 {
    0.885 - 0.045 * libm::cos((x - 0.45) * 5.0).min(0.2)
        + 0.05 * (noise_sum(x * 4.0, 3.3, 4, 81) - 0.5)
}
