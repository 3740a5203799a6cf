//! What is trained: a graph of layers, its lowering to a program, its initial weights and its
//! file.

mod check;
mod compiled;
mod crossentropy;
mod custom_function;
mod custom_objects;
mod file;
pub(crate) mod functional;
mod input;
mod layer;
pub(crate) mod loss;
mod lower;
pub mod metric;
mod metric_sums;
mod objective;
mod optimizer;
mod precision;
mod regularizer;
mod report;
pub mod schedule;
mod sequential;
mod summary;
mod update;

pub use crate::program::Initializer;
pub use compiled::{Compiled, Objective};
pub use custom_function::CustomFunction;
pub use custom_objects::CustomObjects;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use file::read_note;
pub(crate) use file::{Metadata, SavedModel, Source, check_metadata, parameters};
pub use file::{Weights, tensors};
pub use functional::{Functional, Node, NodeKind, Output, Tensor};
pub use input::{Input, InputType};
pub use layer::*;
pub use lower::lower;
pub(crate) use lower::{Lowered, lowered, needs_whole_batches};
pub use optimizer::{Adagrad, Adam, Clip, EpsilonRule, Optimizer, RmsProp, Sgd};
pub use precision::Precision;
pub use regularizer::Regularizer;
pub(crate) use report::{OutputReport, Report, ReportedMetric, Sums};
pub use schedule::Schedule;
pub use sequential::Sequential;
pub(crate) use update::check_optimizer;
