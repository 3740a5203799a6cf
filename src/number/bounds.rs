//! How far a kernel's f32 result may lie from the exact one: rounding error analysis, and the
//! accuracy that [WGSL](https://www.w3.org/TR/WGSL/#floating-point-accuracy) promises of its
//! functions.

/// Unit roundoff of f32: half the distance from 1 to the next number.
pub const EPSILON: f64 = 1.0 / (1u32 << 24) as f64;
/// The distance from 1 to the next f32: one ULP, relative to the result.
pub const ULP: f64 = 2.0 * EPSILON;

/// `k·eps / (1 - k·eps)`, the growth of rounding over `k` terms in any order of summation
/// (Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1).
pub fn gamma(k: usize) -> f64 {
    let k = k as f64 * EPSILON;
    k / (1.0 - k)
}

/// Of a sum of `terms` products, given the sum of their absolute values. The factor 2 covers
/// products and sums that are rounded in a direction of the device's choice.
pub fn dot(terms: usize, sum_of_absolutes: f64) -> f64 {
    2.0 * gamma(terms + 1) * sum_of_absolutes + smallest()
}

/// Subnormal numbers may be flushed to zero.
pub fn smallest() -> f64 {
    f64::from(f32::MIN_POSITIVE)
}

/// Relative error of `exp(x)`: 3 + 2|x| ULP.
pub fn exp(x: f64) -> f64 {
    (3.0 + 2.0 * x.abs()) * ULP
}

/// Of `1 / (1 + exp(-x))`, when `x` is off by `error`. The slope is at most 1/4; exp reaches the result
/// `y` by `y(1 - y)`; then a sum and a division (2.5 ULP).
pub fn sigmoid(x: f64, error: f64) -> f64 {
    let y = 1.0 / (1.0 + (-x).exp());
    0.25 * error + y * (1.0 - y) * exp(x) + 4.0 * ULP * y + smallest()
}

/// Of `tanh(x)`, when `x` is off by `error`. WGSL defines tanh by sinh / cosh, and these by exp: an
/// absolute error near 0.
pub fn tanh(x: f64, error: f64) -> f64 {
    error + 2.0 * exp(x.abs().min(15.0)) + 4.0 * ULP
}

/// Of the normal distribution by Abramowitz and Stegun 7.1.26: half of its own 1.5e-7, and the
/// rounding of a polynomial of five terms whose coefficients reach 1.5, times exp(-x²/2).
pub fn normal_distribution(x: f64) -> f64 {
    let power = (-0.5 * x * x).exp();
    0.75e-7 + power * (exp(0.5 * x * x) + ULP * x * x) + 40.0 * ULP * power + 2.0 * ULP
}

/// Of `gradient · activation'`, given the gradient's error, the derivative and the result.
pub fn activation_gradient(error: f64, derivative: f64, result: f64) -> f64 {
    error * derivative.abs() + 4.0 * ULP * result.abs() + smallest()
}

/// Of `log(1 + exp(-|x|))`: exp's error reaches it by at most a half, and the log's own is 2^-21
/// between 1 and 2.
pub fn log_one_plus_exp(x: f64) -> f64 {
    let power = (-x.abs()).exp();
    power * exp(x.abs()) + ULP + 4.0 * ULP
}

/// What one row of logits allows.
#[derive(Debug)]
pub struct Softmax {
    /// Probabilities.
    probabilities: Vec<f64>,
    /// Relative error of each of them.
    relative: Vec<f64>,
    /// The log of the sum of the powers.
    log: f64,
    /// Its absolute error.
    log_sum: f64,
    largest: f64,
}

impl Softmax {
    /// Of these logits, taken as exact.
    pub fn new(logits: &[f64]) -> Self {
        let largest = logits.iter().copied().fold(f64::MIN, f64::max);
        let powers: Vec<f64> = logits.iter().map(|x| (x - largest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        let probabilities: Vec<f64> = powers.iter().map(|power| power / sum).collect();
        // The difference is rounded before exp sees it.
        let of_power = |x: f64| exp(x - largest) + ULP * (x - largest).abs();
        let of_sum = gamma(logits.len()) * 2.0
            + logits.iter().zip(&probabilities).map(|(&x, p)| of_power(x) * p).sum::<f64>();
        let relative = logits.iter().map(|&x| of_power(x) + of_sum + 3.0 * ULP).collect();
        // log: 2^-21 absolute between 0.5 and 2, else 3 ULP.
        let log = if sum <= 2.0 { 4.0 * ULP } else { 3.0 * ULP * sum.ln() };
        Softmax { probabilities, relative, log: sum.ln(), log_sum: of_sum + log, largest }
    }

    /// Of probability `i`.
    pub fn probability(&self, i: usize) -> f64 {
        self.relative[i] * self.probabilities[i] + smallest()
    }

    /// Of the loss if the class is that of `logit`.
    pub fn loss(&self, logit: f64) -> f64 {
        self.log_sum + 2.0 * ULP * self.size_of_loss(logit) + smallest()
    }

    /// What that loss is at most, with its parts taken by their size.
    pub fn size_of_loss(&self, logit: f64) -> f64 {
        (self.largest - logit).abs() + self.log
    }
}

/// Of a number that goes on towards `target` by the share `rate`.
pub fn decayed(before: f64, target: f64, rate: f64) -> f64 {
    4.0 * ULP * (before.abs() + (target.abs() + before.abs()) * rate) + smallest()
}

/// Of `sqrt(x)`, when `x` is off by `error`: WGSL's 4.5 ULP, and near 0 the root of the error.
pub fn root(x: f64, error: f64) -> f64 {
    4.5 * ULP * x.sqrt() + error / (2.0 * x.sqrt().max(error.sqrt()).max(1e-300))
}

/// Of `a / b`, each off by an error: WGSL's 2.5 ULP.
pub fn quotient([a, a_error]: [f64; 2], [b, b_error]: [f64; 2]) -> f64 {
    let result = (a / b).abs();
    a_error / b.abs() + result * (b_error / b.abs() + 3.5 * ULP) + smallest()
}

/// Of `(w - w · decay) - change`, when the change is off by `error`.
pub fn updated(w: f64, change: f64, error: f64) -> f64 {
    error + 3.0 * ULP * (w.abs() + change.abs()) + smallest()
}

/// Of a sum or product of numbers of this size, rounded once or twice.
pub fn rounded(size: f64) -> f64 {
    4.0 * ULP * size.abs() + smallest()
}
