//! The one list of activation functions, as on
//! [Keras' page](https://keras.io/api/layers/activations/). An entry is all that the engine knows of
//! a function, but for its text in `shaders/activation/`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::function::{Function, Told};
use crate::number::Real;
use crate::number::bounds::{self, ULP, exp, log_one_plus_exp, normal_distribution, smallest};
use crate::operation::kernel::shader;

macro_rules! activations {
    ($(
        $(#[$doc:meta])*
        $name:ident $({ $(#[$constant_doc:meta])* $constant:ident = $usual:literal })? ($label:literal)
        { $($body:tt)* }
    )+) => {
        /// The function that a layer applies to `x·W + b`.
        #[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Activation {
            $($(#[$doc])* $name $({ $(#[$constant_doc])* $constant: f64 })?,)+
            /// `exp(x) / sum(exp(x))` over the units of a sample.
            Softmax,
        }

        /// An activation that treats each value by itself.
        #[derive(Debug, Clone, Copy, PartialEq)]
        #[allow(missing_docs, reason = "each variant is the Activation of its name")]
        pub enum Elementwise {
            $($name $({ $constant: f64 })?,)+
        }

        impl Activation {
            /// The function of each value; `None` for softmax, which looks at a whole row.
            pub fn elementwise(self) -> Option<Elementwise> {
                Some(match self {
                    // A kernel has the constant as an f32, so the CPU takes it as that too.
                    $(Activation::$name $({ $constant })? => {
                        Elementwise::$name $({ $constant: f64::from($constant as f32) })?
                    })+
                    Activation::Softmax => return None,
                })
            }

            /// Name and value of the constant of a function that has one.
            pub fn constant(self) -> Option<(&'static str, f64)> {
                match self {
                    $(Activation::$name $({ $constant })? => {
                        let constants: &[(&str, f64)] = &[$((stringify!($constant), $constant))?];
                        constants.first().copied()
                    })+
                    Activation::Softmax => None,
                }
            }
        }

        impl From<Elementwise> for Activation {
            fn from(activation: Elementwise) -> Self {
                match activation {
                    $(Elementwise::$name $({ $constant })? => {
                        Activation::$name $({ $constant })?
                    })+
                }
            }
        }

        impl Elementwise {
            /// What a value costs, as [`Threads`](crate::cpu::Threads) count it: between that of ReLU
            /// and that of a function with an exponential.
            pub(crate) const WORK: usize = 4;

            /// Each of them, with Keras' constants.
            pub const ALL: &[Elementwise] =
                &[$(Elementwise::$name $({ $constant: $usual as f32 as f64 })?,)+];

            /// Its name, as in Keras.
            pub fn name(self) -> &'static str {
                match self {
                    $(Elementwise::$name { .. } => $label,)+
                }
            }

            /// What its derivative is told from.
            pub fn told(self) -> Told {
                match self {
                    $(Elementwise::$name { .. } => functions::$name::TOLD,)+
                }
            }

            /// Its constant, if it has one.
            pub fn constant(self) -> Option<f64> {
                match self {
                    $(Elementwise::$name $({ $constant })? => {
                        let constants: &[f64] = &[$($constant)?];
                        constants.first().copied()
                    })+
                }
            }

            /// Some of its values: `(x, f(x))`, with the constant that they are for.
            pub fn values(self) -> &'static [(f64, f64, f64)] {
                match self {
                    $(Elementwise::$name { .. } => functions::$name::VALUES,)+
                }
            }

            /// Mistakes in the text that the parity suite must notice: those of the function, then
            /// those of its derivative.
            pub fn mutations(self) -> [&'static [(&'static str, &'static str, &'static str)]; 2] {
                match self {
                    $(Elementwise::$name { .. } => {
                        [functions::$name::MUTATIONS, functions::$name::DERIVATIVE_MUTATIONS]
                    })+
                }
            }

            /// `f(x)`.
            pub fn value<T: Real>(self, x: T) -> T {
                let constant = self.constant_as();
                match self {
                    $(Elementwise::$name { .. } => functions::$name::value(x, constant),)+
                }
            }

            /// `f(x)` of each value in its place: one loop for each function, which the compiler can
            /// make vectors of.
            pub fn apply<T: Real>(self, values: &mut [T]) {
                let constant = self.constant_as();
                match self {
                    $(Elementwise::$name { .. } => {
                        values.iter_mut().for_each(|x| *x = functions::$name::value(*x, constant));
                    })+
                }
            }

            /// Multiplies each gradient by `f'`, which the value of the same place tells, and takes 0
            /// for what is negligible: one loop for each function, which the compiler can make
            /// vectors of.
            pub fn apply_derivative<T: Real>(self, told: &[T], gradients: &mut [T]) {
                let constant = self.constant_as();
                match self {
                    $(Elementwise::$name { .. } => {
                        for (gradient, &told) in gradients.iter_mut().zip(told) {
                            let slope = functions::$name::derivative(told, constant);
                            *gradient = (*gradient * slope).flushed();
                        }
                    })+
                }
            }

            /// `f'`, from the result or from the input as [`told`](Self::told) says.
            pub fn derivative<T: Real>(self, told: T) -> T {
                let constant = self.constant_as();
                match self {
                    $(Elementwise::$name { .. } => functions::$name::derivative(told, constant),)+
                }
            }

            /// How far the kernel's `f(x)` may lie from the exact one, if `x` itself is off by
            /// `error` at most.
            pub fn bound(self, x: f64, error: f64) -> f64 {
                let constant = self.constant_as();
                match self {
                    $(Elementwise::$name { .. } => functions::$name::bound(x, error, constant),)+
                }
            }

            /// How far the kernel's `f'` may lie from the exact one.
            pub fn derivative_bound(self, told: f64) -> f64 {
                let constant = self.constant_as();
                match self {
                    $(Elementwise::$name { .. } => {
                        functions::$name::derivative_bound(told, constant)
                    })+
                }
            }

            /// The text of `activate` and `activation_derivative`, each of four values.
            pub fn text(self) -> Vec<Cow<'static, str>> {
                let own = match self {
                    $(Elementwise::$name { .. } => shader!("activation/", $label),)+
                };
                vec![shader!("shared/nan"), shader!("shared/sigmoid"), own]
            }
        }

        mod functions {
            use super::*;

            $(
                pub(super) struct $name;
                impl Function for $name {
                    $($body)*
                }
            )+
        }
    };
}

activations! {
    /// The identity.
    #[default]
    Linear ("linear") {
        const TOLD: Told = Told::ByResult;
        const VALUES: &[(f64, f64, f64)] = &[(0.0, -1.5, -1.5)];
        const MUTATIONS: &[(&str, &str, &str)] = &[("half of it", "return x;", "return 0.5 * x;")];
        const DERIVATIVE_MUTATIONS: &[(&str, &str, &str)] = &[("a half", "vec4<f32>(1.0)", "vec4<f32>(0.5)")];
        fn value<T: Real>(x: T, _: T) -> T {
            x
        }
        fn derivative<T: Real>(_: T, _: T) -> T {
            T::ONE
        }
        fn bound(_: f64, error: f64, _: f64) -> f64 {
            error
        }
        fn derivative_bound(_: f64, _: f64) -> f64 {
            0.0
        }
    }

    /// `max(x, 0)`; its derivative at 0 is 0.
    Relu ("relu") {
        const TOLD: Told = Told::ByResult;
        const VALUES: &[(f64, f64, f64)] = &[(0.0, -1.5, 0.0), (0.0, 1.5, 1.5)];
        const MUTATIONS: &[(&str, &str, &str)] = &[("no ReLU", "max(x, vec4<f32>(0.0))", "x")];
        const DERIVATIVE_MUTATIONS: &[(&str, &str, &str)] =
            &[("a slope at 0", "y > vec4<f32>(0.0)", "y >= vec4<f32>(0.0)")];
        fn value<T: Real>(x: T, _: T) -> T {
            if x <= T::ZERO { T::ZERO } else { x }
        }
        fn derivative<T: Real>(y: T, _: T) -> T {
            if y > T::ZERO { T::ONE } else { T::ZERO }
        }
        fn bound(_: f64, error: f64, _: f64) -> f64 {
            error
        }
        fn derivative_bound(_: f64, _: f64) -> f64 {
            0.0
        }
    }

    /// `x` above 0, else `negative_slope · x`.
    LeakyRelu {
        /// 0.2 in Keras.
        negative_slope = 0.2
    } ("leaky_relu") {
        const TOLD: Told = Told::ByResult;
        const VALUES: &[(f64, f64, f64)] = &[(0.25, -2.0, -0.5), (0.25, 2.0, 2.0)];
        const MUTATIONS: &[(&str, &str, &str)] = &[("no slope", "x * CONSTANT", "x")];
        const DERIVATIVE_MUTATIONS: &[(&str, &str, &str)] =
            &[("no slope", "vec4<f32>(CONSTANT)", "one")];
        fn value<T: Real>(x: T, slope: T) -> T {
            if x > T::ZERO { x } else { x * slope }
        }
        fn derivative<T: Real>(y: T, slope: T) -> T {
            if y > T::ZERO { T::ONE } else { slope }
        }
        fn bound(x: f64, error: f64, slope: f64) -> f64 {
            error + 2.0 * ULP * Self::value(x, slope).abs() + smallest()
        }
        fn derivative_bound(_: f64, _: f64) -> f64 {
            0.0
        }
    }

    /// `x` above 0, else `alpha · (exp(x) - 1)`.
    Elu {
        /// 1 in Keras.
        alpha = 1.0
    } ("elu") {
        const TOLD: Told = Told::ByResult;
        const VALUES: &[(f64, f64, f64)] =
            &[(0.5, -1.0, -0.316_060_279_414_278_84), (0.5, 2.0, 2.0)];
        const MUTATIONS: &[(&str, &str, &str)] = &[(
            "no 1 taken off",
            "CONSTANT * (exp(min(x, zero)) - 1.0)",
            "CONSTANT * exp(min(x, zero))",
        )];
        const DERIVATIVE_MUTATIONS: &[(&str, &str, &str)] = &[("no alpha", "y + CONSTANT", "y")];
        fn value<T: Real>(x: T, alpha: T) -> T {
            elu(x, T::ONE, alpha)
        }
        fn derivative<T: Real>(y: T, alpha: T) -> T {
            if y > T::ZERO { T::ONE } else { y + alpha }
        }
        fn bound(x: f64, error: f64, alpha: f64) -> f64 {
            elu_bound(x, error, 1.0, alpha)
        }
        fn derivative_bound(y: f64, _: f64) -> f64 {
            rounded_derivative(y)
        }
    }

    /// `1.0507 · x` above 0, else `1.7581 · (exp(x) - 1)` (Klambauer and others, 2017).
    Selu ("selu") {
        const TOLD: Told = Told::ByResult;
        const VALUES: &[(f64, f64, f64)] =
            &[(0.0, -1.0, -1.111_330_737_812_562_5), (0.0, 2.0, 2.101_401_974_710_961)];
        const MUTATIONS: &[(&str, &str, &str)] = &[("no scale", "SELU_SCALE * x", "x")];
        const DERIVATIVE_MUTATIONS: &[(&str, &str, &str)] = &[("no alpha", "y + SELU_ALPHA", "y")];
        fn value<T: Real>(x: T, _: T) -> T {
            let [scale, alpha] = SELU.map(T::from_f64);
            elu(x, scale, alpha)
        }
        fn derivative<T: Real>(y: T, _: T) -> T {
            let [scale, alpha] = SELU.map(T::from_f64);
            if y > T::ZERO { scale } else { y + alpha }
        }
        fn bound(x: f64, error: f64, _: f64) -> f64 {
            let [scale, alpha] = SELU;
            elu_bound(x, error, scale, alpha)
        }
        fn derivative_bound(y: f64, _: f64) -> f64 {
            rounded_derivative(y)
        }
    }

    /// `x · Φ(x)`, with the normal distribution's `Φ(x) = (1 + erf(x / √2)) / 2`.
    Gelu ("gelu") {
        const TOLD: Told = Told::ByInput;
        const VALUES: &[(f64, f64, f64)] =
            &[(0.0, 1.0, 0.841_344_746_068_542_9), (0.0, -1.0, -0.158_655_253_931_457_05)];
        const MUTATIONS: &[(&str, &str, &str)] = &[("a coarser erf", "1.061405429", "1.0613")];
        const DERIVATIVE_MUTATIONS: &[(&str, &str, &str)] =
            &[("no density", "y * 0.39894228", "0.0")];
        fn value<T: Real>(x: T, _: T) -> T {
            (x * T::from_f64(0.5) * (T::ONE + (x * T::from_f64(FRAC_1_SQRT_2)).erf())).flushed()
        }
        fn derivative<T: Real>(x: T, _: T) -> T {
            let half = T::from_f64(0.5);
            let density = (-(x * x) * half).exp() * T::from_f64(FRAC_1_SQRT_2PI);
            half * (T::ONE + (x * T::from_f64(FRAC_1_SQRT_2)).erf()) + x * density
        }
        fn bound(x: f64, error: f64, _: f64) -> f64 {
            // The slope is at most 1.13.
            1.13 * error + x.abs() * normal_distribution(x) + rounded(Self::value(x, 0.0))
        }
        fn derivative_bound(x: f64, _: f64) -> f64 {
            let density = 0.4 * (-0.5 * x * x).exp();
            normal_distribution(x)
                + x.abs() * density * (exp(0.5 * x * x) + ULP * x * x)
                + rounded_derivative(x)
        }
    }

    /// The approximation of [`Gelu`](Self::Gelu) by
    /// `x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))) / 2`.
    GeluTanh ("gelu_tanh") {
        const TOLD: Told = Told::ByInput;
        const VALUES: &[(f64, f64, f64)] = &[(0.0, 1.0, 0.841_191_990_608_276_8)];
        const MUTATIONS: &[(&str, &str, &str)] = &[("no cube", "GELU_CUBE * x * x * x", "0.0")];
        const DERIVATIVE_MUTATIONS: &[(&str, &str, &str)] =
            &[("no inner slope", "(1.0 + 3.0 * GELU_CUBE * y * y)", "1.0")];
        fn value<T: Real>(x: T, _: T) -> T {
            (x * T::from_f64(0.5) * (T::ONE + gelu_argument(x).tanh())).flushed()
        }
        fn derivative<T: Real>(x: T, _: T) -> T {
            // Beyond, it is 0 or 1, and the slope would make a large number of the rounding of tanh.
            if x > T::from_f64(10.0) {
                return T::ONE;
            }
            if x < T::from_f64(-10.0) {
                return T::ZERO;
            }
            let half = T::from_f64(0.5);
            let t = gelu_argument(x).tanh();
            let slope = T::from_f64(GELU_SCALE) * (T::ONE + T::from_f64(3.0 * GELU_CUBE) * x * x);
            half * (T::ONE + t) + half * x * (T::ONE - t * t) * slope
        }
        fn bound(x: f64, error: f64, _: f64) -> f64 {
            let argument = gelu_argument_at_most(x);
            let tanh = 2.0 * exp(argument.min(15.0)) + 4.0 * ULP;
            // The slope is at most 1.13.
            1.13 * error
                + 0.5 * x.abs() * (tanh + 8.0 * ULP * argument)
                + rounded(Self::value(x, 0.0))
        }
        fn derivative_bound(x: f64, _: f64) -> f64 {
            let argument = gelu_argument_at_most(x);
            let tanh = 2.0 * exp(argument.min(15.0)) + 4.0 * ULP + 8.0 * ULP * argument;
            let slope = 0.8 * (1.0 + 0.14 * x * x);
            tanh * (0.5 + x.abs() * slope) + rounded_derivative(x) * (1.0 + slope)
        }
    }

    /// `x · sigmoid(x)`, also called swish.
    Silu ("silu") {
        const TOLD: Told = Told::ByInput;
        const VALUES: &[(f64, f64, f64)] = &[(0.0, 1.0, 0.731_058_578_630_004_9)];
        const MUTATIONS: &[(&str, &str, &str)] =
            &[("the sigmoid alone", "return x * sigmoid(x)", "return sigmoid(x)")];
        const DERIVATIVE_MUTATIONS: &[(&str, &str, &str)] =
            &[("half the slope", "s * (1.0 + y * (1.0 - s))", "s")];
        fn value<T: Real>(x: T, _: T) -> T {
            (x * sigmoid(x)).flushed()
        }
        fn derivative<T: Real>(x: T, _: T) -> T {
            let s = sigmoid(x);
            s * (T::ONE + x * (T::ONE - s))
        }
        fn bound(x: f64, error: f64, _: f64) -> f64 {
            let s = 1.0 / (1.0 + (-x).exp());
            // The slope is at most 1.1.
            1.1 * error
                + x.abs() * (s * (1.0 - s) * exp(x) + 4.0 * ULP * s)
                + rounded(Self::value(x, 0.0)) * x.abs()
                + smallest()
        }
        fn derivative_bound(x: f64, _: f64) -> f64 {
            let s = 1.0 / (1.0 + (-x).exp());
            let of_s = s * (1.0 - s) * exp(x) + 4.0 * ULP * s;
            of_s * (1.0 + 2.0 * x.abs()) + rounded_derivative(x)
        }
    }

    /// `1 / (1 + exp(-x))`.
    Sigmoid ("sigmoid") {
        const TOLD: Told = Told::ByResult;
        const VALUES: &[(f64, f64, f64)] =
            &[(0.0, 0.0, 0.5), (0.0, -800.0, 0.0), (0.0, 800.0, 1.0)];
        const MUTATIONS: &[(&str, &str, &str)] =
            &[("of half its input", "return sigmoid(x);", "return sigmoid(0.5 * x);")];
        const DERIVATIVE_MUTATIONS: &[(&str, &str, &str)] =
            &[("half of the product", "y * (1.0 - y)", "(1.0 - y)")];
        fn value<T: Real>(x: T, _: T) -> T {
            sigmoid(x)
        }
        fn derivative<T: Real>(y: T, _: T) -> T {
            y * (T::ONE - y)
        }
        fn bound(x: f64, error: f64, _: f64) -> f64 {
            bounds::sigmoid(x, error)
        }
        fn derivative_bound(y: f64, _: f64) -> f64 {
            rounded_derivative(y)
        }
    }

    /// Hyperbolic tangent.
    Tanh ("tanh") {
        const TOLD: Told = Told::ByResult;
        const VALUES: &[(f64, f64, f64)] = &[(0.0, 1.0, 0.761_594_155_955_764_9)];
        const MUTATIONS: &[(&str, &str, &str)] =
            &[("of half its input", "tanh(clamp(x,", "tanh(0.5 * clamp(x,")];
        const DERIVATIVE_MUTATIONS: &[(&str, &str, &str)] =
            &[("half of the product", "(1.0 - y) * (1.0 + y)", "(1.0 - y)")];
        fn value<T: Real>(x: T, _: T) -> T {
            x.tanh()
        }
        fn derivative<T: Real>(y: T, _: T) -> T {
            T::ONE - y * y
        }
        fn bound(x: f64, error: f64, _: f64) -> f64 {
            bounds::tanh(x, error)
        }
        fn derivative_bound(y: f64, _: f64) -> f64 {
            rounded_derivative(y)
        }
    }

    /// `log(1 + exp(x))`.
    Softplus ("softplus") {
        const TOLD: Told = Told::ByResult;
        const VALUES: &[(f64, f64, f64)] =
            &[(0.0, 0.0, std::f64::consts::LN_2), (0.0, 800.0, 800.0)];
        const MUTATIONS: &[(&str, &str, &str)] = &[(
            "overflow",
            "max(x, zero) + log(1.0 + exp(-abs(x)))",
            "log(1.0 + exp(x))",
        )];
        const DERIVATIVE_MUTATIONS: &[(&str, &str, &str)] =
            &[("the sigmoid of the result", "1.0 - exp(-y)", "sigmoid(y)")];
        fn value<T: Real>(x: T, _: T) -> T {
            let size = if x < T::ZERO { -x } else { x };
            let positive = if x <= T::ZERO { T::ZERO } else { x };
            (positive + (T::ONE + (-size).exp()).ln()).flushed()
        }
        fn derivative<T: Real>(y: T, _: T) -> T {
            T::ONE - (-y).exp()
        }
        fn bound(x: f64, error: f64, _: f64) -> f64 {
            error + log_one_plus_exp(x) + rounded(Self::value(x, 0.0))
        }
        fn derivative_bound(y: f64, _: f64) -> f64 {
            exp(y) * (-y).exp() + rounded_derivative(y)
        }
    }
}

impl Activation {
    /// [`Activation::LeakyRelu`] with Keras' slope of 0.2.
    pub const LEAKY_RELU: Activation = Activation::LeakyRelu { negative_slope: 0.2 };
    /// [`Activation::Elu`] with Keras' alpha of 1.
    pub const ELU: Activation = Activation::Elu { alpha: 1.0 };
}

impl Elementwise {
    /// Whether its derivative can be told from its result, so that it can be part of the operation
    /// before it and needs no memory of its own.
    pub fn is_fused(self) -> bool {
        self.told() == Told::ByResult
    }

    /// Each of those that can be part of another operation.
    pub fn fused() -> impl Iterator<Item = Elementwise> {
        Self::ALL.iter().copied().filter(|activation| activation.is_fused())
    }

    /// The override constants of its text.
    pub fn overrides(self) -> Option<(&'static str, f64)> {
        self.constant().map(|constant| ("CONSTANT", constant))
    }

    fn constant_as<T: Real>(self) -> T {
        T::from_f64(self.constant().unwrap_or(0.0))
    }
}

/// Slope of selu above 0, and its alpha below.
const SELU: [f64; 2] = [1.050_700_987_355_480_5, 1.758_099_340_847_376_6];
const FRAC_1_SQRT_2: f64 = std::f64::consts::FRAC_1_SQRT_2;
/// 1 / √(2π).
const FRAC_1_SQRT_2PI: f64 = 0.398_942_280_401_432_7;
/// √(2/π).
const GELU_SCALE: f64 = 0.797_884_560_802_865_4;
const GELU_CUBE: f64 = 0.044_715;

fn gelu_argument<T: Real>(x: T) -> T {
    T::from_f64(GELU_SCALE) * (x + T::from_f64(GELU_CUBE) * x * x * x)
}

fn gelu_argument_at_most(x: f64) -> f64 {
    0.8 * (x.abs() + 0.0448 * x.abs().powi(3))
}

fn sigmoid<T: Real>(x: T) -> T {
    (T::ONE / (T::ONE + (-x).exp())).flushed()
}

fn elu<T: Real>(x: T, scale: T, alpha: T) -> T {
    if x <= T::ZERO { alpha * (x.exp() - T::ONE) } else { x * scale }
}

/// Of elu: exp of at most 0, from which 1 is taken.
fn elu_bound(x: f64, error: f64, scale: f64, alpha: f64) -> f64 {
    scale.max(alpha.abs()) * error
        + alpha.abs() * exp(x.min(0.0)) * x.min(0.0).exp()
        + 2.0 * rounded(elu(x, scale, alpha))
}

/// Sums and products of a size near 1 and the result `y`.
fn rounded(y: f64) -> f64 {
    4.0 * ULP * (1.0 + y.abs()) + smallest()
}

/// The same for a derivative told from `told`.
fn rounded_derivative(told: f64) -> f64 {
    8.0 * ULP * (1.0 + told.abs()) + smallest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinities_and_nan_go_where_they_must() {
        for &activation in Elementwise::ALL {
            assert!(activation.value(f64::NAN).is_nan(), "{activation:?} hides NaN");
        }
        let below = |activation: Elementwise| activation.value(f64::NEG_INFINITY);
        assert_eq!([Elementwise::Relu, Elementwise::Softplus].map(below), [0.0, 0.0]);
        assert_eq!(below(Elementwise::Selu), -SELU[1]);
    }

    #[test]
    fn the_functions_have_the_values_of_their_tables() {
        for &activation in Elementwise::ALL {
            assert!(!activation.values().is_empty(), "{activation:?} has no value to check");
            for &(constant, x, y) in activation.values() {
                let actual: f64 = match activation {
                    Elementwise::LeakyRelu { .. } => functions::LeakyRelu::value(x, constant),
                    Elementwise::Elu { .. } => functions::Elu::value(x, constant),
                    plain => plain.value(x),
                };
                let off = (actual - y).abs();
                assert!(off < 1e-14, "{activation:?}({x}) is {actual}, expected {y}");
            }
        }
    }

    /// A function without mistakes has a parity test that nothing shows to work; of its two texts each
    /// counts.
    #[test]
    fn every_function_and_every_derivative_has_mistakes_to_catch() {
        for &activation in Elementwise::ALL {
            let [function, derivative] = activation.mutations();
            assert!(!function.is_empty(), "no mistake in {activation:?} is listed");
            assert!(!derivative.is_empty(), "none in the derivative of {activation:?} is listed");
        }
    }

    #[test]
    fn the_names_are_those_in_a_model_file() {
        for &activation in Elementwise::ALL {
            let saved = serde_json::to_value(Activation::from(activation)).unwrap();
            let name = saved.as_str().or_else(|| saved.as_object()?.keys().next().map(|k| &**k));
            assert_eq!(name, Some(activation.name()), "{activation:?}");
        }
    }

    #[test]
    fn derivatives_are_slopes() {
        for &activation in Elementwise::ALL {
            for x in [-2.5, -0.7, 0.3, 1.9] {
                let h = 1e-5;
                let slope: f64 = (activation.value(x + h) - activation.value(x - h)) / (2.0 * h);
                let told = if activation.is_fused() { activation.value(x) } else { x };
                let off = (activation.derivative(told) - slope).abs();
                assert!(off < 1e-8, "{activation:?} at {x} is off by {off}");
            }
        }
    }
}
