//! Weights for samples.

use std::sync::Arc;

use crate::data::dataset::class_of;
use crate::data::fields::{Field, Part};
use crate::data::samples::{Samples, Values};
use crate::data::source::Source;
use crate::error::{Error, Result};

impl Source {
    /// The samples, each with a weight by which its loss and gradient are multiplied, in place of
    /// those that it had for all targets.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one for each sample, [`Error::Argument`] if one is not
    /// finite, or if this is a stream, whose generator can give weights by itself.
    pub fn weights(&self, weights: Vec<f32>) -> Result<Source> {
        self.weights_named("", weights)
    }

    /// The samples, each with a weight for its target called `target`, in place of that of
    /// [`weights`](Self::weights).
    ///
    /// # Errors
    /// As `weights`; [`Error::Argument`] if there is no such target.
    pub fn weights_of(&self, target: &str, weights: Vec<f32>) -> Result<Source> {
        self.weights_named(target, weights)
    }

    fn weights_named(&self, target: &str, weights: Vec<f32>) -> Result<Source> {
        let samples = self.need_random_access("sample_weight")?.len();
        if weights.len() != samples {
            return Err(Error::Shape {
                what: "sample_weight".into(),
                actual: format!("{} weights", weights.len()),
                expected: format!("{samples}, one a sample"),
            });
        }
        if let Some((sample, weight)) =
            weights.iter().enumerate().find(|(_, weight)| !weight.is_finite())
        {
            let problem = format!("of sample {sample} is {weight}; give finite numbers");
            return Err(Error::argument("sample_weight", problem));
        }
        self.weighted_by(target, move |_, number| weights.get(number).copied().unwrap_or(1.0))
    }

    /// The samples, each weighted by its class: `(class, weight)`; classes that are not named
    /// count 1. With floats as targets, the class is the largest of several, or the nearest whole
    /// number to a single one, as in Keras.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are weights already, a weight is not finite, or there is not
    /// exactly one target.
    pub fn class_weights(&self, weights: &[(u32, f32)]) -> Result<Source> {
        let refused = |problem: String| Err(Error::argument("class_weight", problem));
        let fields = self.fields();
        if !fields.weights().is_empty() {
            return refused("is given together with sample_weight; give one of them".into());
        }
        if let Some((class, weight)) = weights.iter().find(|(_, weight)| !weight.is_finite()) {
            return refused(format!("of class {class} is {weight}; give finite numbers"));
        }
        let targets = fields.targets().len();
        if targets != 1 {
            return refused(format!(
                "is given with {targets} targets; it takes one target a sample, give weights"
            ));
        }
        let weights = weights.to_vec();
        self.weighted_by("", move |sample, _| {
            let class = sample.target("").and_then(class);
            weights.iter().find(|(named, _)| Some(*named) == class).map_or(1.0, |(_, w)| *w)
        })
    }

    /// The samples with one weight more, which `weight` computes from a sample and its number.
    fn weighted_by(
        &self,
        target: &str,
        weight: impl Fn(&Samples, usize) -> f32 + Send + Sync + 'static,
    ) -> Result<Source> {
        let before = self.fields();
        let others = before.weights().iter().filter(|field| field.name != target).cloned();
        let fields = before.with_weights(others.chain([Field::weight(target)]))?;
        // Where each column comes from; the new one is not there yet.
        let columns: Vec<Option<usize>> = fields
            .columns()
            .map(|(part, field)| match part == Part::Weight && field.name == target {
                true => None,
                false => before.column(part, &field.name),
            })
            .collect();
        let columns: Arc<[_]> = columns.into();
        Ok(self.mapped(fields, move |sample, number, _, into| {
            for (to, from) in into.columns_mut().iter_mut().zip(columns.iter()) {
                match (from, to) {
                    (Some(from), to) => to.push_row(sample.row(*from, 0))?,
                    (None, Values::F32(to)) => to.push(weight(sample, number)),
                    (None, _) => {}
                }
            }
            into.complete(1)
        }))
    }
}

/// The class that a target stands for; `None` if it is none.
pub(super) fn class(target: &Values) -> Option<u32> {
    match target {
        Values::U32(labels) => labels.first().copied(),
        Values::U8(labels) => labels.first().copied().map(u32::from),
        Values::F32(values) => class_of(values.iter().copied()),
        Values::F16(values) => class_of(values.iter().map(|value| value.to_f32())),
        Values::Sparse(_) => None,
    }
}
