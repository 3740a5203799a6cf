//! Options as all examples with a window take them: `--name value`, or `--name` alone.

use std::ffi::OsString;
use std::path::PathBuf;

use super::Result;
use super::frames::Show;

/// What a program was called with, from which one option after the other is taken.
pub(crate) struct Options(Vec<OsString>);

impl Options {
    pub(crate) fn new(arguments: impl IntoIterator<Item = OsString>) -> Self {
        Options(arguments.into_iter().collect())
    }

    /// Whether `name` is there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|argument| argument != name);
        self.0.len() < before
    }

    /// What follows `name`, if that is there.
    pub(crate) fn value(&mut self, name: &str) -> Result<Option<OsString>> {
        let Some(at) = self.0.iter().position(|argument| argument == name) else {
            return Ok(None);
        };
        if at + 1 >= self.0.len() {
            return Err(format!("{name} wants a value").into());
        }
        let value = self.0.remove(at + 1);
        self.0.remove(at);
        Ok(Some(value))
    }

    pub(crate) fn path(&mut self, name: &str) -> Result<Option<PathBuf>> {
        Ok(self.value(name)?.map(PathBuf::from))
    }

    /// A whole number above 0.
    pub(crate) fn count(&mut self, name: &str) -> Result<Option<u32>> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        let count = value.to_str().and_then(|text| text.parse().ok()).filter(|&count| count > 0);
        let wanted = || format!("{name} wants a whole number above 0, not {}", value.display());
        Ok(Some(count.ok_or_else(wanted)?))
    }

    /// `--headless`, `--frames N` and `--out FILE.png`.
    pub(crate) fn show(&mut self) -> Result<Show> {
        let (headless, frames) = (self.flag("--headless"), self.count("--frames")?);
        match (headless, frames, self.path("--out")?) {
            (true, Some(frames), Some(file)) => Ok(Show::Headless { frames, file }),
            (true, ..) => Err("--headless wants --frames N and --out FILE.png".into()),
            (false, _, Some(_)) => Err("--out FILE.png goes with --headless".into()),
            (false, frames, None) => Ok(Show::Window { frames }),
        }
    }

    /// Nothing may be left.
    pub(crate) fn finish(self) -> Result<()> {
        match self.0.first() {
            Some(unknown) => Err(format!("unknown: {}", unknown.display()).into()),
            None => Ok(()),
        }
    }
}
