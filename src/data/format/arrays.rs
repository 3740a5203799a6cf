//! Arrays in files as the columns of a source.

use std::sync::Arc;

use super::array::{ANY_LABEL, ArrayReader, StoredArray};
use crate::data::fields::{Element, Field, Fields};
use crate::data::samples::Samples;
use crate::data::source::{RandomAccess, Source, StreamPass, Streaming, Visit};
use crate::error::{Error, IdxProblem, Result};

/// Arrays in files that together make samples: sample `i` has the `i`-th part of each.
///
/// Nothing but headers and class labels has been read, the latter once, in pieces, for the number
/// of classes. The memory that it takes does not depend on the data.
///
/// As a target, one integer a sample is a class index; what else there is becomes f32. As an input,
/// u8 and bool stay bytes, f16 stays f16, f32, bf16 and f64 become f32, and other integers u32. A
/// value that does not fit (a negative integer as an input or a class, NaN, an infinite value) is
/// an error that names file and sample.
#[derive(Debug, Clone)]
pub struct StoredArrays {
    fields: Arc<Fields>,
    /// Inputs, targets and weights, as in the fields.
    columns: Arc<[StoredArray]>,
    len: usize,
}

impl StoredArrays {
    /// These arrays as inputs and targets, each under its name in the model.
    ///
    /// # Errors
    /// [`Error::Shape`] if they are not of as many samples; what reading the labels returns; as
    /// [`Fields::new`].
    pub fn new<'a>(
        inputs: impl IntoIterator<Item = (&'a str, StoredArray)>,
        targets: impl IntoIterator<Item = (&'a str, StoredArray)>,
    ) -> Result<Self> {
        let (mut input_fields, mut target_fields) = (Vec::new(), Vec::new());
        let mut columns = Vec::new();
        for (name, array) in inputs {
            input_fields.push(Field::new(name, array.scalar.element(), &array.sample_shape()));
            columns.push(array);
        }
        let inputs = columns.len();
        columns.extend(targets.into_iter().map(|(name, array)| {
            let is_class = array.scalar.is_integer() && array.width() == 1;
            target_fields.push(match is_class {
                true => Field::class(name, None),
                false => Field::new(name, Element::F32, &array.sample_shape()),
            });
            array
        }));
        let len = columns.first().map_or(0, StoredArray::samples);
        if let Some(array) = columns.iter().find(|array| array.samples() != len) {
            return Err(different_counts(columns.first().unwrap_or(array), array));
        }
        for (field, array) in target_fields.iter_mut().zip(columns.iter().skip(inputs)) {
            if is_class(field) {
                field.classes = Some(array.largest_label(None)? as usize + 1);
            }
        }
        let fields = Fields::new(input_fields, target_fields)?;
        Ok(StoredArrays { fields, columns: columns.into(), len })
    }

    /// The same with arrays of one float a sample as weights, each under the name of its target, or
    /// an empty one if it is for all.
    ///
    /// # Errors
    /// [`Error::Shape`] if one is not of as many samples; as [`Fields::with_weights`].
    pub fn with_weights<'a>(
        self,
        weights: impl IntoIterator<Item = (&'a str, StoredArray)>,
    ) -> Result<Self> {
        let before = self.fields.inputs().len() + self.fields.targets().len();
        let mut columns: Vec<StoredArray> = self.columns.iter().take(before).cloned().collect();
        let mut fields = Vec::new();
        for (name, array) in weights {
            if array.samples() != self.len {
                return Err(different_counts(columns.first().unwrap_or(&array), &array));
            }
            fields.push(Field { shape: array.sample_shape(), ..Field::weight(name) });
            columns.push(array);
        }
        let fields = self.fields.with_weights(fields)?;
        Ok(StoredArrays { fields, columns: columns.into(), ..self })
    }

    /// The same with `classes` classes in its first target of class indices: a test set takes the
    /// number of its training set, whether or not every class occurs in it. The labels are read
    /// once more.
    ///
    /// # Errors
    /// [`Error::Data`], or [`Error::Idx`] for an IDX file, if a label is not less than `classes`;
    /// [`Error::Argument`] if no target has class indices.
    pub fn with_classes(self, classes: usize) -> Result<Self> {
        let mut targets = self.fields.targets().to_vec();
        let inputs = self.fields.inputs();
        let arrays = self.columns.iter().skip(inputs.len());
        let Some((target, array)) =
            targets.iter_mut().zip(arrays).find(|(field, _)| is_class(field))
        else {
            return Err(Error::argument("classes", "are given, but no target has class indices"));
        };
        array.largest_label(Some(classes))?;
        target.classes = Some(classes);
        let fields = Fields::of(inputs.to_vec(), targets, self.fields.weights().to_vec());
        Ok(StoredArrays { fields, ..self })
    }

    /// What a sample consists of.
    #[must_use]
    pub fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }

    /// Number of samples; at least 1.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "there is at least one sample")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Classes of the first target that has class indices.
    #[must_use]
    pub fn classes(&self) -> Option<usize> {
        self.fields.targets().iter().find_map(|field| field.classes)
    }

    /// Bytes of all values, uncompressed: what they would take in memory, about.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.columns.iter().map(StoredArray::bytes).fold(0, u64::saturating_add)
    }

    /// True if an array is compressed, so that the samples can be read in order only.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.columns.iter().any(StoredArray::is_compressed)
    }

    /// As a source: of random access if no array is compressed, else as a stream.
    #[must_use]
    pub fn source(&self) -> Source {
        match self.is_compressed() {
            true => self.stream(),
            false => Source::new(self.clone()),
        }
    }

    /// As a stream in the files' order: files are read in large pieces, compressed ones are
    /// decompressed as they are read, in each pass anew.
    #[must_use]
    pub fn stream(&self) -> Source {
        Source::stream(ArrayStream(self.clone()))
    }

    /// The columns and what the integers of each must be less than.
    fn columns(&self) -> impl Iterator<Item = (&StoredArray, u64)> {
        let limits = self
            .fields
            .columns()
            .map(|(_, field)| field.classes.map_or(ANY_LABEL, |classes| classes as u64));
        self.columns.iter().zip(limits)
    }
}

fn is_class(field: &Field) -> bool {
    field.element == Element::U32
}

fn different_counts(first: &StoredArray, other: &StoredArray) -> Error {
    if other.idx {
        return other.idx_error(IdxProblem::Counts {
            labels: other.samples(),
            images: first.samples(),
            images_file: first.path().display().to_string(),
        });
    }
    Error::Shape {
        what: other.name(),
        actual: format!("{} samples", other.samples()),
        expected: format!("{}, as in {}", first.samples(), first.name()),
    }
}

impl RandomAccess for StoredArrays {
    fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }

    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, index: usize, visit: &Visit, into: &mut Samples) -> Result<()> {
        self.read_all(&[index], visit, into)
    }

    fn read_all(&self, indices: &[usize], _: &Visit, into: &mut Samples) -> Result<()> {
        let mut scratch = Vec::new();
        for ((array, limit), values) in self.columns().zip(into.columns_mut()) {
            // Samples that stand one after the other in the file take one read.
            for run in indices.chunk_by(|a, b| a.checked_add(1) == Some(*b)) {
                let Some(&first) = run.first() else { continue };
                array.read_at((first, run.len()), limit, values, &mut scratch)?;
            }
        }
        into.complete(indices.len())
    }

    fn place(&self, index: usize) -> String {
        match self.columns.first() {
            Some(array) => array.place(index),
            None => format!("sample {index}"),
        }
    }
}

/// Arrays in files, read in order.
#[derive(Debug)]
struct ArrayStream(StoredArrays);

impl Streaming for ArrayStream {
    fn fields(&self) -> &Arc<Fields> {
        &self.0.fields
    }

    fn len(&self) -> Option<usize> {
        Some(self.0.len)
    }

    fn start(&self, _: &Visit) -> Result<Box<dyn StreamPass>> {
        let readers = self.0.columns.iter().map(ArrayReader::open).collect::<Result<_>>()?;
        Ok(Box::new(ArrayPass { arrays: self.0.clone(), readers, given: 0 }))
    }
}

struct ArrayPass {
    arrays: StoredArrays,
    readers: Vec<ArrayReader>,
    given: usize,
}

impl StreamPass for ArrayPass {
    fn next(&mut self, most: usize, into: &mut Samples) -> Result<()> {
        let ArrayPass { arrays, readers, given } = self;
        let samples = most.min(arrays.len - *given);
        for (((array, limit), reader), values) in
            arrays.columns().zip(readers).zip(into.columns_mut())
        {
            reader.read(array, samples, limit, values)?;
        }
        *given += samples;
        into.complete(samples)
    }
}
