//! Chooses the data: what the user names, else MNIST from the cache or the network, else synthetic
//! digits.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use minibatch::data::{
    Source as Samples, StoredArrays, TrainTest, read_idx_dir, synthetic_digits_split,
};

use crate::args::{Data, Reading};
use crate::caches;

/// Synthetic digits for training and for the test.
const SYNTHETIC: (usize, usize) = (20_000, 2_000);

/// A set of files of up to so many bytes, uncompressed, is kept in memory.
const MOST_IN_MEMORY: u64 = 256 << 20;

/// Samples in the shuffle buffer of a stream, unless another number is named.
const SHUFFLE_BUFFER: usize = 16_384;

/// The data chosen.
pub(crate) struct Source {
    /// The training and the test set, each in the order of its file.
    pub train: Samples,
    pub test: Samples,
    /// Both sets, where both are in memory.
    pub in_memory: Option<TrainTest>,
    /// Samples in the shuffle buffer of the training set, where that is a stream.
    pub buffer: Option<usize>,
    /// One line that says which data these are and why.
    pub note: String,
}

/// Takes the data from `--data`, else from the directory `MNIST_DIR`, else from the cache, else
/// downloads MNIST into the cache, where `show_progress` shows a bar, else draws synthetic digits.
///
/// Files are read as `reading` says, else by their size: see [`files`].
///
/// # Errors
/// If `--data` or `MNIST_DIR` names something that cannot be read: what the user names is never
/// replaced by something else. If `--mirror` is no address, or a shuffle buffer is named where nothing
/// is streamed.
pub(crate) fn choose(
    args: &Data,
    reading: &Reading,
    show_progress: bool,
) -> anyhow::Result<Source> {
    let named = std::env::var_os("MNIST_DIR").filter(|value| !value.is_empty());
    let cache = caches::directory().map(|caches| caches.join("mnist"));
    let fetch = |directory: &Path| fetch(directory, args.mirror.as_deref(), show_progress);
    let source = choose_among(args, reading, named.map(PathBuf::from), cache, fetch)?;
    if reading.shuffle_buffer.is_some() && source.buffer.is_none() {
        bail!(
            "--shuffle-buffer: all samples are shuffled, as nothing is streamed; give --stream too"
        );
    }
    Ok(source)
}

#[cfg(feature = "download")]
use crate::download::download as fetch;

#[cfg(not(feature = "download"))]
fn fetch(_: &Path, _: Option<&str>, _: bool) -> anyhow::Result<()> {
    bail!("this program was built without the feature \"download\"")
}

fn choose_among(
    args: &Data,
    reading: &Reading,
    mnist_dir: Option<PathBuf>,
    cache: Option<PathBuf>,
    fetch: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<Source> {
    if let Some(mirror) = &args.mirror
        && !["http://", "https://"].iter().any(|scheme| mirror.starts_with(scheme))
    {
        bail!("--mirror: got {mirror:?}, expected an address that begins with https:// or http://");
    }
    if args.synthetic {
        return synthetic(args.seed, reading, "asked for by --synthetic");
    }
    if let Some(directory) = &args.path {
        return files(directory, reading, "named by --data").context("--data");
    }
    if let Some(directory) = &mnist_dir {
        return files(directory, reading, "named by MNIST_DIR, no --data").context("MNIST_DIR");
    }
    let missing = "no --data, MNIST_DIR unset";
    let Some(cache) = cache else {
        return synthetic(args.seed, reading, &format!("not MNIST: {missing}, no cache directory"));
    };
    // A cache that is damaged is no error: the download repairs it.
    let state = match files(&cache, reading, &format!("the cache: {missing}")) {
        Ok(source) => return Ok(source),
        Err(_) if is_empty(&cache) => "empty",
        Err(error) => match error.downcast_ref::<minibatch::Error>() {
            Some(minibatch::Error::MissingFile { .. }) => "incomplete",
            _ => "damaged",
        },
    };
    let missing = format!("{missing}, cache {state}");
    match fetch(&cache) {
        Ok(()) => files(&cache, reading, &format!("downloaded just now: {missing}")),
        Err(error) => {
            let why = format!("not MNIST: {missing}, download failed: {error:#}");
            synthetic(args.seed, reading, &why)
        }
    }
}

/// True if nothing is there: no directory, or one without files.
fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).map_or(!directory.exists(), |mut files| files.next().is_none())
}

/// Opens the IDX files in a directory: a set that is small is read into memory; a larger one is read
/// sample by sample, by position in plain files, which takes no memory that grows with it, or as a
/// stream if a file is compressed. `--stream` makes both sets streams.
fn files(directory: &Path, reading: &Reading, why: &str) -> anyhow::Result<Source> {
    let (train, test) = StoredArrays::idx_dir(directory)?;
    let is_small = |set: &StoredArrays| !reading.stream && set.bytes() <= MOST_IN_MEMORY;
    if is_small(&train) && is_small(&test) {
        let sets = read_idx_dir(directory)?;
        let (train, test) = (Samples::from(&sets.train), Samples::from(&sets.test));
        let note = format!("data: {} ({}), {why}", directory.display(), sizes(&train, &test));
        return Ok(Source { train, test, in_memory: Some(sets), buffer: None, note });
    }
    let open = |set: &StoredArrays| match (is_small(set), reading.stream) {
        (true, _) => Ok(set.stream().cache()?),
        (false, true) => Ok(set.stream()),
        (false, false) => anyhow::Ok(set.source()),
    };
    let (train_set, test_set) = (open(&train)?, open(&test)?);
    let buffer = train_set.is_stream().then(|| buffer(reading));
    let mut how = match (is_small(&train), buffer) {
        (true, _) => "training set in memory".to_owned(),
        (false, Some(samples)) => streamed(samples),
        (false, None) => "read by position".to_owned(),
    };
    match (is_small(&test), test_set.is_stream()) {
        (true, _) => how.push_str(", test set in memory"),
        (false, true) if buffer.is_none() => how.push_str(", test set streamed"),
        (false, false) if buffer.is_some() => how.push_str(", test set read by position"),
        (false, _) => {}
    }
    let sizes = sizes(&train_set, &test_set);
    let note = format!("data: {} ({sizes}), {why}; {how}", directory.display());
    Ok(Source { train: train_set, test: test_set, in_memory: None, buffer, note })
}

/// Samples in the shuffle buffer of a stream.
pub(crate) fn buffer(reading: &Reading) -> usize {
    reading.shuffle_buffer.unwrap_or(SHUFFLE_BUFFER)
}

/// How a stream is shuffled, in words.
pub(crate) fn streamed(buffer: usize) -> String {
    match buffer {
        0 | 1 => "streamed in the order of the file".to_owned(),
        samples => format!("streamed through a shuffle buffer of {samples} samples"),
    }
}

fn synthetic(seed: u64, reading: &Reading, why: &str) -> anyhow::Result<Source> {
    let data = synthetic_digits_split(SYNTHETIC.0, SYNTHETIC.1, seed)?;
    let (train, test) = (Samples::from(&data.train), Samples::from(&data.test));
    let buffer = reading.stream.then(|| buffer(reading));
    let how = buffer.map_or_else(String::new, |samples| format!("; {}", streamed(samples)));
    let note = format!("data: synthetic digits ({}), {why}{how}", sizes(&train, &test));
    Ok(Source { train, test, in_memory: Some(data), buffer, note })
}

/// Training + test samples.
pub(crate) fn sizes(train: &Samples, test: &Samples) -> String {
    let number = |set: &Samples| set.len().map_or_else(|| "?".to_owned(), |len| len.to_string());
    format!("{} + {}", number(train), number(test))
}

/// The number of classes of the target, or 1 if it has no classes.
pub(crate) fn classes(set: &Samples) -> usize {
    let fields = set.fields();
    fields.targets().first().and_then(|target| target.classes).unwrap_or(1)
}

/// The shape of the input.
pub(crate) fn sample_shape(set: &Samples) -> Vec<usize> {
    set.fields().inputs().first().map(|input| input.shape.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits-sample");

    fn offline(_: &Path) -> anyhow::Result<()> {
        bail!("host not found")
    }

    fn no_download(_: &Path) -> anyhow::Result<()> {
        panic!("nothing is to be downloaded")
    }

    fn copy_sample(directory: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(directory)?;
        for entry in fs::read_dir(SAMPLE)? {
            let entry = entry?;
            fs::copy(entry.path(), directory.join(entry.file_name()))?;
        }
        Ok(())
    }

    #[test]
    fn without_anything_the_digits_are_drawn_and_the_line_says_why() {
        let home = tempfile::tempdir().unwrap();
        let cache = home.path().join("minibatch/mnist");
        let args = Data::default();
        let reading = Reading::default();
        let source = choose_among(&args, &reading, None, Some(cache), offline).unwrap();
        assert_eq!(
            source.note,
            "data: synthetic digits (20000 + 2000), not MNIST: no --data, MNIST_DIR unset, cache \
             empty, download failed: host not found"
        );
        let source = choose_among(&args, &reading, None, None, no_download).unwrap();
        assert!(source.note.ends_with("MNIST_DIR unset, no cache directory"), "{}", source.note);

        let args = Data { synthetic: true, seed: 7, ..Data::default() };
        let named = Some("/nowhere".into());
        let seven = choose_among(&args, &reading, named, None, no_download).unwrap();
        assert_eq!(seven.note, "data: synthetic digits (20000 + 2000), asked for by --synthetic");
        assert_ne!(seven.train.checksum().unwrap(), source.train.checksum().unwrap());
    }

    #[test]
    fn the_cache_is_filled_used_and_repaired() {
        let home = tempfile::tempdir().unwrap();
        let cache = home.path().join("minibatch/mnist");
        let args = Data::default();
        let choose = |fetch: fn(&Path) -> anyhow::Result<()>| {
            let reading = Reading::default();
            choose_among(&args, &reading, None, Some(cache.clone()), fetch).unwrap().note
        };
        let note = choose(copy_sample);
        assert!(note.ends_with(
            "(1500 + 500), downloaded just now: no --data, MNIST_DIR unset, cache empty"
        ));
        let note = choose(no_download);
        assert!(note.ends_with("(1500 + 500), the cache: no --data, MNIST_DIR unset"), "{note}");

        fs::write(cache.join("t10k-labels-idx1-ubyte.gz"), "damaged").unwrap();
        assert!(choose(offline).contains("cache damaged, download failed"));
        assert!(choose(copy_sample).contains("downloaded just now"));
        fs::remove_file(cache.join("t10k-labels-idx1-ubyte.gz")).unwrap();
        assert!(choose(offline).contains("cache incomplete, download failed"));
    }
}
