//! What a saved model of users' own parts is loaded with.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::custom_function::{CustomFunction, Function};
use super::layer::{CustomLayer, LayerClosure};
use super::loss::Loss;
use super::metric::Metric;
use crate::error::Result;
use crate::program::{Graph, Value};

/// What a saved model of users' own parts is loaded with, by the names that it asks for, as Keras'
/// [`custom_objects`](https://keras.io/api/models/model_saving_apis/model_saving_and_loading/).
#[derive(Clone, Default)]
pub struct CustomObjects {
    layers: HashMap<String, LayerClosure>,
    losses: HashMap<String, Function>,
    metrics: HashMap<String, Function>,
    /// Whether metrics that are not among these are left out; else the model is refused.
    pub(crate) without_other_metrics: bool,
}

impl fmt::Debug for CustomObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomObjects")
            .field("layers", &self.layers.keys())
            .field("losses", &self.losses.keys())
            .field("metrics", &self.metrics.keys())
            .finish_non_exhaustive()
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

    /// Adds the closure of the metrics called `name`, of the graph, the prediction and the target.
    pub fn metric(
        mut self,
        name: &str,
        function: impl Fn(&mut Graph, &Value, &Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        self.metrics.insert(name.to_owned(), Arc::new(function));
        self
    }

    /// Adds the closure of a layer that has one.
    pub(crate) fn keep_layer(&mut self, layer: &CustomLayer) {
        self.layers.extend(layer.function.clone().map(|function| (layer.custom.clone(), function)));
    }

    /// Adds the closure of a loss that has one.
    pub(crate) fn keep_loss(&mut self, loss: &CustomFunction) {
        self.losses.extend(loss.function.clone().map(|function| (loss.custom.clone(), function)));
    }

    /// The same of a metric.
    pub(crate) fn keep_metric(&mut self, metric: &CustomFunction) {
        let named = |function| (metric.custom.clone(), function);
        self.metrics.extend(metric.function.clone().map(named));
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

    /// The same for metrics.
    pub(crate) fn supply_metrics(&self, metrics: &mut Vec<Metric>) {
        metrics.retain_mut(|metric| {
            let Metric::Custom(metric) = metric else { return true };
            if let Some(function) = self.metrics.get(&metric.custom) {
                metric.function = Some(Arc::clone(function));
            }
            metric.function.is_some() || !self.without_other_metrics
        });
    }
}
