//! Some neighbouring samples of a source.

use std::ops::Range;
use std::sync::Arc;

use super::contract::{RandomAccess, Visit};
use crate::data::fields::Fields;
use crate::data::samples::Samples;
use crate::error::Result;

/// The samples `range` of another source.
#[derive(Debug)]
pub(crate) struct Slice {
    access: Arc<dyn RandomAccess>,
    range: Range<usize>,
}

impl Slice {
    /// The range is cut to the samples that there are.
    pub(crate) fn new(access: Arc<dyn RandomAccess>, range: Range<usize>) -> Self {
        let end = range.end.min(access.len());
        Slice { range: range.start.min(end)..end, access }
    }
}

impl RandomAccess for Slice {
    fn fields(&self) -> &Arc<Fields> {
        self.access.fields()
    }

    fn len(&self) -> usize {
        self.range.len()
    }

    fn read(&self, index: usize, visit: &Visit, into: &mut Samples) -> Result<()> {
        self.access.read(self.range.start + index, visit, into)
    }

    fn read_all(&self, indices: &[usize], visit: &Visit, into: &mut Samples) -> Result<()> {
        if self.range.start == 0 {
            return self.access.read_all(indices, visit, into);
        }
        let indices: Vec<usize> = indices.iter().map(|index| self.range.start + index).collect();
        self.access.read_all(&indices, visit, into)
    }

    fn place(&self, index: usize) -> String {
        self.access.place(self.range.start + index)
    }

    fn is_in_memory(&self) -> bool {
        self.access.is_in_memory()
    }
}
