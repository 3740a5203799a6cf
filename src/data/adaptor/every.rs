//! Every n-th sample, and the others.

use std::sync::Arc;

use crate::data::fields::Fields;
use crate::data::samples::Samples;
use crate::data::source::{RandomAccess, Source, Visit};
use crate::error::{Error, Result};

impl Source {
    /// Holds out every `n`-th sample for validation, those of the numbers `n - 1`, `2n - 1` and so on:
    /// `(training, validation)`. Takes no memory and reads nothing. Of data that are sorted by class,
    /// or in part, each class has its share; data that repeat with a period should be shuffled
    /// before, by [`shuffle_once`](Self::shuffle_once).
    ///
    /// # Errors
    /// [`Error::Argument`] if `n` is below 2 or above the number of samples, or if this is a stream.
    pub fn split_every(&self, n: usize) -> Result<(Source, Source)> {
        let access = self.need_random_access("split_every")?;
        let samples = access.len();
        if n < 2 || n > samples {
            let problem = format!("is {n} for {samples} samples; give 2 to {samples}");
            return Err(Error::argument("split_every", problem));
        }
        let part = |part| {
            let every = Every { inner: Arc::clone(&access), n, part };
            self.with_kind_of(Source::new(every))
        };
        Ok((part(Part::Others), part(Part::HeldOut)))
    }
}

#[derive(Debug, Clone, Copy)]
enum Part {
    /// Every n-th sample.
    HeldOut,
    /// All but these.
    Others,
}

#[derive(Debug)]
struct Every {
    inner: Arc<dyn RandomAccess>,
    n: usize,
    part: Part,
}

impl Every {
    /// The number that a sample has in the whole.
    fn number(&self, index: usize) -> usize {
        match self.part {
            Part::HeldOut => index * self.n + self.n - 1,
            Part::Others => index + index / (self.n - 1),
        }
    }
}

impl RandomAccess for Every {
    fn fields(&self) -> &Arc<Fields> {
        self.inner.fields()
    }

    fn len(&self) -> usize {
        let held_out = self.inner.len() / self.n;
        match self.part {
            Part::HeldOut => held_out,
            Part::Others => self.inner.len() - held_out,
        }
    }

    fn read(&self, index: usize, visit: &Visit, into: &mut Samples) -> Result<()> {
        self.inner.read(self.number(index), visit, into)
    }

    fn read_all(&self, indices: &[usize], visit: &Visit, into: &mut Samples) -> Result<()> {
        let indices: Vec<usize> = indices.iter().map(|&index| self.number(index)).collect();
        self.inner.read_all(&indices, visit, into)
    }

    fn place(&self, index: usize) -> String {
        self.inner.place(self.number(index))
    }

    fn is_in_memory(&self) -> bool {
        self.inner.is_in_memory()
    }
}
