//! Directories of images: the directory that an image is in is its class.

use std::ffi::OsString;
use std::fs;
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use png::{ColorType, Transformations};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::data::fields::{Element, Field, Fields};
use crate::data::file::{FileReader, PositionedFile};
use crate::data::samples::{Samples, Values};
use crate::data::source::{RandomAccess, Source, Visit};
use crate::error::{Error, Result};

/// Larger images are refused.
const MAX_PIXELS: u64 = 1 << 26;
/// What a decoder may take for itself.
const MAX_DECODER_BYTES: usize = 512 << 20;
/// Bytes of a file that are read at once.
const BUFFER: usize = 16 << 10;

/// How many values a pixel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ImageColour {
    /// One: how bright it is. Images are of the shape `[rows, columns]`; of colours, the luma is
    /// taken (ITU-R BT.601).
    Grey,
    /// Red, green and blue. Images are of the shape `[rows, columns, 3]`.
    Rgb,
}

/// PNG and JPEG files, in a directory for each class.
///
/// Files that end with neither `.png`, `.jpg` nor `.jpeg` are passed over; what a file is is told
/// from its content. Classes and, within each, files come in the order of their names. An image is
/// decoded each time it is read, to bytes; opacity is dropped, 16 bits become 8. All must be of
/// the size of the first one. The names of all files are kept in memory, about 50 bytes each.
///
/// ```no_run
/// use std::path::Path;
///
/// use minibatch::data::{ImageColour, ImageDirectory};
///
/// # fn main() -> minibatch::Result<()> {
/// // pets/cat/1.png, pets/cat/2.jpg, pets/dog/1.png
/// let pets = ImageDirectory::open(Path::new("pets"), ImageColour::Rgb)?;
/// assert_eq!(pets.classes(), ["cat", "dog"]);
/// let source = pets.source();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ImageDirectory(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    /// The directory of each class.
    directories: Vec<PathBuf>,
    names: Vec<String>,
    /// The class and the name of each file.
    files: Vec<(u32, OsString)>,
    colour: ImageColour,
    /// Columns and rows.
    size: (u32, u32),
    fields: Arc<Fields>,
}

impl ImageDirectory {
    /// Lists the files, and reads the size of the first one. The images are the input `input`, the
    /// classes the target `output`.
    ///
    /// # Errors
    /// [`Error::Io`] if a directory cannot be read; [`Error::Data`] if there is no image in it, or
    /// the first one is damaged.
    pub fn open(directory: &Path, colour: ImageColour) -> Result<Self> {
        let mut directories = Vec::new();
        for path in list(directory)? {
            if path.is_dir() {
                directories.push(path);
            }
        }
        let mut files = Vec::new();
        for (class, path) in directories.iter().enumerate() {
            for file in list(path)? {
                let extension = file.extension().and_then(|extension| extension.to_str());
                let is_image = extension.is_some_and(|extension| {
                    ["png", "jpg", "jpeg"].iter().any(|image| extension.eq_ignore_ascii_case(image))
                });
                if let (true, Some(name)) = (is_image && !file.is_dir(), file.file_name()) {
                    files.push((class as u32, name.to_owned()));
                }
            }
        }
        let first = files
            .first()
            .and_then(|(class, name)| Some(directories.get(*class as usize)?.join(name)));
        let Some(first) = first else {
            let problem = "has no directory with a .png, .jpg or .jpeg file in it";
            return Err(Error::data(directory.display().to_string(), problem));
        };
        let (columns, rows) = Decoder::open(&first)?.size();
        let mut shape = vec![rows as usize, columns as usize];
        match colour {
            ImageColour::Grey => {}
            ImageColour::Rgb => shape.push(3),
        }
        let names: Vec<String> = directories
            .iter()
            .map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned())
            .collect();
        let fields = Fields::new(
            [Field::new("input", Element::U8, &shape)],
            [Field::class("output", None).with_class_names(names.clone())],
        )?;
        let size = (columns, rows);
        Ok(ImageDirectory(Arc::new(Opened { directories, names, files, colour, size, fields })))
    }

    /// The names of the classes, from class 0 on.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.0.names
    }

    /// As a source of random access.
    #[must_use]
    pub fn source(&self) -> Source {
        Source::new(self.clone())
    }

    /// The file of sample `index`.
    fn path(&self, index: usize) -> Option<PathBuf> {
        let (class, name) = self.0.files.get(index)?;
        Some(self.0.directories.get(*class as usize)?.join(name))
    }
}

/// What is in a directory, in the order of names, without what is hidden.
fn list(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).map_err(Error::io("read", directory))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io("read", directory))?.path();
        let name = path.file_name().unwrap_or_default();
        if !name.as_encoded_bytes().starts_with(b".") {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    Ok(paths)
}

impl RandomAccess for ImageDirectory {
    fn fields(&self) -> &Arc<Fields> {
        &self.0.fields
    }

    fn len(&self) -> usize {
        self.0.files.len()
    }

    fn read(&self, index: usize, _: &Visit, into: &mut Samples) -> Result<()> {
        let (Some(path), Some((class, _))) = (self.path(index), self.0.files.get(index)) else {
            let problem = format!("was asked for, of {} images", self.0.files.len());
            return Err(Error::data(format!("sample {index}"), problem));
        };
        let decoder = Decoder::open(&path)?;
        if decoder.size() != self.0.size {
            let ((columns, rows), (all_columns, all_rows)) = (decoder.size(), self.0.size);
            let problem = format!(
                "is of {columns} x {rows} pixels, expected {all_columns} x {all_rows} as the first \
                 image"
            );
            return Err(Error::data(path.display().to_string(), problem));
        }
        let pixels = decoder.decode(&path)?;
        if let [Values::U8(values), Values::U32(classes)] = into.columns_mut() {
            pixels.append(self.0.colour, values);
            classes.push(*class);
        }
        into.complete(1)
    }

    fn place(&self, index: usize) -> String {
        match self.path(index) {
            Some(path) => path.display().to_string(),
            None => format!("sample {index}"),
        }
    }
}

/// A file whose header was read.
enum Decoder {
    Png(Box<png::Reader<BufReader<FileReader>>>),
    Jpeg(Box<JpegDecoder<BufReader<FileReader>>>, (u32, u32)),
}

/// Decoded pixels, one byte a value.
struct Pixels {
    bytes: Vec<u8>,
    /// Values a pixel: grey, grey and opacity, RGB, or RGB and opacity.
    channels: usize,
}

/// What a decoder says of a file.
fn damaged(
    path: &Path,
    error: impl std::error::Error + Send + Sync + 'static,
    kind: &str,
) -> Error {
    Error::Data {
        place: path.display().to_string(),
        problem: format!("is no {kind} image, or is damaged: {error}"),
        source: Some(Box::new(error)),
    }
}

impl Decoder {
    fn open(path: &Path) -> Result<Self> {
        let file = PositionedFile::open(path)?;
        let mut start = [0; 8];
        match file.read_exact_at(&mut start, 0) {
            // Too short for an image, which is found below.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
            read => read.map_err(Error::io("read", path))?,
        }
        let length = file.len();
        let input = BufReader::with_capacity(BUFFER, file.reader(0, u64::MAX));
        let decoder = if start.starts_with(b"\x89PNG") {
            let limits = png::Limits { bytes: MAX_DECODER_BYTES };
            let mut decoder = png::Decoder::new_with_limits(input, limits);
            decoder.set_transformations(Transformations::normalize_to_color8());
            let reader = decoder.read_info().map_err(|error| damaged(path, error, "PNG"))?;
            Decoder::Png(Box::new(reader))
        } else if start.starts_with(b"\xff\xd8") {
            let options = DecoderOptions::default()
                // Without it, the missing end of an image would be grey.
                .set_strict_mode(true)
                .set_max_width(MAX_PIXELS as usize)
                .set_max_height(MAX_PIXELS as usize);
            let mut decoder = JpegDecoder::new_with_options(input, options);
            decoder.decode_headers().map_err(|error| damaged(path, error, "JPEG"))?;
            let info = decoder.info();
            let size = info.map_or((0, 0), |info| (info.width.into(), info.height.into()));
            let colour = match decoder.input_colorspace() {
                Some(ColorSpace::Luma) => ColorSpace::Luma,
                _ => ColorSpace::RGB,
            };
            decoder.set_options(options.jpeg_set_out_colorspace(colour));
            Decoder::Jpeg(Box::new(decoder), size)
        } else {
            let problem = "is neither a PNG nor a JPEG image";
            return Err(Error::data(path.display().to_string(), problem));
        };
        let (columns, rows) = decoder.size();
        let pixels = u64::from(columns) * u64::from(rows);
        if !(1..=MAX_PIXELS).contains(&pixels) {
            let problem =
                format!("is of {columns} x {rows} pixels, expected 1 to {MAX_PIXELS} of them");
            return Err(Error::data(path.display().to_string(), problem));
        }
        // Before memory is taken for them.
        if decoder.least_bytes() > length {
            let problem = format!(
                "is of {columns} x {rows} pixels, which {length} bytes cannot hold: it is cut off, or \
                 its header is damaged"
            );
            return Err(Error::data(path.display().to_string(), problem));
        }
        Ok(decoder)
    }

    /// The fewest bytes in which so many pixels are stored.
    fn least_bytes(&self) -> u64 {
        match self {
            // Two bits of deflate repeat 258 bytes.
            Decoder::Png(reader) => {
                let info = reader.info();
                (info.raw_row_length() as u64).saturating_mul(info.height.into()) / 1032
            }
            // A bit for each block of 8 x 8.
            Decoder::Jpeg(_, (columns, rows)) => u64::from(*columns) * u64::from(*rows) / 512,
        }
    }

    /// Columns and rows.
    fn size(&self) -> (u32, u32) {
        match self {
            Decoder::Png(reader) => reader.info().size(),
            Decoder::Jpeg(_, size) => *size,
        }
    }

    fn decode(self, path: &Path) -> Result<Pixels> {
        let (columns, rows) = self.size();
        let pixels = columns as usize * rows as usize;
        let (bytes, channels) = match self {
            Decoder::Png(mut reader) => {
                // At most four values a pixel; the header's size has been checked.
                let mut bytes = vec![0; 4 * pixels];
                reader.next_frame(&mut bytes).map_err(|error| damaged(path, error, "PNG"))?;
                // What follows the pixels has checksums too.
                reader.finish().map_err(|error| damaged(path, error, "PNG"))?;
                let channels = match reader.output_color_type().0 {
                    ColorType::Grayscale => 1,
                    ColorType::GrayscaleAlpha => 2,
                    ColorType::Rgb | ColorType::Indexed => 3,
                    ColorType::Rgba => 4,
                };
                bytes.truncate(channels * pixels);
                (bytes, channels)
            }
            Decoder::Jpeg(mut decoder, _) => {
                let bytes = decoder.decode().map_err(|error| damaged(path, error, "JPEG"))?;
                let channels = match decoder.output_colorspace() {
                    Some(ColorSpace::Luma) => 1,
                    _ => 3,
                };
                (bytes, channels)
            }
        };
        if bytes.len() != channels * pixels {
            let problem =
                format!("was decoded to {} bytes, not {channels} x {pixels}", bytes.len());
            return Err(Error::data(path.display().to_string(), problem));
        }
        Ok(Pixels { bytes, channels })
    }
}

impl Pixels {
    /// Appends them in the colours asked for.
    fn append(&self, colour: ImageColour, into: &mut Vec<u8>) {
        for pixel in self.bytes.chunks_exact(self.channels) {
            match (pixel, colour) {
                (&[grey] | &[grey, _], ImageColour::Grey) => into.push(grey),
                (&[grey] | &[grey, _], ImageColour::Rgb) => into.extend([grey; 3]),
                (&[r, g, b] | &[r, g, b, _], ImageColour::Rgb) => into.extend([r, g, b]),
                (&[r, g, b] | &[r, g, b, _], ImageColour::Grey) => {
                    let [r, g, b] = [r, g, b].map(u32::from);
                    // Rounded, as Pillow does it.
                    into.push(((19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16) as u8);
                }
                _ => {}
            }
        }
    }
}
