//! The program `mnist-gpu`, run in a directory of its own as a user runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The directory, with the digits `sample` in it: 28x28, 1500 + 500.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    pub(crate) fn with_sample() -> Self {
        let place = Place { directory: tempfile::tempdir().unwrap() };
        place.copy_sample("sample");
        place
    }

    pub(crate) fn copy_sample(&self, name: &str) {
        fs::create_dir(self.path(name)).unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/digits-sample");
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), self.path(name).join(entry.file_name())).unwrap();
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&self.bytes(name)).unwrap()
    }

    /// `line` is split at spaces.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mnist-gpu"));
        command
            .args(line.split_whitespace())
            .current_dir(self.directory.path())
            .env("HOME", self.directory.path())
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env_remove("MNIST_DIR")
            .env_remove("XDG_RUNTIME_DIR")
            .stdin(Stdio::null());
        command
    }

    /// Exit code, standard output, standard error.
    pub(crate) fn run(&self, line: &str) -> (Option<i32>, String, String) {
        told(self.command(line).output().unwrap())
    }

    pub(crate) fn start(&self, line: &str) -> Child {
        self.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// Exit code, standard output, standard error.
pub(crate) fn told(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}
