//! A file with a line for each epoch.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::training::callback::{Callback, TrainStart};
use crate::training::control::Control;
use crate::training::history::{EpochRecord, History, csv_header};
use crate::training::settings::settings;

/// Writes the values of each epoch to a file as soon as the epoch has ended, so that they are not
/// lost if the run breaks.
///
/// The columns are those of [`History::to_csv`]: `epoch` (from 1; from 0 in Keras), then the values
/// in the order of [`EpochRecord::values`] (by the alphabet in Keras). What was not measured in an
/// epoch is left empty (`NA` in Keras). In a distributed run the first process writes.
#[derive(Debug)]
pub struct CsvLogger {
    filename: PathBuf,
    separator: char,
    append: bool,
    names: Vec<String>,
    file: Option<File>,
}

impl CsvLogger {
    /// Writes to `filename` and replaces what is there.
    pub fn new(filename: impl Into<PathBuf>) -> Self {
        CsvLogger {
            filename: filename.into(),
            separator: ',',
            append: false,
            names: Vec::new(),
            file: None,
        }
    }

    settings! {
        /// The character between two values, which no number may contain. A comma by default.
        separator(separator: char): separator = separator;

        /// Whether to add to an existing file, for a run that is continued; the file must have the
        /// same columns. False by default: the file is replaced.
        append(append: bool): append = append;
    }

    fn open(&self, header: &str) -> Result<File> {
        let path = &self.filename;
        let existing = if self.append { read(path)? } else { String::new() };
        let mut options = OpenOptions::new();
        options.create(true).write(true).append(self.append).truncate(!self.append);
        let begin = match existing.split_inclusive('\n').next() {
            None => header,
            Some(first) if first.trim_end() != header.trim_end() => {
                let problem = format!(
                    "{} has the columns {:?}, this run {:?}; give another file, or do not append",
                    path.display(),
                    first.trim_end(),
                    header.trim_end()
                );
                return Err(Error::argument("append", problem));
            }
            // A run that broke while it wrote has left half a line.
            Some(_) if !existing.ends_with('\n') => "\n",
            Some(_) => "",
        };
        let mut file = options.open(path).map_err(Error::io("open", path))?;
        file.write_all(begin.as_bytes()).map_err(Error::io("write", path))?;
        Ok(file)
    }
}

fn read(path: &Path) -> Result<String> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        text => text.map_err(Error::io("read", path)),
    }
}

impl Callback for CsvLogger {
    fn train_begin(&mut self, run: &mut dyn Control, train: &TrainStart) -> Result<()> {
        if self.separator.is_alphanumeric() || "+-._\"\r\n".contains(self.separator) {
            let problem = format!("is {:?}, which values or names may hold", self.separator);
            return Err(Error::argument("separator", problem));
        }
        self.names.clone_from(&train.names);
        self.file = match run.process().is_first() {
            true => Some(self.open(&csv_header(&self.names, self.separator))?),
            false => None,
        };
        Ok(())
    }

    fn epoch_end(&mut self, _run: &mut dyn Control, record: &EpochRecord) -> Result<()> {
        if let Some(file) = &mut self.file {
            let line = record.csv_line(&self.names, self.separator);
            // One call for the line, and nothing of it stays in the program.
            file.write_all(line.as_bytes()).map_err(Error::io("write", &self.filename))?;
        }
        Ok(())
    }

    fn train_end(&mut self, _run: &mut dyn Control, _history: &History) -> Result<()> {
        self.file = None;
        Ok(())
    }
}
