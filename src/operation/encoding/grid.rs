//! The levels of a multiresolution hash grid, for the CPU functions and for the kernels.

use bytemuck::{Pod, Zeroable};

use crate::error::{Error, Result};
use crate::number::Real;
use crate::operation::kernel::size;
use crate::operation::shapes::Shapes;
use crate::table::BufferId;

/// The sizes of a multiresolution hash grid, with the names of
/// [Müller and others, 2022](https://nvlabs.github.io/instant-ngp/).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GridSizes {
    /// L: 1 to [`MOST_LEVELS`](Self::MOST_LEVELS).
    pub levels: u32,
    /// F, of each level: 1, 2, 4 or 8.
    pub features: u32,
    /// The logarithm of T, the most entries of a level: 1 to 24.
    pub log2_table_size: u32,
    /// N_min: cells along a side of the first level, at least 1.
    pub base_resolution: u32,
    /// N_max: those of the last level, at least as many and at most 2^24.
    pub finest_resolution: u32,
}

/// `Level` in `encoding/function/hash_grid_cell.wgsl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Pod, Zeroable)]
#[repr(C)]
pub struct Level {
    /// Cells along a side.
    pub resolution: u32,
    /// The entry of the table where those of this level begin.
    pub first: u32,
    /// Entries of this level.
    pub entries: u32,
    /// 1 where there are more corners than entries, so that a hash tells the entry of a corner; else 0.
    pub is_hashed: u32,
}

/// Levels, one after the other, as many as there are.
#[derive(Debug, Clone, Copy)]
pub struct Levels {
    all: [Level; GridSizes::MOST_LEVELS],
    count: usize,
}

impl Levels {
    /// Each of them, the coarsest one first.
    pub fn each(&self) -> &[Level] {
        &self.all[..self.count]
    }

    /// Entries of all levels together: the rows of the table.
    pub fn entries(&self) -> usize {
        self.each().last().map_or(0, |last| last.first as usize + last.entries as usize)
    }
}

impl GridSizes {
    /// The most levels.
    pub const MOST_LEVELS: usize = 32;
    /// The most values of a position.
    pub const MOST_DIMENSIONS: usize = 4;
    const MOST_FEATURES: u32 = 8;
    const MOST_LOG2_TABLE_SIZE: u32 = 24;
    /// Whole numbers up to here are f32s.
    const MOST_RESOLUTION: u32 = 1 << 24;

    /// Features of all levels together: the columns of the output.
    pub fn outputs(self) -> usize {
        self.levels as usize * self.features as usize
    }

    /// Whether the sizes are in their ranges, for positions of so many values.
    ///
    /// # Errors
    /// [`Error::Argument`] for one that is not.
    pub fn check(self, dimensions: usize) -> Result<()> {
        let within = |argument, value: u32, least: u32, most: u32| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(Error::argument(argument, format!("is {value}; give {least} to {most}")))
        };
        within("levels", self.levels, 1, Self::MOST_LEVELS as u32)?;
        within("features", self.features, 1, Self::MOST_FEATURES)?;
        if !self.features.is_power_of_two() {
            let problem = format!("are {}; give 1, 2, 4 or 8", self.features);
            return Err(Error::argument("features", problem));
        }
        within("log2_table_size", self.log2_table_size, 1, Self::MOST_LOG2_TABLE_SIZE)?;
        within("base_resolution", self.base_resolution, 1, Self::MOST_RESOLUTION)?;
        let least = self.base_resolution;
        within("finest_resolution", self.finest_resolution, least, Self::MOST_RESOLUTION)?;
        if (1..=Self::MOST_DIMENSIONS).contains(&dimensions) {
            return Ok(());
        }
        let most = Self::MOST_DIMENSIONS;
        let problem = format!("of a hash grid has {dimensions} values a sample; give 1 to {most}");
        Err(Error::argument("input", problem))
    }

    /// The levels of a grid of so many dimensions; none for sizes that
    /// [`check`](Self::check) refuses.
    pub fn levels(self, dimensions: usize) -> Levels {
        let mut levels = Levels { all: [Level::default(); Self::MOST_LEVELS], count: 0 };
        if self.check(dimensions).is_err() {
            return levels;
        }
        let most = 1u32 << self.log2_table_size;
        let mut first = 0;
        for (number, level) in (0..self.levels).zip(&mut levels.all) {
            let resolution = self.resolution(number);
            let corners = u64::from(resolution + 1).checked_pow(dimensions as u32);
            let dense = corners.and_then(|corners| u32::try_from(corners).ok());
            let dense = dense.filter(|&corners| corners <= most);
            let (entries, is_hashed) = (dense.unwrap_or(most), u32::from(dense.is_none()));
            *level = Level { resolution, first, entries, is_hashed };
            // At most 32 times 2^24.
            first += entries;
            levels.count += 1;
        }
        levels
    }

    /// Cells along a side of a level: `floor(N_min · b^level)` with
    /// `b = (N_max / N_min)^(1 / (levels - 1))`.
    fn resolution(self, level: u32) -> u32 {
        let (base, finest) = (f64::from(self.base_resolution), f64::from(self.finest_resolution));
        let steps = f64::from(self.levels.saturating_sub(1).max(1));
        let exact = base * libm::pow(finest / base, f64::from(level) / steps);
        // A whole number may come out a little less.
        (exact * (1.0 + 1e-12)) as u32
    }

    /// Whether the buffers fit: positions, the features of all levels, and the table or its gradient.
    ///
    /// # Errors
    /// [`Error::Argument`] or [`Error::Shape`] naming what does not.
    pub(super) fn check_buffers(
        self,
        shapes: &Shapes<'_>,
        [positions, features]: [BufferId; 2],
        table: Option<BufferId>,
    ) -> Result<()> {
        let dimensions = shapes.columns(positions);
        self.check(dimensions)?;
        shapes.activations([positions], dimensions)?;
        shapes.activations([features], self.outputs())?;
        let entries = self.levels(dimensions).entries();
        table.map_or(Ok(()), |table| shapes.packed(table, entries, self.features as usize))
    }

    /// The override constants of the kernels' text.
    pub(super) fn overrides(self, dimensions: u32) -> [(&'static str, f64); 2] {
        [("DIMENSIONS", dimensions.into()), ("FEATURES", self.features.into())]
    }

    /// Numbers of a level's entries that belong to a sample: those of all corners of its cell.
    pub(super) fn of_cell(self, dimensions: u32) -> u64 {
        u64::from(self.features) << dimensions
    }
}

/// `Grid` in `encoding/hash_grid_levels.wgsl`.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct GridConstants {
    levels: [Level; GridSizes::MOST_LEVELS],
    units: u32,
    unused: [u32; 3],
}

impl GridConstants {
    /// # Errors
    /// [`Error::Argument`] beyond 32 bits.
    pub(super) fn new(sizes: GridSizes, dimensions: usize) -> Result<Self> {
        let units = size(sizes.outputs())?;
        Ok(GridConstants { levels: sizes.levels(dimensions).all, units, unused: [0; 3] })
    }
}

/// The primes of the hash, equation 4 of the paper; the fourth one is tiny-cuda-nn's.
const PRIMES: [u32; GridSizes::MOST_DIMENSIONS] = [1, 2_654_435_761, 805_459_861, 3_674_653_429];

/// The cell of a level that a position lies in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell<T> {
    /// The lowest corner.
    corner: [u32; GridSizes::MOST_DIMENSIONS],
    /// How far the position is from there, in cells.
    offset: [T; GridSizes::MOST_DIMENSIONS],
    dimensions: usize,
    level: Level,
}

impl<T: Real> Cell<T> {
    /// Of a position beyond the unit cube, that of the nearest one within. The upper end belongs to the
    /// last cell.
    pub(super) fn of(position: &[T], level: Level) -> Self {
        let mut cell = Cell {
            corner: [0; GridSizes::MOST_DIMENSIONS],
            offset: [T::ZERO; GridSizes::MOST_DIMENSIONS],
            dimensions: position.len(),
            level,
        };
        let places = cell.corner.iter_mut().zip(&mut cell.offset);
        for ((corner, offset), &x) in places.zip(position) {
            let scaled = clamped(x) * T::from_f64(level.resolution.into());
            // A NaN is in the first cell, and its distance from there NaN.
            *corner = (scaled.to_f64() as u32).min(level.resolution.saturating_sub(1));
            *offset = scaled - T::from_f64((*corner).into());
        }
        cell
    }

    /// The corners: of each the entry of the table, and what it counts.
    pub(super) fn corners(&self) -> impl Iterator<Item = (usize, T)> {
        (0..1 << self.dimensions).map(|number| {
            let share = (0..self.dimensions).fold(T::ONE, |share, i| share * self.share(number, i));
            (self.entry(number), share)
        })
    }

    /// The same with the derivatives of what a corner counts by the position, in 1 / cells.
    pub(super) fn slopes(&self) -> impl Iterator<Item = (usize, [T; GridSizes::MOST_DIMENSIONS])> {
        (0..1 << self.dimensions).map(|number| {
            let mut slopes = [T::ZERO; GridSizes::MOST_DIMENSIONS];
            for (i, slope) in slopes.iter_mut().enumerate().take(self.dimensions) {
                let others = (0..self.dimensions).filter(|&j| j != i);
                let product = others.fold(T::ONE, |share, j| share * self.share(number, j));
                *slope = if is_upper(number, i) { product } else { -product };
            }
            (self.entry(number), slopes)
        })
    }

    /// What a corner counts in dimension `i`.
    fn share(&self, number: u32, i: usize) -> T {
        if is_upper(number, i) { self.offset[i] } else { T::ONE - self.offset[i] }
    }

    /// The entry of a corner.
    fn entry(&self, number: u32) -> usize {
        let Level { resolution, first, entries, is_hashed } = self.level;
        let side = resolution as usize + 1;
        let (mut place, mut hash) = (0, 0);
        for i in (0..self.dimensions).rev() {
            let corner = self.corner[i] + u32::from(is_upper(number, i));
            place = place * side + corner as usize;
            hash ^= corner.wrapping_mul(PRIMES[i]);
        }
        let within = match is_hashed {
            0 => place,
            _ => (hash & (entries - 1)) as usize,
        };
        first as usize + within
    }
}

/// On which side of its cell a corner lies in dimension `i`: a digit of its number.
fn is_upper(number: u32, i: usize) -> bool {
    number >> i & 1 == 1
}

/// The nearest number in `[0, 1]`; NaN stays.
pub(super) fn clamped<T: Real>(x: T) -> T {
    if x < T::ZERO {
        T::ZERO
    } else if x > T::ONE {
        T::ONE
    } else {
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(levels: u32, log2_table_size: u32, [base, finest]: [u32; 2]) -> GridSizes {
        let (base_resolution, finest_resolution) = (base, finest);
        GridSizes { levels, features: 2, log2_table_size, base_resolution, finest_resolution }
    }

    /// `floor(N_min · (N_max / N_min)^(l / (L - 1)))` is the largest `n` whose power `L - 1` is at most
    /// `N_min^(L - 1 - l) · N_max^l`: whole numbers tell without rounding.
    #[test]
    fn resolutions_are_those_of_the_paper() {
        for (levels, ends) in [(2, [16, 512]), (4, [3, 81]), (5, [16, 256]), (4, [7, 101])] {
            let found = sizes(levels, 19, ends).levels(2);
            for (number, level) in (0..).zip(found.each()) {
                let [base, finest] = ends.map(u128::from);
                let (n, steps) = (u128::from(level.resolution), levels - 1);
                let power = base.pow(steps - number) * finest.pow(number);
                assert!(n.pow(steps) <= power && power < (n + 1).pow(steps), "{number}: {n}");
            }
        }
        assert_eq!(sizes(1, 19, [16, 512]).levels(2).each()[0].resolution, 16);
    }

    #[test]
    fn a_level_is_hashed_where_its_corners_are_more_than_the_table_has() {
        let levels = sizes(3, 8, [15, 16]).levels(2);
        // 16² corners are as many as there are entries, 17² more.
        let kinds = levels.each().iter().map(|level| (level.entries, level.is_hashed, level.first));
        assert_eq!(kinds.collect::<Vec<_>>(), [(256, 0, 0), (256, 0, 256), (256, 1, 512)]);
        assert_eq!(levels.entries(), 768);
        assert_eq!(sizes(1, 8, [1000, 1000]).levels(1).entries(), 256);
        assert_eq!(sizes(1, 12, [1000, 1000]).levels(1).entries(), 1001);
    }

    #[test]
    fn the_entry_of_a_corner_is_its_place_or_its_hash() {
        let corner = |dimensions: usize, level: Level| {
            let cell = Cell { corner: [3, 1, 2, 5], offset: [0.5; 4], dimensions, level };
            // The corner of all upper sides: 4, 2, 3, 6.
            cell.entry((1 << dimensions) - 1)
        };
        let dense = Level { resolution: 9, first: 100, entries: 10_000, is_hashed: 0 };
        assert_eq!([1, 2, 3, 4].map(|d| corner(d, dense)), [104, 124, 424, 6424]);
        let hashed = Level { entries: 1 << 16, is_hashed: 1, ..dense };
        let primes = [1u64, 2_654_435_761, 805_459_861, 3_674_653_429];
        let products: Vec<u64> = [4, 2, 3, 6].iter().zip(primes).map(|(x, p)| x * p).collect();
        for dimensions in 1..=4 {
            let hash = products[..dimensions].iter().fold(0, |hash, product| hash ^ product);
            assert_eq!(corner(dimensions, hashed), 100 + (hash % (1 << 16)) as usize);
        }
    }

    #[test]
    fn shares_are_one_together_and_both_ends_are_within() {
        let level = sizes(1, 19, [7, 7]).levels(3).each()[0];
        for x in [[0.0, 1.0, 0.3], [-4.0, 2.0, 0.999], [3.0 / 7.0, 1.0, 1.0]] {
            let cell = Cell::<f64>::of(&x, level);
            let shares: Vec<(usize, f64)> = cell.corners().collect();
            assert!((shares.iter().map(|(_, share)| share).sum::<f64>() - 1.0).abs() < 1e-15);
            assert!(shares.iter().all(|&(entry, share)| entry < 512 && share >= 0.0));
        }
        // The corner (7, 7, 7) is the last entry of a level that is not hashed.
        let ends: Vec<_> = Cell::of(&[1.0, 1.0, 1.0], level).corners().collect();
        assert_eq!(ends.last(), Some(&(511, 1.0)));
    }
}
