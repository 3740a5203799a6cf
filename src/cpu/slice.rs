//! CPU twin of `slice.wgsl`.

use crate::number::Real;

/// Each row of `output` is the `units` values from `offset` on of one of `input`; each buffer is
/// given with its stride.
pub fn slice<T: Real>(
    (input, input_stride): (&[T], usize),
    (output, output_stride): (&mut [T], usize),
    [rows, units]: [usize; 2],
    offset: usize,
) {
    let rows =
        input.chunks_exact(input_stride).zip(output.chunks_exact_mut(output_stride)).take(rows);
    for (input, output) in rows {
        output[..units].copy_from_slice(&input[offset..][..units]);
    }
}
