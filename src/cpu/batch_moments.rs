//! CPU twin of `batch_moments.wgsl`.

use crate::number::Real;

/// Mean and variance of each of `units` columns over the rows, `stride` apart. The mean comes
/// first: squares that are summed before it is taken off would lose what they differ by.
pub fn batch_moments<T: Real>(
    input: &[T],
    mean: &mut [T],
    variance: &mut [T],
    [rows, units, stride]: [usize; 3],
) {
    let count = T::from_f64(rows as f64);
    let (mean, variance) = (&mut mean[..units], &mut variance[..units]);
    mean.fill(T::ZERO);
    for row in input.chunks_exact(stride).take(rows) {
        for (mean, &x) in mean.iter_mut().zip(row) {
            *mean += x;
        }
    }
    mean.iter_mut().for_each(|mean| *mean = *mean / count);
    variance.fill(T::ZERO);
    for row in input.chunks_exact(stride).take(rows) {
        for ((variance, &mean), &x) in variance.iter_mut().zip(&*mean).zip(row) {
            *variance += (x - mean) * (x - mean);
        }
    }
    variance.iter_mut().for_each(|variance| *variance = *variance / count);
}
