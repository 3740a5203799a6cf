//! Samples of random access as a stream, in their own order.

use std::ops::Range;
use std::sync::Arc;

use super::contract::{RandomAccess, StreamPass, Streaming, Visit};
use crate::data::fields::Fields;
use crate::data::samples::Samples;
use crate::error::Result;

/// The samples of a [`RandomAccess`] one after the other.
#[derive(Debug)]
pub(super) struct InOrder {
    access: Arc<dyn RandomAccess>,
}

impl InOrder {
    pub(super) fn new(access: Arc<dyn RandomAccess>) -> Self {
        InOrder { access }
    }
}

impl Streaming for InOrder {
    fn fields(&self) -> &Arc<Fields> {
        self.access.fields()
    }

    fn len(&self) -> Option<usize> {
        Some(self.access.len())
    }

    fn start(&self, visit: &Visit) -> Result<Box<dyn StreamPass>> {
        let access = Arc::clone(&self.access);
        Ok(Box::new(InOrderPass { access, visit: visit.clone(), next: 0, indices: Vec::new() }))
    }
}

struct InOrderPass {
    access: Arc<dyn RandomAccess>,
    visit: Visit,
    next: usize,
    indices: Vec<usize>,
}

impl InOrderPass {
    /// Goes past the next `most` samples, and returns their numbers.
    fn advance(&mut self, most: usize) -> Range<usize> {
        let end = self.next.saturating_add(most).min(self.access.len());
        std::mem::replace(&mut self.next, end)..end
    }
}

impl StreamPass for InOrderPass {
    fn next(&mut self, most: usize, into: &mut Samples) -> Result<()> {
        let numbers = self.advance(most);
        self.indices.clear();
        self.indices.extend(numbers);
        self.access.read_all(&self.indices, &self.visit, into)
    }

    fn skip(&mut self, most: usize, _: &mut Samples) -> Result<usize> {
        Ok(self.advance(most).len())
    }
}
