//! Callbacks ready for use, by [Keras' names](https://keras.io/api/callbacks/).
//!
//! Each can be used again: it begins anew with every [`fit`](super::Model::fit), but for
//! [`ModelCheckpoint`], which remembers its best as in Keras, and [`BackupAndRestore`], which goes
//! on from its file. Epochs are counted from 1 in all that is reported or written, but for the
//! files of [`TensorBoard`].
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

mod backup_and_restore;
mod csv_logger;
mod early_stopping;
mod event_file;
mod frequency;
mod lambda_callback;
mod learning_rate_scheduler;
mod model_checkpoint;
mod monitor;
mod path_pattern;
mod progress_bar;
mod reduce_lr_on_plateau;
mod tensorboard;
mod terminate_on_nan;

pub use backup_and_restore::BackupAndRestore;
pub use csv_logger::CsvLogger;
pub use early_stopping::EarlyStopping;
pub use frequency::Frequency;
pub use lambda_callback::LambdaCallback;
pub use learning_rate_scheduler::LearningRateScheduler;
pub use model_checkpoint::ModelCheckpoint;
pub use monitor::Mode;
pub use progress_bar::ProgressBar;
pub use reduce_lr_on_plateau::ReduceLrOnPlateau;
pub use tensorboard::TensorBoard;
pub use terminate_on_nan::TerminateOnNan;
