//! Synthetic digits: images of the digits 0-9 drawn from strokes, for a machine without data.

use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use super::{Dataset, Features, TrainTest};
use crate::error::{Error, Result};
use crate::random::{Random, Stream};

/// Rows and columns of an image.
const SIDE: usize = 28;
const PIXELS: usize = SIDE * SIDE;
const CLASSES: usize = 10;

/// Pieces into which the curve between two control points is cut.
const PIECES: usize = 6;

/// A point of a digit's outline: x to the right and y downward, both from -1 to 1 over the height
/// of the digit.
type Point = [f32; 2];

/// A stroke of the pen, a smooth curve through its points. A point given twice is a corner.
type Stroke = &'static [Point];

/// One way of writing a digit.
type Glyph = &'static [Stroke];

/// The ways of writing each digit.
#[rustfmt::skip] // A line of points for each stroke.
const GLYPHS: [&[Glyph]; CLASSES] = [
    // 0
    &[
        &[&[
            [0.05, -1.0], [-0.45, -0.65], [-0.6, 0.0], [-0.42, 0.7], [0.0, 1.0], [0.42, 0.7],
            [0.6, 0.0], [0.42, -0.7], [0.0, -1.0],
        ]],
        &[&[
            [0.25, -0.9], [-0.3, -0.8], [-0.65, 0.0], [-0.4, 0.8], [0.1, 0.98], [0.55, 0.5],
            [0.62, -0.2], [0.4, -0.8], [0.0, -0.98],
        ]],
    ],
    // 1
    &[
        &[&[[0.0, -1.0], [0.0, 0.0], [0.0, 1.0]]],
        &[&[[-0.4, -0.55], [-0.15, -0.75], [0.08, -1.0], [0.08, -1.0], [0.06, 0.0], [0.05, 1.0]]],
        &[
            &[[-0.35, -0.6], [0.05, -1.0], [0.05, -1.0], [0.05, 0.0], [0.05, 1.0]],
            &[[-0.4, 1.0], [0.05, 1.0], [0.45, 1.0]],
        ],
    ],
    // 2
    &[
        &[&[
            [-0.55, -0.55], [-0.25, -0.95], [0.3, -0.9], [0.5, -0.45], [0.2, 0.15],
            [-0.6, 0.95], [-0.6, 0.95], [0.0, 0.92], [0.65, 0.95],
        ]],
        &[&[
            [-0.5, -0.65], [-0.1, -1.0], [0.4, -0.75], [0.4, -0.2], [0.0, 0.45], [-0.45, 0.9],
            [-0.6, 0.65], [-0.25, 0.6], [0.15, 0.9], [0.65, 0.85],
        ]],
    ],
    // 3
    &[
        &[&[
            [-0.5, -0.75], [-0.05, -1.0], [0.42, -0.8], [0.4, -0.3], [-0.1, -0.05],
            [-0.1, -0.05], [0.45, 0.15], [0.52, 0.65], [0.05, 1.0], [-0.55, 0.75],
        ]],
        &[&[
            [-0.5, -0.92], [0.5, -0.92], [0.5, -0.92], [-0.05, -0.15], [-0.05, -0.15],
            [0.5, 0.2], [0.45, 0.75], [0.0, 0.98], [-0.55, 0.75],
        ]],
    ],
    // 4
    &[
        &[
            &[[-0.4, -0.95], [-0.55, 0.1], [-0.55, 0.1], [0.0, 0.12], [0.65, 0.05]],
            &[[0.3, -0.9], [0.28, 0.0], [0.22, 1.0]],
        ],
        &[&[
            [0.6, 0.35], [0.0, 0.38], [-0.62, 0.4], [-0.62, 0.4], [0.2, -0.98], [0.2, -0.98],
            [0.22, 0.0], [0.2, 1.0],
        ]],
    ],
    // 5
    &[
        &[&[
            [0.5, -0.92], [-0.4, -0.92], [-0.4, -0.92], [-0.45, -0.1], [-0.45, -0.1],
            [0.1, -0.25], [0.52, 0.2], [0.4, 0.8], [-0.1, 1.0], [-0.55, 0.75],
        ]],
        &[
            &[
                [-0.35, -0.85], [-0.4, -0.1], [-0.4, -0.1], [0.15, -0.2], [0.5, 0.25], [0.35, 0.8],
                [-0.1, 0.98], [-0.5, 0.8],
            ],
            &[[-0.35, -0.85], [0.1, -0.9], [0.6, -0.98]],
        ],
    ],
    // 6
    &[
        &[&[
            [0.4, -0.95], [-0.2, -0.6], [-0.52, 0.1], [-0.45, 0.75], [0.0, 1.0], [0.45, 0.75],
            [0.42, 0.2], [0.0, 0.02], [-0.45, 0.4],
        ]],
        &[&[
            [0.05, -1.0], [-0.35, -0.4], [-0.5, 0.4], [-0.15, 0.98], [0.35, 0.85], [0.45, 0.4],
            [0.1, 0.1], [-0.4, 0.45],
        ]],
    ],
    // 7
    &[
        &[&[[-0.55, -0.9], [0.0, -0.92], [0.55, -0.9], [0.55, -0.9], [0.15, 0.0], [-0.15, 1.0]]],
        &[
            &[[-0.5, -0.8], [0.0, -0.9], [0.55, -0.92], [0.55, -0.92], [0.1, 0.05], [-0.2, 1.0]],
            &[[-0.3, 0.05], [0.1, 0.02], [0.5, 0.0]],
        ],
        &[&[
            [-0.55, -0.55], [-0.5, -0.9], [-0.5, -0.9], [0.5, -0.92], [0.5, -0.92],
            [0.25, -0.1], [0.15, 1.0],
        ]],
    ],
    // 8
    &[
        &[&[
            [0.4, -0.75], [0.0, -1.0], [-0.42, -0.7], [-0.25, -0.25], [0.2, 0.1], [0.48, 0.6],
            [0.0, 1.0], [-0.48, 0.6], [-0.15, 0.1], [0.3, -0.3], [0.42, -0.75], [0.1, -0.98],
        ]],
        &[
            &[[0.0, -1.0], [-0.38, -0.6], [0.0, -0.1], [0.38, -0.6], [0.0, -1.0]],
            &[[0.0, -0.1], [-0.48, 0.45], [0.0, 1.0], [0.48, 0.45], [0.0, -0.1]],
        ],
    ],
    // 9
    &[
        &[&[
            [0.42, -0.6], [0.1, -0.98], [-0.4, -0.75], [-0.4, -0.25], [0.05, -0.05],
            [0.42, -0.55], [0.42, -0.55], [0.42, 0.2], [0.35, 1.0],
        ]],
        &[&[
            [0.4, -0.55], [0.0, -1.0], [-0.45, -0.6], [-0.2, -0.1], [0.3, -0.25], [0.45, -0.65],
            [0.45, 0.1], [0.25, 0.8], [-0.15, 1.0], [-0.45, 0.8],
        ]],
    ],
];

/// Draws `samples` images of the digits 0-9, `[28, 28]` bytes each, white on black, with their
/// labels.
///
/// Each image is drawn from strokes: a digit has two or three ways of being written, each a few
/// smooth curves through control points. The points are moved a little; the whole is then sized,
/// narrowed, slanted, rotated and placed at random; the pen has a random width and ink. The
/// brightness of a pixel follows from its distance to the nearest stroke. Short stray marks and
/// noise come on top. Unlike scans of handwriting, the set is balanced: each ten consecutive
/// samples are the ten digits in random order.
///
/// The pixels of a sample are a function of (`seed`, number of the sample), the same on every
/// machine and for any number of threads: a shorter set is the beginning of a longer one.
///
/// # Errors
/// [`Error::Argument`] if `samples` is 0, above 2^32 - 1 or more than memory holds.
pub fn synthetic_digits(samples: usize, seed: u64) -> Result<Dataset> {
    let too_many = || Error::argument("samples", format!("{samples} digits do not fit in memory"));
    if samples == 0 {
        return Err(Error::argument("samples", "0 digits asked for, expected at least 1"));
    }
    let numbers = u32::try_from(samples).map_err(|_| too_many())?;
    let bytes = samples.checked_mul(PIXELS).ok_or_else(too_many)?;
    let mut pixels: Vec<u8> = Vec::new();
    pixels.try_reserve_exact(bytes).map_err(|_| too_many())?;
    pixels.resize(bytes, 0);

    let labels: Vec<u32> = (0..numbers.div_ceil(CLASSES as u32))
        .flat_map(|ten| classes(seed, ten))
        .take(samples)
        .collect();
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    draw_all(seed, &labels, &mut pixels, threads);
    Dataset::new(Features::U8(Arc::new(pixels)), &[SIDE, SIDE], labels)?.with_classes(CLASSES)
}

/// A training and a test set of [`synthetic_digits`]. The test set are the samples after those of
/// the training set, so that no sample is in both.
///
/// # Errors
/// As [`synthetic_digits`], for both sizes and their sum.
pub fn synthetic_digits_split(train: usize, test: usize, seed: u64) -> Result<TrainTest> {
    if train == 0 || test == 0 {
        let problem = format!("{train} for training and {test} for the test, expected at least 1");
        return Err(Error::argument("samples", problem));
    }
    let all = synthetic_digits(train.saturating_add(test), seed)?;
    Ok(TrainTest { train: all.slice(0..train)?, test: all.slice(train..all.len())? })
}

/// The labels of the samples `10 * ten` to `10 * ten + 9`: a permutation.
fn classes(seed: u64, ten: u32) -> [u32; CLASSES] {
    let mut random = Random::new(seed, Stream::DigitClasses(ten));
    let mut classes = std::array::from_fn(|class| class as u32);
    for i in (1..CLASSES).rev() {
        classes.swap(i, random.below(i as u64 + 1) as usize);
    }
    classes
}

/// Draws one image for each label, in equal shares for each thread.
fn draw_all(seed: u64, labels: &[u32], pixels: &mut [u8], threads: usize) {
    let share = labels.len().div_ceil(threads.max(1)).max(1);
    let draw_share = |first: usize, labels: &[u32], pixels: &mut [u8]| {
        let mut canvas = Canvas::new();
        for ((number, &label), image) in
            (first..).zip(labels).zip(pixels.as_chunks_mut::<PIXELS>().0)
        {
            let mut random = Random::new(seed, Stream::Digit(number as u32));
            canvas.draw(label as usize, &mut random, image);
        }
    };
    // Where one thread does it all, none is started: some platforms have no threads.
    if share >= labels.len() {
        return draw_share(0, labels, pixels);
    }
    thread::scope(|scope| {
        let shares = labels.chunks(share).zip(pixels.chunks_mut(share * PIXELS));
        for (part, (labels, pixels)) in shares.enumerate() {
            scope.spawn(move || draw_share(part * share, labels, pixels));
        }
    });
}

/// A random number around 0, between -1 and 1, more often small than large.
fn spread(random: &mut Random) -> f32 {
    (random.uniform() + random.uniform()) as f32 - 1.0
}

fn range(random: &mut Random, low: f32, high: f32) -> f32 {
    low + (high - low) * random.uniform() as f32
}

/// Maps a glyph's points to pixels. All that it computes is made of additions, multiplications,
/// divisions and square roots, whose results IEEE 754 fixes to the bit; sines are not.
struct Placement {
    matrix: [[f32; 2]; 2],
    centre: Point,
}

impl Placement {
    fn random(random: &mut Random) -> Self {
        let height = range(random, 7.0, 10.5);
        let width = height * range(random, 0.7, 1.15);
        let slant = -0.1 + 0.35 * spread(random);
        // The rational parametrisation of a rotation; t is the tangent of half the angle.
        let t = 0.17 * spread(random);
        let (cos, sin) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
        let middle = (SIDE as f32 - 1.0) / 2.0;
        Placement {
            matrix: [
                [cos * width, cos * slant * height - sin * height],
                [sin * width, sin * slant * height + cos * height],
            ],
            centre: [middle + 3.0 * spread(random), middle + 3.0 * spread(random)],
        }
    }

    fn apply(&self, [x, y]: Point) -> Point {
        let [[a, b], [c, d]] = self.matrix;
        [self.centre[0] + a * x + b * y, self.centre[1] + c * x + d * y]
    }
}

/// The image being drawn: for each pixel the squared distance to the nearest stroke.
struct Canvas {
    distances: Vec<f32>,
}

impl Canvas {
    fn new() -> Self {
        Canvas { distances: vec![f32::INFINITY; PIXELS] }
    }

    /// Draws a digit of class `class` into `image`.
    fn draw(&mut self, class: usize, random: &mut Random, image: &mut [u8; PIXELS]) {
        self.distances.fill(f32::INFINITY);
        let glyphs = GLYPHS.get(class).copied().unwrap_or_default();
        let glyph =
            glyphs.get(random.below(glyphs.len() as u64) as usize).copied().unwrap_or_default();
        let placement = Placement::random(random);
        let radius = range(random, 0.7, 1.9);
        let wobble = range(random, 0.03, 0.15);
        for stroke in glyph {
            let points: Vec<Point> = moved(stroke, wobble, random)
                .into_iter()
                .map(|point| placement.apply(point))
                .collect();
            self.curve(&points, radius + 1.0);
        }
        for _ in 0..random.below(2) {
            self.stray_mark(radius, random);
        }

        let ink = range(random, 140.0, 255.0);
        let noise = range(random, 4.0, 30.0);
        let softness = range(random, 0.7, 1.3);
        let mut bits = 0u64;
        for (number, (pixel, &squared)) in image.iter_mut().zip(&self.distances).enumerate() {
            // Four pixels share 64 random bits: 16 each, as the sum of two bytes.
            bits = if number % 4 == 0 { random.next_u64() } else { bits >> 16 };
            let two_bytes = (bits & 0xff) + (bits >> 8 & 0xff);
            let grain = two_bytes as f32 / 255.0 - 1.0;
            let coverage = (0.5 + (radius - squared.sqrt()) / softness).clamp(0.0, 1.0);
            *pixel = (coverage * ink + grain * noise).clamp(0.0, 255.0) as u8;
        }
    }

    /// A short thin mark anywhere, as a slipped pen leaves.
    fn stray_mark(&mut self, radius: f32, random: &mut Random) {
        let side = SIDE as f32;
        let from = [range(random, 0.0, side), range(random, 0.0, side)];
        let to = [from[0] + 4.0 * spread(random), from[1] + 4.0 * spread(random)];
        self.segment(from, to, radius + 1.0, 0.6);
    }

    /// A Catmull-Rom curve through `points`.
    fn curve(&mut self, points: &[Point], reach: f32) {
        for (index, pair) in points.windows(2).enumerate() {
            let &[from, to] = pair else { continue };
            let before = index.checked_sub(1).and_then(|i| points.get(i)).copied().unwrap_or(from);
            let after = points.get(index + 2).copied().unwrap_or(to);
            let mut last = from;
            for piece in 1..=PIECES {
                let t = piece as f32 / PIECES as f32;
                let along = |axis: usize| {
                    let [a, b, c, d] = [before[axis], from[axis], to[axis], after[axis]];
                    let slope = 0.5 * (c - a);
                    let square = a - 2.5 * b + 2.0 * c - 0.5 * d;
                    let cube = 1.5 * (b - c) + 0.5 * (d - a);
                    b + t * (slope + t * (square + t * cube))
                };
                let next = [along(0), along(1)];
                self.segment(last, next, reach, 1.0);
                last = next;
            }
        }
    }

    /// Lowers the distances of the pixels within `reach` of the segment, for a pen `width` times as
    /// wide as the digit's (at most 1).
    fn segment(&mut self, from: Point, to: Point, reach: f32, width: f32) {
        let pixels = |axis: usize| {
            // Casting a negative float to an integer gives 0: what lies outside is cut off.
            let pixel = |place: f32| (place as usize).min(SIDE);
            pixel(from[axis].min(to[axis]) - reach)..pixel(from[axis].max(to[axis]) + reach + 1.0)
        };
        let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
        let squared_length = dx * dx + dy * dy;
        let per_length = if squared_length > 0.0 { 1.0 / squared_length } else { 0.0 };
        let columns = pixels(0);
        for row in pixels(1) {
            let distances = &mut self.distances[row * SIDE..][..SIDE];
            for (column, distance) in columns.clone().zip(&mut distances[columns.clone()]) {
                let [x, y] = [column as f32 - from[0], row as f32 - from[1]];
                let nearest = ((x * dx + y * dy) * per_length).clamp(0.0, 1.0);
                let [x, y] = [x - nearest * dx, y - nearest * dy];
                // Seen from a narrower pen, everything is farther away.
                *distance = distance.min((x * x + y * y) / (width * width));
            }
        }
    }
}

/// The points of a stroke, each moved by up to `wobble`; a corner stays a corner.
fn moved(stroke: Stroke, wobble: f32, random: &mut Random) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::with_capacity(stroke.len());
    for (index, &[x, y]) in stroke.iter().enumerate() {
        let corner = index.checked_sub(1).and_then(|i| stroke.get(i)) == Some(&[x, y]);
        let point = match points.last() {
            Some(&last) if corner => last,
            _ => [x + wobble * spread(random), y + wobble * spread(random)],
        };
        points.push(point);
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(set: &Dataset) -> &[u8] {
        match &set.inputs()[0].features {
            Features::U8(pixels) => pixels,
            _ => panic!("digits are bytes"),
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let labels: Vec<u32> = (0..4).flat_map(|ten| classes(5, ten)).take(37).collect();
        let draw = |threads| {
            let mut pixels = vec![0; labels.len() * PIXELS];
            draw_all(5, &labels, &mut pixels, threads);
            pixels
        };
        let one = draw(1);
        assert_eq!(bytes(&synthetic_digits(37, 5).unwrap()), one);
        for threads in [2, 3, 8, 37, 100] {
            assert_eq!(draw(threads), one, "{threads} threads");
        }
    }
}
