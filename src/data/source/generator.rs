//! Samples from an iterator or a closure.

use std::sync::Arc;

use super::any::Source;
use super::contract::{StreamPass, Streaming, Visit};
use crate::data::fields::Fields;
use crate::data::samples::Samples;
use crate::error::{Error, Result};

/// What a generator knows of its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// So many samples in each pass.
    Samples(usize),
    /// It ends, nobody knows when.
    Unknown,
    /// It never ends.
    Endless,
}

impl Source {
    /// Samples from a closure. `start` is called at the beginning of each pass; what it returns is
    /// called for each sample: it appends the values of one sample to the columns of the
    /// [`Samples`], and returns true; or it appends nothing and returns false, at the end of the
    /// pass.
    ///
    /// ```
    /// use minibatch::data::{Element, Field, Fields, Length, Source, Values, Visit};
    ///
    /// # fn main() -> minibatch::Result<()> {
    /// let fields =
    ///     Fields::new([Field::new("x", Element::F32, &[1])], [Field::new("y", Element::F32, &[1])])?;
    /// // x and 2x for x = 0, 1, 2.
    /// let source = Source::generator(fields, Length::Samples(3), |_visit| {
    ///     let mut numbers = 0..3;
    ///     Ok(move |samples: &mut minibatch::data::Samples| {
    ///         let Some(x) = numbers.next() else { return Ok(false) };
    ///         if let [Values::F32(inputs), Values::F32(targets)] = samples.columns_mut() {
    ///             inputs.push(x as f32);
    ///             targets.push(2.0 * x as f32);
    ///         }
    ///         Ok(true)
    ///     })
    /// });
    /// assert_eq!(source.batches(2, &Visit::default())?.count(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn generator<G>(
        fields: Arc<Fields>,
        length: Length,
        start: impl Fn(&Visit) -> Result<G> + Send + Sync + 'static,
    ) -> Source
    where
        G: FnMut(&mut Samples) -> Result<bool> + Send + 'static,
    {
        Source::stream(Generator { fields, length, start })
    }
}

struct Generator<F> {
    fields: Arc<Fields>,
    length: Length,
    start: F,
}

impl<F> std::fmt::Debug for Generator<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generator").field("length", &self.length).finish_non_exhaustive()
    }
}

impl<F, G> Streaming for Generator<F>
where
    F: Fn(&Visit) -> Result<G> + Send + Sync,
    G: FnMut(&mut Samples) -> Result<bool> + Send + 'static,
{
    fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }

    fn len(&self) -> Option<usize> {
        match self.length {
            Length::Samples(samples) => Some(samples),
            Length::Unknown | Length::Endless => None,
        }
    }

    fn is_endless(&self) -> bool {
        self.length == Length::Endless
    }

    fn start(&self, visit: &Visit) -> Result<Box<dyn StreamPass>> {
        let pass = GeneratorPass { next: (self.start)(visit)?, given: 0, length: self.length };
        Ok(Box::new(pass))
    }
}

struct GeneratorPass<G> {
    next: G,
    /// Samples so far.
    given: usize,
    length: Length,
}

impl<G: FnMut(&mut Samples) -> Result<bool> + Send> StreamPass for GeneratorPass<G> {
    fn next(&mut self, most: usize, into: &mut Samples) -> Result<()> {
        let most = match self.length {
            // Whoever asks beyond the promised end gets nothing, and the closure is not called.
            Length::Samples(samples) => most.min(samples - self.given.min(samples)),
            Length::Unknown | Length::Endless => most,
        };
        for _ in 0..most {
            if !(self.next)(into)? {
                return match self.length {
                    Length::Samples(promised) => Err(Error::data(
                        format!("sample {}", self.given),
                        format!("the generator ended after {} of {promised} samples", self.given),
                    )),
                    Length::Unknown => Ok(()),
                    Length::Endless => Err(Error::data(
                        format!("sample {}", self.given),
                        format!(
                            "the generator ended after {} samples, and was to be endless",
                            self.given
                        ),
                    )),
                };
            }
            into.complete(1).map_err(|error| {
                Error::data(format!("sample {}", self.given), error.to_string())
            })?;
            self.given += 1;
        }
        Ok(())
    }
}
