//! Optimizers.

/// Adam (Kingma and Ba, 2014) by [Keras' rule](https://keras.io/api/optimizers/adam/):
///
/// ```text
/// m += (g - m)·(1 - beta_1)      v += (g² - v)·(1 - beta_2)
/// w -= learning_rate · sqrt(1 - beta_2^t) / (1 - beta_1^t) · m / (sqrt(v) + epsilon)
/// ```
///
/// `epsilon` stands outside the bias correction, as in Keras (and unlike PyTorch).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// Step size; 0.001 by default.
    pub learning_rate: f64,
    /// Decay of the first moment; 0.9 by default.
    pub beta_1: f64,
    /// Decay of the second moment; 0.999 by default.
    pub beta_2: f64,
    /// Keeps the division finite; 1e-7 by default.
    pub epsilon: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Adam { learning_rate: 0.001, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 }
    }
}

impl Adam {
    /// Adam with Keras' defaults and this step size.
    pub fn new(learning_rate: f64) -> Self {
        Adam { learning_rate, ..Adam::default() }
    }

    /// `sqrt(1 - beta_2^t) / (1 - beta_1^t)` for step `t` (from 1), in f64.
    pub fn bias_correction(&self, t: u64) -> f64 {
        let t = t as f64;
        (1.0 - self.beta_2.powf(t)).sqrt() / (1.0 - self.beta_1.powf(t))
    }
}
