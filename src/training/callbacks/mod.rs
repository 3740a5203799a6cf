//! Ready-made callbacks, with [Keras' names](https://keras.io/api/callbacks/).
//!
//! A callback can be used for several calls of [`fit`](super::Model::fit), and starts from its
//! beginning in each. Two do not: [`ModelCheckpoint`] remembers its best value, as in Keras, and
//! [`BackupAndRestore`] goes on from its file. Epochs are counted from 1 wherever they are reported
//! or written, except in the files of [`TensorBoard`].
//!
//! ```
//! use minibatch::callbacks::{EarlyStopping, ModelCheckpoint};
//! # use minibatch::{Activation, Adam, Cpu, Fit, Loss, Metric, Sequential};
//! # fn main() -> minibatch::Result<()> {
//! # let data = minibatch::data::synthetic_digits(200, 0)?;
//! # let mut model = Sequential::new(minibatch::model::Input::pixels(data.sample_shape()))
//! #     .dense(data.classes(), Activation::Softmax)
//! #     .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
//! #     .build(&Cpu::new())?;
//! # let directory = std::env::temp_dir().join(format!("minibatch-doc-{}", std::process::id()));
//! # let path = directory.join("epoch-{epoch:02}-{val_accuracy:.3f}.safetensors");
//! # let path = path.to_string_lossy();
//! let mut stop = EarlyStopping::new().patience(3).restore_best_weights(true);
//! // path: "epoch-{epoch:02}-{val_accuracy:.3f}.safetensors"
//! let mut save = ModelCheckpoint::new(path).monitor("val_accuracy").save_best_only(true);
//! let fit = Fit::new().epochs(20).validation_split(0.1).callback(&mut stop).callback(&mut save);
//! let history = model.fit(&data, fit)?;
//! println!("{} epochs, the best was {:?}", history.epochs.len(), stop.best_epoch());
//! # assert!(directory.read_dir().is_ok_and(|mut files| files.next().is_some()));
//! # std::fs::remove_dir_all(directory).ok();
//! # Ok(())
//! # }
//! ```

#[cfg(not(target_arch = "wasm32"))]
mod backup_and_restore;
#[cfg(not(target_arch = "wasm32"))]
mod backup_note;
#[cfg(not(target_arch = "wasm32"))]
mod csv_logger;
mod early_stopping;
#[cfg(not(target_arch = "wasm32"))]
mod event_file;
#[cfg(not(target_arch = "wasm32"))]
mod frequency;
mod gradient_noise_scale;
mod lambda_callback;
mod learning_rate_scheduler;
#[cfg(not(target_arch = "wasm32"))]
mod model_checkpoint;
mod monitor;
#[cfg(not(target_arch = "wasm32"))]
mod path_pattern;
#[cfg(not(target_arch = "wasm32"))]
mod plot;
#[cfg(not(target_arch = "wasm32"))]
mod progress_bar;
mod reduce_lr_on_plateau;
mod some_steps;
#[cfg(not(target_arch = "wasm32"))]
mod tensorboard;
mod terminate_on_nan;

#[cfg(not(target_arch = "wasm32"))]
pub use backup_and_restore::{Backup, BackupAndRestore};
#[cfg(not(target_arch = "wasm32"))]
pub use csv_logger::CsvLogger;
pub use early_stopping::EarlyStopping;
#[cfg(not(target_arch = "wasm32"))]
pub use frequency::Frequency;
pub use gradient_noise_scale::{GradientNoiseScale, NoiseMeasurement};
pub use lambda_callback::LambdaCallback;
pub use learning_rate_scheduler::LearningRateScheduler;
#[cfg(not(target_arch = "wasm32"))]
pub use model_checkpoint::ModelCheckpoint;
pub use monitor::Mode;
#[cfg(not(target_arch = "wasm32"))]
pub use plot::Plot;
#[cfg(not(target_arch = "wasm32"))]
pub use progress_bar::ProgressBar;
pub use reduce_lr_on_plateau::ReduceLrOnPlateau;
pub use some_steps::SomeSteps;
#[cfg(not(target_arch = "wasm32"))]
pub use tensorboard::TensorBoard;
pub use terminate_on_nan::TerminateOnNan;
