//! A set in memory as a source, for adaptors.

use std::sync::Arc;

use super::contract::{RandomAccess, Visit};
use crate::data::column::{Features, Targets};
use crate::data::dataset::Dataset;
use crate::data::fields::{Element, Field, Fields};
use crate::data::samples::{Row, Samples, Values};
use crate::error::Result;

/// A [`Dataset`] and its fields.
#[derive(Debug)]
pub(super) struct InMemory {
    data: Dataset,
    fields: Arc<Fields>,
}

impl InMemory {
    pub(super) fn new(data: Dataset) -> Self {
        InMemory { fields: fields(&data), data }
    }
}

/// The columns of a set, as a source has them.
pub(super) fn fields(data: &Dataset) -> Arc<Fields> {
    let inputs = data.inputs().iter().map(|input| {
        let element = match &input.features {
            Features::U8(_) => Element::U8,
            Features::F16(_) => Element::F16,
            Features::U32(_) => Element::U32,
            Features::F32(_) => Element::F32,
            Features::Sparse(matrix) => return Field::sparse(&input.name, matrix.width()),
        };
        Field::new(&input.name, element, &input.shape)
    });
    let targets = data.targets().iter().map(|target| match &target.targets {
        Targets::Classes(_) => Field::class(&target.name, Some(data.classes())),
        Targets::Values { width, .. } => Field::new(&target.name, Element::F32, &[*width]),
    });
    let weighted = data.targets().iter().filter(|_| data.has_sample_weights());
    let weights = weighted.map(|target| Field::weight(&target.name));
    // The set has checked its names and shapes.
    Fields::of(inputs.collect(), targets.collect(), weights.collect())
}

impl RandomAccess for InMemory {
    fn fields(&self) -> &Arc<Fields> {
        &self.fields
    }

    fn len(&self) -> usize {
        self.data.len()
    }

    fn read(&self, index: usize, _: &Visit, into: &mut Samples) -> Result<()> {
        let sample = self.data.sample(index)?;
        let (inputs, targets) = (self.fields.inputs().len(), self.fields.targets().len());
        for (column, values) in into.columns_mut().iter_mut().enumerate() {
            if column < inputs {
                match (sample.row(column), values) {
                    (Row::Sparse { indices, values: floats }, Values::Sparse(rows)) => {
                        rows.push(indices, floats)?;
                    }
                    (_, values) => values.extend_from_bytes(sample.input(column))?,
                }
            } else if column < inputs + targets {
                values.extend_from_bytes(sample.target(column - inputs))?;
            } else {
                let weight = sample.weight(column - inputs - targets);
                values.extend_from_bytes(&weight.to_ne_bytes())?;
            }
        }
        into.complete(1)
    }

    fn is_in_memory(&self) -> bool {
        true
    }
}
