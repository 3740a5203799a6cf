//! `mnist-gpu` trains a network on MNIST, on any GPU that wgpu reaches or on the CPU.

mod adapters;
mod args;
mod backend;
mod bench;
mod caches;
mod checkpoint;
#[cfg(feature = "download")]
mod download;
mod evaluate;
mod explain;
mod figure;
mod history;
mod interrupt;
mod network;
mod pipelines;
mod predict;
mod print;
mod processes;
mod progress;
mod quantity;
mod raster;
mod scale;
mod show;
mod source;
mod sweep;
mod table;
mod train;
mod verified;
mod verify;

use std::process::ExitCode;
use std::time::Instant;

use args::Command;

/// Of bad input and of every other error.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    // `bench` reports how long the first step took from here.
    let start = Instant::now();
    backend::quieten_mesa();
    let command = match args::parse() {
        Ok(command) => command,
        Err(exit) => return exit,
    };
    let result = match &command {
        Command::Train(args) => train::run(args),
        Command::Sweep(args) => sweep::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Predict(args) => predict::run(args),
        Command::Show(args) => show::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Probe(args) => verify::child::run(args),
        Command::Bench(args) => bench::run(args, start),
        Command::Explain(args) => explain::run(args),
        Command::Scale(args) => scale::run(args),
        Command::Adapters(args) => adapters::run(args),
    };
    result.unwrap_or_else(|error| {
        if !print::reader_is_gone(&error) {
            print::error(&one_line(&error));
        }
        ExitCode::from(FAILED)
    })
}

/// The chain of causes in one line.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        // Some messages already end with their cause.
        if line.ends_with(&text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_causes_is_one_line_without_repetition() {
        let cause = anyhow::anyhow!("not\n  found");
        assert_eq!(one_line(&cause.context("cannot read x")), "cannot read x: not found");
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        let error = minibatch::Error::Io { action: "read", path: "x".into(), source };
        let text = error.to_string();
        assert_eq!(one_line(&error.into()), text);
    }
}
