//! What is seen where: the picture's parts from back to front.

use crate::colour::{Colour, add, mix};
use crate::land::{hills, mountains};
use crate::meadow::{Blade, blades, meadow};
use crate::noise::{noise_sum, random, smooth, square};
use crate::sign::sign;
use crate::sky::{SHORE, SUN, sky, stars};
use crate::tree::{Tree, conifer};

pub(crate) struct Evening {
    far_trees: Vec<Tree>,
    near_trees: Vec<Tree>,
    blades: Vec<Blade>,
    stars: Vec<[f64; 3]>,
}

impl Evening {
    pub(crate) fn new() -> Self {
        let far_trees = (0..150).map(|i| {
            let x = (f64::from(i) + random(i, 1)) / 150.0 * 1.1 - 0.05;
            // Fewer and smaller before the sun, so that its light reaches the lake.
            let gap = 1.0 - 0.75 * libm::exp(-square((x - SUN[0]) / 0.07));
            let height = (0.035 + 0.055 * random(i, 2)) * gap;
            Tree { x, foot: SHORE + 0.002 + 0.012 * random(i, 3), height, seed: i }
        });
        let near_trees = [
            (0.045, 0.93, 0.74),
            (0.155, 0.91, 0.50),
            (0.93, 0.95, 0.83),
            (0.835, 0.93, 0.42),
            (0.245, 0.90, 0.25),
        ];
        let near_trees = near_trees.iter().zip(1000..).map(|(&(x, foot, height), seed)| Tree {
            x,
            foot,
            height,
            seed,
        });
        Evening {
            far_trees: far_trees.collect(),
            near_trees: near_trees.collect(),
            blades: blades(),
            stars: stars(),
        }
    }

    /// The colour at a point, which goes from 0 to 1 to the right and down.
    pub(crate) fn colour(&self, x: f64, y: f64) -> Colour {
        let mut colour = if y < SHORE { self.land(x, y) } else { self.lake(x, y) };
        for tree in &self.near_trees {
            colour = conifer(colour, tree, x, y, [0.035, 0.055, 0.075], [0.22, 0.13, 0.10]);
        }
        colour = sign(colour, x, y);
        meadow(&self.blades, colour, x, y)
    }

    /// What is above the far shore, and what the lake mirrors.
    fn land(&self, x: f64, y: f64) -> Colour {
        let mut colour = sky(&self.stars, x, y);
        colour = mountains(colour, x, y);
        colour = hills(colour, x, y);
        for tree in &self.far_trees {
            colour = conifer(colour, tree, x, y, [0.05, 0.075, 0.09], [0.30, 0.17, 0.10]);
        }
        colour
    }

    fn lake(&self, x: f64, y: f64) -> Colour {
        let depth = (y - SHORE) / (1.0 - SHORE);
        // Ripples are longer and higher the nearer they are.
        let far = 1.0 / (0.05 + depth);
        let ripple =
            noise_sum(x * (4.0 + 9.0 * far.min(6.0)), libm::log(0.02 + depth) * 38.0, 3, 41) - 0.5;
        let mirrored = SHORE - (y - SHORE) * 1.12 + ripple * (0.010 + 0.10 * depth);
        let seen = self.land(x + ripple * 0.012, mirrored.clamp(0.0, SHORE - 0.001));
        let mut colour = mix(seen, [0.07, 0.13, 0.24], 0.22 + 0.38 * depth);
        // The path of the sun on the water.
        let path = libm::exp(-square((x - SUN[0]) / (0.030 + 0.06 * depth)));
        let glint = smooth(0.05, 0.20, ripple) * path;
        colour = add(colour, [1.0, 0.74, 0.42], 0.75 * glint);
        // A bright line where the water begins.
        add(colour, [0.9, 0.6, 0.4], 0.25 * smooth(0.006, 0.0, y - SHORE))
    }
}
