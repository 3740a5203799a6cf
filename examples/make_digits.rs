//! Writes the sample of synthetic digits that `data/digits-sample` holds: 1,500 for training and
//! 500 for the test, seed 0, as the four IDX files of a data set. The same bytes each time.
//!
//!     cargo run --release --example make_digits -- data/digits-sample

use std::path::Path;
use std::process::ExitCode;

use minibatch::data::{Dataset, IdxArray, synthetic_digits_split, write_idx};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args_os().nth(1).ok_or("usage: make_digits DIRECTORY")?;
    let directory = Path::new(&directory);
    std::fs::create_dir_all(directory)?;
    let sets = synthetic_digits_split(1_500, 500, 0)?;
    write(directory, "train", &sets.train)?;
    write(directory, "t10k", &sets.test)?;
    Ok(())
}

fn write(directory: &Path, part: &str, set: &Dataset) -> Result<(), Box<dyn std::error::Error>> {
    let mut data = Vec::with_capacity(set.len() * set.width());
    for index in 0..set.len() {
        data.extend(set.sample(index)?.input(0));
    }
    let shape = [&[set.len()], set.sample_shape()].concat();
    let images = IdxArray { shape, data };
    write_idx(&directory.join(format!("{part}-images-idx3-ubyte.gz")), &images, true)?;
    let data = set.labels().iter().map(|&label| u8::try_from(label)).collect::<Result<_, _>>()?;
    let labels = IdxArray { shape: vec![set.len()], data };
    write_idx(&directory.join(format!("{part}-labels-idx1-ubyte.gz")), &labels, true)?;
    Ok(())
}
