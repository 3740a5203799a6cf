//! Training, evaluation and prediction: epochs and batches over an executor, callbacks and
//! history.

mod arguments;
mod callback;
mod executor;
mod fit;
mod history;
mod model;
mod recording;

pub use arguments::{Evaluate, Fit, Predict};
pub use callback::{Callback, EpochStart, Flow, StepEnd};
pub use executor::Backend;
pub use history::{EpochRecord, History, Scores};
pub use model::Model;
