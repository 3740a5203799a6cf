//! The multiresolution hash grid.

use serde::{Deserialize, Serialize};

use super::contract::{Forward, parameters};
use crate::error::{Error, Result};
use crate::operation::GridSizes;
use crate::program::{Graph, Initializer, Value};

/// Features that are learned at the corners of grids of several resolutions, and interpolated between
/// them, so that a small network after it learns a picture or a shape within seconds: the multiresolution
/// hash encoding of Instant NGP ([Müller and others, 2022](https://arxiv.org/abs/2201.05989)).
///
/// `[batch, inputs]`, 1 to 4 coordinates in `[0, 1]`, becomes `[batch, levels · features]`, the features of
/// the coarsest level first. Coordinates outside are moved to the nearest one within.
///
/// Its tensor is `table`, `[entries, features]`: level after level, `min((N + 1)^inputs, 2^log2_table_size)`
/// entries for a level of `N` cells along a side. A level with more corners than entries shares them by a
/// hash of the corner's coordinates. `N` grows from the first level to the last one by the same factor
/// each, and is rounded down.
///
/// In [`MixedFloat16`](crate::model::Precision::MixedFloat16) inputs are stored as f16, which tells apart
/// 2,048 coordinates between 0.5 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HashGrid {
    /// Levels, 1 to 32; 16 by default, as in the paper.
    pub levels: usize,
    /// Features of each level: 1, 2, 4 or 8; 2 by default, as in the paper.
    pub features: usize,
    /// The logarithm of the most entries that a level has, 1 to 24; 19 by default, as the paper takes for
    /// radiance fields. 14 to 24 there; fewer for a small picture.
    pub log2_table_size: usize,
    /// Cells along a side of the first level, at least 1; 16 by default, as in the paper.
    pub base_resolution: usize,
    /// Cells along a side of the last level, up to 2^24; 2,048 by default, as the paper takes for radiance
    /// fields. For a picture, half of its width is enough.
    pub finest_resolution: usize,
    /// How the table begins; uniform in `±1e-4` by default, as in the paper.
    #[serde(default = "small")]
    pub table_initializer: Initializer,
    /// Whether training changes the table; true by default.
    #[serde(default = "yes")]
    pub trainable: bool,
}

fn small() -> Initializer {
    Initializer::RandomUniform { min: -1e-4, max: 1e-4 }
}

fn yes() -> bool {
    true
}

impl Default for HashGrid {
    fn default() -> Self {
        Self::new()
    }
}

impl HashGrid {
    /// With the paper's sizes.
    pub fn new() -> Self {
        HashGrid {
            levels: 16,
            features: 2,
            log2_table_size: 19,
            base_resolution: 16,
            finest_resolution: 2048,
            table_initializer: small(),
            trainable: true,
        }
    }

    /// Chooses how many levels there are.
    pub fn levels(mut self, levels: usize) -> Self {
        self.levels = levels;
        self
    }

    /// Chooses the features of a level.
    pub fn features(mut self, features: usize) -> Self {
        self.features = features;
        self
    }

    /// Chooses the most entries that a level has, by their logarithm.
    pub fn log2_table_size(mut self, log2_table_size: usize) -> Self {
        self.log2_table_size = log2_table_size;
        self
    }

    /// Chooses the resolution of the first level.
    pub fn base_resolution(mut self, base_resolution: usize) -> Self {
        self.base_resolution = base_resolution;
        self
    }

    /// Chooses the resolution of the last level.
    pub fn finest_resolution(mut self, finest_resolution: usize) -> Self {
        self.finest_resolution = finest_resolution;
        self
    }

    /// Chooses how the table begins.
    pub fn table_initializer(mut self, initializer: Initializer) -> Self {
        self.table_initializer = initializer;
        self
    }

    /// Leaves the table as it is in training.
    pub fn frozen(mut self) -> Self {
        self.trainable = false;
        self
    }

    /// # Errors
    /// [`Error::Argument`] for a size that 32 bits do not hold.
    fn sizes(&self) -> Result<GridSizes> {
        let size = |argument, value: usize| {
            let too_large =
                |_| Error::argument(argument, format!("is {value}, which is too large"));
            u32::try_from(value).map_err(too_large)
        };
        Ok(GridSizes {
            levels: size("levels", self.levels)?,
            features: size("features", self.features)?,
            log2_table_size: size("log2_table_size", self.log2_table_size)?,
            base_resolution: size("base_resolution", self.base_resolution)?,
            finest_resolution: size("finest_resolution", self.finest_resolution)?,
        })
    }
}

impl Forward for HashGrid {
    const KIND: &'static str = "hash_grid";

    fn forward(&self, graph: &mut Graph, input: &Value) -> Result<Value> {
        let (sizes, dimensions) = (self.sizes()?, input.columns());
        let initializer = self.table_initializer;
        let table =
            graph.hash_grid_table("table", dimensions, sizes, initializer, self.trainable)?;
        graph.hash_grid(input, &table, sizes)
    }

    fn outputs(&self, _: usize) -> usize {
        self.levels.saturating_mul(self.features)
    }

    fn parameters(&self, inputs: usize) -> [usize; 2] {
        let entries = self.sizes().map_or(0, |sizes| sizes.levels(inputs).entries());
        parameters(self.trainable, entries.saturating_mul(self.features))
    }
}
