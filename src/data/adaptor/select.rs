//! Chosen samples, in a chosen order.

use std::sync::Arc;

use crate::data::fields::Fields;
use crate::data::samples::Samples;
use crate::data::source::{RandomAccess, Source, Visit};
use crate::error::{Error, Result};

impl Source {
    /// The samples of these numbers, in this order; one may occur more than once. The list of
    /// numbers is kept in memory.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is no such sample, or if this is a stream.
    pub fn select(&self, indices: Vec<usize>) -> Result<Source> {
        let access = self.need_random_access("select")?;
        let samples = access.len();
        if let Some(index) = indices.iter().find(|&&index| index >= samples) {
            let problem = format!("asks for sample {index} of {samples}");
            return Err(Error::argument("select", problem));
        }
        Ok(self.with_kind_of(Source::new(Select::new(access, indices))))
    }
}

/// Chosen samples of another source.
#[derive(Debug)]
pub(super) struct Select {
    inner: Arc<dyn RandomAccess>,
    indices: Vec<usize>,
}

impl Select {
    pub(super) fn new(inner: Arc<dyn RandomAccess>, indices: Vec<usize>) -> Self {
        Select { inner, indices }
    }

    fn index(&self, place: usize) -> usize {
        self.indices.get(place).copied().unwrap_or_default()
    }
}

impl RandomAccess for Select {
    fn fields(&self) -> &Arc<Fields> {
        self.inner.fields()
    }

    fn len(&self) -> usize {
        self.indices.len()
    }

    fn read(&self, index: usize, visit: &Visit, into: &mut Samples) -> Result<()> {
        self.inner.read(self.index(index), visit, into)
    }

    fn read_all(&self, indices: &[usize], visit: &Visit, into: &mut Samples) -> Result<()> {
        let indices: Vec<usize> = indices.iter().map(|&place| self.index(place)).collect();
        self.inner.read_all(&indices, visit, into)
    }

    fn place(&self, index: usize) -> String {
        self.inner.place(self.index(index))
    }

    fn is_in_memory(&self) -> bool {
        self.inner.is_in_memory()
    }
}
