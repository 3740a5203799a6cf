//! Writing a file so that it is whole, or as it was before.

use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// What the name of a file begins with while it is written; a program that is killed then leaves it.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_file_stays_if_the_new_one_cannot_be_written() -> Result<()> {
        let directory = tempfile::tempdir().map_err(Error::io("create", ""))?;
        let path = directory.path().join("file");
        atomic_write(&path, b"one")?;
        atomic_write(&path, b"two")?;
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        let names = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(names, 1, "something was left beside the file");
        // A directory cannot be replaced by a file.
        assert!(atomic_write(directory.path(), b"three").is_err());
        assert!(atomic_write(&directory.path().join("no/such/file"), b"three").is_err());
        Ok(())
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_what_is_no_file_is_refused() -> Result<()> {
        use std::os::unix::net::UnixListener;

        let directory = tempfile::tempdir().map_err(Error::io("create", ""))?;
        let [file, link, socket] = ["file", "link", "socket"].map(|n| directory.path().join(n));
        atomic_write(&file, b"one")?;
        std::os::unix::fs::symlink(&file, &link).unwrap();
        atomic_write(&link, b"two")?;
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        let _listener = UnixListener::bind(&socket).unwrap();
        let error = atomic_write(&socket, b"three").unwrap_err().to_string();
        assert!(error.contains("socket: it is no ordinary file"), "{error}");
        Ok(())
    }
}
