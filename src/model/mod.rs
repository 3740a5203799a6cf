//! What is trained: a graph of layers, its lowering to a program, its initial weights and its
//! file.

mod check;
mod compiled;
mod file;
pub(crate) mod functional;
mod input;
mod layer;
mod lower;
mod metric;
mod objective;
mod regularizer;
mod report;
mod sequential;
mod summary;
mod update;

pub use crate::program::Initializer;
pub use compiled::{Compiled, Objective};
pub(crate) use file::parameters;
pub use file::{Saved, Weights, load, save, tensors};
pub use functional::{Functional, Node, NodeKind, Output, Tensor};
pub use input::{Input, InputType};
pub use layer::{
    ActivationLayer, BatchNormalization, Dense, Dropout, Flatten, GaussianNoise, Layer,
    LayerNormalization, Normalization, Rescaling,
};
pub use lower::lower;
pub(crate) use lower::{Lowered, lowered};
pub use regularizer::Regularizer;
pub(crate) use report::{OutputReport, Report, ReportedMetric, Sums};
pub use sequential::Sequential;
pub(crate) use update::check_optimizer;
