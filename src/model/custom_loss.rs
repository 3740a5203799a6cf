//! Losses of users' own.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::program::{Graph, Value};

pub(crate) type Function = Arc<dyn Fn(&mut Graph, &Value, &Value) -> Result<Value> + Send + Sync>;

/// A loss that a user's closure computes of prediction and target, which are of one shape: a value for
/// each sample, or one for each element, of which the mean is taken. A saved model holds its name, as
/// that of a [`CustomLayer`](super::CustomLayer).
#[derive(Clone, Serialize, Deserialize)]
pub struct CustomLoss {
    /// By which a saved model asks for it.
    pub(crate) custom: String,
    #[serde(skip)]
    pub(crate) function: Option<Function>,
}

/// Losses are equal if they are of the same name: closures cannot be compared.
impl PartialEq for CustomLoss {
    fn eq(&self, other: &Self) -> bool {
        self.custom == other.custom
    }
}

impl fmt::Debug for CustomLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomLoss").field("custom", &self.custom).finish_non_exhaustive()
    }
}

impl CustomLoss {
    /// A loss called `name`.
    pub(super) fn new(
        name: &str,
        function: impl Fn(&mut Graph, &Value, &Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        CustomLoss { custom: name.to_owned(), function: Some(Arc::new(function)) }
    }

    /// Its value for each sample, `[1]`.
    pub(super) fn value(
        &self,
        graph: &mut Graph,
        prediction: &Value,
        target: &Value,
    ) -> Result<Value> {
        let Some(function) = &self.function else {
            let problem = format!("have no loss {:?}, which the saved model asks for", self.custom);
            return Err(Error::argument("custom_objects", problem));
        };
        let value = function(graph, prediction, target)?;
        if value.columns() == 1 { Ok(value) } else { graph.mean(&value) }
    }
}
