//! NumPy's arrays: `.npy` files, and `.npz` archives of them.

use std::io::{BufReader, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

use flate2::bufread::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use super::array::{FILE_BUFFER, Storage, StoredArray};
use super::scalar::Scalar;
use crate::data::file::PositionedFile;
use crate::error::{Error, Result};

/// Longer headers are refused; NumPy itself refuses more than 10,000 bytes.
const MAX_HEADER: usize = 64 << 10;

/// What stands before the values of an array.
struct Header {
    scalar: Scalar,
    big_endian: bool,
    shape: Vec<usize>,
    /// Its own bytes.
    len: u64,
    /// Those of the values.
    values: u64,
}

impl StoredArray {
    /// Opens an array that `numpy.save` wrote, of any size. Only its header is read. Its values are
    /// bool, integers or floats of any size.
    ///
    /// ```no_run
    /// use std::path::Path;
    ///
    /// use minibatch::data::{StoredArray, StoredArrays};
    ///
    /// # fn main() -> minibatch::Result<()> {
    /// let images = StoredArray::npy(Path::new("x_train.npy"))?;
    /// let labels = StoredArray::npy(Path::new("y_train.npy"))?;
    /// let train = StoredArrays::new([("input", images)], [("output", labels)])?.source();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Data`] if it is no such file, is damaged, in Fortran's order, or of another type;
    /// [`Error::Io`] if it cannot be read.
    pub fn npy(path: &Path) -> Result<Self> {
        let file = PositionedFile::open(path)?;
        let name = path.display().to_string();
        let mut input = BufReader::new(file.reader(0, u64::MAX));
        let header = read_header(&mut input, &name, path)?;
        header.check_length(file.len(), &name)?;
        let storage = Storage::Plain { offset: header.len };
        Ok(header.array(file, None, storage))
    }

    /// Opens the array called `array` in an archive that `numpy.savez` or
    /// `numpy.savez_compressed` wrote. In a compressed one, arrays are read in order only.
    ///
    /// ```no_run
    /// use std::path::Path;
    ///
    /// use minibatch::data::{StoredArray, StoredArrays};
    ///
    /// # fn main() -> minibatch::Result<()> {
    /// let array = |name| StoredArray::npz(Path::new("mnist.npz"), name);
    /// let train =
    ///     StoredArrays::new([("input", array("x_train")?)], [("output", array("y_train")?)])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`npy`](Self::npy); also [`Error::Data`] if there is no such array.
    pub fn npz(path: &Path, array: &str) -> Result<Self> {
        let file = PositionedFile::open(path)?;
        let damaged = |error: zip::result::ZipError| Error::Data {
            place: path.display().to_string(),
            problem: format!("is no archive of arrays, or is damaged: {error}"),
            source: Some(Box::new(error)),
        };
        let reader = BufReader::new(file.reader(0, u64::MAX));
        let mut archive = ZipArchive::new(reader).map_err(damaged)?;
        let mut found = None;
        let mut names = Vec::new();
        for (index, name) in archive.file_names().enumerate() {
            let name = name.map_err(damaged)?;
            let name = name.strip_suffix(".npy").unwrap_or(&name);
            if name == array {
                found = Some(index);
            }
            names.push(name.to_owned());
        }
        let Some(index) = found else {
            let problem = format!("has no array {array:?}; there is {}", names.join(", "));
            return Err(Error::data(path.display().to_string(), problem));
        };
        let name = format!("{}, array {array:?}", path.display());
        let entry = archive.by_index_raw(index).map_err(damaged)?;
        let method = entry.compression();
        let (size, packed, checksum) = (entry.size(), entry.compressed_size(), entry.crc32());
        let start = entry.data_start().filter(|start| {
            !entry.encrypted() && start.checked_add(packed).is_some_and(|end| end <= file.len())
        });
        let Some(start) = start else {
            return Err(Error::data(name, "is encrypted, or goes beyond the end of the file"));
        };
        let range = start..start + packed;
        let input = BufReader::with_capacity(FILE_BUFFER, file.reader(range.start, range.end));
        let (header, storage) = match method {
            CompressionMethod::Stored => {
                let header = read_header(&mut { input }, &name, path)?;
                header.check_length(packed, &name)?;
                let offset = start + header.len;
                (header, Storage::Plain { offset })
            }
            CompressionMethod::DEFLATE => {
                let header = read_header(&mut DeflateDecoder::new(input), &name, path)?;
                header.check_length(size, &name)?;
                let storage = Storage::Deflate { range, header: header.len, checksum };
                (header, storage)
            }
            method => {
                let problem = format!("is compressed by {method}; use numpy.savez_compressed");
                return Err(Error::data(name, problem));
            }
        };
        drop(entry);
        Ok(header.array(file, Some(array.to_owned()), storage))
    }
}

impl Header {
    /// Whether it and its values are all that is there.
    fn check_length(&self, actual: u64, name: &str) -> Result<()> {
        let expected = self.len.saturating_add(self.values);
        let problem = match actual.cmp(&expected) {
            std::cmp::Ordering::Equal => return Ok(()),
            std::cmp::Ordering::Less => {
                format!("truncated: holds {actual} bytes, expected {expected} by its header")
            }
            std::cmp::Ordering::Greater => {
                format!("has bytes after its end: expected {expected} by its header, not {actual}")
            }
        };
        Err(Error::data(name, problem))
    }

    fn array(
        self,
        file: Arc<PositionedFile>,
        member: Option<String>,
        storage: Storage,
    ) -> StoredArray {
        let Header { scalar, big_endian, shape, .. } = self;
        StoredArray { file, member, storage, scalar, big_endian, shape, idx: false }
    }
}

fn read_header(input: &mut impl Read, name: &str, path: &Path) -> Result<Header> {
    let wrong = |problem: String| Error::data(name, problem);
    let mut read = |most: usize| {
        let mut bytes = Vec::new();
        match input.take(most as u64).read_to_end(&mut bytes) {
            Ok(_) if bytes.len() == most => Ok(bytes),
            Ok(_) => Err(wrong("truncated: it ends within its header".into())),
            Err(error) => Err(match error.kind() {
                ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof => {
                    Error::Data {
                        place: name.into(),
                        problem: format!("the compressed data are damaged: {error}"),
                        source: Some(Box::new(error)),
                    }
                }
                _ => Error::Io { action: "read", path: path.into(), source: error },
            }),
        }
    };
    let start = read(8)?;
    let Some(&[major, _]) = start.strip_prefix(b"\x93NUMPY") else {
        return Err(wrong("is no array of NumPy's: it does not begin with \\x93NUMPY".into()));
    };
    let (before, text) = match major {
        1 => (10, usize::from(u16::from_le_bytes(array(&read(2)?)))),
        2 | 3 => (12, u32::from_le_bytes(array(&read(4)?)) as usize),
        _ => return Err(wrong(format!("is of version {major} of the format; 1 to 3 are known"))),
    };
    if text > MAX_HEADER {
        return Err(wrong(format!("its header claims {text} bytes, more than {MAX_HEADER}")));
    }
    let header = read(text)?;
    let header = String::from_utf8_lossy(&header);
    let (scalar, big_endian, shape) = parse(&header).map_err(wrong)?;
    let bytes = shape
        .iter()
        .try_fold(scalar.size() as u64, |product, &size| product.checked_mul(size as u64))
        .filter(|&bytes| bytes < 1 << 62);
    match (bytes, shape.is_empty()) {
        (_, true) => {
            Err(wrong("is a single number; its first dimension must count samples".into()))
        }
        (Some(0), _) => Err(wrong(format!("has no data: its shape is {shape:?}"))),
        (None, _) => Err(wrong(format!("its shape {shape:?} is of more than 2^62 bytes"))),
        (Some(values), _) => {
            Ok(Header { scalar, big_endian, shape, len: before + text as u64, values })
        }
    }
}

/// The first `N` bytes.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.first_chunk().copied().unwrap_or([0; N])
}

/// Type, byte order and shape from the text of a header, a Python dictionary of three entries.
fn parse(header: &str) -> Result<(Scalar, bool, Vec<usize>), String> {
    let after = |key: &str| {
        let quoted = [format!("'{key}'"), format!("\"{key}\"")];
        let value = quoted.iter().find_map(|key| Some(header.split_once(key.as_str())?.1));
        let value = value.and_then(|value| value.trim_start().strip_prefix(':'));
        value.map(str::trim_start).ok_or_else(|| format!("its header has no {key}: {header:?}"))
    };
    let described = after("descr")?;
    let quote = described.chars().next().filter(|&quote| quote == '\'' || quote == '"');
    let kind = quote.and_then(|quote| described.get(1..)?.split_once(quote)).map(|(kind, _)| kind);
    let Some(kind) = kind else {
        return Err("has records of several fields; save each of them as an array".into());
    };
    let (order, kind) = kind.split_at_checked(1).unwrap_or((kind, ""));
    let scalar = match kind {
        "b1" => Scalar::Bool,
        "u1" => Scalar::U8,
        "i1" => Scalar::I8,
        "u2" => Scalar::U16,
        "i2" => Scalar::I16,
        "u4" => Scalar::U32,
        "i4" => Scalar::I32,
        "u8" => Scalar::U64,
        "i8" => Scalar::I64,
        "f2" => Scalar::F16,
        "f4" => Scalar::F32,
        "f8" => Scalar::F64,
        _ => {
            return Err(format!(
                "has values of type {kind:?}, expected bool, integers or floats of up to 64 bits; \
                 convert it with astype"
            ));
        }
    };
    let big_endian = match order {
        "<" | "|" => false,
        ">" => true,
        _ => return Err(format!("has the byte order {order:?}, expected < or >")),
    };
    let shape = after("shape")?;
    let shape = shape.strip_prefix('(').and_then(|shape| Some(shape.split_once(')')?.0));
    let sizes = shape.map(|shape| {
        let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
        sizes.map(str::parse).collect::<Result<Vec<usize>, _>>()
    });
    let Some(Ok(shape)) = sizes else {
        return Err(format!("its header has no shape that can be read: {header:?}"));
    };
    let fortran = after("fortran_order")?;
    if fortran.starts_with("True") && shape.len() > 1 {
        return Err("is in Fortran's order, column after column; save numpy.ascontiguousarray of \
                    it"
        .into());
    }
    if !fortran.starts_with("True") && !fortran.starts_with("False") {
        return Err(format!("its header does not tell fortran_order: {header:?}"));
    }
    Ok((scalar, big_endian, shape))
}
