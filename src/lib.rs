//! Train dense neural networks, mini-batch by mini-batch, on any GPU that wgpu reaches, with the
//! habits of Keras: compile, fit, evaluate, predict.
//!
//! ```
//! use minibatch::data::synthetic_digits;
//! use minibatch::{Activation, Adam, Cpu, Evaluate, Fit, Input, Loss, Metric, Sequential};
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
//! A training step is data. [`model`] turns layers, losses and an optimizer into a [`program`]: a
//! list of operations over named buffers, which knows no device. [`cpu`] runs it with one function
//! for each operation, in f32 or, to check everything against, in f64; [`gpu`] runs it with one WGSL
//! kernel for each operation, in one encoder and one compute pass a step. [`parity`] compares the
//! two, operation by operation. [`training`] drives either of them, batch by batch, with samples
//! from [`data`]. Imports run one way:
//!
//! ```text
//! training, parity -> model, cpu, gpu -> program -> operation -> table -> number -> error
//! training -> data -> error
//! training -> distributed -> number -> error
//! ```
//!
//! [ARCHITECTURE.md](https://docs.rs/crate/minibatch/latest/source/ARCHITECTURE.md) has the picture,
//! and a sample's way through the house.
//!
//! # Where to look
//!
//! What most programs need can be imported from the crate's root. Beyond that:
//!
//! - [`data`] reads IDX files and texts, and draws synthetic digits, [`callbacks`] holds the ready-made
//!   callbacks, and [`schedule`] the learning rate schedules;
//! - [`gpu`] is for those who list adapters, or train inside their own wgpu application;
//! - [`model`] is for those who look into a model's layers, [`training`] for those who write the
//!   loop over batches themselves;
//! - [`program`], [`operation`], [`table`] and [`number`] are for those who add an operation to this
//!   crate, or run one by itself, as its tests do;
//! - [`distributed`] is for those who train on several machines, or in several processes;
//! - [`cpu`] and [`parity`] are for those who check a GPU's numbers;
//! - [`random`] is for those who want the numbers that this crate draws;
//! - [`metric`] is for those who compute a score from sums that they read themselves.
//!
//! # Inside your own wgpu application
//!
//! [`Gpu::from_device`] takes your device and queue. Steps are recorded into your encoder, between your
//! passes, and you submit: [`Model::record_step_on`] trains on rows of a buffer of yours,
//! [`Model::record_step`] on samples in host memory. Neither submits, waits, or allocates on the device.
//! [`Model::binding`] gives weights and predictions to your shaders. [`wgpu`] is exported, so that yours
//! is of the same version.
//!
//! ```
//! use minibatch::{BoundRows, DeviceColumns, DeviceRows, Model, Result, wgpu};
//!
//! /// Once: 4,096 samples of two inputs and a target, as a pass of yours writes them.
//! async fn bind(model: &mut Model, samples: &wgpu::Buffer) -> Result<BoundRows> {
//!     let rows = DeviceRows::new(samples, 4096).stride(12);
//!     let columns = DeviceColumns::new().input("x", rows.clone()).target("y", rows.offset(8));
//!     model.bind_rows(columns, 256).await
//! }
//!
//! /// Each frame.
//! fn train(model: &mut Model, rows: &BoundRows, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
//!     model.record_step_on(encoder, rows, 0..256)
//! }
//! ```
//!
//! [docs/guests.md](https://docs.rs/crate/minibatch/latest/source/docs/guests.md) is the guide, and
//! `examples/embed.rs` the shortest whole program.

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
pub mod chart;
mod clock;
pub mod cpu;
pub mod data;
pub mod distributed;
mod error;
pub mod gpu;
pub mod model;
pub mod number;
pub mod operation;
mod panic;
pub mod parity;
mod profile;
pub mod program;
pub mod random;
mod sparse_row;
pub mod table;
mod threads;
pub mod training;

/// For `mnist-gpu`, which writes its history with it.
#[doc(hidden)]
pub use atomic_write::atomic_write;
pub use cpu::Cpu;
pub use data::{Batch, BatchOrder, Dataset, Features, Shuffle, Targets, TrainTest};
pub use error::{DeviceError, Error, IdxProblem, Result, TextProblem};
pub use gpu::{
    BoundRows, DeviceElement, DeviceRegion, DeviceRows, Gpu, NetworkShader, NetworkWgsl,
};
pub use model::loss::{Accuracy, Loss};
pub use model::metric::{self, Metric};
pub use model::{
    Adagrad, Adam, Clip, Compiled, CustomObjects, EpsilonRule, Functional, Initializer, Input,
    InputType, Layer, Objective, Optimizer, Precision, Regularizer, RmsProp, Schedule, Sequential,
    Sgd, schedule,
};
pub use number::expression::Expression;
pub use operation::activation::Activation;
pub use profile::{Profile, Span};
pub use program::{Graph, MemoryUse, Value};
pub use training::{
    Answer, Backend, Callback, ConfusionMatrix, Control, DataOn, DeviceColumns, EpochRecord,
    EpochStart, Evaluate, Fit, History, Model, Predict, Predictions, Rebuilt, Request, Resume,
    Scores, StepEnd, TestOnBatch, TrainOnBatch, TrainStart, ValidationFreq, Verbose, callbacks,
};
pub use wgpu;

/// What README.md and docs/guests.md show as Rust compiles, and what they say runs does.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../docs/guests.md")]
struct Guides;

/// The same for what takes MPI.
#[cfg(all(doctest, feature = "mpi"))]
#[doc = include_str!("../docs/machines.md")]
struct Machines;
