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
const POINTS: u32 = 4;

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
            let mut sum = [0.0; 3];
            for point in 0..POINTS * POINTS {
                let at = |pixel: u32, point: u32| {
                    let within = (f64::from(point) + 0.5) / f64::from(POINTS);
                    (f64::from(pixel) + within) / f64::from(SIZE)
                };
                let colour = evening.colour(at(column, point % POINTS), at(row, point / POINTS));
                sum = add(sum, colour, 1.0 / f64::from(POINTS * POINTS));
            }
            pixels.extend(sum.map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8));
        }
    }
    pixels
}
