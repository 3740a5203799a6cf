//! Checks an adapter before it is trusted.

use std::process::ExitCode;

use anyhow::bail;

use crate::args;

/// # Errors
/// Always, until it exists.
pub fn run(_args: &args::Verify) -> anyhow::Result<ExitCode> {
    bail!("verify is not written yet")
}
