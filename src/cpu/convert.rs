//! CPU twin of `convert.wgsl`.

use crate::number::Real;

/// `output = input · scale`, element by element.
pub fn convert<T: Real>(input: &[u8], output: &mut [T], scale: T) {
    for (output, &input) in output.iter_mut().zip(input) {
        *output = T::from_u8(input) * scale;
    }
}
