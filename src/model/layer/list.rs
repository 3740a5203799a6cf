//! The one list of layers: the enum and everything that enumerates it comes from here.

use serde::{Deserialize, Serialize};

use super::activation::ActivationLayer;
use super::batch_normalization::BatchNormalization;
use super::contract::Forward;
use super::custom::CustomLayer;
use super::dense::Dense;
use super::dropout::Dropout;
use super::flatten::Flatten;
use super::gaussian_noise::GaussianNoise;
use super::layer_normalization::LayerNormalization;
use super::normalization::Normalization;
use super::rescaling::Rescaling;
use crate::error::Result;
use crate::program::{Graph, Value};

macro_rules! layers {
    ($($name:ident($type:ident),)+) => {
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
    Dense(Dense),
    Activation(ActivationLayer),
    Dropout(Dropout),
    GaussianNoise(GaussianNoise),
    BatchNormalization(BatchNormalization),
    LayerNormalization(LayerNormalization),
    Normalization(Normalization),
    Rescaling(Rescaling),
    Flatten(Flatten),
    Custom(CustomLayer),
}
