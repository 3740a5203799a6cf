//! Chooses the data: what the user names, else MNIST from the cache or the network, else synthetic
//! digits.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use minibatch::data::{TrainTest, read_idx_dir, synthetic_digits_split};

use crate::args::Data;

/// Synthetic digits for training and for the test.
const SYNTHETIC: (usize, usize) = (20_000, 2_000);

/// The data chosen.
pub(crate) struct Source {
    /// The training and the test set.
    pub data: TrainTest,
    /// One line that says which data these are and why.
    pub note: String,
}

/// Takes the data from `--data`, else from the directory `MNIST_DIR`, else from the cache, else
/// downloads MNIST into the cache, where `show_progress` shows a bar, else draws synthetic digits.
///
/// # Errors
/// If `--data` or `MNIST_DIR` names something that cannot be read: what the user names is never
/// replaced by something else. If `--mirror` is no address.
pub(crate) fn choose(args: &Data, show_progress: bool) -> anyhow::Result<Source> {
    let named = std::env::var_os("MNIST_DIR").filter(|value| !value.is_empty());
    let cache = cache_dir();
    let fetch = |directory: &Path| fetch(directory, args.mirror.as_deref(), show_progress);
    choose_among(args, named.map(PathBuf::from), cache, fetch)
}

#[cfg(feature = "download")]
use crate::download::download as fetch;

#[cfg(not(feature = "download"))]
fn fetch(_: &Path, _: Option<&str>, _: bool) -> anyhow::Result<()> {
    bail!("this program was built without the feature \"download\"")
}

fn choose_among(
    args: &Data,
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
        return synthetic(args.seed, "asked for by --synthetic");
    }
    if let Some(directory) = &args.directory {
        return files(directory, "named by --data").context("--data");
    }
    if let Some(directory) = &mnist_dir {
        return files(directory, "named by MNIST_DIR, no --data").context("MNIST_DIR");
    }
    let missing = "no --data, MNIST_DIR unset";
    let Some(cache) = cache else {
        return synthetic(args.seed, &format!("not MNIST: {missing}, no cache directory"));
    };
    // A cache that is damaged is no error: the download repairs it.
    let state = match files(&cache, &format!("the cache: {missing}")) {
        Ok(source) => return Ok(source),
        Err(_) if is_empty(&cache) => "empty",
        Err(error) => match error.downcast_ref::<minibatch::Error>() {
            Some(minibatch::Error::MissingFile { .. }) => "incomplete",
            _ => "damaged",
        },
    };
    let missing = format!("{missing}, cache {state}");
    match fetch(&cache) {
        Ok(()) => files(&cache, &format!("downloaded just now: {missing}")),
        Err(error) => {
            synthetic(args.seed, &format!("not MNIST: {missing}, download failed: {error:#}"))
        }
    }
}

/// True if nothing is there: no directory, or one without files.
fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).map_or(!directory.exists(), |mut files| files.next().is_none())
}

fn files(directory: &Path, why: &str) -> anyhow::Result<Source> {
    let data = read_idx_dir(directory)?;
    let note = format!("data: {} ({}), {why}", directory.display(), sizes(&data));
    Ok(Source { data, note })
}

fn synthetic(seed: u64, why: &str) -> anyhow::Result<Source> {
    let data = synthetic_digits_split(SYNTHETIC.0, SYNTHETIC.1, seed)?;
    let note = format!("data: synthetic digits ({}), {why}", sizes(&data));
    Ok(Source { data, note })
}

/// Training + test samples.
fn sizes(data: &TrainTest) -> String {
    format!("{} + {}", data.train.len(), data.test.len())
}

/// The directory `minibatch/mnist` in the user's cache directory, whether or not it exists; `None`
/// if the system does not say where that is.
pub(crate) fn cache_dir() -> Option<PathBuf> {
    cache_dir_on(std::env::consts::OS, |name| std::env::var_os(name))
}

fn cache_dir_on(system: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // A relative path would mean another place for each directory the program is started in.
    let directory =
        |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = match system {
        "windows" => directory("LOCALAPPDATA"),
        "macos" => directory("HOME").map(|home| home.join("Library/Caches")),
        _ => directory("XDG_CACHE_HOME")
            .or_else(|| directory("HOME").map(|home| home.join(".cache"))),
    };
    caches.map(|caches| caches.join("minibatch").join("mnist"))
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
        let source = choose_among(&args, None, Some(cache), offline).unwrap();
        assert_eq!(
            source.note,
            "data: synthetic digits (20000 + 2000), not MNIST: no --data, MNIST_DIR unset, cache \
             empty, download failed: host not found"
        );
        let source = choose_among(&args, None, None, no_download).unwrap();
        assert!(source.note.ends_with("MNIST_DIR unset, no cache directory"), "{}", source.note);

        let args = Data { synthetic: true, seed: 7, ..Data::default() };
        let seven = choose_among(&args, Some("/nowhere".into()), None, no_download).unwrap();
        assert_eq!(seven.note, "data: synthetic digits (20000 + 2000), asked for by --synthetic");
        assert_ne!(seven.data.train.labels(), source.data.train.labels());
    }

    #[test]
    fn the_cache_is_filled_used_and_repaired() {
        let home = tempfile::tempdir().unwrap();
        let cache = home.path().join("minibatch/mnist");
        let args = Data::default();
        let choose = |fetch: fn(&Path) -> anyhow::Result<()>| {
            choose_among(&args, None, Some(cache.clone()), fetch).unwrap().note
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

    #[cfg(unix)]
    #[test]
    fn the_cache_lies_where_the_system_has_its_caches() {
        let variables = |name: &str| match name {
            "HOME" => Some("/home/me".into()),
            "LOCALAPPDATA" => Some("/me/local".into()),
            _ => None,
        };
        let on = |system| cache_dir_on(system, variables);
        assert_eq!(on("linux"), Some("/home/me/.cache/minibatch/mnist".into()));
        assert_eq!(on("macos"), Some("/home/me/Library/Caches/minibatch/mnist".into()));
        assert_eq!(on("windows"), Some("/me/local/minibatch/mnist".into()));
        let xdg = |value: &'static str| {
            cache_dir_on("linux", |name| {
                (name == "XDG_CACHE_HOME").then(|| value.into()).or_else(|| variables(name))
            })
        };
        assert_eq!(xdg("/caches"), Some("/caches/minibatch/mnist".into()));
        assert_eq!(xdg("caches"), Some("/home/me/.cache/minibatch/mnist".into()));
        assert_eq!(cache_dir_on("linux", |_| None), None);
    }
}
