//! Samples drawn so that each class comes as often.

use std::sync::Arc;

use crate::data::fields::Fields;
use crate::data::permutation::Permutation;
use crate::data::samples::Samples;
use crate::data::source::{RandomAccess, Source, Visit};
use crate::error::{Error, Result};
use crate::random::{Random, Stream};

impl Source {
    /// As many samples as there are, of which each class that occurs has the same share: those of
    /// rare classes come several times in an epoch, and of frequent ones some do not come. In each
    /// epoch others do. The classes are in turn, so shuffle, as `fit` does.
    ///
    /// The labels are read once, now; the numbers of the samples are kept in memory, 8 bytes for
    /// each.
    ///
    /// # Errors
    /// [`Error::Argument`] if there is not exactly one target or this is a stream; what reading
    /// returns.
    pub fn balance(&self) -> Result<Source> {
        let inner = self.need_random_access("balance")?;
        let mut classes: Vec<Vec<usize>> = Vec::new();
        for (sample, class) in self.classes_in_order("balance")?.into_iter().enumerate() {
            let class = class as usize;
            if class >= classes.len() {
                classes.resize(class + 1, Vec::new());
            }
            if let Some(samples) = classes.get_mut(class) {
                samples.push(sample);
            }
        }
        classes.retain(|samples| !samples.is_empty());
        if classes.is_empty() {
            return Err(Error::argument("data", "holds no sample; give at least one"));
        }
        Ok(self.with_kind_of(Source::new(Balance { inner, classes })))
    }
}

#[derive(Debug)]
struct Balance {
    inner: Arc<dyn RandomAccess>,
    /// The samples of each class that occurs.
    classes: Vec<Vec<usize>>,
}

impl Balance {
    fn index(&self, place: usize, visit: &Visit) -> usize {
        let class = place % self.classes.len().max(1);
        let turn = place / self.classes.len().max(1);
        let Some(samples) = self.classes.get(class) else { return 0 };
        // A new order each time all of them have come, and in each epoch.
        let round = turn / samples.len().max(1);
        let random = Random::new(visit.seed, Stream::Balance(visit.epoch));
        let random = random.of(((class as u64) << 40) ^ round as u64);
        let place = Permutation::new(samples.len(), random).at(turn % samples.len().max(1));
        samples.get(place).copied().unwrap_or_default()
    }
}

impl RandomAccess for Balance {
    fn fields(&self) -> &Arc<Fields> {
        self.inner.fields()
    }

    fn len(&self) -> usize {
        self.inner.len()
    }

    fn read(&self, index: usize, visit: &Visit, into: &mut Samples) -> Result<()> {
        self.inner.read(self.index(index, visit), visit, into)
    }

    fn read_all(&self, indices: &[usize], visit: &Visit, into: &mut Samples) -> Result<()> {
        let indices: Vec<usize> = indices.iter().map(|&place| self.index(place, visit)).collect();
        self.inner.read_all(&indices, visit, into)
    }

    fn place(&self, index: usize) -> String {
        format!("sample {index} of the balanced source")
    }

    fn is_in_memory(&self) -> bool {
        self.inner.is_in_memory()
    }
}
