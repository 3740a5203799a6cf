//! Training, evaluation and prediction: epochs and batches over an executor, callbacks and
//! history.

mod arguments;
mod batch_source;
mod batches;
mod blocking;
mod callback;
pub mod callbacks;
mod checks;
mod control;
mod curves;
mod evaluate;
mod executor;
mod feed;
mod fit;
mod gradients;
mod history;
mod loading;
mod model;
mod noise_scale;
mod on_batch;
mod predict;
mod predictions;
mod recording;
mod run;
mod saving;
mod scores;
mod send;
mod session;
mod settings;
mod totals;
mod verbose;
mod weights;
mod yield_now;

pub use arguments::{Evaluate, Fit, Predict, ValidationFreq};
pub use callback::{Callback, EpochStart, Resume, StepEnd, TrainStart};
pub use control::{Answer, Control, Request};
pub use curves::learning_curves;
pub use executor::Backend;
pub use feed::fill;
pub use history::{EpochRecord, History};
pub use model::Model;
pub use noise_scale::{GradientNoise, PartGradients};
pub use predictions::Predictions;
pub use scores::{ConfusionMatrix, Scores};
pub use send::WasmNotSend;
pub use verbose::Verbose;
