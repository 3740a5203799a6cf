//! What the examples with a window share: their options, the host's device, the loop over frames
//! with and without a window, PNG files.

pub(crate) mod frames;
pub(crate) mod halves;
mod headless;
pub(crate) mod host;
pub(crate) mod options;
mod png_file;
mod window;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
