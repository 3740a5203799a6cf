//! What is trained: a graph of layers, its lowering to a program, its initial weights and its
//! file.

mod compiled;
mod file;
pub(crate) mod functional;
mod initializer;
mod input;
mod layer;
mod lower;
mod normalization;
mod optimizer;
mod regularizer;
mod report;
pub mod schedule;
mod sequential;
mod summary;

pub use compiled::{Compiled, Objective};
pub(crate) use file::{SavedModel, Source, parameters};
pub use file::{Weights, tensors};
pub use functional::{Functional, Node, NodeKind, Output, Tensor};
pub use initializer::Initializer;
pub use input::{Input, InputType};
pub use layer::{Dense, Layer};
pub use lower::lower;
pub(crate) use lower::{Lowered, check_optimizer, lowered};
pub use normalization::{BatchNormalization, LayerNormalization, Normalization};
pub use optimizer::{Adagrad, Adam, Clip, EpsilonRule, Optimizer, RmsProp, Sgd};
pub use regularizer::Regularizer;
pub(crate) use report::{OutputReport, Report, ReportedMetric, Sums};
pub use schedule::Schedule;
pub use sequential::Sequential;
