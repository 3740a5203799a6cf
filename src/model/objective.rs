//! The loss of an output: whether it fits the output, and what it adds to the graph.

use std::collections::HashSet;

use super::functional::NodeKind;
use super::loss::Loss;
use super::{Functional, Layer, Objective};
use crate::error::{Error, Result};
use crate::operation::activation::{Activation, Elementwise};
use crate::operation::{self, LossFunction, Op};
use crate::program::{BufferId, Element, Graph, Value};

/// An output with its objective.
pub(super) struct Judged<'a> {
    /// The output's name.
    pub name: &'a str,
    pub objective: &'a Objective,
    /// What the model computes for it.
    pub value: Value,
    /// The activation that made its value, as far as a loss looks at it: of cross-entropies
    /// softmax and sigmoid, else linear.
    pub activation: Activation,
    pub targets: BufferId,
}

impl<'a> Judged<'a> {
    /// Checks that the loss fits the output, and makes room for its targets.
    ///
    /// # Errors
    /// [`Error::Argument`] if a constant is out of its range, or a cross-entropy finds another
    /// activation than its own.
    pub(super) fn new(
        graph: &mut Graph,
        name: &'a str,
        objective: &'a Objective,
        value: Value,
        linear: bool,
    ) -> Result<Self> {
        let Objective { loss, loss_weight, .. } = objective;
        if !(*loss_weight >= 0.0 && loss_weight.is_finite()) {
            let problem = format!("is {loss_weight}; give a finite number of at least 0");
            return Err(Error::argument("loss_weight", problem));
        }
        loss.check()?;
        let activation = if linear { Made::Otherwise } else { made(graph, value.buffer()) };
        check_activation(graph, name, loss, &value, activation)?;
        let (element, columns) = match loss {
            Loss::SparseCategoricalCrossentropy => (Element::U32, 1),
            Loss::CategoricalCrossentropy { .. }
            | Loss::BinaryCrossentropy { .. }
            | Loss::MeanSquaredError
            | Loss::MeanAbsoluteError
            | Loss::Huber { .. }
            | Loss::Custom(_) => (Element::Real, value.columns()),
        };
        let role = crate::program::Role::Target;
        let targets = graph.rows(format!("targets.{name}"), role, element, columns)?;
        let activation = match activation {
            Made::Softmax => Activation::Softmax,
            Made::By(Elementwise::Sigmoid) => Activation::Sigmoid,
            Made::By(_) | Made::Otherwise => Activation::Linear,
        };
        Ok(Judged { name, objective, value, activation, targets })
    }

    /// Its targets as a value, of the shape of the prediction; not for class indices.
    pub(super) fn target(&self, graph: &Graph) -> Value {
        graph.value_of(self.targets, self.value.shape())
    }
}

/// What made a value.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Made {
    Softmax,
    By(Elementwise),
    Otherwise,
}

fn made(graph: &Graph, id: BufferId) -> Made {
    if let Some(Op::Softmax(_)) = graph.made_by(id) {
        Made::Softmax
    } else if let Some(Op::Activate(op)) = graph.made_by(id) {
        Made::By(op.activation)
    } else {
        Made::Otherwise
    }
}

/// Whether the value of `place` is that of an activation layer which says that it is linear.
pub(super) fn says_linear(functional: &Functional, mut place: usize) -> bool {
    while let Some(kind) = functional.nodes().get(place).map(|node| &node.kind) {
        let (layer, of) = match kind {
            NodeKind::Layer { layer, of } => (Some(layer), *of),
            NodeKind::Shared { layer_of, of } => (functional.layer_at(*layer_of), *of),
            NodeKind::Input { .. } | NodeKind::Add { .. } | NodeKind::Concatenate { .. } => {
                return false;
            }
        };
        if let Some(Layer::Activation(layer)) = layer {
            return layer.activation == Activation::Linear;
        }
        let Some(Layer::Flatten(_)) = layer else { return false };
        place = of;
    }
    false
}

fn check_activation(
    graph: &Graph,
    name: &str,
    loss: &Loss,
    value: &Value,
    activation: Made,
) -> Result<()> {
    let (fits, needed) = match loss {
        Loss::SparseCategoricalCrossentropy | Loss::CategoricalCrossentropy { .. } => {
            (activation == Made::Softmax, "Softmax, or Linear for logits")
        }
        Loss::BinaryCrossentropy { .. } => {
            (activation == Made::By(Elementwise::Sigmoid), "Sigmoid, or Linear for logits")
        }
        Loss::MeanSquaredError | Loss::MeanAbsoluteError | Loss::Huber { .. } | Loss::Custom(_) => {
            return Ok(());
        }
    };
    if fits {
        return Ok(());
    }
    let made = match activation {
        Made::Softmax => "Softmax".to_owned(),
        Made::By(activation) => format!("{activation:?}"),
        Made::Otherwise => {
            let Some(upstream) = upstream_probabilities(graph, value.buffer()) else {
                return Ok(());
            };
            let problem = format!(
                "of {name:?} is none: its last layer passes on the results of {upstream:?}, which \
                 {loss:?} would take for logits; let {upstream:?} come last"
            );
            return Err(Error::argument("activation", problem));
        }
    };
    Err(Error::argument("activation", format!("of {name:?} is {made}; {loss:?} needs {needed}")))
}

/// The softmax or sigmoid that `value` or something upstream of it is the result of, looking
/// through dropout, noise, sums and concatenations.
fn upstream_probabilities(graph: &Graph, value: BufferId) -> Option<Activation> {
    let mut seen = HashSet::new();
    let mut waiting = vec![value];
    while let Some(id) = waiting.pop() {
        match made(graph, id) {
            Made::Softmax => return Some(Activation::Softmax),
            Made::By(Elementwise::Sigmoid) => return Some(Activation::Sigmoid),
            Made::By(_) => continue,
            Made::Otherwise => {}
        }
        if let Some(op) = graph.made_by(id)
            && let Op::Dropout(_) | Op::GaussianNoise(_) | Op::Add(_) | Op::Concatenate(_) = op
        {
            waiting.extend(op.reads().into_iter().filter(|&source| seen.insert(source)));
        }
    }
    None
}

impl Loss {
    /// Whether its constants are in their ranges.
    fn check(&self) -> Result<()> {
        match *self {
            Loss::CategoricalCrossentropy { label_smoothing }
            | Loss::BinaryCrossentropy { label_smoothing } => {
                if (0.0..=1.0).contains(&label_smoothing) {
                    return Ok(());
                }
                let problem = format!("is {label_smoothing}; expected a number from 0 to 1");
                Err(Error::argument("label_smoothing", problem))
            }
            Loss::Huber { delta } => {
                if delta > 0.0 && delta.is_finite() {
                    return Ok(());
                }
                let problem = format!("is {delta}; expected a positive, finite number");
                Err(Error::argument("delta", problem))
            }
            Loss::SparseCategoricalCrossentropy
            | Loss::MeanSquaredError
            | Loss::MeanAbsoluteError
            | Loss::Custom(_) => Ok(()),
        }
    }
}

/// Adds the loss of an output to the graph, with its sums and its gradient. A cross-entropy takes
/// the output as it is: probabilities if a softmax or a sigmoid made it, else logits.
pub(super) fn push_loss(
    graph: &mut Graph,
    of: &Judged<'_>,
    [sample_weights, total, counts]: [BufferId; 3],
) -> Result<()> {
    if let Loss::Custom(loss) = &of.objective.loss {
        graph.scope(&format!("{}.loss", of.name));
        let target = of.target(graph);
        let prediction = graph.full(&of.value)?;
        let value = loss.value("loss", graph, &prediction, &target)?;
        let (gradient, scale) = (graph.gradient(&value)?, of.objective.loss_weight);
        return graph.push(operation::SampleLoss {
            value: value.buffer(),
            sample_weights,
            loss: total,
            counts,
            gradient,
            loss_scale: graph.loss_scale(),
            scale,
        });
    }
    let gradient = graph.gradient(&of.value)?;
    let Judged { objective, targets, .. } = *of;
    let (outputs, scale) = (of.value.buffer(), objective.loss_weight);
    let loss_scale = graph.loss_scale();
    let pointwise = |function| operation::PointwiseLoss {
        outputs,
        targets,
        sample_weights,
        loss: total,
        counts,
        gradient,
        loss_scale,
        scale,
        function,
        activation: Elementwise::Linear,
    };
    let op = match objective.loss {
        Loss::SparseCategoricalCrossentropy => Op::from(operation::SoftmaxCrossentropy {
            logits: outputs,
            labels: targets,
            sample_weights,
            loss: total,
            counts,
            gradient,
            loss_scale,
            scale,
        }),
        Loss::CategoricalCrossentropy { label_smoothing } => {
            Op::from(operation::CategoricalCrossentropy {
                logits: outputs,
                targets,
                sample_weights,
                loss: total,
                counts,
                gradient,
                loss_scale,
                scale,
                label_smoothing,
            })
        }
        Loss::BinaryCrossentropy { label_smoothing } => {
            pointwise(LossFunction::BinaryCrossentropy { label_smoothing }).into()
        }
        // Pushed above.
        Loss::Custom(_) => return Ok(()),
        Loss::MeanSquaredError => pointwise(LossFunction::MeanSquaredError).into(),
        Loss::MeanAbsoluteError => pointwise(LossFunction::MeanAbsoluteError).into(),
        Loss::Huber { delta } => pointwise(LossFunction::Huber { delta }).into(),
    };
    graph.push(op)
}
