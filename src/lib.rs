//! Train dense neural networks, mini-batch by mini-batch, on any GPU that wgpu reaches, with the
//! habits of Keras: compile, fit, evaluate, predict.
//!
//! ```
//! use minibatch::data::synthetic_digits;
//! use minibatch::model::Input;
//! use minibatch::{Activation, Adam, Cpu, Evaluate, Fit, Loss, Metric, Sequential};
//!
//! # fn main() -> minibatch::Result<()> {
//! let (train, test) = synthetic_digits(1000, 0)?.split_last(0.2)?;
//! let mut model = Sequential::new(Input::pixels(train.sample_shape()))
//!     .dense(128, Activation::Relu)
//!     .dense(train.classes(), Activation::Softmax)
//!     .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
//!     .build(&Cpu::new())?; // or .build(&Gpu::new()?), or Gpu::from_device(device, queue)
//! let history = model.fit(&train, Fit::new().batch_size(32).epochs(2))?;
//! let scores = model.evaluate(&test, Evaluate::new())?;
//! # assert!(history.epochs[1].training.loss < history.epochs[0].training.loss);
//! # assert!(scores.accuracy() > Some(0.3));
//! # Ok(())
//! # }
//! ```
//!
//! # How it is built
//!
//! A training step is data. [`model`] lowers layers, loss and optimizer to a [`program`]: a list of
//! operations over named buffers. [`cpu`] runs it with one plain function an operation, in f32 or,
//! as the oracle, in f64; [`gpu`] runs it with one WGSL kernel an operation, one encoder and one
//! compute pass a step. [`training`] drives either, batch by batch, with samples from [`data`];
//! [`parity`] compares the two. Imports run one way:
//!
//! ```text
//! training, parity -> model, cpu, gpu -> program -> data -> random, error
//! ```
//!
//! What several of them speak of ([`Activation`], [`Loss`], [`Metric`]) imports nothing but the error.
//!
//! # Inside your own wgpu application
//!
//! [`Gpu::from_device`] takes your device and queue. [`Model::record_step`] records one training
//! step into your encoder, and neither submits nor waits; `examples/embed.rs` shows the whole way.

// No input may make the library panic, and it prints nothing: it returns errors and calls back.
#![cfg_attr(
    not(test),
    warn(
        clippy::expect_used,
        clippy::panic,
        clippy::print_stderr,
        clippy::print_stdout,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod atomic_write;
mod clock;
pub mod cpu;
pub mod data;
mod error;
pub mod gpu;
mod loss;
pub mod metric;
pub mod model;
pub mod number;
pub mod operation;
pub mod parity;

pub mod program;
pub mod random;
pub mod table;
pub mod training;

pub use atomic_write::atomic_write;
pub use cpu::Cpu;
pub use error::{DeviceError, Error, IdxProblem, Result};
pub use gpu::Gpu;
pub use loss::{Accuracy, Loss};
pub use metric::Metric;
pub use model::{
    Adagrad, Adam, Clip, EpsilonRule, Functional, Optimizer, RmsProp, Schedule, Sequential, Sgd,
    schedule,
};
pub use number::expression::Expression;
pub use operation::activation::{Activation, Elementwise};
pub use training::callbacks;
pub use training::{Evaluate, Fit, Model, Predict, Verbose};
