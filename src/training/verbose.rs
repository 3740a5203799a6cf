//! How much is shown.

/// How much is shown on standard output, Keras' `verbose`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Verbose {
    /// [`Bar`](Self::Bar) on a terminal, [`Line`](Self::Line) into a file or a pipe.
    Auto,
    /// Nothing; Keras' 0. The default here, since a library speaks only when asked to; Keras' is
    /// `"auto"`.
    #[default]
    Silent,
    /// A bar that is redrawn as the steps go by, and stays at the end of each epoch; Keras' 1.
    Bar,
    /// A line at the end of each epoch; Keras' 2.
    Line,
}
