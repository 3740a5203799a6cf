//! What the tests of all formats need: files, and all samples of a source.

use std::fs;
use std::path::{Path, PathBuf};

use minibatch::Error;
use minibatch::data::{Samples, Source, Values, Visit};
use tempfile::TempDir;

/// A directory for one test's files.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }
}

/// All samples of a pass, read in batches of `batch_size`.
pub(crate) fn all(source: &Source, batch_size: usize) -> Result<Samples, Error> {
    let mut samples = Samples::new(source.fields());
    for batch in source.batches(batch_size, &Visit::default())? {
        let batch = batch?;
        (0..batch.len()).try_for_each(|place| samples.push_from(&batch, place))?;
    }
    Ok(samples)
}

/// All samples of a pass of a source whose batches do not matter.
pub(crate) fn columns(source: &Source) -> Vec<Values> {
    all(source, 3).unwrap().columns().to_vec()
}

/// The message of an error about damaged data, which must be one of those for it and name `file`.
pub(crate) fn damage(error: &Error, file: &Path) -> String {
    assert!(
        matches!(error, Error::Data { .. } | Error::Idx { .. } | Error::Shape { .. }),
        "not an error about data: {error}"
    );
    let message = error.to_string();
    assert!(message.contains(&*file.to_string_lossy()), "{message} does not name {file:?}");
    message
}

/// Opens and reads files made of `bytes` with one of its bytes changed or its end missing, in many
/// ways. `read` gives the samples; they must be right, or an error about the data.
pub(crate) fn fuzz(
    bytes: &[u8],
    write: impl Fn(&[u8]) -> PathBuf,
    read: impl Fn(&Path) -> Result<Samples, Error>,
    may_differ: bool,
) {
    let right = read(&write(bytes)).unwrap();
    let check = |damaged: &[u8], what: &str| {
        let path = write(damaged);
        match read(&path) {
            Ok(samples) if may_differ => drop(samples),
            Ok(samples) => assert_eq!(samples.columns(), right.columns(), "{what}"),
            Err(error) => {
                damage(&error, &path);
            }
        }
    };
    let step = (bytes.len() / 150).max(1);
    for end in (0..bytes.len()).step_by(step) {
        check(&bytes[..end], &format!("cut at {end}"));
    }
    for place in (0..bytes.len()).step_by(step) {
        for bit in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.to_vec();
            damaged[place] ^= bit;
            check(&damaged, &format!("byte {place} changed by {bit:02x}"));
        }
    }
}
