//! IDX files of unsigned bytes, the format of MNIST and its kin, plain or gzip-compressed.
//!
//! A file is `[0, 0, 8, d]`, then `d` dimensions as big-endian u32, then the bytes, the last
//! dimension running fastest. No more than one byte beyond the header's claim is ever decompressed.
//!
//! They are read whole into memory, or opened as sources of samples, of any size.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};

use super::array::{FILE_BUFFER, Storage, StoredArray};
use super::arrays::StoredArrays;
use super::scalar::Scalar;
use crate::atomic_write::atomic_write;
use crate::data::file::PositionedFile;
use crate::data::{Dataset, Features, Source, TrainTest};
use crate::error::{Error, IdxProblem, Result};

/// More data than this in one file is refused: 2 GiB, 45 times MNIST.
const MAX_BYTES: u64 = 1 << 31;

/// First piece of memory for the data; it then doubles as long as data arrive.
const FIRST_PIECE: usize = 64 << 10;

/// An array of bytes, the last dimension running fastest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdxArray {
    /// The dimensions: `[samples]` for labels, `[samples, rows, columns]` for images.
    pub shape: Vec<usize>,
    /// The elements: as many as the product of `shape`.
    pub data: Vec<u8>,
}

/// What stopped a reader: the file's content, or the system.
enum Failure {
    Content(IdxProblem),
    Gzip(String, io::Error),
    System(io::Error),
}

impl Failure {
    fn in_file(self, path: &Path) -> Error {
        match self {
            Failure::Content(problem) => idx_error(path, problem),
            Failure::Gzip(problem, error) => {
                let problem = IdxProblem::Gzip(problem);
                Error::Idx { path: path.into(), problem, source: Some(error) }
            }
            Failure::System(source) => Error::Io { action: "read", path: path.into(), source },
        }
    }

    /// What an error of the decompressor means.
    fn of_gzip(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof => Failure::Gzip("it ends too early".into(), error),
            ErrorKind::InvalidData | ErrorKind::InvalidInput => {
                Failure::Gzip(error.to_string(), error)
            }
            _ => Failure::System(error),
        }
    }
}

impl From<IdxProblem> for Failure {
    fn from(problem: IdxProblem) -> Self {
        Failure::Content(problem)
    }
}

fn idx_error(path: &Path, problem: IdxProblem) -> Error {
    Error::Idx { path: path.into(), problem, source: None }
}

/// Reads an IDX file of unsigned bytes with any number of dimensions. Whether it is gzip is told
/// from its first bytes, not from its name.
///
/// # Errors
/// [`Error::Idx`] with the [`IdxProblem`] if the file is damaged or is not one; [`Error::Io`] if it
/// cannot be read.
pub fn read_idx(path: &Path) -> Result<IdxArray> {
    read_idx_with(path, |_| Ok(()))
}

/// [`read_idx`] with a check of the shape that runs before the data are read.
fn read_idx_with(path: &Path, check: fn(&[usize]) -> Result<(), IdxProblem>) -> Result<IdxArray> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    read_stream(BufReader::with_capacity(128 << 10, file), MAX_BYTES, check)
        .map_err(|failure| failure.in_file(path))
}

/// Reads an array whose data are at most `limit` bytes, to the very end of `input`.
fn read_stream(
    mut input: impl BufRead,
    limit: u64,
    check: fn(&[usize]) -> Result<(), IdxProblem>,
) -> Result<IdxArray, Failure> {
    // One byte is enough to tell: an IDX file begins with 0. Asking for one also suits a reader
    // that hands out its bytes singly.
    let gzip = input.fill_buf().map_err(Failure::System)?.first() == Some(&0x1f);
    if !gzip {
        return read_array(&mut input, limit, check, Failure::System);
    }
    let mut decoder = GzDecoder::new(input);
    let array = read_array(&mut decoder, limit, check, Failure::of_gzip)?;
    // Reading on after the last byte has also checked the stream's checksum. What still follows
    // belongs to no array: padding, a second member, an appended file.
    if decoder.into_inner().fill_buf().map_err(Failure::System)?.is_empty() {
        Ok(array)
    } else {
        Err(IdxProblem::Trailing { expected: file_bytes(&array.shape, array.data.len()) }.into())
    }
}

/// The bytes before the data of an array of 1 to 255 dimensions that each fit a u32.
fn header_of(shape: &[usize]) -> Vec<u8> {
    let start = [0, 0, 8, shape.len() as u8];
    start.into_iter().chain(shape.iter().flat_map(|&size| (size as u32).to_be_bytes())).collect()
}

/// Bytes of a whole uncompressed file.
fn file_bytes(shape: &[usize], data: usize) -> u64 {
    (4 + 4 * shape.len()) as u64 + data as u64
}

fn read_array(
    input: &mut impl Read,
    limit: u64,
    check: fn(&[usize]) -> Result<(), IdxProblem>,
    failed: impl Fn(io::Error) -> Failure,
) -> Result<IdxArray, Failure> {
    let shape = read_header(input, &failed)?;
    check(&shape)?;
    let claimed = claimed_bytes(&shape, limit)?;
    let data = read_data(input, claimed, &shape, &failed)?;
    Ok(IdxArray { shape, data })
}

/// Reads what stands before the data; no dimension is 0.
fn read_header(
    input: &mut impl Read,
    failed: impl Fn(io::Error) -> Failure,
) -> Result<Vec<usize>, Failure> {
    let mut start = Vec::new();
    input.by_ref().take(4).read_to_end(&mut start).map_err(&failed)?;
    let &[zero, also_zero, kind, dimensions] = start.as_slice() else {
        return Err(IdxProblem::Truncated { expected: 4, actual: start.len() as u64 }.into());
    };
    if (zero, also_zero, kind) != (0, 0, 8) {
        let actual = [zero, also_zero, kind, dimensions];
        return Err(IdxProblem::Magic { actual }.into());
    }
    if dimensions == 0 {
        return Err(IdxProblem::Dimensions { actual: 0, expected: "at least 1".into() }.into());
    }

    // At most 255 dimensions, 1020 bytes: no need to distrust that.
    let header = 4 * usize::from(dimensions);
    let mut sizes = Vec::with_capacity(header);
    input.by_ref().take(header as u64).read_to_end(&mut sizes).map_err(&failed)?;
    if sizes.len() < header {
        let (expected, actual) = (4 + header as u64, 4 + sizes.len() as u64);
        return Err(IdxProblem::Truncated { expected, actual }.into());
    }
    let shape: Vec<usize> = sizes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|&size| usize::try_from(u32::from_be_bytes(size)).unwrap_or(usize::MAX))
        .collect();
    if shape.contains(&0) {
        return Err(IdxProblem::Empty(shape).into());
    }
    Ok(shape)
}

/// The product of the dimensions, at most `limit`.
fn claimed_bytes(shape: &[usize], limit: u64) -> Result<usize, IdxProblem> {
    let product = shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size as u64));
    let claimed = match product {
        Some(claimed) if claimed <= limit => usize::try_from(claimed).ok(),
        _ => None,
    };
    claimed.ok_or_else(|| {
        let claimed = product.map_or("2^64 or more".into(), |product| product.to_string());
        IdxProblem::TooLarge { claimed, limit }
    })
}

/// Reads `claimed` bytes and finds that the input ends there.
fn read_data(
    input: &mut impl Read,
    claimed: usize,
    shape: &[usize],
    failed: impl Fn(io::Error) -> Failure,
) -> Result<Vec<u8>, Failure> {
    let expected = file_bytes(shape, claimed);
    let mut data = Vec::new();
    while data.len() < claimed {
        // Growing by steps costs little, for large blocks are moved by remapping; and the last
        // step ends exactly at the claim, so that no memory is left over.
        let end = claimed.min((data.len() * 2).max(FIRST_PIECE));
        let more = end - data.len();
        data.try_reserve_exact(more)
            .map_err(|error| Failure::System(io::Error::new(ErrorKind::OutOfMemory, error)))?;
        input.by_ref().take(more as u64).read_to_end(&mut data).map_err(&failed)?;
        if data.len() < end {
            let actual = file_bytes(shape, data.len());
            return Err(IdxProblem::Truncated { expected, actual }.into());
        }
    }
    let mut beyond = Vec::with_capacity(1);
    input.by_ref().take(1).read_to_end(&mut beyond).map_err(&failed)?;
    if beyond.is_empty() { Ok(data) } else { Err(IdxProblem::Trailing { expected }.into()) }
}

/// Writes an IDX file, gzip-compressed if asked for: the same array gives the same bytes always.
/// It is written beside `path` and renamed, so that no half file is ever seen there.
///
/// # Errors
/// [`Error::Shape`] if the array's shape does not fit its data; [`Error::Argument`] if it has no
/// dimension or one that the format cannot hold; [`Error::Io`] if the file cannot be written.
pub fn write_idx(path: &Path, array: &IdxArray, gzip: bool) -> Result<()> {
    let IdxArray { shape, data } = array;
    if shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size)) != Some(data.len())
    {
        return Err(Error::Shape {
            what: "IDX array".into(),
            actual: format!("{} bytes", data.len()),
            expected: format!("the product of {shape:?}"),
        });
    }
    let sizes: Option<Vec<u32>> =
        shape.iter().map(|&size| u32::try_from(size).ok().filter(|&size| size > 0)).collect();
    let (Ok(dimensions @ 1..), Some(sizes)) = (u8::try_from(shape.len()), sizes) else {
        return Err(Error::argument(
            "array",
            format!("shape {shape:?}: expected 1 to 255 dimensions of 1 to 2^32 - 1"),
        ));
    };
    let mut header = vec![0, 0, 8, dimensions];
    header.extend(sizes.into_iter().flat_map(u32::to_be_bytes));

    let content = if gzip {
        // No name and no time stamp: nothing but the data decides the bytes.
        let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
        encoder
            .write_all(&header)
            .and_then(|()| encoder.write_all(data))
            .and_then(|()| encoder.finish())
    } else {
        Ok([header.as_slice(), data].concat())
    };
    atomic_write(path, &content.map_err(Error::io("write", path))?)
}

/// Reads images `[samples, rows, columns]` (or any other shape of a sample with at least one
/// dimension) and their labels `[samples]`. Pixels stay bytes.
///
/// # Errors
/// As [`read_idx`]; also [`IdxProblem::Dimensions`] if a file has too few or too many, and
/// [`IdxProblem::Counts`] if there are not as many labels as images.
pub fn read_idx_pair(images: &Path, labels: &Path) -> Result<Dataset> {
    // The labels first: they are small, and what is wrong with them is known sooner.
    let label_array = read_idx_with(labels, of_labels)?;
    let image_array = read_idx_with(images, of_images)?;
    let (samples, sample_shape) = image_array.shape.split_first().unwrap_or((&0, &[]));
    if label_array.data.len() != *samples {
        return Err(idx_error(
            labels,
            IdxProblem::Counts {
                labels: label_array.data.len(),
                images: *samples,
                images_file: images.display().to_string(),
            },
        ));
    }
    Dataset::new(
        Features::U8(Arc::new(image_array.data)),
        sample_shape,
        label_array.data.into_iter().map(u32::from).collect::<Vec<_>>(),
    )
}

/// Whether it is the shape of labels.
fn of_labels(shape: &[usize]) -> Result<(), IdxProblem> {
    match shape.len() {
        1 => Ok(()),
        actual => Err(IdxProblem::Dimensions { actual, expected: "1 for labels".into() }),
    }
}

/// Whether it is the shape of images.
fn of_images(shape: &[usize]) -> Result<(), IdxProblem> {
    match shape.len() {
        2.. => Ok(()),
        actual => Err(IdxProblem::Dimensions { actual, expected: "2 or more for images".into() }),
    }
}

/// Reads a training and a test set from the four files that MNIST and its kin come in:
/// `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
/// `t10k-labels-idx1-ubyte`, each also with a dot before `idx`, each with or without `.gz`. The
/// test set has as many classes as the training set.
///
/// # Errors
/// [`Error::MissingFile`] if one is missing; [`Error::Idx`] if one is damaged, or if the test set's
/// sample shape or labels do not fit the training set; [`Error::Io`] if the directory or a file
/// cannot be read.
pub fn read_idx_dir(directory: &Path) -> Result<TrainTest> {
    let [train_images, train_labels, test_images, test_labels] = find_all(directory)?;
    let (train, test) = std::thread::scope(|scope| {
        let test = scope.spawn(|| read_idx_pair(&test_images, &test_labels));
        let train = read_idx_pair(&train_images, &train_labels);
        (train, test.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let (train, test) = (train?, test?);
    if test.sample_shape() != train.sample_shape() {
        let actual = test.sample_shape().to_vec();
        let expected = train.sample_shape().to_vec();
        return Err(idx_error(&test_images, IdxProblem::SampleShape { actual, expected }));
    }
    let test = test.with_classes(train.classes()).map_err(|error| match error {
        Error::Label { label, sample, classes } => {
            idx_error(&test_labels, IdxProblem::Label { label, sample, classes })
        }
        other => other,
    })?;
    Ok(TrainTest { train, test })
}

impl StoredArray {
    /// Opens an IDX file of unsigned bytes, of any size. Whether it is gzip is told from its first
    /// bytes, not from its name. Only its header is read.
    ///
    /// # Errors
    /// [`Error::Idx`] if the header is damaged, or the file's length is not what it says;
    /// [`Error::Io`] if the file cannot be read.
    pub fn idx(path: &Path) -> Result<Self> {
        open(path, |_| Ok(()))
    }
}

/// [`StoredArray::idx`] with a check of the shape.
fn open(path: &Path, check: fn(&[usize]) -> Result<(), IdxProblem>) -> Result<StoredArray> {
    let file = PositionedFile::open(path)?;
    let open = || {
        let mut input = BufReader::with_capacity(FILE_BUFFER, file.reader(0, u64::MAX));
        let gzip = input.fill_buf().map_err(Failure::System)?.first() == Some(&0x1f);
        let shape = match gzip {
            true => read_header(&mut GzDecoder::new(input), Failure::of_gzip),
            false => read_header(&mut input, Failure::System),
        }?;
        check(&shape)?;
        let data = claimed_bytes(&shape, u64::MAX >> 1)?;
        let header = header_of(&shape);
        let expected = file_bytes(&shape, data);
        if gzip {
            return Ok((shape, Storage::Gzip { header }));
        }
        match file.len() {
            actual if actual < expected => Err(IdxProblem::Truncated { expected, actual }.into()),
            actual if actual > expected => Err(IdxProblem::Trailing { expected }.into()),
            _ => Ok((shape, Storage::Plain { offset: header.len() as u64 })),
        }
    };
    let (shape, storage) = open().map_err(|failure: Failure| failure.in_file(path))?;
    Ok(StoredArray {
        file,
        member: None,
        storage,
        scalar: Scalar::U8,
        big_endian: false,
        shape,
        idx: true,
    })
}

impl StoredArrays {
    /// Opens images `[samples, rows, columns]` (or any other shape of a sample with at least one
    /// dimension) as the input `input`, and their labels `[samples]` as the target `output`. Each
    /// file is plain or gzip, and of any size.
    ///
    /// # Errors
    /// As [`StoredArray::idx`]; also [`IdxProblem::Dimensions`] if a file has too few or too many,
    /// and [`IdxProblem::Counts`] if there are not as many labels as images. What is wrong with the
    /// labels is found here, damaged images are found when they are read.
    pub fn idx_pair(images: &Path, labels: &Path) -> Result<Self> {
        let labels = open(labels, of_labels)?;
        StoredArrays::new([("input", open(images, of_images)?)], [("output", labels)])
    }

    /// Opens a training and a test set from the four files that [`read_idx_dir`] names. The test
    /// set has as many classes as the training set.
    ///
    /// # Errors
    /// [`Error::MissingFile`] if one is missing; as [`idx_pair`](Self::idx_pair); [`Error::Idx`] if
    /// the test set's sample shape or labels do not fit the training set.
    pub fn idx_dir(directory: &Path) -> Result<(Self, Self)> {
        let [train_images, train_labels, test_images, test_labels] = find_all(directory)?;
        let train = StoredArrays::idx_pair(&train_images, &train_labels)?;
        let test = StoredArrays::idx_pair(&test_images, &test_labels)?;
        let shape = |set: &StoredArrays| set.fields().inputs().first().map(|f| f.shape.clone());
        let (actual, expected) = (shape(&test), shape(&train));
        if actual != expected {
            let (actual, expected) = (actual.unwrap_or_default(), expected.unwrap_or_default());
            return Err(idx_error(&test_images, IdxProblem::SampleShape { actual, expected }));
        }
        let test = test.with_classes(train.classes().unwrap_or(0))?;
        Ok((train, test))
    }
}

impl Source {
    /// Images and labels in two IDX files, as [`StoredArrays::idx_pair`]: of random access if both
    /// are plain, else a stream, which decompresses them in each pass anew.
    ///
    /// ```no_run
    /// use std::path::Path;
    ///
    /// use minibatch::data::Source;
    ///
    /// # fn main() -> minibatch::Result<()> {
    /// let images = Path::new("train-images-idx3-ubyte");
    /// let train = Source::idx_pair(images, Path::new("train-labels-idx1-ubyte"))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`StoredArrays::idx_pair`].
    pub fn idx_pair(images: &Path, labels: &Path) -> Result<Source> {
        Ok(StoredArrays::idx_pair(images, labels)?.source())
    }

    /// The training and the test set in a directory of IDX files, as [`StoredArrays::idx_dir`].
    ///
    /// # Errors
    /// As [`StoredArrays::idx_dir`].
    pub fn idx_dir(directory: &Path) -> Result<(Source, Source)> {
        let (train, test) = StoredArrays::idx_dir(directory)?;
        Ok((train.source(), test.source()))
    }
}

/// Training images and labels, test images and labels.
fn find_all(directory: &Path) -> Result<[PathBuf; 4]> {
    fs::read_dir(directory).map_err(Error::io("read", directory))?;
    Ok([
        find(directory, "train-images", "idx3")?,
        find(directory, "train-labels", "idx1")?,
        find(directory, "t10k-images", "idx3")?,
        find(directory, "t10k-labels", "idx1")?,
    ])
}

/// The file `<part>-<kind>-ubyte` in one of its spellings.
fn find(directory: &Path, part: &str, kind: &str) -> Result<PathBuf> {
    let usual = format!("{part}-{kind}-ubyte");
    let dotted = format!("{part}.{kind}-ubyte");
    [usual.clone(), format!("{usual}.gz"), dotted.clone(), format!("{dotted}.gz")]
        .into_iter()
        .map(|name| directory.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| Error::MissingFile {
            directory: directory.into(),
            missing: usual,
            expected: "expected train-images-idx3-ubyte, train-labels-idx1-ubyte, \
                       t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each with or without .gz"
                .into(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source that would go on for ever, and counts what is taken from it.
    struct Endless(u64);

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(0);
            self.0 += buffer.len() as u64;
            Ok(buffer.len())
        }
    }

    fn header(sizes: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, sizes.len() as u8];
        bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
        bytes
    }

    fn problem(result: Result<IdxArray, Failure>) -> IdxProblem {
        match result {
            Err(Failure::Content(problem)) => problem,
            Err(Failure::System(error) | Failure::Gzip(_, error)) => panic!("{error}"),
            Ok(array) => panic!("read {:?}", array.shape),
        }
    }

    #[test]
    fn never_reads_more_than_one_byte_beyond_the_claim() {
        let mut endless = Endless(0);
        let mut input = io::Cursor::new(header(&[10, 7])).chain(&mut endless);
        let result = read_array(&mut input, 1000, |_| Ok(()), Failure::System);
        assert_eq!(problem(result), IdxProblem::Trailing { expected: 12 + 70 });
        assert_eq!(endless.0, 70 + 1);
    }

    #[test]
    fn refuses_a_claim_above_the_limit_before_reading_on() {
        let read = |sizes: &[u32]| {
            let mut endless = Endless(0);
            let mut input = io::Cursor::new(header(sizes)).chain(&mut endless);
            let result = read_array(&mut input, 70, |_| Ok(()), Failure::System);
            (problem(result), endless.0)
        };
        let claim =
            |claimed: &str| (IdxProblem::TooLarge { claimed: claimed.into(), limit: 70 }, 0);
        assert_eq!(read(&[71]), claim("71"));
        assert_eq!(read(&[u32::MAX; 2]), claim("18446744065119617025"));
        assert_eq!(read(&[u32::MAX; 3]), claim("2^64 or more"));
        assert_eq!(read(&[10, 7]).0, IdxProblem::Trailing { expected: 12 + 70 });
    }

    #[test]
    fn a_source_that_hands_out_single_bytes_is_read_too() {
        let bytes: Vec<u8> = header(&[3]).into_iter().chain([1, 2, 3]).collect();
        let input = BufReader::with_capacity(1, bytes.as_slice());
        let array = read_stream(input, 3, |_| Ok(())).ok();
        assert_eq!(array, Some(IdxArray { shape: vec![3], data: vec![1, 2, 3] }));
    }
}
