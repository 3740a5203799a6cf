//! From a loss, metrics and regularizers to operations on the last layer's outputs.

use super::layer::{DenseNode, Node, Value};
use crate::activation::{Activation, Elementwise};
use crate::error::{Error, Result};
use crate::loss::{Loss, PointwiseLoss};
use crate::metric::Metric;
use crate::model::{Compiled, Dense, Regularizer};
use crate::program::{BufferId, Op};

/// The loss of the last layer's outputs.
pub(super) fn lower_loss(
    of: &Loss,
    last: &Value,
    gradient: BufferId,
    [targets, sample_weights, loss, counts]: [BufferId; 4],
) -> Op {
    let &Value { buffer: output, made_by: activation, .. } = last;
    let pointwise = |function| Op::PointwiseLoss {
        outputs: output,
        targets,
        sample_weights,
        loss,
        counts,
        gradient,
        function,
        activation,
    };
    match *of {
        Loss::SparseCategoricalCrossentropy => {
            let (logits, labels) = (output, targets);
            Op::SoftmaxCrossEntropy { logits, labels, sample_weights, loss, counts, gradient }
        }
        Loss::CategoricalCrossentropy { label_smoothing } => Op::CategoricalCrossEntropy {
            logits: output,
            targets,
            sample_weights,
            loss,
            counts,
            gradient,
            label_smoothing,
        },
        Loss::BinaryCrossentropy { label_smoothing } => {
            pointwise(PointwiseLoss::BinaryCrossentropy { label_smoothing })
        }
        Loss::MeanSquaredError => pointwise(PointwiseLoss::MeanSquaredError),
        Loss::MeanAbsoluteError => pointwise(PointwiseLoss::MeanAbsoluteError),
        Loss::Huber { delta } => pointwise(PointwiseLoss::Huber { delta }),
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
    let all: Vec<_> = nodes
        .iter()
        .filter_map(|node| match node {
            Node::Dense(dense) => Some(dense),
            _ => None,
        })
        .flat_map(of)
        .filter(|(_, _, regularizer)| !regularizer.is_none())
        .collect();
    for (_, _, Regularizer { l1, l2 }) in &all {
        if ![l1, l2].iter().all(|rate| **rate >= 0.0 && rate.is_finite()) {
            let problem = format!("is l1 {l1}, l2 {l2}; give finite numbers of at least 0");
            return Err(Error::argument("regularizer", problem));
        }
    }
    Ok(all)
}

/// What the last layer applies in training: what the loss does not have within itself.
pub(super) fn check_last(activation: Activation, loss: &Loss) -> Result<Elementwise> {
    let refuse = |needed: &str| {
        let problem = format!("the last layer's is {activation:?}; {loss:?} needs {needed}");
        Err(Error::argument("activation", problem))
    };
    match (loss, activation, activation.elementwise()) {
        (
            Loss::SparseCategoricalCrossentropy | Loss::CategoricalCrossentropy { .. },
            Activation::Softmax | Activation::Linear,
            _,
        )
        | (Loss::BinaryCrossentropy { .. }, Activation::Sigmoid | Activation::Linear, _) => {
            Ok(Elementwise::Linear)
        }
        (Loss::SparseCategoricalCrossentropy | Loss::CategoricalCrossentropy { .. }, ..) => {
            refuse("Softmax, or Linear for logits")
        }
        (Loss::BinaryCrossentropy { .. }, ..) => refuse("Sigmoid, or Linear for logits"),
        (_, _, Some(function)) => Ok(function),
        (_, _, None) => refuse("a function of each value by itself, such as Linear"),
    }
}

/// Whether each metric has a meaning.
pub(super) fn check_metrics(compiled: &Compiled) -> Result<()> {
    if compiled.metrics.contains(&Metric::Accuracy) && compiled.loss.accuracy().is_none() {
        let problem =
            format!("Accuracy has no meaning for {:?}: nothing is right or wrong", compiled.loss);
        return Err(Error::argument("metrics", problem));
    }
    Ok(())
}

/// Whether its constants are in their ranges.
pub(super) fn check_loss(loss: &Loss) -> Result<()> {
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
