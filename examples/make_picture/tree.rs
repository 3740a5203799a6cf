//! Conifers, near and far.

use crate::colour::{Colour, mix};
use crate::noise::{noise_sum, random, smooth};
use crate::sky::SUN;

/// A conifer, whose trunk stands at `x` on `foot`.
pub(crate) struct Tree {
    pub(crate) x: f64,
    pub(crate) foot: f64,
    pub(crate) height: f64,
    pub(crate) seed: u32,
}

/// A conifer before what is `under` it; branches hang in tiers, and those towards the sun are lit.
pub(crate) fn conifer(
    under: Colour,
    tree: &Tree,
    x: f64,
    y: f64,
    dark: Colour,
    lit: Colour,
) -> Colour {
    let up = (tree.foot - y) / tree.height;
    let side = (x - tree.x) / tree.height;
    if !(0.0..=1.0).contains(&up) || side.abs() > 0.25 {
        return under;
    }
    if up < 0.08 {
        return if side.abs() < 0.018 { dark } else { under };
    }
    let tiers = 15.0 + 6.0 * random(tree.seed, 91);
    // Each side has tiers of its own, which droop outwards.
    let along = (1.0 - up) * tiers - side.abs() * 9.0 + if side < 0.0 { 0.4 } else { 0.0 };
    let tier = along.floor();
    let ragged = 0.62
        + 0.55
            * random(
                tree.seed.wrapping_mul(977).wrapping_add(tier as i32 as u32),
                if side < 0.0 { 92 } else { 93 },
            );
    let needles = noise_sum(side * 90.0, up * 110.0, 2, tree.seed + 94);
    let reach = 0.20
        * libm::pow(1.0 - up, 0.85)
        * ragged
        * (0.25 + 0.75 * (along - tier))
        * (0.7 + 0.6 * needles);
    if side.abs() > reach + 0.006 {
        return under;
    }
    let sunny = if (SUN[0] - tree.x) * side > 0.0 { 1.0 } else { 0.25 };
    let edge = smooth(0.2, 1.0, side.abs() / (reach + 0.006)) * needles;
    mix(dark, lit, sunny * edge * 1.3)
}
