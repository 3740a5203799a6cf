//! CPU twin of `concatenate.wgsl`.

use crate::number::Real;

/// Each row of `output` is one of `first` and, beside it, one of `second`; each buffer is given
/// with its columns and its stride.
pub fn concatenate<T: Real>(
    (first, [first_units, first_stride]): (&[T], [usize; 2]),
    (second, [second_units, second_stride]): (&[T], [usize; 2]),
    (output, output_stride): (&mut [T], usize),
    rows: usize,
) {
    let read = first.chunks_exact(first_stride).zip(second.chunks_exact(second_stride));
    let rows = read.zip(output.chunks_exact_mut(output_stride)).take(rows);
    for ((first, second), output) in rows {
        let (left, right) = output.split_at_mut(first_units);
        left.copy_from_slice(&first[..first_units]);
        right[..second_units].copy_from_slice(&second[..second_units]);
    }
}
