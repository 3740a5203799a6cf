//! An array in a file, whichever format holds it.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use flate2::CrcReader;
use flate2::bufread::{DeflateDecoder, GzDecoder};

use super::scalar::Scalar;
use crate::data::file::{FileReader, PositionedFile};
use crate::data::samples::Values;
use crate::error::{Error, IdxProblem, Result};

/// What is read from a file at once where it is read in order.
pub(super) const FILE_BUFFER: usize = 64 << 10;
/// What is decompressed at once, if less is asked for: zlib is fastest in large pieces.
const DECOMPRESSED_BUFFER: usize = 128 << 10;
/// By so many bytes memory grows at most before they are there.
const PIECE: usize = 1 << 20;
/// Bytes that are converted at once; a multiple of the size of each kind of number.
const CONVERTED: usize = 32 << 10;
/// What a class index is less than, as long as the number of classes is not known.
pub(super) const ANY_LABEL: u64 = 1 << 32;

/// How the bytes of an array lie in its file.
#[derive(Debug, Clone)]
pub(super) enum Storage {
    /// As they are, from this offset on.
    Plain { offset: u64 },
    /// In a file that is compressed as a whole. What it begins with, before the first value.
    Gzip { header: Vec<u8> },
    /// In a part of a file that is compressed by itself.
    Deflate {
        /// Where it is.
        range: Range<u64>,
        /// Uncompressed bytes before the first value.
        header: u64,
        /// CRC-32 of all uncompressed bytes.
        checksum: u32,
    },
}

/// An array in a file: its first dimension counts the samples. Only its header has been read.
#[derive(Debug, Clone)]
pub struct StoredArray {
    pub(super) file: Arc<PositionedFile>,
    /// The array's name in its file, where that holds several.
    pub(super) member: Option<String>,
    pub(super) storage: Storage,
    pub(super) scalar: Scalar,
    pub(super) big_endian: bool,
    /// At least one dimension, none of them 0, whose product times the size of a value fits a u64.
    pub(super) shape: Vec<usize>,
    /// Whether its errors are those of IDX files.
    pub(super) idx: bool,
}

impl StoredArray {
    /// Its dimensions, the first of which counts the samples.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of samples.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// The file that it is in.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Bytes of its values, uncompressed.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let values = self.shape.iter().map(|&size| size as u64).product::<u64>();
        values.saturating_mul(self.scalar.size() as u64)
    }

    /// True if its bytes are compressed, so that they can be read in order only.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        match self.storage {
            Storage::Plain { .. } => false,
            Storage::Gzip { .. } | Storage::Deflate { .. } => true,
        }
    }

    pub(super) fn sample_shape(&self) -> Vec<usize> {
        match self.shape.get(1..) {
            None | Some([]) => vec![1],
            Some(shape) => shape.to_vec(),
        }
    }

    /// Values of a sample.
    pub(super) fn width(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// Bytes of a sample; at least 1.
    fn stride(&self) -> u64 {
        self.width().max(1) as u64 * self.scalar.size() as u64
    }

    /// The file and the array in it, for messages.
    pub(super) fn name(&self) -> String {
        let path = self.file.path().display();
        match &self.member {
            Some(member) => format!("{path}, array {member:?}"),
            None => path.to_string(),
        }
    }

    pub(super) fn place(&self, sample: usize) -> String {
        format!("{}, sample {sample}", self.name())
    }

    pub(super) fn idx_error(&self, problem: IdxProblem) -> Error {
        Error::Idx { path: self.path().into(), problem, source: None }
    }

    /// Why `sample` could not be read, `bytes` uncompressed bytes from the beginning.
    fn stopped(&self, stop: Stop, sample: usize, bytes: u64) -> Error {
        match (stop, &self.storage) {
            (Stop::End, Storage::Gzip { header }) if self.idx => {
                let expected = header.len() as u64 + self.bytes();
                self.idx_error(IdxProblem::Truncated { expected, actual: bytes })
            }
            (Stop::End, Storage::Plain { .. }) => Error::data(
                self.place(sample),
                "the file ends there; it has become shorter since it was opened",
            ),
            (Stop::End, Storage::Gzip { .. } | Storage::Deflate { .. }) => {
                Error::data(self.place(sample), "the compressed data end there")
            }
            (Stop::Failed(error), storage) => match (error.kind(), storage) {
                (
                    ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput,
                    Storage::Gzip { .. } | Storage::Deflate { .. },
                ) => self.damaged(error, sample),
                _ => Error::Io { action: "read", path: self.path().into(), source: error },
            },
        }
    }

    fn damaged(&self, error: io::Error, sample: usize) -> Error {
        let problem = match error.kind() {
            ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
            _ => error.to_string(),
        };
        if self.idx {
            let problem = IdxProblem::Gzip(problem);
            return Error::Idx { path: self.path().into(), problem, source: Some(error) };
        }
        Error::Data {
            place: self.place(sample),
            problem: format!("the compressed data are damaged: {problem}"),
            source: Some(Box::new(error)),
        }
    }

    /// Appends `samples` samples, of which the first is `first`, to `into`. `fill` gives their
    /// bytes in order.
    ///
    /// # Errors
    /// What stopped `fill`, or a value that does not fit.
    fn append(
        &self,
        (first, samples): (usize, usize),
        limit: u64,
        into: &mut Values,
        scratch: &mut Vec<u8>,
        mut fill: impl FnMut(&mut [u8]) -> Result<(), Stop>,
    ) -> Result<(), Failure> {
        let size = self.scalar.size();
        let bytes = samples.saturating_mul(self.width()).saturating_mul(size);
        let mut done = 0;
        while done < bytes {
            // Memory grows with the bytes that arrive, whatever the header claims.
            if let (Values::U8(values), 1) = (&mut *into, size) {
                let piece = (bytes - done).min(PIECE);
                let start = values.len();
                values.resize(start + piece, 0);
                fill(values.get_mut(start..).unwrap_or_default())?;
                done += piece;
                continue;
            }
            let piece = (bytes - done).min(CONVERTED);
            scratch.resize(piece, 0);
            fill(scratch)?;
            if self.big_endian {
                scratch.chunks_exact_mut(size).for_each(<[u8]>::reverse);
            }
            self.scalar.append(scratch, limit, into).map_err(|(before, problem)| {
                let sample = first + (done / size + before) / self.width().max(1);
                Failure::Value(sample, problem)
            })?;
            done += piece;
        }
        Ok(())
    }

    /// Appends `samples` samples, of which the first is `first`, from where they lie in the file.
    ///
    /// # Errors
    /// If the array is compressed or has no such samples; if they cannot be read, or a value does
    /// not fit.
    pub(super) fn read_at(
        &self,
        (first, samples): (usize, usize),
        limit: u64,
        into: &mut Values,
        scratch: &mut Vec<u8>,
    ) -> Result<()> {
        let Storage::Plain { offset } = self.storage else {
            let problem = "is compressed, so that it can be read in order only";
            return Err(Error::data(self.name(), problem));
        };
        if first.checked_add(samples).is_none_or(|end| end > self.samples()) {
            let problem = format!("was asked for, of {} samples", self.samples());
            return Err(Error::data(self.place(first), problem));
        }
        let start = offset + first as u64 * self.stride();
        let mut position = start;
        let fill = |buffer: &mut [u8]| {
            let read = self.file.read_exact_at(buffer, position);
            position += buffer.len() as u64;
            read.map_err(|error| match error.kind() {
                ErrorKind::UnexpectedEof => Stop::End,
                _ => Stop::Failed(error),
            })
        };
        let appended = self.append((first, samples), limit, into, scratch, fill);
        appended.map_err(|failure| match failure {
            Failure::Stop(stop) => {
                let there = self.file.len_now().saturating_sub(start) / self.stride();
                let sample = first + (there as usize).min(samples.saturating_sub(1));
                self.stopped(stop, sample, position)
            }
            Failure::Value(sample, problem) => Error::data(self.place(sample), problem),
        })
    }

    /// The largest class index; all must be less than `classes`, if that is given.
    ///
    /// # Errors
    /// If the labels cannot be read, one is no class index, or is too large.
    pub(super) fn largest_label(&self, classes: Option<usize>) -> Result<u32> {
        let mut reader = ArrayReader::open(self)?;
        let mut labels = Values::U32(Vec::new());
        let mut largest = 0;
        while reader.next < self.samples() {
            let first = reader.next;
            reader.read(self, CONVERTED, ANY_LABEL, &mut labels)?;
            if let Values::U32(labels) = &mut labels {
                for (sample, &label) in labels.iter().enumerate() {
                    largest = largest.max(label);
                    if let Some(classes) = classes.filter(|&classes| label as usize >= classes) {
                        return Err(self.label_error(label, first + sample, classes));
                    }
                }
                labels.clear();
            }
        }
        Ok(largest)
    }

    fn label_error(&self, label: u32, sample: usize, classes: usize) -> Error {
        if self.idx {
            return self.idx_error(IdxProblem::Label { label, sample, classes });
        }
        let problem = format!(
            "label out of range: it is {label}, expected less than {classes}, the number of classes"
        );
        Error::data(self.place(sample), problem)
    }
}

/// Why bytes did not come.
enum Stop {
    /// There are no more.
    End,
    Failed(io::Error),
}

/// Why values were not appended.
enum Failure {
    Stop(Stop),
    /// A sample has a value that does not fit.
    Value(usize, String),
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Failure::Stop(stop)
    }
}

/// Fills `buffer` from `input`.
fn fill(input: &mut impl Read, mut buffer: &mut [u8], count: &mut u64) -> Result<(), Stop> {
    while !buffer.is_empty() {
        match input.read(buffer) {
            Ok(0) => return Err(Stop::End),
            Ok(read) => {
                buffer = buffer.get_mut(read..).unwrap_or_default();
                *count += read as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Stop::Failed(error)),
        }
    }
    Ok(())
}

/// Where the bytes of an array come from, in order.
enum Input {
    Plain(BufReader<FileReader>),
    Gzip(BufReader<GzDecoder<BufReader<FileReader>>>),
    Deflate(BufReader<CrcReader<DeflateDecoder<BufReader<FileReader>>>>),
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Input::Plain(input) => input.read(buffer),
            Input::Gzip(input) => input.read(buffer),
            Input::Deflate(input) => input.read(buffer),
        }
    }
}

/// One pass over an array.
pub(super) struct ArrayReader {
    input: Input,
    /// The sample that comes next.
    next: usize,
    /// Uncompressed bytes so far.
    bytes: u64,
    scratch: Vec<u8>,
}

impl ArrayReader {
    pub(super) fn open(array: &StoredArray) -> Result<Self> {
        let file = |range: Range<u64>| {
            BufReader::with_capacity(FILE_BUFFER, array.file.reader(range.start, range.end))
        };
        let (input, header) = match &array.storage {
            Storage::Plain { offset } => (Input::Plain(file(*offset..u64::MAX)), 0),
            Storage::Gzip { header } => {
                let decoder = GzDecoder::new(file(0..u64::MAX));
                let input = BufReader::with_capacity(DECOMPRESSED_BUFFER, decoder);
                (Input::Gzip(input), header.len() as u64)
            }
            Storage::Deflate { range, header, .. } => {
                let decoder = CrcReader::new(DeflateDecoder::new(file(range.clone())));
                (Input::Deflate(BufReader::with_capacity(DECOMPRESSED_BUFFER, decoder)), *header)
            }
        };
        let mut reader = ArrayReader { input, next: 0, bytes: 0, scratch: Vec::new() };
        while reader.bytes < header {
            let piece = usize::try_from(header - reader.bytes).unwrap_or(PIECE).min(PIECE);
            reader.scratch.resize(piece, 0);
            fill(&mut reader.input, &mut reader.scratch, &mut reader.bytes)
                .map_err(|stop| array.stopped(stop, 0, reader.bytes))?;
        }
        match &array.storage {
            Storage::Gzip { header } if *header != reader.scratch => {
                Err(Error::data(array.name(), "the file has changed since it was opened"))
            }
            Storage::Plain { .. } | Storage::Gzip { .. } | Storage::Deflate { .. } => Ok(reader),
        }
    }

    /// Appends the next `most` samples, or as many as are left. With the last of them, what follows
    /// it has been checked.
    pub(super) fn read(
        &mut self,
        array: &StoredArray,
        most: usize,
        limit: u64,
        into: &mut Values,
    ) -> Result<()> {
        let samples = most.min(array.samples() - self.next.min(array.samples()));
        let ArrayReader { input, next, bytes, scratch } = self;
        let before = *bytes;
        let appended = array
            .append((*next, samples), limit, into, scratch, |buffer| fill(input, buffer, bytes));
        appended.map_err(|failure| match failure {
            Failure::Stop(stop) => {
                let sample = *next + ((*bytes - before) / array.stride()) as usize;
                array.stopped(stop, sample, *bytes)
            }
            Failure::Value(sample, problem) => Error::data(array.place(sample), problem),
        })?;
        *next += samples;
        if samples > 0 && *next == array.samples() { self.check_end(array) } else { Ok(()) }
    }

    /// Finds that nothing follows the last value, and that the checksum is right.
    fn check_end(&mut self, array: &StoredArray) -> Result<()> {
        let last = array.samples().saturating_sub(1);
        let expected = self.bytes;
        let trailing = || match array.idx {
            true => array.idx_error(IdxProblem::Trailing { expected }),
            false => Error::data(array.name(), "has bytes after its last value"),
        };
        let failed = |error| array.stopped(Stop::Failed(error), last, expected);
        match &mut self.input {
            // How long the file is has been compared when it was opened.
            Input::Plain(_) => Ok(()),
            Input::Gzip(input) => {
                // Reading on after the last byte also checks the stream's checksum.
                let data_end = input.fill_buf().map_err(failed)?.is_empty();
                let file = input.get_mut().get_mut();
                match data_end && file.fill_buf().map_err(failed)?.is_empty() {
                    true => Ok(()),
                    false => Err(trailing()),
                }
            }
            Input::Deflate(input) => {
                if !input.fill_buf().map_err(failed)?.is_empty() {
                    return Err(trailing());
                }
                match &array.storage {
                    Storage::Deflate { checksum, .. }
                        if *checksum != input.get_ref().crc().sum() =>
                    {
                        let error = io::Error::new(ErrorKind::InvalidData, "wrong checksum");
                        Err(array.damaged(error, last))
                    }
                    Storage::Plain { .. } | Storage::Gzip { .. } | Storage::Deflate { .. } => {
                        Ok(())
                    }
                }
            }
        }
    }
}
