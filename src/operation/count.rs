//! What a dispatch does for so many rows, counted from its kernel, its grid and what it binds.

use super::access::Access;
use super::kernel::{Arithmetic, Dispatch, Extent, Groups, Kernel, Stated};
use super::work::Work;
use crate::table::{BufferId, Table};

/// Values that an invocation loads at once, where it takes in one value after the other.
const VALUES_AT_ONCE: u64 = 16;

impl Dispatch {
    /// What it does for `rows` rows, at least 1, of a batch whose buffers are in `table`.
    pub fn work(&self, table: &Table, rows: u32) -> Work {
        let rows = rows.max(1);
        let workgroups = self.grid.workgroups(rows).into_iter().map(u64::from).product();
        let threads = self.threads();
        let bound_bytes: u64 = self.bindings().map(|(_, id)| live_bytes(table, id, rows)).sum();
        let (flops, bytes, local_bytes, waits) = match self.arithmetic {
            Arithmetic::Values(flops) => {
                let moved = self.bindings().map(|(access, id)| {
                    live_bytes(table, id, rows) * if is_changed(table, access, id) { 2 } else { 1 }
                });
                let values = self.largest(table, rows);
                let waits = self.chain(values, rows).div_ceil(VALUES_AT_ONCE);
                (values * u64::from(flops), moved.sum(), 0, waits)
            }
            Arithmetic::Product { product, form } => {
                let [height, depth, width] = product.map(|extent| u64::from(extent.length(rows)));
                let flops = 2 * height * depth * width;
                let tile = form.tile();
                // Every tile along a side reads the whole of the other operand.
                let across = width.div_ceil(tile.columns.into());
                let down = height.div_ceil(tile.rows.into());
                let reads = [across, down].into_iter().chain(std::iter::repeat(1));
                let bytes = self.bindings().zip(reads);
                let bytes = bytes.map(|((_, id), times)| live_bytes(table, id, rows) * times);
                // An invocation reads a row and a column of each square that it multiplies and adds.
                let side = u64::from(tile.side());
                let local_bytes = 4 * flops / side.max(1);
                // Adding up the parts of a sum takes about as long as a load.
                let parts = u64::from(tile.depth_parts > 1);
                let waits = depth.div_ceil(tile.chunk().max(1).into()) + parts;
                (flops, bytes.sum(), local_bytes, waits)
            }
            Arithmetic::Stated(Stated { flops, bytes, waits }) => {
                let of = |[fixed, a_row]: [u64; 2]| fixed + a_row * u64::from(rows);
                let [fixed, a_row, a_group] = bytes;
                (of(flops), of([fixed, a_row]) + a_group * workgroups, 0, of(waits))
            }
        };
        Work { flops, bytes, bound_bytes, local_bytes, workgroups, threads, waits }
    }

    fn bindings(&self) -> impl Iterator<Item = (Access, BufferId)> {
        self.kernel.bindings.iter().copied().zip(self.buffers.iter().copied())
    }

    /// Invocations of a workgroup.
    fn threads(&self) -> u32 {
        let of_tile = self.arithmetic.form().map(|form| form.tile().threads);
        of_tile.or_else(|| self.kernel.threads()).unwrap_or(1)
    }

    /// Values of the largest buffer that it binds.
    fn largest(&self, table: &Table, rows: u32) -> u64 {
        let values =
            self.bindings().map(|(_, id)| live_bytes(table, id, rows) / bytes_of(table, id));
        values.max().unwrap_or(0)
    }

    /// The most of `values` values that one invocation takes in. What the grid counts are shared out
    /// evenly, and a workgroup's invocations share those of the workgroup.
    fn chain(&self, values: u64, rows: u32) -> u64 {
        let told = u64::from(self.terms) + u64::from(self.terms_a_row) * u64::from(rows);
        if told > 0 {
            return told;
        }
        let [height, width] =
            [self.grid.height, self.grid.width].map(|e| u64::from(e.length(rows)));
        let [down, across] = self.grid.tile.map(u64::from);
        let tiles = match self.grid.groups {
            Groups::Plane => 1,
            Groups::Folded(tiles) => u64::from(tiles),
        };
        let of_one = values.div_ceil((height * width).max(1));
        (of_one * down * across * tiles).div_ceil(self.threads().max(1).into())
    }
}

impl Kernel {
    /// Invocations of a workgroup, as the text says; `None` if it says so by a name.
    pub fn threads(&self) -> Option<u32> {
        let text = self.text.iter().rev().find(|text| text.contains("@workgroup_size("))?;
        let (_, after) = text.split_once("@workgroup_size(")?;
        let (sizes, _) = after.split_once(')')?;
        sizes.split(',').map(|size| size.trim().trim_end_matches('u').parse::<u32>().ok()).product()
    }
}

impl Extent {
    /// The length where a batch has so many rows.
    pub fn length(self, rows: u32) -> u32 {
        match self {
            Extent::Rows => rows,
            Extent::Fixed(length) => length,
        }
    }
}

fn bytes_of(table: &Table, id: BufferId) -> u64 {
    table.buffer(id).element.bytes() as u64
}

/// Bytes of `id` that belong to `rows` rows, padding of a row included.
fn live_bytes(table: &Table, id: BufferId, rows: u32) -> u64 {
    table.buffer(id).bytes(rows as usize)
}

/// Whether a kernel reads what it writes: what outlasts a step is changed and not made anew.
fn is_changed(table: &Table, access: Access, id: BufferId) -> bool {
    table.buffer(id).role.outlasts_step() && !access.is_read()
}

impl super::matrix_form::Tile {
    fn side(&self) -> u32 {
        (self.rows * self.columns * self.depth_parts * self.tiles / self.threads).isqrt()
    }

    fn chunk(&self) -> u32 {
        let quads = 4 * self.threads / (self.rows + self.columns);
        4 << quads.max(1).ilog2()
    }
}
