//! Pictures as PNG files.

use std::fs::File;
use std::io::BufWriter;

use super::Result;

/// Writes rows of red, green, blue and opacity, of which the last is left out.
pub(super) fn write(file: File, width: u32, height: u32, rgba: &[u8]) -> Result<()> {
    let mut encoder = png::Encoder::new(BufWriter::new(file), width, height);
    encoder.set_color(png::ColorType::Rgb);
    let rgb: Vec<u8> =
        rgba.chunks_exact(4).flat_map(|pixel| pixel.iter().take(3)).copied().collect();
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&rgb)?;
    writer.finish()?;
    Ok(())
}
