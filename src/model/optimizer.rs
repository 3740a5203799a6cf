//! Optimizers: how gradients change parameters. `g` is the gradient, `w` the parameter, `t` the
//! number of the update from 1.
//!
//! Each has a `weight_decay`, 0 by default: before each update `w -= learning_rate · weight_decay
//! · w`, for weights and biases, decoupled from the gradient (Loshchilov and Hutter, 2019).

use serde::{Deserialize, Serialize};

use crate::table::Step;

/// What is done to gradients that are too large, before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clip {
    /// Nothing.
    #[default]
    None,
    /// Keras' `clipvalue`: each value is moved into `[-limit, limit]`.
    Value(f64),
    /// Keras' `clipnorm`: the gradient of each parameter is scaled so that its norm, the root of
    /// the sum of squares, is at most this.
    Norm(f64),
    /// Keras' `global_clipnorm`: all gradients are scaled by one number so that the norm of all of
    /// them together is at most this.
    GlobalNorm(f64),
}

/// An optimizer, whichever it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Optimizer {
    /// [`Adam`], AdamW and AMSGrad.
    Adam(Adam),
    /// [`Sgd`].
    Sgd(Sgd),
    /// [`RmsProp`].
    RmsProp(RmsProp),
    /// [`Adagrad`].
    Adagrad(Adagrad),
}

impl Default for Optimizer {
    fn default() -> Self {
        Optimizer::Adam(Adam::default())
    }
}

impl Optimizer {
    /// Its step size.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Optimizer::Adam(adam) => adam.learning_rate,
            Optimizer::Sgd(sgd) => sgd.learning_rate,
            Optimizer::RmsProp(rms_prop) => rms_prop.learning_rate,
            Optimizer::Adagrad(adagrad) => adagrad.learning_rate,
        }
    }

    /// Changes its step size.
    pub fn set_learning_rate(&mut self, learning_rate: f64) {
        match self {
            Optimizer::Adam(adam) => adam.learning_rate = learning_rate,
            Optimizer::Sgd(sgd) => sgd.learning_rate = learning_rate,
            Optimizer::RmsProp(rms_prop) => rms_prop.learning_rate = learning_rate,
            Optimizer::Adagrad(adagrad) => adagrad.learning_rate = learning_rate,
        }
    }

    /// What it does to large gradients.
    pub fn clip(&self) -> Clip {
        match self {
            Optimizer::Adam(adam) => adam.clip,
            Optimizer::Sgd(sgd) => sgd.clip,
            Optimizer::RmsProp(rms_prop) => rms_prop.clip,
            Optimizer::Adagrad(adagrad) => adagrad.clip,
        }
    }

    /// Its weight decay.
    pub fn weight_decay(&self) -> f64 {
        match self {
            Optimizer::Adam(adam) => adam.weight_decay,
            Optimizer::Sgd(sgd) => sgd.weight_decay,
            Optimizer::RmsProp(rms_prop) => rms_prop.weight_decay,
            Optimizer::Adagrad(adagrad) => adagrad.weight_decay,
        }
    }

    /// The scalars of step `number` (from 1) on `live_rows` samples, with `learning_rate` in place
    /// of the optimizer's own. Each step updates the parameters.
    pub fn step(&self, live_rows: usize, number: u64, learning_rate: f64) -> Step {
        self.accumulating_step(live_rows, number, learning_rate, 1)
    }

    /// The same where only each `accumulated`-th step updates the parameters, with the gradients of
    /// all steps since the last update.
    pub fn accumulating_step(
        &self,
        live_rows: usize,
        number: u64,
        learning_rate: f64,
        accumulated: usize,
    ) -> Step {
        let accumulated = accumulated.max(1) as u64;
        let update = number.div_ceil(accumulated);
        let (step_size, root_scale) = match self {
            Optimizer::Adam(adam) => {
                let t = update as f64;
                let first = 1.0 - adam.beta_1.powf(t);
                let second = (1.0 - adam.beta_2.powf(t)).sqrt();
                match adam.epsilon_rule {
                    EpsilonRule::Keras => (learning_rate * (second / first), 1.0),
                    EpsilonRule::PyTorch => (learning_rate / first, 1.0 / second),
                }
            }
            Optimizer::Sgd(_) | Optimizer::RmsProp(_) | Optimizer::Adagrad(_) => {
                (learning_rate, 1.0)
            }
        };
        let decay = learning_rate * self.weight_decay();
        let updates = number.is_multiple_of(accumulated);
        Step { number, updates, step_size, root_scale, decay, ..Step::forward(live_rows) }
    }
}

/// Where Adam adds its epsilon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum EpsilonRule {
    /// To the root of the second moment as it is:
    /// `w -= learning_rate · sqrt(1 - beta_2^t) / (1 - beta_1^t) · m / (sqrt(v) + epsilon)`.
    #[default]
    Keras,
    /// To the root of the corrected one:
    /// `w -= learning_rate / (1 - beta_1^t) · m / (sqrt(v / (1 - beta_2^t)) + epsilon)`.
    PyTorch,
}

/// Adam (Kingma and Ba, 2014) by [Keras' rule](https://keras.io/api/optimizers/adam/):
///
/// ```text
/// m += (g - m)·(1 - beta_1)      v += (g² - v)·(1 - beta_2)
/// w -= learning_rate · sqrt(1 - beta_2^t) / (1 - beta_1^t) · m / (sqrt(v) + epsilon)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Adam {
    /// Step size; 0.001 by default.
    pub learning_rate: f64,
    /// Decay of the first moment; 0.9 by default.
    pub beta_1: f64,
    /// Decay of the second moment; 0.999 by default.
    pub beta_2: f64,
    /// Keeps the division finite; 1e-7 by default.
    pub epsilon: f64,
    /// Where `epsilon` is added; as in Keras by default.
    pub epsilon_rule: EpsilonRule,
    /// Divides by the largest second moment so far (Reddi and others, 2018); off by default.
    pub amsgrad: bool,
    /// Before each update, `w -= learning_rate · weight_decay · w`, decoupled from the gradient
    /// (Loshchilov and Hutter, 2019); 0 by default.
    pub weight_decay: f64,
    /// What is done to large gradients; nothing by default.
    pub clip: Clip,
}

impl Default for Adam {
    fn default() -> Self {
        Adam {
            learning_rate: 0.001,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-7,
            epsilon_rule: EpsilonRule::Keras,
            amsgrad: false,
            weight_decay: 0.0,
            clip: Clip::None,
        }
    }
}

impl Adam {
    /// Adam with Keras' defaults and this step size.
    pub fn new(learning_rate: f64) -> Self {
        Adam { learning_rate, ..Adam::default() }
    }

    /// [AdamW](https://keras.io/api/optimizers/adamw/): Adam with a weight decay of 0.004.
    pub fn adamw() -> Self {
        Adam { weight_decay: 0.004, ..Adam::default() }
    }
}

impl From<Adam> for Optimizer {
    fn from(adam: Adam) -> Self {
        Optimizer::Adam(adam)
    }
}

/// Gradient descent by [Keras' rule](https://keras.io/api/optimizers/sgd/):
///
/// ```text
/// velocity = momentum · velocity - learning_rate · g
/// w += velocity                                         or, with nesterov,
/// w += momentum · velocity - learning_rate · g
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sgd {
    /// Step size; 0.01 by default.
    pub learning_rate: f64,
    /// How much of the last step goes into the next; 0 by default.
    pub momentum: f64,
    /// Nesterov momentum: the gradient is applied as if the momentum step had already been taken;
    /// off by default.
    pub nesterov: bool,
    /// Before each update, `w -= learning_rate · weight_decay · w`, decoupled from the gradient
    /// (Loshchilov and Hutter, 2019); 0 by default.
    pub weight_decay: f64,
    /// What is done to large gradients; nothing by default.
    pub clip: Clip,
}

impl Default for Sgd {
    fn default() -> Self {
        Sgd {
            learning_rate: 0.01,
            momentum: 0.0,
            nesterov: false,
            weight_decay: 0.0,
            clip: Clip::None,
        }
    }
}

impl Sgd {
    /// Plain gradient descent with this step size.
    pub fn new(learning_rate: f64) -> Self {
        Sgd { learning_rate, ..Sgd::default() }
    }
}

impl From<Sgd> for Optimizer {
    fn from(sgd: Sgd) -> Self {
        Optimizer::Sgd(sgd)
    }
}

/// RMSprop (Hinton, 2012) by [Keras' rule](https://keras.io/api/optimizers/rmsprop/):
///
/// ```text
/// mean_square += (g² - mean_square)·(1 - rho)
/// mean_gradient += (g - mean_gradient)·(1 - rho)        if centered, else it stays 0
/// velocity = momentum · velocity
///          + learning_rate · g / sqrt(mean_square - mean_gradient² + epsilon)
/// w -= velocity
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RmsProp {
    /// Step size; 0.001 by default.
    pub learning_rate: f64,
    /// Decay of the means; 0.9 by default.
    pub rho: f64,
    /// How much of the last step goes into the next; 0 by default.
    pub momentum: f64,
    /// Keeps the division finite; 1e-7 by default.
    pub epsilon: f64,
    /// Whether the gradient's variance stands in place of its mean square; off by default.
    pub centered: bool,
    /// Before each update, `w -= learning_rate · weight_decay · w`, decoupled from the gradient
    /// (Loshchilov and Hutter, 2019); 0 by default.
    pub weight_decay: f64,
    /// What is done to large gradients; nothing by default.
    pub clip: Clip,
}

impl Default for RmsProp {
    fn default() -> Self {
        RmsProp {
            learning_rate: 0.001,
            rho: 0.9,
            momentum: 0.0,
            epsilon: 1e-7,
            centered: false,
            weight_decay: 0.0,
            clip: Clip::None,
        }
    }
}

impl RmsProp {
    /// RMSprop with Keras' defaults and this step size.
    pub fn new(learning_rate: f64) -> Self {
        RmsProp { learning_rate, ..RmsProp::default() }
    }
}

impl From<RmsProp> for Optimizer {
    fn from(rms_prop: RmsProp) -> Self {
        Optimizer::RmsProp(rms_prop)
    }
}

/// Adagrad (Duchi and others, 2011) by [Keras' rule](https://keras.io/api/optimizers/adagrad/):
///
/// ```text
/// accumulator += g²
/// w -= learning_rate · g / sqrt(accumulator + epsilon)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Adagrad {
    /// Step size; 0.001 by default.
    pub learning_rate: f64,
    /// What the accumulator begins with; 0.1 by default.
    pub initial_accumulator_value: f64,
    /// Keeps the division finite; 1e-7 by default.
    pub epsilon: f64,
    /// Before each update, `w -= learning_rate · weight_decay · w`, decoupled from the gradient
    /// (Loshchilov and Hutter, 2019); 0 by default.
    pub weight_decay: f64,
    /// What is done to large gradients; nothing by default.
    pub clip: Clip,
}

impl Default for Adagrad {
    fn default() -> Self {
        Adagrad {
            learning_rate: 0.001,
            initial_accumulator_value: 0.1,
            epsilon: 1e-7,
            weight_decay: 0.0,
            clip: Clip::None,
        }
    }
}

impl Adagrad {
    /// Adagrad with Keras' defaults and this step size.
    pub fn new(learning_rate: f64) -> Self {
        Adagrad { learning_rate, ..Adagrad::default() }
    }
}

impl From<Adagrad> for Optimizer {
    fn from(adagrad: Adagrad) -> Self {
        Optimizer::Adagrad(adagrad)
    }
}
