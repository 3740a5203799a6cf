//! Sources of numbers, whose samples can be told from each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minibatch::data::{
    Element, Field, Fields, Length, RandomAccess, Samples, Source, Values, Visit,
};

/// An input `x` and a target `y` of one float each.
pub(crate) fn fields() -> Arc<Fields> {
    let float = |name| Field::new(name, Element::F32, &[1]);
    Fields::new([float("x")], [float("y")]).unwrap()
}

/// Appends `x = number`, `y = 2 number + 1`.
pub(crate) fn push(samples: &mut Samples, number: usize) -> minibatch::Result<()> {
    if let [Values::F32(x), Values::F32(y), ..] = samples.columns_mut() {
        x.push(number as f32);
        y.push(2.0 * number as f32 + 1.0);
    }
    samples.complete(1)
}

/// The numbers `0..len`, and how many were read.
#[derive(Debug, Clone)]
pub(crate) struct Numbers {
    fields: Arc<Fields>,
    len: usize,
    pub(crate) read: Arc<AtomicUsize>,
}

impl Numbers {
    pub(crate) fn new(len: usize) -> Self {
        Numbers { fields: fields(), len, read: Arc::default() }
    }

    pub(crate) fn count(&self) -> usize {
        self.read.load(Ordering::SeqCst)
    }
}

impl RandomAccess for Numbers {
    fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }

    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, index: usize, _: &Visit, into: &mut Samples) -> minibatch::Result<()> {
        self.read.fetch_add(1, Ordering::SeqCst);
        push(into, index)
    }

    fn place(&self, index: usize) -> String {
        format!("number {index}")
    }
}

/// The numbers `0..len` as random access.
pub(crate) fn numbers(len: usize) -> Source {
    Source::new(Numbers::new(len))
}

/// The numbers from 0 on as a stream, and how many were taken from it.
pub(crate) fn stream(length: Length, end: usize) -> (Source, Arc<AtomicUsize>) {
    let taken: Arc<AtomicUsize> = Arc::default();
    let count = Arc::clone(&taken);
    let source = Source::generator(fields_without_completing(), length, move |_| {
        let (mut next, count) = (0, Arc::clone(&count));
        Ok(move |samples: &mut Samples| {
            if next == end {
                return Ok(false);
            }
            count.fetch_add(1, Ordering::SeqCst);
            if let [Values::F32(x), Values::F32(y), ..] = samples.columns_mut() {
                x.push(next as f32);
                y.push(2.0 * next as f32 + 1.0);
            }
            next += 1;
            Ok(true)
        })
    });
    (source, taken)
}

fn fields_without_completing() -> Arc<Fields> {
    fields()
}

/// The numbers of all samples of a pass.
pub(crate) fn all(source: &Source) -> Vec<usize> {
    in_pass(source, &Visit::default(), 7).unwrap()
}

/// The numbers of all samples of a pass, read in batches of `batch_size`.
pub(crate) fn in_pass(
    source: &Source,
    visit: &Visit,
    batch_size: usize,
) -> minibatch::Result<Vec<usize>> {
    let mut numbers = Vec::new();
    for batch in source.batches(batch_size, visit)? {
        let batch = batch?;
        let Some(Values::F32(x)) = batch.input("x") else { panic!("no x") };
        let Some(Values::F32(y)) = batch.target("y") else { panic!("no y") };
        assert_eq!(x.len(), batch.len());
        for (x, y) in x.iter().zip(y) {
            assert_eq!(*y, 2.0 * x + 1.0);
            numbers.push(*x as usize);
        }
    }
    Ok(numbers)
}
