//! Writing a file so that it has either its new content or its old one, never a part.

use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// What the name of a temporary file begins with. A program that is killed while it writes leaves
/// one behind.
pub(crate) const UNFINISHED: &str = ".minibatch-";

/// Replaces a file's content at once: the new one is written beside it, synced and renamed. A
/// symbolic link stays one; the file that it leads to is replaced.
///
/// # Errors
/// [`Error::Io`] if it cannot be written, or is a device, pipe or directory, which a rename would
/// replace; what was there before is untouched then.
pub fn atomic_write(path: &Path, content: &[u8]) -> Result<()> {
    let target = match path.canonicalize() {
        Ok(target) => target,
        Err(error) if error.kind() == ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(Error::io("replace", path)(error)),
    };
    if target.exists() && !target.is_file() {
        let problem = std::io::Error::new(ErrorKind::InvalidInput, "it is no ordinary file");
        return Err(Error::io("replace", path)(problem));
    }
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNFINISHED);
    // Temporary files are private by default; this one becomes an ordinary file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(parent).map_err(Error::io("create", path))?;
    file.write_all(content)
        .and_then(|()| file.as_file().sync_all())
        .map_err(Error::io("write", path))?;
    file.persist(&target).map_err(|error| Error::io("replace", path)(error.error))?;
    Ok(())
}
