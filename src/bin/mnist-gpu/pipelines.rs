//! Keeps what the driver makes of kernels in the user's cache directory, from one run of the program
//! to the next. It saves time where the driver keeps nothing by itself, and is never an error.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use minibatch::{Gpu, atomic_write};

use crate::caches;

/// A larger file is begun anew: drivers add to what they are given, and take nothing away.
const MOST_BYTES: u64 = 64 << 20;

/// A file whose content a device began with. It is replaced, if the device has more, when this is
/// dropped.
pub(crate) struct Kept {
    gpu: Gpu,
    path: PathBuf,
    before: Vec<u8>,
}

/// The same device with what is kept for it, and the file that keeps it; `None` where the system
/// names no cache directory or the adapter has no such cache.
pub(crate) fn kept(gpu: Gpu) -> (Gpu, Option<Kept>) {
    let file = caches::directory().zip(gpu.pipeline_cache_key());
    let Some(path) = file.map(|(caches, name)| caches.join("pipelines").join(name)) else {
        return (gpu, None);
    };
    let before = read(&path).unwrap_or_default();
    // SAFETY: only the user can write into his own cache directory, and who can do so can replace
    // this program as well; damage by accident is told by the checksum.
    let gpu = unsafe { gpu.with_pipeline_cache(&before) };
    (gpu.clone(), Some(Kept { gpu, path, before }))
}

/// What is in the file; `None` if it is none or cannot be read.
fn read(path: &Path) -> Option<Vec<u8>> {
    // Opening a pipe would wait for somebody to write to it.
    fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MOST_BYTES + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= MOST_BYTES).then_some(bytes)
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(data) = self.gpu.pipeline_cache_data()
            && data != self.before
            && let Some(directory) = self.path.parent()
        {
            // Without the file the next run takes longer to begin; that is no reason to fail.
            let _ = fs::create_dir_all(directory).map(|()| atomic_write(&self.path, &data));
        }
    }
}
