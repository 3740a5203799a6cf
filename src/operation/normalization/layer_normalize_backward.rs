//! `layer_normalize_backward`.

use crate::operation::contract::operation;

operation! {
    /// `gamma_gradient[U] = sum over B of output_gradient[B,U] · normalized[B,U]`,
    /// `beta_gradient[U] = sum over B of output_gradient`, with
    /// `normalized = (input - moments[B,0]) · moments[B,1]`.
    pub struct LayerNormalizeBackward("layer_normalize_backward") {
        read output_gradient, read input, read moments, write gamma_gradient, write beta_gradient;
    }
}
