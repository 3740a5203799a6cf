//! A file that is read by position.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};

/// A file that several threads read at once, each where it wants to. It is not mapped, so that a
/// file that shrinks is an error and no signal.
#[derive(Debug)]
pub(super) struct PositionedFile {
    file: File,
    path: PathBuf,
    len: u64,
    /// Where the system has only one position for all readers.
    #[cfg(not(any(unix, windows)))]
    alone: std::sync::Mutex<()>,
}

impl PositionedFile {
    /// # Errors
    /// [`Error::Io`] if it cannot be opened, or is no ordinary file.
    pub(super) fn open(path: &Path) -> Result<Arc<Self>> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let metadata = file.metadata().map_err(Error::io("open", path))?;
        if !metadata.is_file() {
            let problem = io::Error::new(ErrorKind::InvalidInput, "it is no ordinary file");
            return Err(Error::io("open", path)(problem));
        }
        Ok(Arc::new(PositionedFile {
            file,
            path: path.into(),
            len: metadata.len(),
            #[cfg(not(any(unix, windows)))]
            alone: std::sync::Mutex::default(),
        }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes in it when it was opened.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Bytes in it now; 0 if nobody can tell.
    pub(super) fn len_now(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Reads some bytes at `offset`; none at the end.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_at(&self.file, buffer, offset);
        #[cfg(windows)]
        return std::os::windows::fs::FileExt::seek_read(&self.file, buffer, offset);
        #[cfg(not(any(unix, windows)))]
        {
            let _alone = self.alone.lock();
            let mut file = &self.file;
            file.seek(SeekFrom::Start(offset))?;
            file.read(buffer)
        }
    }

    /// Fills `buffer` with what lies at `offset`.
    pub(super) fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    buffer = buffer.get_mut(read..).unwrap_or_default();
                    offset += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads it from `start` on, and not beyond `end`.
    pub(super) fn reader(self: &Arc<Self>, start: u64, end: u64) -> FileReader {
        FileReader { file: Arc::clone(self), start, position: start, end }
    }
}

/// A part of a file, read in order. It has a position of its own, counted from the part's start.
#[derive(Debug)]
pub(super) struct FileReader {
    file: Arc<PositionedFile>,
    start: u64,
    position: u64,
    end: u64,
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let most = buffer.len().min(left);
        let read = match buffer.get_mut(..most) {
            Some(buffer) if most > 0 => self.file.read_at(buffer, self.position)?,
            _ => 0,
        };
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for FileReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let end = self.end.min(self.file.len);
        let target = match to {
            SeekFrom::Start(offset) => self.start.checked_add(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => end.checked_add_signed(offset),
        };
        match target.filter(|&target| target >= self.start) {
            Some(target) => {
                self.position = target;
                Ok(target - self.start)
            }
            None => Err(ErrorKind::InvalidInput.into()),
        }
    }
}
