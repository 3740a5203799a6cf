//! The one list of layers: the enum and everything that enumerates it comes from here.

use serde::{Deserialize, Serialize};

use super::contract::Forward;
use crate::error::Result;
use crate::program::{Graph, Value};

macro_rules! layers {
    ($($name:ident($module:ident::$type:ident),)+) => {
        $(pub use super::$module::$type;)+

        /// A layer.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "layer", rename_all = "snake_case")]
        #[non_exhaustive]
        #[allow(missing_docs, reason = "each variant is documented at its struct")]
        pub enum Layer {
            $($name($type),)+
        }

        $(
            impl From<$type> for Layer {
                fn from(layer: $type) -> Self {
                    Layer::$name(layer)
                }
            }
        )+

        impl Layer {
            /// What layers of its kind are called, before their number: `dense`.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Layer::$name(_) => <$type as Forward>::KIND,)+
                }
            }

            /// Values of a sample that it makes of `inputs`.
            pub fn outputs(&self, inputs: usize) -> usize {
                match self {
                    $(Layer::$name(layer) => layer.outputs(inputs),)+
                }
            }

            /// The number of values in it that are trained, and of those that are not, with so
            /// many inputs a sample.
            pub fn parameters(&self, inputs: usize) -> [usize; 2] {
                match self {
                    $(Layer::$name(layer) => layer.parameters(inputs),)+
                }
            }

            /// Adds what it computes to the graph.
            pub(crate) fn forward(&self, graph: &mut Graph, input: &Value) -> Result<Value> {
                match self {
                    $(Layer::$name(layer) => layer.forward(graph, input),)+
                }
            }
        }
    };
}
layers! {
    Dense(dense::Dense),
    Activation(activation::ActivationLayer),
    Dropout(dropout::Dropout),
    GaussianNoise(gaussian_noise::GaussianNoise),
    BatchNormalization(batch_normalization::BatchNormalization),
    LayerNormalization(layer_normalization::LayerNormalization),
    Normalization(normalization::Normalization),
    Rescaling(rescaling::Rescaling),
    Flatten(flatten::Flatten),
    FrequencyEncoding(frequency_encoding::FrequencyEncoding),
    HashGrid(hash_grid::HashGrid),
    Custom(custom::CustomLayer),
}
