//! The picture to learn.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use crate::support::Result;

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
