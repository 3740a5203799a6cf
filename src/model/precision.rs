//! How the numbers of a model are stored.

use serde::{Deserialize, Serialize};

/// How the numbers of a model are stored, as Keras'
/// [dtype policies](https://keras.io/api/mixed_precision/policy/).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Precision {
    /// All in f32.
    #[default]
    #[serde(rename = "float32")]
    Float32,
    /// What layers make, the gradients of that, and inputs of reals in f16, which takes half of the
    /// memory and of its bandwidth. Parameters and their gradients, what the optimizer keeps,
    /// targets, losses, metrics and the statistics of normalizations stay f32, and all is computed
    /// in f32.
    ///
    /// The gradient of the loss is multiplied by a scale, so that small gradients do not become 0,
    /// and the gradients of the parameters are divided by it before anything else happens to them.
    /// The scale begins with 2^15 and is doubled after 2,000 steps in a row whose gradients were
    /// finite. A step whose gradients were not halves it and updates nothing. This is Keras'
    /// [`LossScaleOptimizer`](https://keras.io/api/mixed_precision/loss_scale_optimizer/); its state
    /// is saved with the model, and can be read as `"optimizer.loss_scale"`: `[scale, finite steps,
    /// 1 if the last step was skipped, ..., skipped steps]`, see
    /// [`LossScale`](crate::operation::LossScale).
    ///
    /// A GPU needs wgpu's feature `SHADER_F16`. On the CPU the same function is computed, with
    /// what is stored rounded to f16, which is slower than f32.
    #[serde(rename = "mixed_float16")]
    MixedFloat16,
}

impl Precision {
    /// Whether it is f32, the default.
    pub(crate) fn is_float32(&self) -> bool {
        *self == Precision::Float32
    }
}
