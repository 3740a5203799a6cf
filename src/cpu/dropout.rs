//! CPU twin of `dropout.wgsl` and `dropout_backward.wgsl`.

use crate::number::Real;
use crate::operation::activation::Elementwise;
use crate::random::noise;

/// Which values are kept, and by what they are multiplied.
#[derive(Debug, Clone, Copy)]
pub struct Dropout<T> {
    /// Of the step.
    pub noise: u64,
    /// Number of the layer.
    pub layer: u32,
    /// A value is dropped if its random 32 bits are below.
    pub threshold: u32,
    /// `1 / (1 - rate)`.
    pub scale: T,
}

impl<T: Real> Dropout<T> {
    fn factor(&self, index: usize) -> T {
        let kept = noise(self.noise, self.layer, index as u32) >= self.threshold;
        if kept { self.scale } else { T::ZERO }
    }
}

/// `output = input · mask / (1 - rate)` for each of the rows of `units` values, `stride` apart.
pub fn dropout<T: Real>(
    input: &[T],
    output: &mut [T],
    [rows, units, stride]: [usize; 3],
    dropout: Dropout<T>,
) {
    for row in 0..rows {
        for i in row * stride..row * stride + units {
            output[i] = input[i] * dropout.factor(i);
        }
    }
}

/// `input_gradient = output_gradient · mask / (1 - rate) · activation'(input)`, where `activation`
/// is the function that made `input`.
pub fn dropout_backward<T: Real>(
    output_gradient: &[T],
    input: &[T],
    input_gradient: &mut [T],
    [rows, units, stride]: [usize; 3],
    activation: Elementwise,
    dropout: Dropout<T>,
) {
    for row in 0..rows {
        for i in row * stride..row * stride + units {
            let slope = activation.derivative(input[i]) * dropout.factor(i);
            input_gradient[i] = (output_gradient[i] * slope).flushed();
        }
    }
}
