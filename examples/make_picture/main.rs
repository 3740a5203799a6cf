//! Draws the picture that `examples/learn_image` learns unless it is given another: a lake in the
//! evening, 256x256 RGB. The same pixels each time, on any machine: the functions beyond
//! arithmetic are libm's, in Rust.
//!
//!     cargo run --release --example make_picture -- data/lake.png

mod colour;
mod evening;
mod land;
mod meadow;
mod noise;
mod sign;
mod sky;
mod tree;

use std::fs::File;
use std::io::BufWriter;
use std::process::ExitCode;

use colour::add;
use evening::Evening;

const SIZE: u32 = 256;
/// Points that are averaged for a pixel, along each axis.
const POINTS: u32 = 10;
/// How far from the middle of a pixel they lie at most, in pixels: about as soft as the picture of a camera.
const REACH: f64 = 1.7;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: make_picture FILE.png");
        return ExitCode::FAILURE;
    };
    match File::create(&path).map_err(Into::into).and_then(write) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}

fn write(file: File) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(BufWriter::new(file), SIZE, SIZE);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels())?;
    writer.finish()
}

fn pixels() -> Vec<u8> {
    let evening = Evening::new();
    let mut pixels = Vec::new();
    for row in 0..SIZE {
        for column in 0..SIZE {
            let (mut sum, mut weights) = ([0.0; 3], 0.0);
            for point in 0..POINTS * POINTS {
                let (across, weight_across) = tent(point % POINTS);
                let (down, weight_down) = tent(point / POINTS);
                let at =
                    |pixel: u32, aside: f64| (f64::from(pixel) + 0.5 + aside) / f64::from(SIZE);
                let colour = evening.colour(at(column, across), at(row, down));
                sum = add(sum, colour, weight_across * weight_down);
                weights += weight_across * weight_down;
            }
            let byte = |sum: f64| ((sum / weights).clamp(0.0, 1.0) * 255.0).round() as u8;
            pixels.extend(sum.map(byte));
        }
    }
    pixels
}

/// How far a point is from the middle of its pixel, in pixels, and how much it counts there: the
/// less the farther it is. So edges are smooth.
fn tent(point: u32) -> (f64, f64) {
    let aside = (f64::from(point) + 0.5) / f64::from(POINTS) * 2.0 - 1.0;
    (aside * REACH, 1.0 - aside.abs())
}
