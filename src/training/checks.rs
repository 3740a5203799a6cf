//! Whether data fits a model.

use super::feed::{check_input, check_sparse_rows, check_target, input_kind, target_width};
use super::session::Session;
use crate::data::{Batch, Dataset};
use crate::error::{Error, Result};
use crate::program::{Element, Role};

impl Session {
    /// The same data with its inputs, and its targets if they are wanted, in the model's order.
    pub(super) fn arranged(&self, data: &Dataset, targets: bool) -> Result<Dataset> {
        let inputs = self.compiled.architecture.inputs();
        let inputs: Vec<&str> = inputs.map(|(name, _)| name).collect();
        let outputs: Vec<&str> =
            self.report.outputs.iter().map(|output| output.name.as_str()).collect();
        data.arranged(&inputs, if targets { &outputs } else { &[] })
    }

    /// Of each target the number of classes, or 0 if it has none.
    pub(super) fn classes(&self) -> Vec<usize> {
        let widths = self.report.outputs.iter().map(|output| {
            let width = self.compiled.architecture.width_of(&output.name);
            width.unwrap_or(0)
        });
        let targets = self.program.of_role(Role::Target);
        let classes = widths.zip(targets).map(|(width, (_, target))| match target.element {
            Element::U32 => width,
            Element::Real | Element::U8 | Element::Sparse { .. } => 0,
        });
        classes.collect()
    }

    /// Whether there are samples and they, arranged, fit the model's inputs.
    pub(super) fn check_samples(&self, data: &Dataset) -> Result<()> {
        if data.is_empty() {
            return Err(Error::argument("data", "holds no sample; give at least one"));
        }
        let inputs = self.program.of_role(Role::Input).enumerate();
        for ((column, (_, buffer)), (_, input)) in inputs.zip(self.compiled.architecture.inputs()) {
            check_input(buffer, input_kind(data, column))?;
            check_sparse_rows(buffer, data, column)?;
            // Flat samples fit any shape of their width, and a flat input takes any such sample.
            let actual = data.inputs().get(column).map_or(&[][..], |input| &input.shape);
            let expected = &*input.shape;
            if actual != expected && actual.len() > 1 && expected.len() > 1 {
                return Err(Error::Shape {
                    what: format!("the data does not fit the model's input ({})", buffer.name),
                    actual: format!("samples of shape {actual:?}"),
                    expected: format!("{expected:?}"),
                });
            }
        }
        Ok(())
    }

    /// Whether the samples, arranged, fit the model's inputs and the targets its outputs.
    pub(super) fn check_data(&self, data: &Dataset) -> Result<()> {
        self.check_samples(data)?;
        self.check_targets(data, 0..data.len())
    }

    /// Whether a batch fits the model; its targets too, if they are looked at.
    pub(super) fn check_batch(&self, batch: Batch<'_>, targets: bool) -> Result<()> {
        if batch.is_empty() {
            return Err(Error::argument("batch", "holds no sample; give at least one"));
        }
        self.check_samples(batch.data)?;
        let indices = batch.indices.iter().map(|&index| index as usize);
        indices.clone().try_for_each(|index| batch.data.sample(index).map(|_| ()))?;
        if targets { self.check_targets(batch.data, indices) } else { Ok(()) }
    }

    /// Whether the targets are of the kind that the losses take, and the labels of these samples
    /// are classes of the model.
    fn check_targets(
        &self,
        data: &Dataset,
        samples: impl Iterator<Item = usize> + Clone,
    ) -> Result<()> {
        for (column, (_, target)) in self.program.of_role(Role::Target).enumerate() {
            check_target(target, target_width(data, column))?;
        }
        for (column, classes) in self.classes().into_iter().enumerate() {
            let labels = data.labels_of(column).unwrap_or_default();
            for sample in samples.clone() {
                let label = labels.get(sample).copied();
                label.map_or(Ok(()), |label| check_label(sample, label, classes))?;
            }
        }
        Ok(())
    }

    /// Whether the model has one output only, for calls that return its values without a name.
    pub(super) fn check_only_output(&self) -> Result<()> {
        match self.program.outputs() {
            [_] => Ok(()),
            outputs => {
                let names: Vec<&str> = outputs.iter().map(|(name, _)| name.as_str()).collect();
                let names = names.join(", ");
                let problem = format!("the model has several ({names}); call predict_outputs");
                Err(Error::argument("outputs", problem))
            }
        }
    }
}

/// Whether a label is one of so many classes; any is if there are none.
fn check_label(sample: usize, label: u32, classes: usize) -> Result<()> {
    if classes == 0 || (label as usize) < classes {
        return Ok(());
    }
    Err(Error::argument(
        "labels",
        format!(
            "sample {sample} has label {label}; the model has {classes} outputs, so labels must be \
             0 to {}",
            classes - 1
        ),
    ))
}
