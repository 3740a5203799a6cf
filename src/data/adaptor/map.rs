//! Samples that a function changes.

use std::sync::Arc;

use super::inner::as_inner;
use crate::data::fields::Fields;
use crate::data::samples::Samples;
use crate::data::source::{RandomAccess, Source, SourceKind, StreamPass, Streaming, Visit};
use crate::error::{Error, Result};
use crate::panic::caught;
use crate::random::{Random, Stream};

/// Takes one sample, its number and the pass, and adds what it becomes to other samples.
type Apply = Arc<dyn Fn(&mut Samples, usize, &Visit, &mut Samples) -> Result<()> + Send + Sync>;

/// Another source's samples, each changed by itself.
pub(super) struct Map<I> {
    inner: I,
    fields: Arc<Fields>,
    apply: Apply,
}

impl<I> std::fmt::Debug for Map<I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Map").field("fields", &self.fields).finish_non_exhaustive()
    }
}

impl Source {
    /// The samples as `change` leaves them: it is given one sample at a time and may change its
    /// values, not their number. The random numbers that it is given depend on the model's seed,
    /// the epoch and the sample's number, and so not on the worker that runs it. It runs for each
    /// sample that is read, in each epoch; a panic in it is an error that names the sample.
    ///
    /// ```
    /// use minibatch::data::{Source, Values, Visit, synthetic_digits};
    ///
    /// # fn main() -> minibatch::Result<()> {
    /// let digits = Source::from(synthetic_digits(10, 0)?);
    /// let inverted = digits.map(|sample, _random| {
    ///     if let Some(Values::U8(pixels)) = sample.input_mut("input") {
    ///         pixels.iter_mut().for_each(|pixel| *pixel = 255 - *pixel);
    ///     }
    ///     Ok(())
    /// });
    /// # assert_eq!(inverted.len(), Some(10));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn map(
        &self,
        change: impl Fn(&mut Samples, &mut Random) -> Result<()> + Send + Sync + 'static,
    ) -> Source {
        self.mapped(self.fields(), move |sample, number, visit, into| {
            change(sample, &mut random(visit, number))?;
            // What was appended or removed is an error here, where the number is known.
            sample.complete(0)?;
            into.push_from(sample, 0)
        })
    }

    /// The samples that `convert` makes, which have the fields `fields`: it is given one sample,
    /// appends the values of the new one to the columns of the other [`Samples`], and gets random
    /// numbers as in [`map`](Self::map).
    #[must_use]
    pub fn map_to(
        &self,
        fields: Arc<Fields>,
        convert: impl Fn(&Samples, &mut Samples, &mut Random) -> Result<()> + Send + Sync + 'static,
    ) -> Source {
        self.mapped(fields, move |sample, number, visit, into| {
            convert(sample, into, &mut random(visit, number))?;
            into.complete(1)
        })
    }

    /// Each sample as `apply` adds it to others.
    pub(super) fn mapped(
        &self,
        fields: Arc<Fields>,
        apply: impl Fn(&mut Samples, usize, &Visit, &mut Samples) -> Result<()> + Send + Sync + 'static,
    ) -> Source {
        let apply: Apply = Arc::new(apply);
        match self.kind() {
            SourceKind::Dataset(_) | SourceKind::RandomAccess(_) => match self.random_access() {
                Some(inner) => self.with_kind_of(Source::new(Map { inner, fields, apply })),
                None => self.clone(),
            },
            SourceKind::Stream(inner) => {
                let inner = Arc::clone(inner);
                self.with_kind_of(Source::stream(Map { inner, fields, apply }))
            }
        }
    }

    /// The batches as `change` leaves them, of a source that [makes batches](Self::batch): it may
    /// change values, not the number of samples. Random numbers depend on the seed, the epoch and
    /// the number of the batch's first sample.
    ///
    /// # Errors
    /// [`Error::Argument`] if the source makes no batches.
    pub fn map_batch(
        &self,
        change: impl Fn(&mut Samples, &mut Random) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Source> {
        match (self.kind(), self.batch_size()) {
            (SourceKind::Stream(inner), Some(_)) => {
                let inner = Arc::clone(inner);
                Ok(self.with_kind_of(Source::stream(MapBatch { inner, change })))
            }
            _ => Err(Error::argument(
                "map_batch",
                "needs batches, and the source gives samples; call batch before, or map",
            )),
        }
    }
}

fn random(visit: &Visit, number: usize) -> Random {
    Random::new(visit.seed, Stream::Augmentation(visit.epoch)).of(number as u64)
}

/// Runs what a user wrote; its error or panic names the place.
fn guarded<T>(place: impl Fn() -> String, call: impl FnOnce() -> Result<T>) -> Result<T> {
    match caught(call) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error @ (Error::Data { .. } | Error::Io { .. }))) => Err(error),
        Ok(Err(error)) => {
            let problem = error.to_string();
            Err(Error::Data { place: place(), problem, source: Some(Box::new(error)) })
        }
        Err(what) => Err(Error::data(place(), format!("the function of a map panicked: {what}"))),
    }
}

impl RandomAccess for Map<Arc<dyn RandomAccess>> {
    fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }

    fn len(&self) -> usize {
        self.inner.len()
    }

    fn read(&self, index: usize, visit: &Visit, into: &mut Samples) -> Result<()> {
        self.read_all(&[index], visit, into)
    }

    fn read_all(&self, indices: &[usize], visit: &Visit, into: &mut Samples) -> Result<()> {
        let mut one = Samples::new(Arc::clone(self.inner.fields()));
        for &index in indices {
            one.clear();
            self.inner.read(index, visit, &mut one)?;
            let place = || self.inner.place(index);
            guarded(place, || (self.apply)(&mut one, index, visit, into))?;
        }
        Ok(())
    }

    fn place(&self, index: usize) -> String {
        self.inner.place(index)
    }
}

impl Streaming for Map<Arc<dyn Streaming>> {
    as_inner!(len, is_endless, start, finishes_whole, raw_fields, batch_size, batches);

    fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }

    fn finish(&self, samples: Samples, first: usize, visit: &Visit) -> Result<Samples> {
        let samples = self.inner.finish(samples, first, visit)?;
        let mut one = Samples::new(Arc::clone(self.inner.fields()));
        let mut into = Samples::new(Arc::clone(&self.fields));
        for place in 0..samples.len() {
            one.clear();
            one.push_from(&samples, place)?;
            let number = first + place;
            let place = || format!("sample {number} of the pass");
            guarded(place, || (self.apply)(&mut one, number, visit, &mut into))?;
        }
        Ok(into)
    }
}

/// Another stream's batches, each changed as a whole.
struct MapBatch<F> {
    inner: Arc<dyn Streaming>,
    change: F,
}

impl<F> std::fmt::Debug for MapBatch<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MapBatch").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<F> Streaming for MapBatch<F>
where
    F: Fn(&mut Samples, &mut Random) -> Result<()> + Send + Sync,
{
    as_inner!(fields, len, is_endless, start, raw_fields, batch_size, batches);

    fn finish(&self, samples: Samples, first: usize, visit: &Visit) -> Result<Samples> {
        let mut samples = self.inner.finish(samples, first, visit)?;
        let place = || format!("the batch from sample {first} of the pass on");
        guarded(place, || {
            (self.change)(&mut samples, &mut random(visit, first))?;
            samples.complete(0)
        })?;
        Ok(samples)
    }

    fn finishes_whole(&self) -> bool {
        true
    }
}
