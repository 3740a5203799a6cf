//! The command line: its commands, and how it is read. Each file has the options of one command, or those that
//! several have in common.

mod backend;
mod data;
mod device;
mod model;
mod numbers;
mod scale;
mod sharing;
mod sweep;
mod train;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::{FAILED, print};

pub(crate) use backend::{Backend, BackendKind};
pub(crate) use data::{Data, Loading, Reading, Table};
pub(crate) use device::{Adapters, Bench, DeviceKind, Explain, Probe, Verify};
pub(crate) use model::{Evaluate, Predict, Show};
pub(crate) use scale::{Link, Scale};
pub(crate) use sharing::{Distributed, Sharing};
pub(crate) use sweep::{BatchSize, Equal, Sweep};
pub(crate) use train::{Augment, Optimizer, Precision, Train};

/// Train a network on MNIST, on any GPU that wgpu reaches or on the CPU.
///
/// Data like MNIST may be of any size: --data DIR says how they are read. --data FILE.csv learns a
/// column of a table from the others.
///
/// Without a command it trains, with the options below. The data come from --data, else from the
/// directory MNIST_DIR, else from the cache, else they are downloaded into it, else synthetic
/// digits are drawn; one line says which.
///
/// Ends with code 0; 2 if anything fails; 1 if `verify` finds an operation out of its bounds; 130
/// if Ctrl-C ended the training. With --distributed, Ctrl-C and SIGTERM end it without saving, and the
/// code is the launcher's.
#[derive(Debug, Parser)]
#[command(name = "mnist-gpu", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    train: Train,
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "a program has one command")]
pub(crate) enum Command {
    /// Train, test, and save what was learned (what happens without a command)
    Train(Train),
    /// Train with one batch size after the other, and compare
    Sweep(Sweep),
    /// Loss and accuracy of a saved model on the test data
    Evaluate(Evaluate),
    /// What a saved model sees in PNG images, in the rows of a table, or in texts
    Predict(Predict),
    /// Compare runs by the files of their --history
    Show(Show),
    /// Probe an adapter for what drivers get wrong, and check every operation against the CPU in
    /// double precision; the other commands do without what fails
    Verify(Verify),
    /// Run one probe; what verify starts for each
    #[command(hide = true)]
    Probe(Probe),
    /// Measure training steps per second
    Bench(Bench),
    /// Print what a training step is on a GPU, and how long it should take there; needs no GPU
    Explain(Explain),
    /// Print what a step would cost on 1 to 1,024 processes, and where adding more stops paying
    Scale(Scale),
    /// List the adapters that wgpu finds
    Adapters(Adapters),
}

/// What the command line asks for; or, after printing help or what is wrong, how to exit.
pub(crate) fn parse() -> Result<Command, ExitCode> {
    match parsed() {
        Ok(Arguments { command, train }) => Ok(command.unwrap_or(Command::Train(train))),
        Err(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            // A closed pipe is no reason to fail: the reader has seen enough.
            let _ = error.print();
            Err(ExitCode::SUCCESS)
        }
        Err(error) => {
            print::aside(&one_line(&error.render().to_string()));
            Err(ExitCode::from(FAILED))
        }
    }
}

fn parsed() -> Result<Arguments, clap::Error> {
    let matches = Arguments::command().try_get_matches()?;
    if let Some(options) = matches.subcommand_matches("sweep") {
        let given = |option: &str| options.value_source(option) == Some(ValueSource::CommandLine);
        if let Some((_, problem)) = sweep::NOT_FOR_SWEEP.iter().find(|(option, _)| given(option)) {
            return Err(Arguments::command().error(ErrorKind::ArgumentConflict, problem));
        }
    }
    Arguments::from_arg_matches(&matches)
}

/// clap's message without the usage that follows it.
fn one_line(message: &str) -> String {
    let says_what =
        |part: &&str| !part.starts_with("Usage:") && !part.starts_with("For more information");
    let parts = message.split("\n\n").filter(says_what);
    let words: Vec<&str> = parts.flat_map(str::split_whitespace).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }
}
