//! The library's one error type.

use std::path::PathBuf;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What any error may have as its source.
type Source = Box<dyn std::error::Error + Send + Sync>;

/// Everything that can go wrong in the library.
///
/// Each message says what was wrong, with the actual and the expected value, and what to do. `Debug`
/// gives the message too: it is what `fn main() -> Result<()>` prints.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument of a call is out of its range, or does not go with another one.
    #[error("{argument}: {problem}")]
    Argument {
        /// The argument's name, as in the call.
        argument: &'static str,
        /// What is wrong with it and what is expected.
        problem: String,
    },

    /// Shapes that must agree do not.
    #[error("{what}: got {actual}, expected {expected}")]
    Shape {
        /// What has the shape.
        what: String,
        /// The shape found.
        actual: String,
        /// The shape needed.
        expected: String,
    },

    /// An IDX file is damaged, or is not one.
    #[error("{}: {problem}", path.display())]
    Idx {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: IdxProblem,
        /// What the decompressor said, if the gzip stream is damaged.
        source: Option<std::io::Error>,
    },

    /// A CSV file of classes and texts is damaged, or is not one.
    #[error("{}, row {row}{}: {problem}", path.display(), on_line(*line))]
    Text {
        /// The file.
        path: PathBuf,
        /// The number of the row, from 1. A row can go over several lines.
        row: u64,
        /// The line on which the row begins, from 1, or the first empty one before it, if it is known.
        line: Option<u64>,
        /// What is wrong with the row.
        problem: TextProblem,
    },

    /// A directory lacks a file that is needed.
    #[error("{}: has no {missing}; {expected}", directory.display())]
    MissingFile {
        /// The directory looked into.
        directory: PathBuf,
        /// The file's name.
        missing: String,
        /// What is needed there.
        expected: String,
    },

    /// A sample is damaged, or what reads or makes samples failed.
    #[error("{place}: {problem}")]
    Data {
        /// Where it is: a file with a line or an offset, or the number of a sample.
        place: String,
        /// What is wrong there, and what is expected.
        problem: String,
        /// The error of whoever read it, if there was one.
        source: Option<Source>,
    },

    /// A label is not the index of a class.
    #[error(
        "label out of range: sample {sample} has the label {label}, expected less than {classes}, \
         the number of classes"
    )]
    Label {
        /// The label found.
        label: u32,
        /// The sample's index in its set, from 0.
        sample: usize,
        /// The number of classes.
        classes: usize,
    },

    /// A model file is damaged, of another model, or is not one.
    #[error("{}: {problem}", path.display())]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// The error of whoever read it, if there was one.
        source: Option<Source>,
    },

    /// Processes that train one model together do not agree, or one of them is gone.
    #[error("{process}: {problem}")]
    Distributed {
        /// Which process: "process 2 of 4".
        process: String,
        /// What is wrong and what to do.
        problem: String,
    },

    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: "read", "create", ...
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },

    /// No usable GPU adapter, or none of the wanted name.
    #[error("{0}")]
    NoAdapter(String),

    /// The device was lost, ran out of memory or refused a command.
    #[error("GPU: {0}")]
    Device(#[from] DeviceError),

    /// Every upload slot is in flight, and a call that must not wait found none.
    #[error(
        "all {slots} upload slots are in flight; submit the encoders recorded so far, let the \
         device be polled, and record again"
    )]
    Busy {
        /// Number of slots.
        slots: usize,
    },

    /// The loss of a batch, or a parameter that was to be backed up, became NaN or infinite:
    /// training cannot go on from there.
    #[error(
        "the loss became non-finite at step {step}{}; lower the learning rate, or look for \
         non-finite inputs in that batch", of_epoch(*batch)
    )]
    NonFinite {
        /// The number of the first such step, from 1, counted over the model's life.
        step: u64,
        /// Epoch and batch of this call of fit, both from 1; `None` outside of fit.
        batch: Option<(u32, u64)>,
    },

    /// The error that a user's callback returned; see [`Error::callback`].
    #[error("{0}")]
    Callback(#[source] Source),

    /// An operation made a value that is NaN or infinite, in a model compiled with `run_eagerly`.
    #[error(
        "{op} wrote {value} to {buffer}[{row}, {column}] in step {step}; Model::read shows \
         by name what else that step has made"
    )]
    NonFiniteValue {
        /// The operation.
        op: String,
        /// What it wrote to.
        buffer: String,
        /// The place of the first such value.
        row: usize,
        /// The place of the first such value.
        column: usize,
        /// What it is.
        value: f64,
        /// The step's number; 0 outside training.
        step: u64,
    },
}

impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

fn of_epoch(batch: Option<(u32, u64)>) -> String {
    batch.map_or_else(String::new, |(epoch, batch)| format!(" (epoch {epoch}, batch {batch})"))
}

fn on_line(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(" (line {line})"))
}

/// What can be wrong with a CSV file of classes and texts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextProblem {
    /// The file has no row at all.
    #[error("the file has no rows; expected a class from 1 and a text in each")]
    Empty,
    /// The first column is not the number of a class.
    #[error(
        "its first column is {found:?}, expected a class, a whole number from 1 to {most}; a header \
         line must be taken away"
    )]
    Class {
        /// How the column begins.
        found: String,
        /// The largest class.
        most: u32,
    },
    /// There is no column after the first.
    #[error("has a class and no text; expected at least two columns")]
    NoText,
    /// The row is too long to be one.
    #[error("is longer than {limit} bytes; is a quotation mark before it opened and not closed?")]
    Long {
        /// The most bytes of a row.
        limit: usize,
    },
    /// The file ends within quotation marks.
    #[error("the file ends within the quotation marks of this row: it is cut off")]
    OpenQuote,
}

/// What can go wrong on a GPU.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The device is gone: its driver failed, it was unplugged, or the host destroyed it. Nothing
    /// works on it any more; build the model anew on another [`Gpu`](crate::gpu::Gpu), from its
    /// last checkpoint.
    #[error("the device was lost: {reason}")]
    Lost {
        /// What is known of the reason.
        reason: String,
    },
    /// The device's memory is exhausted. It still works; a smaller batch or model may fit.
    #[error("the device's memory is exhausted; try a smaller batch")]
    OutOfMemory(#[source] Source),
    /// The device refused a command as invalid.
    #[error("{description}")]
    Validation {
        /// What it was and why.
        description: String,
        /// The cause.
        source: Source,
    },
    /// The driver failed, or reached a limit of its own.
    #[error("{description}")]
    Internal {
        /// What it was and why.
        description: String,
        /// The cause.
        source: Source,
    },
}

/// What can be wrong with an IDX file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdxProblem {
    /// The first four bytes are not those of an IDX file of unsigned bytes.
    #[error(
        "not an IDX file of unsigned bytes: it begins with {actual:02x?}, expected [00, 00, 08, \
         number of dimensions]"
    )]
    Magic {
        /// The bytes found.
        actual: [u8; 4],
    },
    /// The number of dimensions is not the one needed.
    #[error("has {actual} dimension(s), expected {expected}")]
    Dimensions {
        /// The number found.
        actual: usize,
        /// What is needed.
        expected: String,
    },
    /// A dimension is zero: there is nothing to train on.
    #[error("has no data: its dimensions are {0:?}")]
    Empty(Vec<usize>),
    /// The header promises more than the reader accepts.
    #[error("its header claims {claimed} bytes of data, more than the limit of {limit}")]
    TooLarge {
        /// Product of the dimensions; `None` if it overflows.
        claimed: String,
        /// The reader's limit in bytes.
        limit: u64,
    },
    /// The file ends before its header's promise is kept.
    #[error("truncated: holds {actual} bytes, expected {expected} by its header")]
    Truncated {
        /// Bytes promised, those of the header included.
        expected: u64,
        /// Bytes found (uncompressed).
        actual: u64,
    },
    /// The file goes on after its last element.
    #[error("has bytes after its end: expected {expected} by its header, and more follow")]
    Trailing {
        /// Bytes promised (uncompressed), those of the header included.
        expected: u64,
    },
    /// The gzip stream is damaged.
    #[error("damaged gzip stream: {0}")]
    Gzip(String),
    /// A label is not the index of a class.
    #[error(
        "label out of range: sample {sample} has the label {label}, expected less than {classes}, \
         the number of classes of the training set"
    )]
    Label {
        /// The label found.
        label: u32,
        /// The sample's index in the file, from 0.
        sample: usize,
        /// The number of classes.
        classes: usize,
    },
    /// The test set's samples are not shaped as the training set's.
    #[error("has samples of shape {actual:?}, expected {expected:?} as in the training set")]
    SampleShape {
        /// The shape in this file.
        actual: Vec<usize>,
        /// The shape in the training set.
        expected: Vec<usize>,
    },
    /// Images and labels do not belong together.
    #[error("holds {labels} labels, but {images} images were read from {images_file}")]
    Counts {
        /// Labels in this file.
        labels: usize,
        /// Images in the other.
        images: usize,
        /// The other file's name.
        images_file: String,
    },
}

impl Error {
    /// Makes the error that a callback returns, from a message or from any other error. It ends
    /// `fit`, `evaluate` or `predict`, which return it.
    pub fn callback(error: impl Into<Source>) -> Self {
        Error::Callback(error.into())
    }

    /// True if the device was lost: nothing works on it any more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self, Error::Device(DeviceError::Lost { .. }))
    }

    /// An [`Error::Argument`].
    pub(crate) fn argument(argument: &'static str, problem: impl Into<String>) -> Self {
        Error::Argument { argument, problem: problem.into() }
    }

    /// Makes an [`Error::Data`]: what a source of samples, or what maps them, returns. `place` says
    /// where the sample is (`train.csv, line 17`), `problem` what is wrong and what is expected.
    pub fn data(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Error::Data { place: place.into(), problem: problem.into(), source: None }
    }

    /// Makes an [`Error::Distributed`]: what a [`Transport`](crate::distributed::Transport) returns.
    /// `process` says which one is concerned (`process 2 of 4`), `problem` what is wrong.
    pub fn distributed(process: impl Into<String>, problem: impl Into<String>) -> Self {
        Error::Distributed { process: process.into(), problem: problem.into() }
    }

    /// An [`Error::Io`], for use in `map_err`.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Error::Io { action, path, source }
    }
}
