//! From an output's loss to operations on its values.

use super::node::{DenseNode, Made, Node, Value};
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::model::{Dense, Objective, Regularizer};
use crate::operation::activation::{Activation, Elementwise};
use crate::operation::{self, LossFunction, Op};
use crate::program::BufferId;

/// One output with what it is judged by.
pub(super) struct Judged<'a> {
    /// The output's name.
    pub name: &'a str,
    pub objective: &'a Objective,
    pub made: Made,
    /// The activation that made its value.
    pub activation: Activation,
    pub targets: BufferId,
}

impl Judged<'_> {
    /// What the loss is computed of.
    pub fn judged(&self) -> Value {
        if wants_logits(&self.objective.loss) { self.made.logits } else { self.made.value }
    }

    /// The loss, which writes its derivative by the logits, or by what comes before the fused
    /// activation of the value, to `gradient`.
    pub fn lower_loss(
        &self,
        gradient: BufferId,
        [sample_weights, loss, counts]: [BufferId; 3],
    ) -> Op {
        let scale = self.objective.loss_weight;
        let (targets, Value { buffer: outputs, made_by: activation, .. }) =
            (self.targets, self.judged());
        let pointwise = |function, activation| {
            Op::PointwiseLoss(operation::PointwiseLoss {
                outputs,
                targets,
                sample_weights,
                loss,
                counts,
                gradient,
                scale,
                function,
                activation,
            })
        };
        match self.objective.loss {
            Loss::SparseCategoricalCrossentropy => {
                let (logits, labels) = (outputs, targets);
                Op::SoftmaxCrossentropy(operation::SoftmaxCrossentropy {
                    logits,
                    labels,
                    sample_weights,
                    loss,
                    counts,
                    gradient,
                    scale,
                })
            }
            Loss::CategoricalCrossentropy { label_smoothing } => {
                Op::CategoricalCrossentropy(operation::CategoricalCrossentropy {
                    logits: outputs,
                    targets,
                    sample_weights,
                    loss,
                    counts,
                    gradient,
                    scale,
                    label_smoothing,
                })
            }
            Loss::BinaryCrossentropy { label_smoothing } => {
                let function = LossFunction::BinaryCrossentropy { label_smoothing };
                pointwise(function, Elementwise::Linear)
            }
            Loss::MeanSquaredError => pointwise(LossFunction::MeanSquaredError, activation),
            Loss::MeanAbsoluteError => pointwise(LossFunction::MeanAbsoluteError, activation),
            Loss::Huber { delta } => pointwise(LossFunction::Huber { delta }, activation),
        }
    }
}

/// Whether the loss is computed of the logits.
pub(super) fn wants_logits(loss: &Loss) -> bool {
    match loss {
        Loss::SparseCategoricalCrossentropy
        | Loss::CategoricalCrossentropy { .. }
        | Loss::BinaryCrossentropy { .. } => true,
        Loss::MeanSquaredError | Loss::MeanAbsoluteError | Loss::Huber { .. } => false,
    }
}

/// What has a regularizer and is trained: the parameter, its gradient, the regularizer.
pub(super) fn penalties(nodes: &[Node]) -> Result<Vec<(BufferId, BufferId, Regularizer)>> {
    let of = |dense: &DenseNode| {
        let (weight, bias) = (dense.weight, dense.bias);
        let Dense { weight_regularizer, bias_regularizer, .. } = dense.layer;
        let trained = dense.gradients.into_iter();
        trained.flat_map(move |gradients| {
            let bias = gradients.bias.map(|gradient| (bias, gradient, bias_regularizer));
            std::iter::once((weight, gradients.weight, weight_regularizer)).chain(bias)
        })
    };
    let dense = nodes.iter().filter_map(|node| match node {
        Node::Dense(dense) => Some(dense),
        _ => None,
    });
    let all: Vec<_> =
        dense.flat_map(of).filter(|(_, _, regularizer)| !regularizer.is_none()).collect();
    all.iter().try_for_each(|(_, _, regularizer)| check_regularizer(regularizer))?;
    Ok(all)
}

/// Whether its rates are in their range.
pub(super) fn check_regularizer(Regularizer { l1, l2 }: &Regularizer) -> Result<()> {
    if [l1, l2].iter().all(|rate| **rate >= 0.0 && rate.is_finite()) {
        return Ok(());
    }
    let problem = format!("is l1 {l1}, l2 {l2}; give finite numbers of at least 0");
    Err(Error::argument("regularizer", problem))
}

/// Whether the loss of output `name` and the activation of its last layer go together, and its
/// constants are in their ranges. `passed_on` is the softmax or sigmoid that made what the last layer, of no
/// activation, passes on.
pub(super) fn check(
    name: &str,
    objective: &Objective,
    activation: Activation,
    passed_on: Option<Activation>,
) -> Result<()> {
    let Objective { loss, loss_weight, .. } = objective;
    if !(*loss_weight >= 0.0 && loss_weight.is_finite()) {
        let problem = format!("is {loss_weight}; give a finite number of at least 0");
        return Err(Error::argument("loss_weight", problem));
    }
    check_loss(loss)?;
    let refuse = |needed: &str| {
        let problem = format!("of {name:?} is {activation:?}; {loss:?} needs {needed}");
        Err(Error::argument("activation", problem))
    };
    if let Some(made) = passed_on.filter(|_| wants_logits(loss)) {
        let problem = format!(
            "of {name:?} is none: its last layer passes on the results of {made:?}, which {loss:?} \
             would take for logits; let {made:?} come last"
        );
        return Err(Error::argument("activation", problem));
    }
    match (loss, activation) {
        (
            Loss::SparseCategoricalCrossentropy | Loss::CategoricalCrossentropy { .. },
            Activation::Softmax | Activation::Linear,
        )
        | (Loss::BinaryCrossentropy { .. }, Activation::Sigmoid | Activation::Linear) => Ok(()),
        (Loss::SparseCategoricalCrossentropy | Loss::CategoricalCrossentropy { .. }, _) => {
            refuse("Softmax, or Linear for logits")
        }
        (Loss::BinaryCrossentropy { .. }, _) => refuse("Sigmoid, or Linear for logits"),
        (Loss::MeanSquaredError | Loss::MeanAbsoluteError | Loss::Huber { .. }, _) => Ok(()),
    }
}

fn check_loss(loss: &Loss) -> Result<()> {
    match *loss {
        Loss::CategoricalCrossentropy { label_smoothing }
        | Loss::BinaryCrossentropy { label_smoothing }
            if !(0.0..=1.0).contains(&label_smoothing) =>
        {
            let problem = format!("is {label_smoothing}; expected a number from 0 to 1");
            Err(Error::argument("label_smoothing", problem))
        }
        Loss::Huber { delta } if !(delta > 0.0 && delta.is_finite()) => {
            let problem = format!("is {delta}; expected a positive, finite number");
            Err(Error::argument("delta", problem))
        }
        _ => Ok(()),
    }
}
