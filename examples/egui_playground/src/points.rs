//! The data sets: two classes of points in the square from -1 to 1.

use std::f64::consts::PI;

use minibatch::random::{Random, Stream};

/// How the points of the two classes lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PointSet {
    /// Two arms that wind around each other.
    Spirals,
    /// A disc inside a ring.
    Rings,
    /// Two half circles, one in the hollow of the other.
    Moons,
    /// Opposite quarters of the square are of the same class.
    ExclusiveOr,
}

impl PointSet {
    /// All of them, in the order of the panel.
    pub const ALL: [PointSet; 4] = [Self::Spirals, Self::Rings, Self::Moons, Self::ExclusiveOr];

    /// What the panel calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spirals => "spirals",
            Self::Rings => "rings",
            Self::Moons => "moons",
            Self::ExclusiveOr => "exclusive or",
        }
    }

    /// `count` points `[x, y, class]`, the classes in turns; a class is 0 or 1. Each point is off its
    /// place by up to `noise` in both directions.
    pub fn draw(self, count: usize, noise: f64, seed: u64) -> Vec<[f32; 3]> {
        let mut random = Random::new(seed, Stream::Shuffle(0));
        let mut points = Vec::with_capacity(count);
        for number in 0..count {
            let class = (number % 2) as f64;
            let (x, y) = self.place(class, &mut random);
            let mut moved = |at: f64| (at + random.range(-noise, noise)).clamp(-1.0, 1.0) as f32;
            points.push([moved(x), moved(y), class as f32]);
        }
        points
    }

    /// A point of a class, without noise.
    fn place(self, class: f64, random: &mut Random) -> (f64, f64) {
        let along = random.uniform();
        match self {
            Self::Spirals => {
                let angle = 2.6 * PI * along + PI * class;
                let radius = 0.06 + 0.86 * along;
                (radius * angle.cos(), radius * angle.sin())
            }
            Self::Rings => {
                let angle = 2.0 * PI * along;
                // The root spreads the points of the disc evenly over its area.
                let across = random.uniform();
                let radius = if class == 0.0 { 0.4 * across.sqrt() } else { 0.62 + 0.28 * across };
                (radius * angle.cos(), radius * angle.sin())
            }
            Self::Moons => {
                let angle = PI * along;
                let (x, y) = (0.6 * angle.cos(), 0.6 * angle.sin());
                if class == 0.0 { (x - 0.3, y - 0.15) } else { (0.3 - x, 0.15 - y) }
            }
            Self::ExclusiveOr => {
                let (x, y) = (0.05 + 0.87 * along, 0.05 + 0.87 * random.uniform());
                let left = if random.uniform() < 0.5 { -1.0 } else { 1.0 };
                let down = if class == 0.0 { left } else { -left };
                (left * x, down * y)
            }
        }
    }
}
