//! Training, evaluation and prediction: epochs and batches over an executor, callbacks and
//! history.

mod arguments;
mod callback;
#[cfg(not(target_arch = "wasm32"))]
pub mod callbacks;
mod evaluate;
mod executor;
mod feed;
mod fit;
mod history;
mod learning_rate;
mod model;
mod on_batch;
mod predict;
mod recording;
#[cfg(not(target_arch = "wasm32"))]
mod restore;
mod scores;
mod totals;
mod weights;

pub use arguments::{Evaluate, Fit, Predict, ValidationFreq, Verbose};
pub use callback::{Callback, EpochStart, Flow, Resume, StepEnd, TrainStart};
pub use executor::Backend;
pub use feed::fill;
pub use history::{EpochRecord, History};
pub use model::Model;
pub use predict::Predictions;
pub use scores::{ConfusionMatrix, Scores};
