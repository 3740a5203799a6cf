//! What a saved model of users' own parts is loaded with.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::custom_loss::{CustomLoss, Function as LossClosure};
use super::layer::{CustomLayer, LayerClosure};
use super::loss::Loss;
use crate::error::Result;
use crate::program::{Graph, Value};

/// What a saved model of users' own parts is loaded with, by the names that it asks for, as Keras'
/// [`custom_objects`](https://keras.io/api/models/model_saving_apis/model_saving_and_loading/).
#[derive(Clone, Default)]
pub struct CustomObjects {
    layers: HashMap<String, LayerClosure>,
    losses: HashMap<String, LossClosure>,
}

impl fmt::Debug for CustomObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomObjects")
            .field("layers", &self.layers.keys())
            .field("losses", &self.losses.keys())
            .finish()
    }
}

impl CustomObjects {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the closure of the layers called `name`.
    pub fn layer(
        mut self,
        name: &str,
        function: impl Fn(&mut Graph, &Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        self.layers.insert(name.to_owned(), Arc::new(function));
        self
    }

    /// Adds the closure of the losses called `name`, of the graph, the prediction and the target.
    pub fn loss(
        mut self,
        name: &str,
        function: impl Fn(&mut Graph, &Value, &Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        self.losses.insert(name.to_owned(), Arc::new(function));
        self
    }

    /// Adds the closure of a layer that has one.
    pub(crate) fn keep_layer(&mut self, layer: &CustomLayer) {
        self.layers.extend(layer.function.clone().map(|function| (layer.custom.clone(), function)));
    }

    /// Adds the closure of a loss that has one.
    pub(crate) fn keep_loss(&mut self, loss: &CustomLoss) {
        self.losses.extend(loss.function.clone().map(|function| (loss.custom.clone(), function)));
    }

    /// Gives a layer that was read from a file its closure, if it is among these.
    pub(crate) fn supply_layer(&self, layer: &mut CustomLayer) {
        if let Some(function) = self.layers.get(&layer.custom) {
            layer.function = Some(Arc::clone(function));
        }
    }

    /// The same for a loss.
    pub(crate) fn supply_loss(&self, loss: &mut Loss) {
        if let Loss::Custom(loss) = loss
            && let Some(function) = self.losses.get(&loss.custom)
        {
            loss.function = Some(Arc::clone(function));
        }
    }
}
