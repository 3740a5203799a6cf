//! What a dispatch does for so many rows, counted from its kernel, its grid and what it binds.

use super::access::Access;
use super::kernel::{Arithmetic, Dispatch, Extent, Groups, Stated};
use super::matrix_form::AdapterClass;
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
                let (local_bytes, waits) = match form.class() {
                    AdapterClass::Hardware => {
                        // An invocation reads a row and a column of each square that it multiplies
                        // and adds.
                        let side = u64::from(tile.side());
                        // Adding up the parts of a sum takes about as long as a load.
                        let parts = u64::from(tile.depth_parts > 1);
                        (4 * flops / side, depth.div_ceil(tile.chunk().into()) + parts)
                    }
                    // They hold their tiles in registers, and load four terms at a time.
                    AdapterClass::Software | AdapterClass::SoftwareSubgroups => {
                        (0, depth.div_ceil(4))
                    }
                };
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
    table.buffer(id).element_bytes() as u64
}

/// Bytes of `id` that belong to `rows` rows, padding of a row included.
fn live_bytes(table: &Table, id: BufferId, rows: u32) -> u64 {
    table.buffer(id).bytes(rows as usize)
}

/// Whether a kernel reads what it writes: what outlasts a step is changed and not made anew.
fn is_changed(table: &Table, access: Access, id: BufferId) -> bool {
    table.buffer(id).role.outlasts_step() && !access.is_read()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::activation::Elementwise;
    use crate::operation::kernel::{Grid, Target};
    use crate::operation::{AdamRule, AdamUpdate, Adapter, DenseForward, MatrixForm, Op, Softmax};
    use crate::table::{Element, Role, Rows};

    fn work(table: &Table, op: impl Into<Op>, rows: u32) -> Work {
        let conversions = Default::default();
        let adapter = Adapter::with_form(MatrixForm::Tile64);
        let target = Target { table, adapter, conversions: &conversions };
        op.into().dispatch(&target).unwrap().work(table, rows)
    }

    #[test]
    fn a_matrix_kernel_reads_its_operands_once_for_each_tile() {
        let mut table = Table::new();
        let input = table.activation("input", 784).unwrap();
        let mut parameter =
            |name, rows| table.add(name, Role::Parameter, Element::Real, rows, 128).unwrap();
        let (weight, bias) = (parameter("weight", Rows::Fixed(784)), parameter("bias", Rows::One));
        let output = table.activation("output", 128).unwrap();
        let activation = Elementwise::Linear;
        let op = DenseForward { input, weight, bias, output, activation };
        let flops = 2 * 32 * 784 * 128;
        let expected = Work {
            flops,
            // Two tiles of 64x64 beside each other: each reads all rows, and half of the weight.
            bytes: 4 * (2 * 32 * 784 + 784 * 128 + 128 + 32 * 128),
            bound_bytes: 4 * (32 * 784 + 784 * 128 + 128 + 32 * 128),
            // Eight rows and eight columns, of four bytes, for 64 multiplications and additions.
            local_bytes: flops / 2,
            workgroups: 2,
            threads: 256,
            // 32 terms at a time, and the sum of the four parts.
            waits: 784_u64.div_ceil(32) + 1,
        };
        assert_eq!(work(&table, op, 32), expected);
        // 65 rows are two tiles down.
        let more = work(&table, op, 65);
        assert_eq!(more.bytes, 4 * (2 * 65 * 784 + 2 * 784 * 128 + 128 + 65 * 128));
        assert_eq!(more.workgroups, 4);
    }

    #[test]
    fn other_kernels_move_what_they_bind() {
        let mut table = Table::new();
        let [gradients, parameters, moment_1, moment_2] = ["g", "p", "m", "v"]
            .map(|name| table.add(name, Role::Arena, Element::Real, Rows::One, 1024).unwrap());
        let rule = AdamRule { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 };
        let adam = AdamUpdate { gradients, parameters, moment_1, moment_2, loss_scale: None, rule };
        let expected = Work {
            flops: 15 * 1024,
            // The gradients are read; the others are read and written.
            bytes: 4 * 1024 * (1 + 2 * 3),
            bound_bytes: 4 * 4 * 1024,
            local_bytes: 0,
            // Four parameters an invocation, 64 invocations each.
            workgroups: 4,
            threads: 64,
            waits: 1,
        };
        // The rows of the batch make no difference.
        assert_eq!(work(&table, adam, 1), expected);
        assert_eq!(work(&table, adam, 1000), expected);

        // An invocation goes along a row of 100, 16 values at a time.
        let input = table.activation("input", 100).unwrap();
        let output = table.activation("output", 100).unwrap();
        let softmax = work(&table, Softmax { input, output }, 33);
        assert_eq!((softmax.workgroups, softmax.threads, softmax.waits), (2, 32, 7));
        assert_eq!((softmax.flops, softmax.bytes), (4 * 3300, 2 * 4 * 3300));
    }

    #[test]
    fn what_a_kernel_states_counts_for_rows_and_workgroups() {
        let mut table = Table::new();
        let input = table.activation("input", 4).unwrap();
        let output = table.activation("output", 4).unwrap();
        let stated = Stated { flops: [1, 2], bytes: [3, 4, 5], waits: [6, 7] };
        let softmax = Softmax { input, output };
        let dispatch = Dispatch::new(&softmax, Vec::new(), [0_u32; 4], Grid::rows(32))
            .with_arithmetic(Arithmetic::Stated(stated));
        let Work { flops, bytes, waits, .. } = dispatch.work(&table, 64);
        assert_eq!([flops, bytes, waits], [1 + 2 * 64, 3 + 4 * 64 + 5 * 2, 6 + 7 * 64]);
    }
}
