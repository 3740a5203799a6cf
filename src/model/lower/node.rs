//! The operations that a graph of layers consists of.

use crate::model::Dense;
use crate::operation::activation::Elementwise;
use crate::program::BufferId;

/// A value on its way through the layers, `[B, width]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    pub buffer: BufferId,
    pub width: usize,
    /// The fused activation that made it.
    pub made_by: Elementwise,
    /// Whether something before it is trained.
    pub trained: bool,
}

/// The value of one step of the graph.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made {
    pub value: Value,
    /// Before the softmax or sigmoid, where a loss wants it from there.
    pub logits: Value,
}

/// A dense layer with its buffers.
#[derive(Debug, Clone, Copy)]
pub(super) struct DenseNode {
    pub layer: Dense,
    pub input: Value,
    pub output: Value,
    pub weight: BufferId,
    pub bias: BufferId,
    /// `None` for a layer that is not trained.
    pub gradients: Option<Gradients>,
}

/// Where the gradients of a dense layer go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gradients {
    pub weight: BufferId,
    /// `None` for a layer without a bias.
    pub bias: Option<BufferId>,
    /// Where the kernel writes the bias' gradient, wanted or not.
    pub written_bias: BufferId,
}

/// What a normalization does after it: `value * (gamma + gamma_offset) + beta`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Affine {
    pub gamma: BufferId,
    pub beta: BufferId,
    /// 1 where zeros stand in the place of a gamma.
    pub gamma_offset: f64,
    /// Where the gradients of gamma and beta are written, wanted or not; zeros if nothing is
    /// trained.
    pub written: [BufferId; 2],
    /// Those that are wanted.
    pub gradients: [Option<BufferId>; 2],
}

/// The statistics of a batch, and the moving averages that they go into.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    pub mean: BufferId,
    pub variance: BufferId,
    pub momentum: f64,
}

/// One operation forward, with what it takes to go back.
#[derive(Debug, Clone, Copy)]
pub(super) enum Node {
    Convert {
        bytes: BufferId,
        output: Value,
        scale: f64,
    },
    Dense(DenseNode),
    Activate {
        input: Value,
        output: Value,
        activation: Elementwise,
    },
    Softmax {
        input: Value,
        output: Value,
    },
    Dropout {
        input: Value,
        output: Value,
        rate: f64,
        number: u32,
    },
    GaussianNoise {
        input: Value,
        output: Value,
        standard_deviation: f64,
        number: u32,
    },
    Add {
        first: Value,
        second: Value,
        output: Value,
    },
    Concatenate {
        first: Value,
        second: Value,
        output: Value,
    },
    /// Mean and variance are the batch's in training, if there are such, else those given.
    Normalize {
        input: Value,
        output: Value,
        mean: BufferId,
        variance: BufferId,
        batch: Option<Batch>,
        affine: Affine,
        epsilon: f64,
    },
    LayerNormalize {
        input: Value,
        output: Value,
        moments: BufferId,
        affine: Affine,
        epsilon: f64,
    },
}

impl Node {
    /// What it makes in training.
    pub fn output(&self) -> Value {
        match self {
            Node::Convert { output, .. }
            | Node::Dense(DenseNode { output, .. })
            | Node::Activate { output, .. }
            | Node::Softmax { output, .. }
            | Node::Dropout { output, .. }
            | Node::GaussianNoise { output, .. }
            | Node::Add { output, .. }
            | Node::Concatenate { output, .. }
            | Node::Normalize { output, .. }
            | Node::LayerNormalize { output, .. } => *output,
        }
    }

    /// What it makes that of.
    pub fn inputs(&self) -> Vec<Value> {
        match self {
            Node::Convert { .. } => Vec::new(),
            Node::Dense(DenseNode { input, .. })
            | Node::Activate { input, .. }
            | Node::Softmax { input, .. }
            | Node::Dropout { input, .. }
            | Node::GaussianNoise { input, .. }
            | Node::Normalize { input, .. }
            | Node::LayerNormalize { input, .. } => vec![*input],
            Node::Add { first, second, .. } | Node::Concatenate { first, second, .. } => {
                vec![*first, *second]
            }
        }
    }

    /// The gradients of its parameters, as far as they are wanted.
    pub fn gradients(&self) -> Vec<BufferId> {
        match self {
            Node::Dense(DenseNode { gradients: Some(gradients), .. }) => {
                [Some(gradients.weight), gradients.bias].into_iter().flatten().collect()
            }
            Node::Normalize { affine, .. } | Node::LayerNormalize { affine, .. } => {
                affine.gradients.into_iter().flatten().collect()
            }
            _ => Vec::new(),
        }
    }
}
