//! Layers of users' own.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::contract::Forward;
use crate::error::{Error, Result};
use crate::program::{Graph, Value};

pub(crate) type Function = Arc<dyn Fn(&mut Graph, &Value) -> Result<Value> + Send + Sync>;

/// A layer that a user's closure computes: it adds to the graph what the layer computes of its input,
/// and returns the result. Parameters are made with [`Graph::matrix`] and [`Graph::vector`].
///
/// A saved model holds the layer's name; who loads it gives the closure for it, in
/// [`CustomObjects`](crate::model::CustomObjects).
#[derive(Clone, Serialize, Deserialize)]
pub struct CustomLayer {
    /// By which a saved model asks for it.
    pub(crate) custom: String,
    #[serde(skip)]
    pub(crate) function: Option<Function>,
}

impl CustomLayer {
    /// A layer called `name`.
    pub fn new(
        name: &str,
        function: impl Fn(&mut Graph, &Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Self {
        CustomLayer { custom: name.to_owned(), function: Some(Arc::new(function)) }
    }

    /// The number of values that it makes of `inputs`, and the numbers of trained and other ones in
    /// it. Zeros if the closure refuses; building the model tells why.
    fn sizes(&self, inputs: usize) -> (usize, [usize; 2]) {
        let mut graph = Graph::new();
        let input = graph.input("input", &[inputs]);
        let traced = input.and_then(|input| self.forward(&mut graph, &input));
        traced.map_or((0, [0, 0]), |output| (output.columns(), graph.parameter_counts()))
    }
}

/// Layers are equal if they are of the same name: closures cannot be compared.
impl PartialEq for CustomLayer {
    fn eq(&self, other: &Self) -> bool {
        self.custom == other.custom
    }
}

impl fmt::Debug for CustomLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomLayer").field("custom", &self.custom).finish_non_exhaustive()
    }
}

impl Forward for CustomLayer {
    const KIND: &'static str = "custom";

    fn forward(&self, graph: &mut Graph, input: &Value) -> Result<Value> {
        match &self.function {
            Some(function) => function(graph, input),
            None => Err(Error::argument(
                "custom_objects",
                format!("have no layer {:?}, which the saved model asks for", self.custom),
            )),
        }
    }

    fn outputs(&self, inputs: usize) -> usize {
        self.sizes(inputs).0
    }

    fn parameters(&self, inputs: usize) -> [usize; 2] {
        self.sizes(inputs).1
    }
}
