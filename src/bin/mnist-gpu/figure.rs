//! The files of `--figure`.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, bail};
use minibatch::atomic_write;
use minibatch::chart::Figure;

use crate::raster;
use crate::train::check_target;

/// How a figure is written, by the file's extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Svg,
    Png,
}

impl Format {
    fn of(path: &Path) -> anyhow::Result<Self> {
        let extension = path.extension().map(OsStr::to_ascii_lowercase);
        match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("svg") => Ok(Format::Svg),
            Some("png") => Ok(Format::Png),
            _ => bail!("give a file name that ends in .svg or .png"),
        }
    }
}

/// Finds out before the work what would make its figure unsavable after it.
///
/// # Errors
/// If the name ends otherwise, or no such file can be written.
pub(crate) fn check(path: &Path) -> anyhow::Result<()> {
    let checked = Format::of(path).and_then(|_| check_target(path));
    checked.with_context(|| format!("--figure {}", path.display()))
}

/// Writes the figure; the file is whole, or as it was.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn write(path: &Path, figure: &Figure) -> anyhow::Result<()> {
    let content = match Format::of(path)? {
        Format::Svg => figure.to_svg().into_bytes(),
        Format::Png => raster::png(figure)?,
    };
    Ok(atomic_write(path, &content)?)
}
