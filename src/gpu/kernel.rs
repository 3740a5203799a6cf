//! The kernels: every form of them, what each binds, and how many workgroups it takes. What depends
//! on WGSL's text stands in `source.rs` and in `shaders/`.

use crate::operation::activation::Elementwise;
use crate::operation::kernel::{Extent, Grid};
use crate::operation::{Access, KernelClass};

/// What the first layer's input consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InputKind {
    /// Floats.
    F32,
    /// Bytes, scaled as they are loaded.
    U8,
}

/// Which of the losses that compare each output with a target of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each variant is the loss of its name")]
pub enum LossKind {
    // The numbers are those of LOSS in the shader.
    BinaryCrossentropy = 0,
    MeanSquaredError = 1,
    MeanAbsoluteError = 2,
    Huber = 3,
}

/// Which of the metrics that compare each output with a target of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each variant is the metric of its name")]
pub enum MetricKind {
    // The numbers are those of METRIC in the shader.
    SquaredError = 0,
    AbsoluteError = 1,
    BinaryAccuracy = 2,
}

/// A compute kernel, one specialisation of a WGSL file.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "each variant is the operation of its name")]
pub enum Kernel {
    Convert,
    DenseForward { class: KernelClass, input: InputKind, activation: Elementwise },
    Activate { activation: Elementwise },
    ActivateBackward { activation: Elementwise },
    Dropout,
    DropoutBackward { activation: Elementwise },
    Softmax,
    SoftmaxBackward,
    Add,
    Concatenate,
    Slice,
    GaussianNoise,
    BatchMoments,
    MovingAverage,
    BatchNormalize,
    BatchNormalizeBackward,
    BatchNormalizeBackwardInput { activation: Elementwise },
    LayerNormalize,
    LayerNormalizeBackward,
    LayerNormalizeBackwardInput { activation: Elementwise },
    ActivityPenalty,
    ActivityPenaltyGradient { activation: Elementwise },
    SoftmaxCrossEntropy,
    CategoricalCrossEntropy,
    PointwiseLoss { loss: LossKind, activation: Elementwise },
    Argmax,
    TopK,
    PointwiseMetric { metric: MetricKind },
    BinaryHistogram { even: bool },
    ConfusionMatrix,
    Penalty,
    PenaltyGradient,
    SquaredNorm,
    ClipByNorm,
    ClipByValue,
    DenseBackwardWeights { class: KernelClass, input: InputKind },
    DenseBackwardInput { class: KernelClass, activation: Elementwise },
    Accumulate,
    TakeMean,
    Adam,
    AmsGrad,
    Sgd { nesterov: bool },
    RmsProp { centered: bool },
    Adagrad,
}

impl Kernel {
    /// The operation's name; the kernel's label is `minibatch.<name>`.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Convert => "convert",
            Kernel::DenseForward { .. } => "dense_forward",
            Kernel::Activate { .. } => "activate",
            Kernel::ActivateBackward { .. } => "activate_backward",
            Kernel::Dropout => "dropout",
            Kernel::DropoutBackward { .. } => "dropout_backward",
            Kernel::Softmax => "softmax",
            Kernel::SoftmaxBackward => "softmax_backward",
            Kernel::Add => "add",
            Kernel::Concatenate => "concatenate",
            Kernel::Slice => "slice",
            Kernel::GaussianNoise => "gaussian_noise",
            Kernel::BatchMoments => "batch_moments",
            Kernel::MovingAverage => "moving_average",
            Kernel::BatchNormalize => "batch_normalize",
            Kernel::BatchNormalizeBackward => "batch_normalize_backward",
            Kernel::BatchNormalizeBackwardInput { .. } => "batch_normalize_backward_input",
            Kernel::LayerNormalize => "layer_normalize",
            Kernel::LayerNormalizeBackward => "layer_normalize_backward",
            Kernel::LayerNormalizeBackwardInput { .. } => "layer_normalize_backward_input",
            Kernel::ActivityPenalty => "activity_penalty",
            Kernel::ActivityPenaltyGradient { .. } => "activity_penalty_gradient",
            Kernel::SoftmaxCrossEntropy => "softmax_crossentropy",
            Kernel::CategoricalCrossEntropy => "categorical_crossentropy",
            Kernel::PointwiseLoss { .. } => "pointwise_loss",
            Kernel::Argmax => "argmax",
            Kernel::TopK => "top_k",
            Kernel::PointwiseMetric { .. } => "pointwise_metric",
            Kernel::BinaryHistogram { .. } => "binary_histogram",
            Kernel::ConfusionMatrix => "confusion_matrix",
            Kernel::Penalty => "penalty",
            Kernel::PenaltyGradient => "penalty_gradient",
            Kernel::SquaredNorm => "squared_norm",
            Kernel::ClipByNorm => "clip_by_norm",
            Kernel::ClipByValue => "clip_by_value",
            Kernel::DenseBackwardWeights { .. } => "dense_backward_weights",
            Kernel::DenseBackwardInput { .. } => "dense_backward_input",
            Kernel::Accumulate => "accumulate",
            Kernel::TakeMean => "take_mean",
            Kernel::Adam => "adam",
            Kernel::AmsGrad => "amsgrad",
            Kernel::Sgd { .. } => "sgd",
            Kernel::RmsProp { .. } => "rms_prop",
            Kernel::Adagrad => "adagrad",
        }
    }

    /// The storage bindings, from binding 2 on. Binding 0 is the step, 1 the operation's
    /// constants, both uniform.
    pub fn bindings(self) -> &'static [Access] {
        use Access::{Read, Write};
        match self {
            Kernel::Convert
            | Kernel::Activate { .. }
            | Kernel::Dropout
            | Kernel::Softmax
            | Kernel::Slice
            | Kernel::GaussianNoise
            | Kernel::MovingAverage
            | Kernel::ActivityPenalty
            | Kernel::ActivityPenaltyGradient { .. }
            | Kernel::Penalty
            | Kernel::PenaltyGradient
            | Kernel::SquaredNorm
            | Kernel::ClipByNorm => &[Read, Write],
            Kernel::ClipByValue => &[Write],
            Kernel::BatchMoments => &[Read, Write, Write],
            Kernel::ActivateBackward { .. }
            | Kernel::DropoutBackward { .. }
            | Kernel::SoftmaxBackward
            | Kernel::Add
            | Kernel::Concatenate => &[Read, Read, Write],
            Kernel::BatchNormalize => &[Read, Read, Read, Read, Read, Write],
            Kernel::BatchNormalizeBackward => &[Read, Read, Read, Read, Write, Write],
            Kernel::BatchNormalizeBackwardInput { .. } => {
                &[Read, Read, Read, Read, Read, Read, Read, Write]
            }
            Kernel::LayerNormalize | Kernel::LayerNormalizeBackward => {
                &[Read, Read, Read, Write, Write]
            }
            Kernel::LayerNormalizeBackwardInput { .. } => &[Read, Read, Read, Read, Write],
            Kernel::DenseForward { .. } | Kernel::DenseBackwardInput { .. } => {
                &[Read, Read, Read, Write]
            }
            Kernel::SoftmaxCrossEntropy
            | Kernel::CategoricalCrossEntropy
            | Kernel::PointwiseLoss { .. } => &[Read, Read, Read, Write, Write, Write],
            Kernel::Argmax => &[Read, Write],
            Kernel::TopK
            | Kernel::PointwiseMetric { .. }
            | Kernel::BinaryHistogram { .. }
            | Kernel::ConfusionMatrix => &[Read, Read, Read, Write],
            Kernel::DenseBackwardWeights { .. } => &[Read, Read, Write, Write],
            Kernel::Accumulate => &[Read, Write],
            Kernel::TakeMean => &[Write, Write],
            Kernel::Adam => &[Read, Write, Write, Write],
            Kernel::AmsGrad | Kernel::RmsProp { .. } => &[Read, Write, Write, Write, Write],
            Kernel::Sgd { .. } | Kernel::Adagrad => &[Read, Write, Write],
        }
    }

    /// How many workgroups it takes for a layer of `[inputs, units]`; for what runs over parameters,
    /// `inputs` is their number.
    pub fn grid(self, inputs: u32, units: u32) -> Grid {
        match self {
            Kernel::Convert => Grid::elements(inputs),
            Kernel::Activate { .. }
            | Kernel::ActivateBackward { .. }
            | Kernel::Dropout
            | Kernel::DropoutBackward { .. }
            | Kernel::Add
            | Kernel::Concatenate
            | Kernel::Slice
            | Kernel::GaussianNoise
            | Kernel::BatchNormalize
            | Kernel::BatchNormalizeBackwardInput { .. }
            | Kernel::ActivityPenaltyGradient { .. } => Grid::elements(units),
            // Four quads of columns a group.
            Kernel::BatchMoments
            | Kernel::BatchNormalizeBackward
            | Kernel::LayerNormalizeBackward => Grid::folded_columns(units, 16),
            Kernel::LayerNormalize
            | Kernel::LayerNormalizeBackwardInput { .. }
            | Kernel::ActivityPenalty => Grid::folded_rows(4),
            Kernel::Penalty | Kernel::SquaredNorm => Grid::parameters(1),
            Kernel::MovingAverage
            | Kernel::PenaltyGradient
            | Kernel::ClipByNorm
            | Kernel::ClipByValue
            | Kernel::Accumulate
            | Kernel::TakeMean
            | Kernel::Adam
            | Kernel::AmsGrad
            | Kernel::Sgd { .. }
            | Kernel::RmsProp { .. }
            | Kernel::Adagrad => Grid::parameters(inputs),
            Kernel::Softmax
            | Kernel::SoftmaxBackward
            | Kernel::SoftmaxCrossEntropy
            | Kernel::CategoricalCrossEntropy
            | Kernel::PointwiseLoss { .. }
            | Kernel::Argmax
            | Kernel::TopK
            | Kernel::PointwiseMetric { .. }
            | Kernel::BinaryHistogram { .. } => Grid::rows(32),
            // One invocation a class.
            Kernel::ConfusionMatrix => Grid::columns(units, 32),
            Kernel::DenseForward { class, .. } => {
                Grid::matrix(class, Extent::Rows, Extent::Fixed(units))
            }
            Kernel::DenseBackwardWeights { class, .. } => {
                Grid::matrix(class, Extent::Fixed(inputs), Extent::Fixed(units))
            }
            Kernel::DenseBackwardInput { class, .. } => {
                Grid::matrix(class, Extent::Rows, Extent::Fixed(inputs))
            }
        }
    }
}
