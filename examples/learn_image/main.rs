//! A small network learns a picture, on the device that draws it: from a place to a colour.
//!
//!     cargo run --release --features window --example learn_image
//!     cargo run --release --example learn_image -- --headless --frames 1000 --out learned.png
//!
//! Each frame the host's compute pass draws 16,384 pixels, the model records a step on them, and
//! the host's render pass computes the network for each pixel of the window, from the weights as
//! they lie on the device. Left the network, right the picture.

mod network;
mod picture;
mod quality;
mod samples;
mod scene;
#[path = "../support/mod.rs"]
mod support;
mod view;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use network::Encoding;
use scene::LearnImage;
use support::options::Options;
use support::{Result, frames};

const USAGE: &str = "\
usage: learn_image [--image FILE.png] [--encoding hash|frequency] [--frames N]
       learn_image --headless --frames N --out FILE.png [the others]

  --image FILE.png    the picture to learn (the bundled lake, 256x256)
  --encoding NAME     hash: a multiresolution hash grid (the default); frequency: sines and cosines
  --headless          without a window: the last frame is written to --out
  --frames N          steps, one a frame; the learning rate falls over them
                      (1,000 without it; a window then stays open)";

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
    let path = options.path("--image")?.unwrap_or_else(bundled);
    let encoding = match options.value("--encoding")? {
        None => Encoding::Hash,
        Some(name) => Encoding::named(&name)?,
    };
    let show = options.show()?;
    options.finish()?;
    let picture = picture::read(&path)?;
    let steps = show.frames().unwrap_or(1000);
    let make = move |host: &_, format| LearnImage::new(host, format, picture, encoding, steps);
    frames::show("learn_image", show, Box::new(make))
}

/// The picture of `examples/make_picture`.
fn bundled() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/lake.png")
}
