//! Writing to the terminal without `println!`, which panics when the reader is gone.

use std::io::Write;

use anyhow::Context;

/// A line on standard output.
///
/// # Errors
/// If it cannot be written, as into a closed pipe or to a full disk.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).context("cannot write to standard output")
}

/// Whether [`line()`] failed since nobody reads any more, as after `| head -1`.
pub(crate) fn reader_is_gone(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}

/// A value as JSON on standard output.
///
/// # Errors
/// As [`line()`].
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// A table with its first row as the titles; which columns are aligned to the right.
///
/// # Errors
/// As [`line()`].
pub(crate) fn columns<const N: usize>(
    table: &[[String; N]],
    right: &[bool; N],
) -> anyhow::Result<()> {
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|column| width(column).unwrap_or(0));
    for row in table {
        let cells = row.iter().zip(widths).zip(right).map(|((cell, width), right)| match right {
            true => format!("{cell:>width$}"),
            false => format!("{cell:width$}"),
        });
        line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// A line on standard error. If even that fails there is nobody left to tell.
pub(crate) fn aside(text: &str) {
    // In one piece, as several processes may write to one terminal.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// An error's line on standard error.
pub(crate) fn error(text: &str) {
    aside(&format!("error: {text}"));
}
