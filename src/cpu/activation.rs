//! CPU twin of `shared/activation.wgsl`.

use super::real::Real;
use crate::activation::Elementwise;

/// `activation(x)`.
pub fn apply<T: Real>(x: T, activation: Elementwise) -> T {
    let half = T::from_f64(0.5);
    match activation {
        Elementwise::Linear => x,
        Elementwise::Relu => relu(x),
        Elementwise::LeakyRelu { slope } => {
            if x > T::ZERO {
                x
            } else {
                x * T::from_f64(slope.value())
            }
        }
        Elementwise::Elu { alpha } => elu(x, T::ONE, T::from_f64(alpha.value())),
        Elementwise::Selu => {
            let [scale, alpha] = Elementwise::SELU.map(T::from_f64);
            elu(x, scale, alpha)
        }
        Elementwise::Sigmoid => sigmoid(x),
        Elementwise::Tanh => x.tanh(),
        Elementwise::Softplus => {
            let size = if x < T::ZERO { -x } else { x };
            let positive = relu(x);
            (positive + (T::ONE + (-size).exp()).ln()).flushed()
        }
        Elementwise::Silu => (x * sigmoid(x)).flushed(),
        Elementwise::Gelu => {
            (x * half * (T::ONE + (x * T::from_f64(FRAC_1_SQRT_2)).erf())).flushed()
        }
        Elementwise::GeluTanh => (x * half * (T::ONE + gelu_argument(x).tanh())).flushed(),
    }
}

/// The derivative: from the activation's result where it [is
/// fused](Elementwise::is_fused), else from its input.
pub fn derivative<T: Real>(value: T, activation: Elementwise) -> T {
    let half = T::from_f64(0.5);
    let step = |below: T| if value > T::ZERO { T::ONE } else { below };
    match activation {
        Elementwise::Linear => T::ONE,
        Elementwise::Relu => step(T::ZERO),
        Elementwise::LeakyRelu { slope } => step(T::from_f64(slope.value())),
        Elementwise::Elu { alpha } => step(value + T::from_f64(alpha.value())),
        Elementwise::Selu => {
            let [scale, alpha] = Elementwise::SELU.map(T::from_f64);
            if value > T::ZERO { scale } else { value + alpha }
        }
        Elementwise::Sigmoid => value * (T::ONE - value),
        Elementwise::Tanh => T::ONE - value * value,
        Elementwise::Softplus => T::ONE - (-value).exp(),
        Elementwise::Silu => {
            let s = sigmoid(value);
            s * (T::ONE + value * (T::ONE - s))
        }
        Elementwise::Gelu => {
            let x = value;
            let density = (-(x * x) * half).exp() * T::from_f64(FRAC_1_SQRT_2PI);
            half * (T::ONE + (x * T::from_f64(FRAC_1_SQRT_2)).erf()) + x * density
        }
        // Beyond, it is 0 or 1, and the slope would make a large number of the rounding of tanh.
        Elementwise::GeluTanh if value > T::from_f64(10.0) => T::ONE,
        Elementwise::GeluTanh if value < T::from_f64(-10.0) => T::ZERO,
        Elementwise::GeluTanh => {
            let x = value;
            let t = gelu_argument(x).tanh();
            let slope = T::from_f64(GELU_SCALE) * (T::ONE + T::from_f64(3.0 * GELU_CUBE) * x * x);
            half * (T::ONE + t) + half * x * (T::ONE - t * t) * slope
        }
    }
}

const FRAC_1_SQRT_2: f64 = std::f64::consts::FRAC_1_SQRT_2;
/// 1 / √(2π).
const FRAC_1_SQRT_2PI: f64 = 0.398_942_280_401_432_7;
/// √(2/π).
const GELU_SCALE: f64 = 0.797_884_560_802_865_4;
const GELU_CUBE: f64 = 0.044_715;

fn gelu_argument<T: Real>(x: T) -> T {
    T::from_f64(GELU_SCALE) * (x + T::from_f64(GELU_CUBE) * x * x * x)
}

fn sigmoid<T: Real>(x: T) -> T {
    (T::ONE / (T::ONE + (-x).exp())).flushed()
}

/// A diverged network must show itself: NaN stays NaN.
pub fn relu<T: Real>(x: T) -> T {
    if x <= T::ZERO { T::ZERO } else { x }
}

fn elu<T: Real>(x: T, scale: T, alpha: T) -> T {
    if x <= T::ZERO { alpha * (x.exp() - T::ONE) } else { x * scale }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinities_and_nan_go_where_they_must() {
        for activation in Elementwise::ALL {
            assert!(apply(f64::NAN, activation).is_nan(), "{activation:?} hides NaN");
        }
        let below = |activation| apply(f64::NEG_INFINITY, activation);
        assert_eq!([Elementwise::Relu, Elementwise::Softplus].map(below), [0.0, 0.0]);
        let [_, alpha] = Elementwise::SELU;
        assert_eq!(below(Elementwise::Selu), -alpha);
        assert_eq!(apply(800.0, Elementwise::Softplus), 800.0);
        assert_eq!([-800.0, 800.0].map(|x| apply(x, Elementwise::Sigmoid)), [0.0, 1.0]);
    }

    /// Values of the functions from their definitions, worked out with 20 digits.
    #[test]
    fn the_functions_are_those_of_the_tables() {
        for (activation, x, y) in [
            (Elementwise::Gelu, 1.0, 0.841_344_746_068_542_9),
            (Elementwise::Gelu, -1.0, -0.158_655_253_931_457_05),
            (Elementwise::GeluTanh, 1.0, 0.841_191_990_608_276_8),
            (Elementwise::Silu, 1.0, 0.731_058_578_630_004_9),
            (Elementwise::Softplus, 0.0, std::f64::consts::LN_2),
            (Elementwise::Selu, -1.0, -1.111_330_737_812_562_5),
            (
                Elementwise::Elu { alpha: crate::activation::Scalar::new(0.5) },
                -1.0,
                -0.316_060_279_414_278_84,
            ),
        ] {
            let actual: f64 = apply(x, activation);
            assert!((actual - y).abs() < 1e-14, "{activation:?}({x}) is {actual}, expected {y}");
        }
    }
}
