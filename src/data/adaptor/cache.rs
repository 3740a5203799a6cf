//! Samples that are read once and kept.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use super::concat::refuse_batches;
use crate::data::fields::Fields;
use crate::data::file::PositionedFile;
use crate::data::samples::{Row, Samples, Values};
use crate::data::source::{RandomAccess, Source, Visit};
use crate::error::{Error, Result};

impl Source {
    /// The samples, read now and kept in memory: what costs time to read or to make is done once. A
    /// stream becomes a source whose samples can be read in any order. What is random in the source
    /// is kept as it is in epoch 0.
    ///
    /// # Errors
    /// [`Error::Argument`] if the source never ends or makes batches; what reading returns.
    pub fn cache(&self) -> Result<Source> {
        let mut samples = Samples::new(self.fields());
        self.read_to_the_end("cache", |batch| {
            (0..batch.len()).try_for_each(|place| samples.push_from(batch, place))
        })?;
        Ok(self.with_kind_of(samples.into()))
    }

    /// The samples, read now and written to the file `path`, from which they are read then: for
    /// samples that cost time to make and do not fit in memory. The file is replaced, and stays; its
    /// format is of no other use. Where several processes do this, each needs a path of its own.
    ///
    /// # Errors
    /// As [`cache`](Self::cache); [`Error::Argument`] if a field is sparse, [`Error::Io`] if the
    /// file cannot be written.
    pub fn cache_file(&self, path: impl AsRef<Path>) -> Result<Source> {
        let path = path.as_ref();
        let fields = self.fields();
        if let Some((_, field)) = fields.columns().find(|(_, field)| field.sparse) {
            let problem = format!("cannot keep {:?}, which is sparse; use cache", field.name);
            return Err(Error::argument("cache_file", problem));
        }
        let row: usize = fields.columns().map(|(_, f)| f.width() * f.element.size()).sum();
        let mut len = 0;
        let file = File::create(path).map_err(Error::io("create", path))?;
        let mut output = BufWriter::with_capacity(1 << 20, file);
        self.read_to_the_end("cache_file", |batch| {
            for place in 0..batch.len() {
                for column in 0..batch.columns().len() {
                    if let Row::Dense(bytes) = batch.row(column, place) {
                        output.write_all(bytes).map_err(Error::io("write", path))?;
                    }
                }
                len += 1;
            }
            Ok(())
        })?;
        output.flush().map_err(Error::io("write", path))?;
        drop(output);
        let file = PositionedFile::open(path)?;
        Ok(self.with_kind_of(Source::new(InFile { file, fields, row, len })))
    }

    fn read_to_the_end(
        &self,
        call: &'static str,
        mut keep: impl FnMut(&Samples) -> Result<()>,
    ) -> Result<()> {
        refuse_batches(call, [self])?;
        if self.is_endless() {
            return Err(Error::argument(call, "needs data that end; call take before it"));
        }
        self.batches(1024, &Visit::default())?.try_for_each(|batch| keep(&batch?))
    }
}

impl From<Samples> for Source {
    /// These samples, to be read in any order.
    fn from(samples: Samples) -> Self {
        Source::new(InMemory { samples })
    }
}

#[derive(Debug)]
struct InMemory {
    samples: Samples,
}

impl RandomAccess for InMemory {
    fn fields(&self) -> &Arc<Fields> {
        self.samples.fields()
    }

    fn len(&self) -> usize {
        self.samples.len()
    }

    fn read(&self, index: usize, _: &Visit, into: &mut Samples) -> Result<()> {
        into.push_from(&self.samples, index)
    }

    fn is_in_memory(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct InFile {
    file: Arc<PositionedFile>,
    fields: Arc<Fields>,
    /// Bytes of a sample.
    row: usize,
    len: usize,
}

impl RandomAccess for InFile {
    fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }

    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, index: usize, _: &Visit, into: &mut Samples) -> Result<()> {
        let mut row = vec![0; self.row];
        let start = index as u64 * self.row as u64;
        let read = self.file.read_exact_at(&mut row, start);
        read.map_err(Error::io("read", self.file.path()))?;
        let mut rest = row.as_slice();
        for ((_, field), values) in self.fields.columns().zip(into.columns_mut()) {
            let bytes = field.width() * field.element.size();
            let Some((own, others)) = rest.split_at_checked(bytes) else { break };
            Values::extend_from_bytes(values, own)?;
            rest = others;
        }
        into.complete(1)
    }

    fn place(&self, index: usize) -> String {
        format!("{}, sample {index}", self.file.path().display())
    }
}
