//! A network learns how particles move, from a simulation on the device that it trains on.
//!
//!     cargo run --release --features window --example particles
//!     cargo run --release --example particles -- --headless --frames 2000 --out particles.png
//!
//! Each frame the host's compute pass moves 4,096 particles and writes what became of each state into
//! buffers, on which the model records a step. Nothing crosses to the CPU but the scores. Left the
//! particles, and the forces on those at rest; right what the network makes of both: its particles
//! begin where the others are every 120 frames, and move by its predictions alone.

mod memory;
mod network;
mod prediction;
mod scene;
mod simulation;
#[path = "../support/mod.rs"]
mod support;
mod view;

use std::ffi::OsString;
use std::process::ExitCode;

use scene::Particles;
use support::options::Options;
use support::{Result, frames};

const USAGE: &str = "\
usage: particles [--frames N]
       particles --headless --frames N --out FILE.png

  --headless    without a window: the last frame is written to --out
  --frames N    steps, one a frame; the learning rate falls over them
                (2,000 without it; a window then stays open)";

fn main() -> ExitCode {
    match run(std::env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: impl IntoIterator<Item = OsString>) -> Result<()> {
    let mut options = Options::new(arguments);
    if options.flag("--help") || options.flag("-h") {
        println!("{USAGE}");
        return Ok(());
    }
    let show = options.show()?;
    options.finish()?;
    let steps = show.frames().unwrap_or(2000);
    frames::show(
        "particles",
        show,
        Box::new(move |host, format| Particles::new(host, format, steps)),
    )
}
