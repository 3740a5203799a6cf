//! Losses and metrics of users' own.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::program::{Graph, Value};

pub(crate) type Function = Arc<dyn Fn(&mut Graph, &Value, &Value) -> Result<Value> + Send + Sync>;

/// A loss or a metric that a user's closure computes of prediction and target, which are of one
/// shape: a value for each sample, or one for each element, of which the mean is taken. A saved
/// model holds its name, as that of a [`CustomLayer`](super::CustomLayer).
#[derive(Clone, Serialize, Deserialize)]
pub struct CustomFunction {
    /// By which a saved model asks for it.
    pub(crate) custom: String,
    #[serde(skip)]
    pub(crate) function: Option<Function>,
}

/// Functions are equal if they are of the same name: closures cannot be compared.
impl PartialEq for CustomFunction {
    fn eq(&self, other: &Self) -> bool {
        self.custom == other.custom
    }
}

impl fmt::Debug for CustomFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.custom.fmt(f)
    }
}

impl CustomFunction {
    /// A function called `name`.
    pub(super) fn new(
        name: &str,
        function: impl Fn(&mut Graph, &Value, &Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        CustomFunction { custom: name.to_owned(), function: Some(Arc::new(function)) }
    }

    /// Its value for each sample, `[1]`. `kind` is `loss` or `metric`.
    pub(super) fn value(
        &self,
        kind: &str,
        graph: &mut Graph,
        prediction: &Value,
        target: &Value,
    ) -> Result<Value> {
        let Some(function) = &self.function else {
            let name = &self.custom;
            let problem = format!("have no {kind} {name:?}, which the saved model asks for");
            return Err(Error::argument("custom_objects", problem));
        };
        let value = function(graph, prediction, target)?;
        if value.columns() == 1 { Ok(value) } else { graph.mean(&value) }
    }
}
