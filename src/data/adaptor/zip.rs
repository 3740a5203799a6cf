//! Samples put together from those of two sources.

use std::sync::Arc;

use super::concat::refuse_batches;
use crate::data::fields::{Fields, Part};
use crate::data::samples::Samples;
use crate::data::source::{FinishedPass, RandomAccess, Source, StreamPass, Streaming, Visit};
use crate::error::Result;

impl Source {
    /// Samples that have the fields of this source and of `other`: the first of both, the second of
    /// both, and so on, until one of them ends.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if two inputs or two targets have the same name,
    /// or one of the sources makes batches.
    pub fn zip(&self, other: &Source) -> Result<Source> {
        refuse_batches("zip", [self, other])?;
        let (first, second) = (self.fields(), other.fields());
        let inputs = first.inputs().iter().chain(second.inputs()).cloned();
        let targets = first.targets().iter().chain(second.targets()).cloned();
        let weights = first.weights().iter().chain(second.weights()).cloned();
        let fields = Fields::new(inputs, targets)?.with_weights(weights)?;
        // The columns of a sample are its inputs, then its targets, then its weights.
        let mut columns = Vec::new();
        for part in [Part::Input, Part::Target, Part::Weight] {
            for (second, fields) in [(false, &first), (true, &second)] {
                let all = fields.columns().enumerate();
                let of_part = all.filter(|(_, (other, _))| *other == part);
                columns.extend(of_part.map(|(column, _)| (second, column)));
            }
        }
        let zipped = match (self.random_access(), other.random_access()) {
            (Some(first), Some(second)) => {
                Source::new(Zip { fields, columns: columns.into(), first, second })
            }
            _ => {
                let (first, second) = (self.streaming(), other.streaming());
                Source::stream(Zip { fields, columns: columns.into(), first, second })
            }
        };
        Ok(self.with_kind_of(zipped))
    }
}

/// Of each column, whether it is of the second source, and its number there.
type Columns = Arc<[(bool, usize)]>;

#[derive(Debug)]
struct Zip<T> {
    fields: Arc<Fields>,
    columns: Columns,
    first: T,
    second: T,
}

/// Puts samples together, as many as both have.
fn join(columns: &Columns, first: &Samples, second: &Samples, into: &mut Samples) -> Result<()> {
    let samples = first.len().min(second.len());
    for (to, &(of_second, column)) in into.columns_mut().iter_mut().zip(columns.iter()) {
        let from = if of_second { second } else { first };
        for place in 0..samples {
            to.push_row(from.row(column, place))?;
        }
    }
    into.complete(samples)
}

impl RandomAccess for Zip<Arc<dyn RandomAccess>> {
    fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }

    fn len(&self) -> usize {
        self.first.len().min(self.second.len())
    }

    fn read(&self, index: usize, visit: &Visit, into: &mut Samples) -> Result<()> {
        self.read_all(&[index], visit, into)
    }

    fn read_all(&self, indices: &[usize], visit: &Visit, into: &mut Samples) -> Result<()> {
        let mut first = Samples::new(Arc::clone(self.first.fields()));
        let mut second = Samples::new(Arc::clone(self.second.fields()));
        self.first.read_all(indices, visit, &mut first)?;
        self.second.read_all(indices, visit, &mut second)?;
        join(&self.columns, &first, &second, into)
    }

    fn place(&self, index: usize) -> String {
        self.first.place(index)
    }
}

impl Streaming for Zip<Arc<dyn Streaming>> {
    fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }

    fn len(&self) -> Option<usize> {
        let shorter = |a: &Arc<dyn Streaming>, b: &Arc<dyn Streaming>| match (a.len(), b.len()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (Some(len), None) if b.is_endless() => Some(len),
            (None, Some(len)) if a.is_endless() => Some(len),
            _ => None,
        };
        shorter(&self.first, &self.second)
    }

    fn is_endless(&self) -> bool {
        self.first.is_endless() && self.second.is_endless()
    }

    fn start(&self, visit: &Visit) -> Result<Box<dyn StreamPass>> {
        let first = FinishedPass::new(Arc::clone(&self.first), visit)?;
        let second = FinishedPass::new(Arc::clone(&self.second), visit)?;
        Ok(Box::new(ZipPass { columns: Arc::clone(&self.columns), first, second }))
    }
}

struct ZipPass {
    columns: Columns,
    first: FinishedPass,
    second: FinishedPass,
}

impl StreamPass for ZipPass {
    fn next(&mut self, most: usize, into: &mut Samples) -> Result<()> {
        let first = self.first.next(most)?;
        let second = self.second.next(first.len())?;
        join(&self.columns, &first, &second, into)
    }

    fn skip(&mut self, most: usize, _: &mut Samples) -> Result<usize> {
        let first = self.first.skip(most)?;
        Ok(self.second.skip(first)?.min(first))
    }
}
