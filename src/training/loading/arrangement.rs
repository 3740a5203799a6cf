//! Which column of the data fills which buffer of a program, and how.

use std::ops::Range;
use std::sync::Arc;

use crate::data::{
    Dataset, Element as Stored, Field, Fields, Part, RandomAccess, Row, Samples, Streaming,
    class_of,
};
use crate::error::{Error, Result};
use crate::program::{Buffer, Column, Element, Feed, Pass, Program, Role};
use crate::training::feed::{
    check_input, check_target, floats_of_halves, floats_of_integers, of_sample,
};

/// What batches are read from, with the columns that the model reads.
#[derive(Debug, Clone)]
pub(in crate::training) enum Reading {
    /// Arrays in memory, whose columns are in the model's order and were checked.
    Dataset(Dataset),
    /// Samples that can be read in any order.
    RandomAccess(Arc<dyn RandomAccess>, Arc<Arrangement>),
    /// Samples one after the other.
    Stream(Arc<dyn Streaming>, Arc<Arrangement>),
}

/// The columns of some data in the order of the model's inputs and outputs.
#[derive(Debug)]
pub(in crate::training) struct Arrangement {
    /// The column of each input.
    inputs: Vec<usize>,
    /// The column of each output's target; empty if no targets are wanted.
    targets: Vec<usize>,
    /// The column of the weights of each output; `None` if they all are 1.
    weights: Vec<Option<usize>>,
    /// The number of classes of each output, or 0 if it has none.
    classes: Vec<usize>,
    /// Weights by the class of the only target.
    class_weight: Vec<(u32, f32)>,
}

/// What an [`Arrangement`] is made for.
pub(in crate::training) struct Wanted<'a> {
    pub program: &'a Program,
    pub inputs: &'a [&'a str],
    /// Empty if no targets are wanted.
    pub outputs: &'a [&'a str],
    pub classes: Vec<usize>,
}

impl Arrangement {
    /// # Errors
    /// [`Error::Argument`] if the data lacks a column that the model needs, [`Error::Shape`] if one
    /// does not fit.
    pub(in crate::training) fn new(fields: &Fields, wanted: Wanted<'_>) -> Result<Self> {
        let Wanted { program, inputs, outputs, classes } = wanted;
        let inputs = columns("input", fields.inputs(), 0, inputs)?;
        let first_target = fields.inputs().len();
        let targets = columns("target", fields.targets(), first_target, outputs)?;
        for ((_, buffer), &column) in program.of_role(Role::Input).zip(&inputs) {
            if let Some((_, field)) = fields.columns().nth(column) {
                check_field(buffer, field)?;
            }
        }
        if !outputs.is_empty() {
            for ((_, buffer), &column) in program.of_role(Role::Target).zip(&targets) {
                if let Some((_, field)) = fields.columns().nth(column) {
                    check_target_field(buffer, field)?;
                }
            }
        }
        let weight = |&target: &usize| {
            let target = fields.columns().nth(target).map_or("", |(_, field)| &field.name);
            fields.column(Part::Weight, target).or_else(|| fields.column(Part::Weight, ""))
        };
        let weights = targets.iter().map(weight).collect();
        Ok(Arrangement { inputs, targets, weights, classes, class_weight: Vec::new() })
    }

    /// The same with weights by class.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are sample weights already, a weight is not finite, or there is
    /// not exactly one target.
    pub(in crate::training) fn with_class_weight(self, weights: &[(u32, f32)]) -> Result<Self> {
        let refused = |problem: String| Err(Error::argument("class_weight", problem));
        if weights.is_empty() {
            return Ok(self);
        }
        if self.weights.iter().any(Option::is_some) {
            return refused("is given together with sample_weight; give one of them".into());
        }
        if let Some((class, weight)) = weights.iter().find(|(_, weight)| !weight.is_finite()) {
            return refused(format!("of class {class} is {weight}; give finite numbers"));
        }
        if self.targets.len() != 1 {
            return refused(format!(
                "is given with {} targets; it takes one target a sample, give sample_weight",
                self.targets.len()
            ));
        }
        Ok(Arrangement { class_weight: weights.to_vec(), ..self })
    }

    /// Fills `feed` with what `pass` reads of the samples at `places`. `place_of` says where a
    /// sample comes from.
    ///
    /// # Errors
    /// [`Error::Data`] for a label that is no class of the model, or a weight that is not finite.
    pub(in crate::training) fn fill(
        &self,
        feed: &mut impl Feed,
        program: &Program,
        pass: Pass,
        samples: &Samples,
        places: Range<usize>,
        place_of: &dyn Fn(usize) -> String,
    ) -> Result<()> {
        if pass.reads(Role::SampleWeight) {
            for (number, (id, _)) in program.of_role(Role::SampleWeight).enumerate() {
                let weights = self.weights.get(number).copied().flatten();
                let target = self.targets.get(number).copied().unwrap_or(usize::MAX);
                let mut column = feed.column(id)?;
                for place in places.clone() {
                    let weight = match weights {
                        Some(weights) => weight_of(samples.row(weights, place)),
                        None => self.weight_by_class(samples.row(target, place)),
                    };
                    if !weight.is_finite() {
                        let problem = format!("has the weight {weight}; give finite numbers");
                        return Err(Error::data(place_of(place), problem));
                    }
                    column.push(&weight.to_ne_bytes())?;
                }
            }
        }
        if pass.reads(Role::Target) {
            for (number, (id, _)) in program.of_role(Role::Target).enumerate() {
                let from = self.targets.get(number).copied().unwrap_or(usize::MAX);
                let classes = self.classes.get(number).copied().unwrap_or(0);
                let mut column = feed.column(id)?;
                for place in places.clone() {
                    let row = samples.row(from, place);
                    check_label(row, classes)
                        .map_err(|problem| Error::data(place_of(place), problem))?;
                    push(&mut column, row, stored(samples, from))?;
                }
            }
        }
        for (number, (id, buffer)) in program.of_role(Role::Input).enumerate() {
            let from = self.inputs.get(number).copied().unwrap_or(usize::MAX);
            let element = stored(samples, from);
            let mut column = feed.column(id)?;
            let mut floats = Vec::new();
            for place in places.clone() {
                match (samples.row(from, place), element, buffer.element) {
                    (Row::Dense(bytes), Stored::U32, Element::Real) => {
                        floats_of_integers(bytes, &mut floats)
                            .map_err(|problem| Error::data(place_of(place), problem))?;
                        column.push(bytemuck::cast_slice(&floats))?;
                    }
                    (row, ..) => push(&mut column, row, element)
                        .map_err(|error| of_sample(error, || place_of(place)))?,
                }
            }
        }
        Ok(())
    }

    /// 1 unless its class has a weight.
    fn weight_by_class(&self, target: Row<'_>) -> f32 {
        if self.class_weight.is_empty() {
            return 1.0;
        }
        let Row::Dense(bytes) = target else { return 1.0 };
        let class = match (bytes, self.classes.first()) {
            (&[a, b, c, d], Some(1..)) => Some(u32::from_ne_bytes([a, b, c, d])),
            (bytes, _) => class_of(bytes.chunks_exact(4).map(bytemuck::pod_read_unaligned)),
        };
        let named = self.class_weight.iter().find(|(named, _)| Some(*named) == class);
        named.map_or(1.0, |(_, weight)| *weight)
    }
}

fn stored(samples: &Samples, column: usize) -> Stored {
    samples.fields().columns().nth(column).map_or(Stored::F32, |(_, field)| field.element)
}

fn weight_of(row: Row<'_>) -> f32 {
    match row {
        Row::Dense(&[a, b, c, d]) => f32::from_ne_bytes([a, b, c, d]),
        Row::Dense(_) | Row::Sparse { .. } => 1.0,
    }
}

fn push(column: &mut impl Column, row: Row<'_>, element: Stored) -> Result<()> {
    match (row, element) {
        (Row::Dense(bytes), Stored::U8 | Stored::U32 | Stored::F32) => column.push(bytes),
        (Row::Dense(bytes), Stored::F16) => {
            let mut floats = Vec::new();
            floats_of_halves(bytes, &mut floats);
            column.push(bytemuck::cast_slice(&floats))
        }
        (Row::Sparse { indices, values }, _) => column.push_sparse(indices, values),
    }
}

/// Whether the bytes of a label are one of so many classes; any are if there are none.
fn check_label(row: Row<'_>, classes: usize) -> Result<(), String> {
    match row {
        Row::Dense(&[a, b, c, d]) if classes > 0 => {
            let label = u32::from_ne_bytes([a, b, c, d]);
            if (label as usize) < classes {
                return Ok(());
            }
            Err(format!(
                "has label {label}; the model has {classes} outputs, so labels must be 0 to {}",
                classes - 1
            ))
        }
        Row::Dense(_) | Row::Sparse { .. } => Ok(()),
    }
}

fn check_field(buffer: &Buffer, field: &Field) -> Result<()> {
    let width = field.width();
    let element = match (field.sparse, field.element) {
        (true, _) => Element::Sparse { width },
        (false, Stored::U8) => Element::U8,
        // Integers become floats where a model computes with them.
        (false, Stored::U32) if buffer.element != Element::Real => Element::U32,
        (false, Stored::U32 | Stored::F16 | Stored::F32) => Element::Real,
    };
    check_input(buffer, Some((element, width)))
}

fn check_target_field(buffer: &Buffer, field: &Field) -> Result<()> {
    let width = match field.element {
        Stored::U32 => None,
        Stored::U8 | Stored::F16 | Stored::F32 => Some(field.width()),
    };
    check_target(buffer, Some(width))
}

/// The columns called `names`, in that order, of which the first has the number `first`. Where
/// there is only one and one is asked for, its name does not matter.
fn columns(kind: &str, fields: &[Field], first: usize, names: &[&str]) -> Result<Vec<usize>> {
    if let ([_], [_]) = (fields, names) {
        return Ok(vec![first]);
    }
    let find = |&name: &&str| {
        fields.iter().position(|field| field.name == name).map(|place| first + place).ok_or_else(
            || {
                let there: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
                let there = if there.is_empty() { "none".into() } else { there.join(", ") };
                let problem = format!(
                    "has no {kind} called {name:?}, which the model needs; there is {there}"
                );
                Error::argument("data", problem)
            },
        )
    };
    names.iter().map(find).collect()
}
