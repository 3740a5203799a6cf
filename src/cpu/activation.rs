//! CPU twin of `shared/activation.wgsl`.

use super::real::Real;
use crate::activation::Elementwise;

/// Replaces each value by its activation.
pub fn activate<T: Real>(values: &mut [T], activation: Elementwise) {
    match activation {
        Elementwise::Linear => {}
        Elementwise::Relu => each(values, |x| if x > T::ZERO { x } else { keep_nan(x) }),
        Elementwise::Sigmoid => each(values, |x| (T::ONE / (T::ONE + (-x).exp())).flushed()),
        Elementwise::Tanh => each(values, T::tanh),
    }
}

fn each<T: Real>(values: &mut [T], function: impl Fn(T) -> T) {
    for value in values {
        *value = function(*value);
    }
}

// A diverged network must show itself: ReLU hands NaN on instead of turning it into 0.
fn keep_nan<T: Real>(x: T) -> T {
    if x <= T::ZERO { T::ZERO } else { x }
}

/// The derivative at the point where the activation's result is `y`.
pub fn derivative<T: Real>(y: T, activation: Elementwise) -> T {
    match activation {
        Elementwise::Linear => T::ONE,
        Elementwise::Relu => {
            if y > T::ZERO {
                T::ONE
            } else {
                T::ZERO
            }
        }
        Elementwise::Sigmoid => y * (T::ONE - y),
        Elementwise::Tanh => T::ONE - y * y,
    }
}
