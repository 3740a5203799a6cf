//! One source after the other.

use std::sync::Arc;

use crate::data::fields::{Field, Fields};
use crate::data::samples::Samples;
use crate::data::source::{FinishedPass, RandomAccess, Source, StreamPass, Streaming, Visit};
use crate::error::{Error, Result};

impl Source {
    /// The samples of this source, then those of `other`, which has the same fields.
    ///
    /// # Errors
    /// [`Error::Argument`] if a field has another name, shape or element type.
    pub fn concat(&self, other: &Source) -> Result<Source> {
        let fields = same_fields("concat", &self.fields(), &other.fields())?;
        let both = match (self.random_access(), other.random_access()) {
            (Some(first), Some(second)) => Source::new(ConcatAccess { fields, first, second }),
            _ => {
                refuse_batches("concat", [self, other])?;
                let (first, second) = (self.streaming(), other.streaming());
                Source::stream(ConcatStream { fields, first, second })
            }
        };
        Ok(self.with_kind_of(both))
    }
}

/// Fields that fit the samples of both.
///
/// # Errors
/// [`Error::Argument`] if they differ in more than what is known of the classes.
pub(super) fn same_fields(
    call: &'static str,
    first: &Fields,
    second: &Fields,
) -> Result<Arc<Fields>> {
    let join = |a: &[Field], b: &[Field]| -> Option<Vec<Field>> {
        let same = |(a, b): (&Field, &Field)| {
            let same = (&a.name, a.element, &a.shape, a.sparse)
                == (&b.name, b.element, &b.shape, b.sparse);
            let classes = a.classes.zip(b.classes).map(|(a, b)| a.max(b));
            same.then(|| Field { classes, ..a.clone() })
        };
        (a.len() == b.len()).then(|| a.iter().zip(b).map(same).collect()).flatten()
    };
    let joined = (
        join(first.inputs(), second.inputs()),
        join(first.targets(), second.targets()),
        join(first.weights(), second.weights()),
    );
    let (Some(inputs), Some(targets), Some(weights)) = joined else {
        let problem = format!("needs sources of the same fields, and has {first} and {second}");
        return Err(Error::argument(call, problem));
    };
    Ok(Fields::of(inputs, targets, weights))
}

/// Whether no source makes batches by itself.
pub(super) fn refuse_batches<'a>(
    call: &'static str,
    sources: impl IntoIterator<Item = &'a Source>,
) -> Result<()> {
    match sources.into_iter().any(|source| source.batch_size().is_some()) {
        true => Err(Error::argument(call, "takes samples, not batches; call batch after it")),
        false => Ok(()),
    }
}

#[derive(Debug)]
struct ConcatAccess {
    fields: Arc<Fields>,
    first: Arc<dyn RandomAccess>,
    second: Arc<dyn RandomAccess>,
}

impl ConcatAccess {
    fn find(&self, index: usize) -> (&dyn RandomAccess, usize) {
        match index.checked_sub(self.first.len()) {
            None => (&*self.first, index),
            Some(index) => (&*self.second, index),
        }
    }
}

impl RandomAccess for ConcatAccess {
    fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }

    fn len(&self) -> usize {
        self.first.len() + self.second.len()
    }

    fn read(&self, index: usize, visit: &Visit, into: &mut Samples) -> Result<()> {
        let (access, index) = self.find(index);
        access.read(index, visit, into)
    }

    fn place(&self, index: usize) -> String {
        let (access, index) = self.find(index);
        access.place(index)
    }

    fn is_in_memory(&self) -> bool {
        self.first.is_in_memory() && self.second.is_in_memory()
    }
}

#[derive(Debug)]
struct ConcatStream {
    fields: Arc<Fields>,
    first: Arc<dyn Streaming>,
    second: Arc<dyn Streaming>,
}

impl Streaming for ConcatStream {
    fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }

    fn len(&self) -> Option<usize> {
        self.first.len()?.checked_add(self.second.len()?)
    }

    fn is_endless(&self) -> bool {
        self.first.is_endless() || self.second.is_endless()
    }

    fn start(&self, visit: &Visit) -> Result<Box<dyn StreamPass>> {
        let pass = FinishedPass::new(Arc::clone(&self.first), visit)?;
        let (second, visit) = (Some(Arc::clone(&self.second)), visit.clone());
        Ok(Box::new(ConcatPass { pass, second, visit }))
    }
}

struct ConcatPass {
    pass: FinishedPass,
    /// `None` once it has begun.
    second: Option<Arc<dyn Streaming>>,
    visit: Visit,
}

impl StreamPass for ConcatPass {
    fn next(&mut self, most: usize, into: &mut Samples) -> Result<()> {
        let wanted = into.len() + most;
        while into.len() < wanted {
            let samples = self.pass.next(wanted - into.len())?;
            for place in 0..samples.len() {
                into.push_from(&samples, place)?;
            }
            if samples.is_empty() {
                let Some(second) = self.second.take() else { break };
                self.pass = FinishedPass::new(second, &self.visit)?;
            }
        }
        Ok(())
    }

    fn skip(&mut self, most: usize, _: &mut Samples) -> Result<usize> {
        let mut skipped = 0;
        while skipped < most {
            let samples = self.pass.skip(most - skipped)?;
            skipped += samples;
            if samples == 0 {
                let Some(second) = self.second.take() else { break };
                self.pass = FinishedPass::new(second, &self.visit)?;
            }
        }
        Ok(skipped)
    }
}
