//! All weights at once.

use super::model::Model;
use crate::error::{Error, Result};
use crate::model::Weights;

#[cfg(not(target_arch = "wasm32"))]
impl Model {
    /// All parameters, first layer to last: name, shape and values of each. The state of the
    /// optimizer is not among them.
    ///
    /// # Errors
    /// [`Error::Device`] if reading fails.
    pub fn weights(&mut self) -> Result<Weights> {
        let mut weights = Weights::new();
        for (name, shape) in crate::model::parameters(&self.program) {
            let values = self.weight(&name)?;
            weights.push((name, shape, values));
        }
        Ok(weights)
    }

    /// Sets all parameters, as [`weights`](Self::weights) returned them; the optimizer keeps its
    /// state.
    ///
    /// # Errors
    /// [`Error::Argument`] or [`Error::Shape`] if they are not this model's, in its order: nothing
    /// is set then. [`Error::Device`] if writing fails.
    pub fn set_weights(&mut self, weights: &Weights) -> Result<()> {
        let expected = crate::model::parameters(&self.program);
        if weights.len() != expected.len() {
            return Err(Error::argument(
                "weights",
                format!("are {}; the model has {} parameters", weights.len(), expected.len()),
            ));
        }
        for ((name, shape, values), (own_name, own_shape)) in weights.iter().zip(&expected) {
            if name != own_name {
                let problem = format!("have {name:?} where the model has {own_name:?}");
                return Err(Error::argument("weights", problem));
            }
            if (shape, values.len()) != (own_shape, own_shape.iter().product()) {
                return Err(Error::Shape {
                    what: name.clone(),
                    actual: format!("{} values of shape {shape:?}", values.len()),
                    expected: format!("{own_shape:?}"),
                });
            }
        }
        weights.iter().try_for_each(|(name, _, values)| self.set_weight(name, values))
    }
}
