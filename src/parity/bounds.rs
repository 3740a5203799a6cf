//! How far a kernel's f32 result may lie from the exact one: rounding error analysis, and the
//! accuracy that [WGSL](https://www.w3.org/TR/WGSL/#floating-point-accuracy) promises of its
//! functions.

use crate::activation::Elementwise;

/// Unit roundoff of f32: half the distance from 1 to the next number.
pub const EPSILON: f64 = 1.0 / (1u32 << 24) as f64;
/// The distance from 1 to the next f32: one ULP, relative to the result.
const ULP: f64 = 2.0 * EPSILON;

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
fn smallest() -> f64 {
    f64::from(f32::MIN_POSITIVE)
}

/// Relative error of `exp(x)`: 3 + 2|x| ULP.
fn exp(x: f64) -> f64 {
    (3.0 + 2.0 * x.abs()) * ULP
}

/// Of `activation(x)`, when `x` itself is off by `error` at most.
pub fn activation(activation: Elementwise, x: f64, error: f64) -> f64 {
    match activation {
        Elementwise::Linear | Elementwise::Relu => error,
        Elementwise::Sigmoid => {
            let y = 1.0 / (1.0 + (-x).exp());
            // The slope is at most 1/4; exp reaches the result by y(1 - y); then a sum and a
            // division (2.5 ULP).
            0.25 * error + y * (1.0 - y) * exp(x) + 4.0 * ULP * y + smallest()
        }
        // WGSL defines tanh by sinh / cosh, and these by exp: an absolute error near 0.
        Elementwise::Tanh => error + (2.0 * exp(x.abs().min(15.0)) + 4.0 * ULP) * 1.0,
    }
}

/// Of `gradient · activation'`, given the gradient's error, the derivative and the result.
pub fn activation_gradient(error: f64, derivative: f64, result: f64) -> f64 {
    error * derivative.abs() + 4.0 * ULP * result.abs() + smallest()
}

/// What one row of logits allows.
pub struct Softmax {
    /// Probabilities.
    probabilities: Vec<f64>,
    /// Relative error of each of them.
    relative: Vec<f64>,
    /// Absolute error of the log of the sum.
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
        Softmax { probabilities, relative, log_sum: of_sum + log, largest }
    }

    /// Of probability `i`.
    pub fn probability(&self, i: usize) -> f64 {
        self.relative[i] * self.probabilities[i] + smallest()
    }

    /// Of the loss, added to what there was before; `logit` is the label's.
    pub fn loss(&self, logit: f64, loss: f64, total: f64) -> f64 {
        self.log_sum + ULP * ((self.largest - logit).abs() + loss.abs() + total.abs())
    }

    /// Of `(probability i - onehot) / rows`.
    pub fn gradient(&self, i: usize, result: f64, rows: usize) -> f64 {
        self.probability(i) / rows as f64 + 4.0 * ULP * result.abs() + smallest()
    }
}

/// What Adam's update of one parameter allows: errors of parameter, first and second moment.
pub fn adam(
    [g, w, m, v]: [f64; 4],
    [m_after, v_after]: [f64; 2],
    [one_minus_beta_1, one_minus_beta_2, epsilon, step_size]: [f64; 4],
) -> [f64; 3] {
    let m_error = 4.0 * ULP * (m.abs() + (g - m).abs() * one_minus_beta_1) + smallest();
    let v_error = 4.0 * ULP * (v.abs() + (g * g + v) * one_minus_beta_2) + smallest();
    let root = v_after.sqrt() + epsilon;
    let update = step_size * m_after / root;
    // Square root 4.5 ULP and division 2.5 ULP by WGSL, the rest correctly rounded. Near v = 0
    // its error counts by the root of it.
    let v_effect = v_error / (2.0 * v_after.sqrt().max(v_error.sqrt()).max(1e-300));
    let w_error = step_size * m_error / root
        + update.abs() * (v_effect / root + 10.0 * ULP)
        + 2.0 * ULP * w.abs()
        + smallest();
    [w_error, m_error, v_error]
}
