//! Which steps can be fused: a chain of dense layers, a loss and an update.

use crate::operation::activation::Elementwise;
use crate::operation::adapter::FusedFrom;
use crate::operation::dense::{DenseBackwardInput, DenseBackwardWeights, DenseForward};
use crate::operation::list::Op;
use crate::table::{BufferId, Placement, Role, Table};

/// A layer of a chain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Layer {
    pub forward: DenseForward,
    /// Whether there is a bias; else zeros stand in its place, and nothing learns.
    pub has_bias: bool,
}

/// A training step that can be fused: dense layers, each of the one before it, a loss of the last
/// one, and an update of all their parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// From the input to the output; at least one.
    pub(super) layers: Vec<Layer>,
    pub(super) loss: Op,
    pub(super) update: Op,
    /// The flat allocation of the parameters.
    pub(super) parameters: BufferId,
    /// What the first layer reads.
    pub(super) input: BufferId,
    /// Whether an operation makes that of bytes.
    pub(super) converted: bool,
}

impl Chain {
    /// The chain that a step is which runs `train` and then `update`; `None` if an operation is among
    /// them that has no part in one. So what stands between gradients and update (clipping, penalties,
    /// sums over steps or over parts of a batch) ends it, and so do a metric with sums of its own, a
    /// frozen layer, an activation that its result does not tell, and values that are used twice.
    pub fn of(table: &Table, train: &[Op], update: &[Op]) -> Option<Chain> {
        let &[update] = update else { return None };
        let [gradients, parameters] = arenas_of(update)?;
        let mut rest = train.iter().copied().peekable();
        let conversion = rest.next_if(|op| matches!(op, Op::Convert(_)));
        let mut layers: Vec<Layer> = Vec::new();
        let slice = |id: BufferId, of: BufferId| match table.buffer(id).placement {
            Placement::Slice { arena, offset } if arena == of => Some(offset),
            Placement::Slice { .. } | Placement::Own => None,
        };
        while let Some(Op::DenseForward(forward)) =
            rest.next_if(|op| matches!(op, Op::DenseForward(_)))
        {
            if layers.last().is_some_and(|before| before.forward.output != forward.input) {
                return None;
            }
            slice(forward.weight, parameters)?;
            let has_bias = slice(forward.bias, parameters).is_some();
            if !has_bias && table.buffer(forward.bias).role != Role::Scratch {
                return None;
            }
            layers.push(Layer { forward, has_bias });
        }
        let (input, last) = (layers.first()?.forward.input, layers.last()?.forward);
        let converted = match conversion {
            Some(Op::Convert(convert)) if convert.output == input => true,
            Some(_) => return None,
            None => false,
        };
        let loss = rest.next()?;
        let (judged, activation, mut output_gradient) = match loss {
            Op::SoftmaxCrossentropy(op) => (op.logits, Elementwise::Linear, op.gradient),
            Op::CategoricalCrossentropy(op) => (op.logits, Elementwise::Linear, op.gradient),
            Op::PointwiseLoss(op) => (op.outputs, op.activation, op.gradient),
            _ => return None,
        };
        if (judged, activation) != (last.output, last.activation) {
            return None;
        }
        let mut backward: Vec<Op> = rest.collect();
        let mut take = |wanted: &dyn Fn(&Op) -> bool| {
            let place = backward.iter().position(wanted)?;
            Some(backward.remove(place))
        };
        for place in (0..layers.len()).rev() {
            let Layer { forward, has_bias } = *layers.get(place)?;
            let of_weights = take(&|op| {
                matches!(op, Op::DenseBackwardWeights(op)
                    if op.input == forward.input && op.output_gradient == output_gradient)
            })?;
            let Op::DenseBackwardWeights(DenseBackwardWeights {
                weight_gradient,
                bias_gradient,
                ..
            }) = of_weights
            else {
                return None;
            };
            let same =
                |gradient, parameter| slice(gradient, gradients) == slice(parameter, parameters);
            if !same(weight_gradient, forward.weight)
                || has_bias && !same(bias_gradient, forward.bias)
            {
                return None;
            }
            let Some(before) = place.checked_sub(1).and_then(|place| layers.get(place)) else {
                break;
            };
            let of_input = take(&|op| {
                matches!(op, Op::DenseBackwardInput(op)
                    if op.weight == forward.weight
                        && op.input == forward.input
                        && op.output_gradient == output_gradient
                        && op.activation == before.forward.activation)
            })?;
            let Op::DenseBackwardInput(DenseBackwardInput { input_gradient, .. }) = of_input else {
                return None;
            };
            output_gradient = input_gradient;
        }
        let learning: usize = layers.iter().map(|layer| 1 + usize::from(layer.has_bias)).sum();
        let whole = backward.is_empty() && table.slices(parameters).count() == learning;
        whole.then_some(Chain { layers, loss, update, parameters, input, converted })
    }

    /// What runs before the kernels of a fused step that begins there.
    pub fn before(&self, from: FusedFrom) -> impl Iterator<Item = Op> + '_ {
        let before = self.layers.iter().take(from.layers_before());
        before.map(|layer| Op::DenseForward(layer.forward))
    }

    /// What the first kernel reads if it begins there.
    pub(super) fn read_from(&self, from: FusedFrom) -> BufferId {
        let before = self.layers.iter().take(from.layers_before()).next_back();
        before.map_or(self.input, |layer| layer.forward.output)
    }

    /// Multiplications with additions of the layers forward, from that one on, for one row.
    pub(super) fn products(&self, table: &Table, from: usize) -> u64 {
        let of = |layer: &Layer| {
            let sizes =
                [layer.forward.input, layer.forward.output].map(|id| table.columns(id) as u64);
            sizes.into_iter().product::<u64>()
        };
        self.layers.iter().skip(from).map(of).sum()
    }

    /// Columns of the buffer that the first kernel writes for the second one: what each layer but the last
    /// puts out, and the gradients of what each puts out.
    pub fn handover_columns(&self, table: &Table) -> usize {
        let stride = |layer: &Layer| table.buffer(layer.forward.output).stride();
        let all: usize = self.layers.iter().map(stride).sum();
        2 * all - self.layers.last().map_or(0, stride)
    }
}

/// Gradients and parameters of an update; `None` for what is none.
fn arenas_of(update: Op) -> Option<[BufferId; 2]> {
    match update {
        Op::AdamUpdate(op) => Some([op.gradients, op.parameters]),
        Op::AmsGradUpdate(op) => Some([op.gradients, op.parameters]),
        Op::SgdUpdate(op) => Some([op.gradients, op.parameters]),
        Op::RmsPropUpdate(op) => Some([op.gradients, op.parameters]),
        Op::AdagradUpdate(op) => Some([op.gradients, op.parameters]),
        _ => None,
    }
}
