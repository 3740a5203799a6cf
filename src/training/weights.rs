//! Weights and other buffers, read and set by name.

#[cfg(not(target_arch = "wasm32"))]
use super::blocking::block_on;
use super::blocking::blocking;
use super::model::Model;
use super::session::Session;
use crate::error::{Error, Result};
use crate::model::{Weights, parameters};
use crate::program::{Buffer, BufferId, Role};

impl Session {
    async fn read_values(&mut self, id: BufferId, rows: usize) -> Result<Vec<f32>> {
        let values = self.executor.read(id, rows).await?;
        Ok(values.into_iter().map(|value| value as f32).collect())
    }

    async fn write_values(&mut self, id: BufferId, values: &[f32]) -> Result<()> {
        let values: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
        self.executor.write(id, &values).await
    }

    pub(super) fn find(&self, name: &str) -> Result<BufferId> {
        self.program.find(name).ok_or_else(|| {
            Error::argument("name", format!("the model has no buffer called {name:?}"))
        })
    }

    fn find_parameter(&self, name: &str) -> Result<BufferId> {
        let parameters = || {
            let learned =
                |(_, buffer): &(_, &Buffer)| matches!(buffer.role, Role::Parameter | Role::State);
            self.program.buffers().filter(learned)
        };
        let found = parameters().find(|(_, parameter)| parameter.name == name);
        found.map(|(id, _)| id).ok_or_else(|| {
            let names: Vec<&str> = parameters().map(|(_, buffer)| buffer.name.as_str()).collect();
            let names = names.join(", ");
            Error::argument("name", format!("no parameter is called {name:?}; there are {names}"))
        })
    }

    pub(super) async fn read(&mut self, name: &str) -> Result<Vec<f32>> {
        self.read_values(self.find(name)?, self.last_rows).await
    }

    /// The values of tensors that do not depend on a batch, under their names and shapes, all of the
    /// same moment, and the training steps that they have behind them.
    pub(super) async fn read_tensors(
        &mut self,
        tensors: Vec<(String, Vec<usize>)>,
    ) -> Result<(Weights, u64)> {
        let ids = tensors.iter().map(|(name, _)| self.find(name)).collect::<Result<Vec<_>>>()?;
        let (read, not_run) = self.executor.read_together(&ids).await?;
        let named = tensors.into_iter().zip(read).map(|((name, shape), values)| {
            (name, shape, values.into_iter().map(|value| value as f32).collect())
        });
        Ok((named.collect(), self.steps().saturating_sub(not_run)))
    }

    /// Sets tensors that were checked: all of them, or none if this fails.
    pub(super) async fn write_tensors(&mut self, tensors: &Weights) -> Result<()> {
        let found =
            tensors.iter().map(|(name, _, values)| Ok((self.find(name)?, values.as_slice())));
        let found = found.collect::<Result<Vec<_>>>()?;
        self.executor.write_together(&found).await
    }

    pub(super) async fn weights(&mut self) -> Result<Weights> {
        Ok(self.read_tensors(parameters(&self.program)).await?.0)
    }

    pub(super) async fn set_weights(&mut self, weights: &Weights) -> Result<()> {
        let expected = parameters(&self.program);
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
        self.write_tensors(weights).await
    }
}

impl Model {
    /// [`read`](Self::read) without rounding to f32, for tests of a model that computes in f64.
    ///
    /// # Errors
    /// As `read`.
    #[cfg(not(target_arch = "wasm32"))]
    #[doc(hidden)]
    pub fn read_exactly(&mut self, name: &str) -> Result<Vec<f64>> {
        let id = self.session.find(name)?;
        block_on(self.session.executor.read(id, self.session.last_rows))
    }

    blocking! {
        /// The values that the last batch has left in a buffer: `dense_1.output` `[samples,
        /// units]`, its `dense_1.output.gradient` after a training step, `dense_1.weight.gradient`,
        /// ...; see [`Program::buffers`](crate::program::Program::buffers) for the names. Waits for
        /// the device. A step that is not [run eagerly](crate::model::Compiled::run_eagerly) leaves
        /// the same values, but for one that a GPU runs as [two
        /// kernels](crate::operation::fused_step): it keeps no gradients and nothing between layers.
        ///
        /// # Errors
        /// [`Error::Argument`] if there is none of that name, nothing uses it, or the last step did not
        /// keep it, [`Error::Device`]
        /// if reading fails.
        read, read_async(&mut self, name: &str) -> Result<Vec<f32>> {
            self.session.read(name).await
        }

        /// The values of a parameter, or of a moving statistic, by its name: `dense_1.weight`
        /// `[inputs, units]`, `dense_1.bias` `[units]`, ...
        ///
        /// # Errors
        /// [`Error::Argument`] if there is no such parameter, [`Error::Device`] if reading fails.
        weight, weight_async(&mut self, name: &str) -> Result<Vec<f32>> {
            self.session.read_values(self.session.find_parameter(name)?, 0).await
        }

        /// Sets a parameter by its name.
        ///
        /// # Errors
        /// [`Error::Argument`] if there is none of that name, [`Error::Shape`] if the number of
        /// values is not its own, [`Error::Device`] if writing fails.
        set_weight, set_weight_async(&mut self, name: &str, values: &[f32]) -> Result<()> {
            self.session.write_values(self.session.find_parameter(name)?, values).await
        }

        /// All parameters, first layer to last: name, shape and values of each. The state of the
        /// optimizer is not among them.
        ///
        /// # Errors
        /// [`Error::Device`] if reading fails.
        weights, weights_async(&mut self) -> Result<Weights> {
            self.session.weights().await
        }

        /// Sets all parameters, as [`weights`](Self::weights) returned them; the optimizer keeps
        /// its state.
        ///
        /// # Errors
        /// [`Error::Argument`] or [`Error::Shape`] if they are not this model's, in its order:
        /// nothing is set then. [`Error::Device`] if writing fails.
        set_weights, set_weights_async(&mut self, weights: &Weights) -> Result<()> {
            self.session.set_weights(weights).await
        }
    }
}
