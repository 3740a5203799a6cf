//! Pictures as PNG files.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

use super::Result;

/// Red, green and blue of each pixel, row after row.
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) pixels: Vec<[u8; 3]>,
}

impl Picture {
    /// The size as constants of WGSL.
    pub(crate) fn size_text(&self) -> String {
        format!("const WIDTH = {}u;\nconst HEIGHT = {}u;\n", self.width, self.height)
    }
}

/// Reads 8 bits of each colour, whatever the file has; opacity is dropped.
pub(crate) fn read(path: &Path) -> Result<Picture> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(|error| failed(&error))?;
    let mut decoder = png::Decoder::new(BufReader::new(file));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(|error| failed(&error))?;
    let size = reader.output_buffer_size().ok_or_else(|| failed(&"it is too large"))?;
    let mut bytes = vec![0; size];
    let frame = reader.next_frame(&mut bytes).map_err(|error| failed(&error))?;
    let bytes = bytes.get(..frame.buffer_size()).unwrap_or_default();
    let pixel = |values: &[u8]| match *values {
        [grey] | [grey, _] => [grey; 3],
        [red, green, blue, ..] => [red, green, blue],
        [] => [0; 3],
    };
    let pixels = bytes.chunks_exact(frame.color_type.samples()).map(pixel).collect();
    Ok(Picture { width: frame.width, height: frame.height, pixels })
}

/// Writes rows of red, green, blue and opacity, of which the last is left out.
pub(crate) fn write(file: File, width: u32, height: u32, rgba: &[u8]) -> Result<()> {
    let mut encoder = png::Encoder::new(BufWriter::new(file), width, height);
    encoder.set_color(png::ColorType::Rgb);
    let rgb: Vec<u8> =
        rgba.chunks_exact(4).flat_map(|pixel| pixel.iter().take(3)).copied().collect();
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&rgb)?;
    writer.finish()?;
    Ok(())
}
