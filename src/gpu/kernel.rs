//! The kernels: every form of them, what each binds, and how many workgroups it takes. What depends
//! on WGSL's text stands in `source.rs` and in `shaders/`.

use crate::activation::Elementwise;

/// How matrix kernels are built; [`kernel_class`](super::kernel_class) chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KernelClass {
    /// Tiles in workgroup memory: for GPUs.
    Tiled,
    /// Tiles in registers, no barriers: for software adapters, where a barrier is slow.
    Register,
    /// The same with operands shared by subgroup broadcasts: for software adapters whose
    /// subgroups are [`SUBGROUP_SIZE`](Self::SUBGROUP_SIZE) wide.
    Subgroup,
}

impl KernelClass {
    /// The one size of subgroup that the subgroup kernels are written for: lavapipe's.
    pub const SUBGROUP_SIZE: u32 = 8;
}

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

impl LossKind {
    const ALL: [LossKind; 4] = [
        LossKind::BinaryCrossentropy,
        LossKind::MeanSquaredError,
        LossKind::MeanAbsoluteError,
        LossKind::Huber,
    ];
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

impl MetricKind {
    const ALL: [MetricKind; 3] =
        [MetricKind::SquaredError, MetricKind::AbsoluteError, MetricKind::BinaryAccuracy];
}

/// Whether a kernel writes a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`.
    Write,
}

/// A compute kernel, one specialisation of a WGSL file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

pub(super) const CLASSES: [KernelClass; 3] =
    [KernelClass::Tiled, KernelClass::Register, KernelClass::Subgroup];
const INPUTS: [InputKind; 2] = [InputKind::F32, InputKind::U8];

impl Kernel {
    /// Every specialisation that exists.
    pub fn all() -> Vec<Kernel> {
        let mut all = vec![
            Kernel::Convert,
            Kernel::Softmax,
            Kernel::SoftmaxBackward,
            Kernel::Add,
            Kernel::Concatenate,
            Kernel::Slice,
            Kernel::GaussianNoise,
            Kernel::BatchMoments,
            Kernel::MovingAverage,
            Kernel::BatchNormalize,
            Kernel::BatchNormalizeBackward,
            Kernel::LayerNormalize,
            Kernel::LayerNormalizeBackward,
            Kernel::ActivityPenalty,
            Kernel::SoftmaxCrossEntropy,
            Kernel::CategoricalCrossEntropy,
            Kernel::Argmax,
            Kernel::TopK,
            Kernel::BinaryHistogram { even: false },
            Kernel::BinaryHistogram { even: true },
            Kernel::ConfusionMatrix,
            Kernel::Penalty,
            Kernel::PenaltyGradient,
            Kernel::SquaredNorm,
            Kernel::ClipByNorm,
            Kernel::ClipByValue,
            Kernel::Accumulate,
            Kernel::TakeMean,
            Kernel::Adam,
            Kernel::AmsGrad,
            Kernel::Sgd { nesterov: false },
            Kernel::Sgd { nesterov: true },
            Kernel::RmsProp { centered: false },
            Kernel::RmsProp { centered: true },
            Kernel::Adagrad,
        ];
        let fused = || Elementwise::ALL.into_iter().filter(|activation| activation.is_fused());
        for activation in Elementwise::ALL {
            all.extend([Kernel::Activate { activation }, Kernel::ActivateBackward { activation }]);
        }
        all.push(Kernel::Dropout);
        for activation in fused() {
            all.extend([
                Kernel::DropoutBackward { activation },
                Kernel::BatchNormalizeBackwardInput { activation },
                Kernel::LayerNormalizeBackwardInput { activation },
                Kernel::ActivityPenaltyGradient { activation },
            ]);
        }
        for loss in LossKind::ALL {
            // A binary cross-entropy takes logits only.
            let of = fused()
                .filter(|&f| loss != LossKind::BinaryCrossentropy || f == Elementwise::Linear);
            all.extend(of.map(|activation| Kernel::PointwiseLoss { loss, activation }));
        }
        all.extend(MetricKind::ALL.map(|metric| Kernel::PointwiseMetric { metric }));
        for class in CLASSES {
            for input in INPUTS {
                all.push(Kernel::DenseBackwardWeights { class, input });
                all.extend(fused().map(|activation| Kernel::DenseForward {
                    class,
                    input,
                    activation,
                }));
            }
            all.extend(fused().map(|activation| Kernel::DenseBackwardInput { class, activation }));
        }
        all
    }

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
            Kernel::SoftmaxCrossEntropy => "softmax_cross_entropy",
            Kernel::CategoricalCrossEntropy => "categorical_cross_entropy",
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

    /// Workgroups for `rows` live rows of a layer of `[inputs, units]`; for what runs over parameters,
    /// `inputs` is their number.
    pub fn workgroups(self, rows: u32, inputs: u32, units: u32) -> [u32; 3] {
        // What a matrix kernel makes is cut in square tiles.
        let matrix = |class, height: u32, width: u32| match class {
            KernelClass::Tiled => [height.div_ceil(64), width.div_ceil(64), 1],
            // Eight invocations a group, a tile of 8x8 each.
            KernelClass::Register => {
                fold((u64::from(height.div_ceil(8)) * u64::from(width.div_ceil(8))).div_ceil(8))
            }
            // One tile of 32x32 a group.
            KernelClass::Subgroup => {
                fold(u64::from(height.div_ceil(32)) * u64::from(width.div_ceil(32)))
            }
        };
        match self {
            Kernel::Convert => fold((u64::from(rows) * u64::from(inputs.div_ceil(4))).div_ceil(64)),
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
            | Kernel::ActivityPenaltyGradient { .. } => {
                fold((u64::from(rows) * u64::from(units.div_ceil(4))).div_ceil(64))
            }
            // Four quads of columns a group.
            Kernel::BatchMoments
            | Kernel::BatchNormalizeBackward
            | Kernel::LayerNormalizeBackward => fold(u64::from(units.div_ceil(16))),
            // Four rows a group.
            Kernel::LayerNormalize
            | Kernel::LayerNormalizeBackwardInput { .. }
            | Kernel::ActivityPenalty => fold(u64::from(rows.div_ceil(4))),
            Kernel::Penalty | Kernel::SquaredNorm => [1, 1, 1],
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
            | Kernel::Adagrad => fold(u64::from(inputs.div_ceil(4)).div_ceil(64)),
            Kernel::Softmax
            | Kernel::SoftmaxBackward
            | Kernel::SoftmaxCrossEntropy
            | Kernel::CategoricalCrossEntropy
            | Kernel::PointwiseLoss { .. }
            | Kernel::Argmax
            | Kernel::TopK
            | Kernel::PointwiseMetric { .. }
            | Kernel::BinaryHistogram { .. } => [rows.div_ceil(32), 1, 1],
            // One invocation a class.
            Kernel::ConfusionMatrix => [units.div_ceil(32), 1, 1],
            Kernel::DenseForward { class, .. } => matrix(class, rows, units),
            Kernel::DenseBackwardWeights { class, .. } => matrix(class, inputs, units),
            Kernel::DenseBackwardInput { class, .. } => matrix(class, rows, inputs),
        }
    }
}

/// So many workgroups over x and, beyond what one dimension may hold, over y.
fn fold(workgroups: u64) -> [u32; 3] {
    const MOST: u64 = 65_535;
    let y = workgroups.div_ceil(MOST).max(1);
    [workgroups.div_ceil(y) as u32, y as u32, 1]
}
