//! Matrices in slices, and the blocks of a matrix that threads write at the same time.

use std::marker::PhantomData;

/// A row-major or column-major view of a matrix in a slice.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<S> {
    /// The elements, from the first one on.
    pub data: S,
    /// Elements from one row to the next.
    pub row_stride: usize,
    /// Elements from one column to the next.
    pub column_stride: usize,
}

impl<S> Matrix<S> {
    /// A row-major matrix.
    pub fn new(data: S, row_stride: usize) -> Self {
        Matrix { data, row_stride, column_stride: 1 }
    }

    /// Its transpose, a view of the same elements.
    pub fn transposed(self) -> Self {
        Matrix { data: self.data, row_stride: self.column_stride, column_stride: self.row_stride }
    }
}

impl<T> Matrix<&[T]> {
    /// The matrix from this row and column on.
    pub fn from(self, row: usize, column: usize) -> Self {
        let first = row * self.row_stride + column * self.column_stride;
        Matrix { data: &self.data[first..], ..self }
    }

    /// Whether it has so many rows and columns.
    pub(super) fn reaches(&self, rows: usize, columns: usize) -> bool {
        let end = match (rows.checked_sub(1), columns.checked_sub(1)) {
            (Some(row), Some(column)) => row * self.row_stride + column * self.column_stride + 1,
            _ => 0,
        };
        end <= self.data.len()
    }
}

/// Rows and columns of a row-major matrix that one thread writes, while others write other blocks of
/// it.
#[derive(Debug)]
pub struct Block<'a, T> {
    start: *mut T,
    stride: usize,
    /// Its first row in the matrix.
    pub first_row: usize,
    /// Rows.
    pub rows: usize,
    /// Its first column in the matrix.
    pub first_column: usize,
    /// Columns.
    pub columns: usize,
    matrix: PhantomData<&'a mut [T]>,
}

// SAFETY: a block is a mutable borrow of elements that no other block has.
unsafe impl<T: Send> Send for Block<'_, T> {}

impl<'a, T> Block<'a, T> {
    /// The whole of a matrix of rows of `stride` elements.
    pub fn new(matrix: &'a mut [T], stride: usize) -> Self {
        Block {
            start: matrix.as_mut_ptr(),
            stride,
            first_row: 0,
            rows: matrix.len().checked_div(stride).unwrap_or(0),
            first_column: 0,
            columns: stride,
            matrix: PhantomData,
        }
    }

    /// Blocks of up to `size` rows and columns that cover the whole of `matrix`, which consists of
    /// whole rows of `stride` elements.
    pub fn cut(
        matrix: &'a mut [T],
        stride: usize,
        [rows, columns]: [usize; 2],
    ) -> impl Iterator<Item = Block<'a, T>> + Send
    where
        T: Send,
    {
        let (rows, columns) = (rows.max(1), columns.clamp(1, stride.max(1)));
        let across = stride.div_ceil(columns);
        let matrix = Block::new(matrix, stride);
        (0..matrix.rows.div_ceil(rows) * across).map(move |number| {
            // The whole of it, not only its pointer, has to move into this closure.
            let matrix = &matrix;
            let (first_row, first_column) = (number / across * rows, number % across * columns);
            Block {
                // Within the slice: a row of the matrix times its stride, and a column below the
                // stride.
                start: matrix.start.wrapping_add(first_row * matrix.stride + first_column),
                first_row,
                rows: rows.min(matrix.rows - first_row),
                first_column,
                columns: columns.min(matrix.stride - first_column),
                ..*matrix
            }
        })
    }

    /// One row of it.
    ///
    /// # Panics
    /// If it has no such row.
    pub fn row_mut(&mut self, row: usize) -> &mut [T] {
        assert!(row < self.rows, "a block of {} rows has no row {row}", self.rows);
        // SAFETY: `cut` has placed the block within its slice, which is borrowed for as long as the
        // block is, and no other block has these elements.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.stride), self.columns) }
    }

    /// Elements from one row to the next.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// Its first element.
    pub(super) fn as_mut_ptr(&mut self) -> *mut T {
        self.start
    }

    /// Whether it has so many rows and columns.
    pub(super) fn reaches(&self, rows: usize, columns: usize) -> bool {
        rows <= self.rows && columns <= self.columns
    }
}

/// Rows and columns of matrix libraries' own tiles, or multiples of these.
const TILE: usize = 16;

/// The size of the blocks into which the product `[rows, depth] · [depth, columns]` is cut for so
/// many parts. All operands of a block are copied once into an order that suits the processor: of all
/// ways to cut it, the one with the least copies.
pub fn block_size([rows, _, columns]: [usize; 3], parts: usize) -> [usize; 2] {
    let ways = (1..=parts).filter(|down| parts.is_multiple_of(*down));
    let size = |down: usize| {
        let across = parts / down;
        [rows.div_ceil(down), columns.div_ceil(across)].map(|length| length.next_multiple_of(TILE))
    };
    let copies = |down: &usize| down * columns + parts / down * rows;
    ways.min_by_key(copies).map_or([rows, columns], size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Real;
    use crate::random::{Random, Stream};

    #[test]
    fn blocks_cover_each_element_once() {
        for (rows, stride, size) in
            [(7, 12, [3, 5]), (1, 4, [16, 16]), (33, 48, [16, 16]), (2, 2, [1, 1])]
        {
            let mut matrix = vec![0u8; rows * stride];
            for mut block in Block::cut(&mut matrix, stride, size) {
                let (first_row, first_column) = (block.first_row, block.first_column);
                assert!(first_row + block.rows <= rows && first_column + block.columns <= stride);
                for row in 0..block.rows {
                    block.row_mut(row).iter_mut().for_each(|element| *element += 1);
                }
            }
            assert!(matrix.iter().all(|&element| element == 1), "{matrix:?}");
        }
        assert_eq!(Block::cut(&mut [0u8; 0], 4, [1, 1]).count(), 0);
    }

    #[test]
    fn products_are_cut_where_the_fewest_operands_are_copied_twice() {
        // Few rows: across. Many rows: down. Both alike: into squares.
        assert_eq!(block_size([32, 784, 128], 2), [32, 64]);
        assert_eq!(block_size([784, 32, 128], 2), [400, 128]);
        assert_eq!(block_size([1024, 256, 1024], 4), [512, 512]);
        assert_eq!(block_size([10, 10, 10], 1), [16, 16]);
    }

    /// The product of two random matrices, in blocks of `size`, or the whole of it.
    fn product<T: Real>([m, k, n]: [usize; 3], size: Option<[usize; 2]>) -> Vec<T> {
        let mut random = Random::new(3, Stream::Parity);
        let mut values = |count: usize| -> Vec<T> {
            (0..count).map(|_| T::from_f64(random.range(-1.0, 1.0))).collect()
        };
        let (a, b, mut c) = (values(m * k), values(k * n), values(m * n));
        for mut block in Block::cut(&mut c, n, size.unwrap_or([m, n])) {
            T::gemm(
                [block.rows, k, block.columns],
                // The first operand lies in columns, as the input of a weight's gradient does.
                Matrix::new(&a[..], m).transposed().from(block.first_row, 0),
                Matrix::new(&b[..], n).from(0, block.first_column),
                T::ONE,
                &mut block,
            );
        }
        c
    }

    #[test]
    fn a_sum_that_is_cut_has_other_bits() {
        let [m, k, n] = [17, 300, 33];
        let mut random = Random::new(4, Stream::Parity);
        let mut values = |count: usize| -> Vec<f32> {
            (0..count).map(|_| random.range(-1.0, 1.0) as f32).collect()
        };
        let (a, b) = (values(m * k), values(k * n));
        let (a, b) = (Matrix::new(&a[..], k), Matrix::new(&b[..], n));
        let (mut whole, mut cut) = (vec![0.0; m * n], vec![0.0; m * n]);
        f32::gemm([m, k, n], a, b, 0.0, &mut Block::new(&mut whole, n));
        f32::gemm([m, 100, n], a, b, 0.0, &mut Block::new(&mut cut, n));
        f32::gemm([m, 200, n], a.from(0, 100), b.from(100, 0), 1.0, &mut Block::new(&mut cut, n));
        assert!(whole != cut);
    }

    /// What the cut of outputs rests on. Depths beyond 256 are added up in several parts.
    #[test]
    fn a_product_in_blocks_has_the_bits_of_the_whole() {
        fn same<T: Real>(size: [usize; 3]) {
            let whole = product::<T>(size, None);
            for block in [[1, 1], [3, 5], [16, 16], [size[0], 16], [16, size[2]], [40, 24]] {
                assert!(product::<T>(size, Some(block)) == whole, "{size:?} in {block:?}");
            }
        }
        for size in [[1, 5, 1], [17, 300, 33], [70, 784, 10], [65, 1, 90], [130, 513, 48]] {
            same::<f32>(size);
            same::<f64>(size);
        }
    }
}
