//! The kernels: which WGSL files, constants and bindings make each of them, and how many
//! workgroups it takes. All that depends on WGSL's text stands here and in `shaders/`.

use crate::activation::{Elementwise, Scalar};

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

macro_rules! shader {
    ($path:literal) => {
        include_str!(concat!("../../shaders/", $path))
    };
}

const CLASSES: [KernelClass; 3] =
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

    /// The WGSL text: shared declarations first, then the kernel's own file.
    pub fn source(self) -> String {
        let step = shader!("shared/step.wgsl");
        let dense = shader!("shared/dense.wgsl");
        let rows = shader!("shared/rows.wgsl");
        let fold = shader!("shared/fold.wgsl");
        let sum = shader!("shared/sum.wgsl");
        let nan = shader!("shared/nan.wgsl");
        let activation = &[nan, shader!("shared/activation.wgsl")].join("\n");
        let update = |body| [step, fold, shader!("shared/parameters.wgsl"), body].join("\n");
        let elements = &[fold, shader!("shared/elements.wgsl")].join("\n");
        let random = shader!("shared/noise.wgsl");
        let noise = [random, shader!("shared/dropout.wgsl")].join("\n");
        let columns = shader!("shared/columns.wgsl");
        let column_sum = shader!("shared/column_sum.wgsl");
        let row_sum = shader!("shared/row_sum.wgsl");
        let normalization = shader!("shared/normalization.wgsl");
        let metric = shader!("shared/metric.wgsl");
        let largest = shader!("shared/largest.wgsl");
        let activity = shader!("shared/activity.wgsl");
        let load = |input| match input {
            InputKind::F32 => shader!("shared/input_f32.wgsl"),
            InputKind::U8 => shader!("shared/input_u8.wgsl"),
        };
        match self {
            Kernel::Convert => [step, fold, shader!("convert.wgsl")].join("\n"),
            Kernel::Activate { .. } => {
                [step, dense, rows, elements, activation, shader!("activate.wgsl")].join("\n")
            }
            Kernel::ActivateBackward { .. } => {
                let body = shader!("activate_backward.wgsl");
                [step, dense, rows, elements, activation, body].join("\n")
            }
            Kernel::Dropout => [step, &noise, rows, elements, shader!("dropout.wgsl")].join("\n"),
            Kernel::DropoutBackward { .. } => {
                let body = shader!("dropout_backward.wgsl");
                [step, &noise, rows, elements, activation, body].join("\n")
            }
            Kernel::Softmax => [step, dense, rows, shader!("softmax.wgsl")].join("\n"),
            Kernel::SoftmaxBackward => {
                [step, dense, rows, shader!("softmax_backward.wgsl")].join("\n")
            }
            Kernel::Add => [step, dense, elements, shader!("add.wgsl")].join("\n"),
            Kernel::Concatenate => {
                [step, columns, elements, shader!("concatenate.wgsl")].join("\n")
            }
            Kernel::Slice => [step, columns, elements, shader!("slice.wgsl")].join("\n"),
            Kernel::GaussianNoise => {
                let normal = shader!("shared/normal.wgsl");
                [step, random, normal, rows, elements, shader!("gaussian_noise.wgsl")].join("\n")
            }
            Kernel::BatchMoments => {
                let body = shader!("batch_moments.wgsl");
                [step, normalization, elements, column_sum, body].join("\n")
            }
            Kernel::MovingAverage => [step, fold, shader!("moving_average.wgsl")].join("\n"),
            Kernel::BatchNormalize => {
                let body = shader!("batch_normalize.wgsl");
                [step, normalization, rows, elements, body].join("\n")
            }
            Kernel::BatchNormalizeBackward => {
                let body = shader!("batch_normalize_backward.wgsl");
                [step, normalization, rows, elements, column_sum, body].join("\n")
            }
            Kernel::BatchNormalizeBackwardInput { .. } => {
                let body = shader!("batch_normalize_backward_input.wgsl");
                [step, normalization, rows, elements, activation, body].join("\n")
            }
            Kernel::LayerNormalize => {
                let body = shader!("layer_normalize.wgsl");
                [step, normalization, rows, elements, row_sum, body].join("\n")
            }
            Kernel::LayerNormalizeBackward => {
                let body = shader!("layer_normalize_backward.wgsl");
                [step, normalization, elements, column_sum, body].join("\n")
            }
            Kernel::LayerNormalizeBackwardInput { .. } => {
                let body = shader!("layer_normalize_backward_input.wgsl");
                [step, normalization, rows, elements, row_sum, activation, body].join("\n")
            }
            Kernel::ActivityPenalty => {
                let body = shader!("activity_penalty.wgsl");
                [step, activity, elements, row_sum, body].join("\n")
            }
            Kernel::ActivityPenaltyGradient { .. } => {
                let body = shader!("activity_penalty_gradient.wgsl");
                [step, activity, rows, elements, activation, body].join("\n")
            }
            Kernel::SoftmaxCrossEntropy => {
                [step, dense, rows, shader!("softmax_cross_entropy.wgsl")].join("\n")
            }
            Kernel::CategoricalCrossEntropy => {
                [step, dense, rows, shader!("categorical_cross_entropy.wgsl")].join("\n")
            }
            Kernel::PointwiseLoss { .. } => {
                [step, dense, rows, activation, shader!("pointwise_loss.wgsl")].join("\n")
            }
            Kernel::Argmax => [step, dense, rows, largest, shader!("argmax.wgsl")].join("\n"),
            Kernel::TopK => [step, metric, rows, largest, shader!("top_k.wgsl")].join("\n"),
            Kernel::PointwiseMetric { .. } => {
                [step, metric, rows, shader!("pointwise_metric.wgsl")].join("\n")
            }
            Kernel::BinaryHistogram { .. } => {
                [step, metric, rows, shader!("binary_histogram.wgsl")].join("\n")
            }
            Kernel::ConfusionMatrix => [step, metric, shader!("confusion_matrix.wgsl")].join("\n"),
            Kernel::Penalty => [step, sum, shader!("penalty.wgsl")].join("\n"),
            Kernel::PenaltyGradient => [step, fold, shader!("penalty_gradient.wgsl")].join("\n"),
            Kernel::SquaredNorm => [step, sum, shader!("squared_norm.wgsl")].join("\n"),
            Kernel::ClipByNorm => [step, fold, shader!("clip_by_norm.wgsl")].join("\n"),
            Kernel::ClipByValue => [step, fold, nan, shader!("clip_by_value.wgsl")].join("\n"),
            Kernel::Accumulate => [step, fold, shader!("accumulate.wgsl")].join("\n"),
            Kernel::TakeMean => [step, fold, shader!("take_mean.wgsl")].join("\n"),
            Kernel::Adam => update(shader!("adam.wgsl")),
            Kernel::AmsGrad => update(shader!("amsgrad.wgsl")),
            Kernel::Sgd { .. } => update(shader!("sgd.wgsl")),
            Kernel::RmsProp { .. } => update(shader!("rms_prop.wgsl")),
            Kernel::Adagrad => update(shader!("adagrad.wgsl")),
            Kernel::DenseForward { class, input, .. } => {
                let body = match class {
                    KernelClass::Tiled => shader!("dense_forward_tiled.wgsl"),
                    KernelClass::Register => shader!("dense_forward_register.wgsl"),
                    KernelClass::Subgroup => shader!("dense_forward_subgroup.wgsl"),
                };
                [step, dense, activation, load(input), body].join("\n")
            }
            Kernel::DenseBackwardWeights { class, input } => {
                let body = match class {
                    KernelClass::Tiled => shader!("dense_backward_weights_tiled.wgsl"),
                    KernelClass::Register => shader!("dense_backward_weights_register.wgsl"),
                    KernelClass::Subgroup => shader!("dense_backward_weights_subgroup.wgsl"),
                };
                [step, dense, load(input), body].join("\n")
            }
            Kernel::DenseBackwardInput { class, .. } => {
                let body = match class {
                    KernelClass::Tiled => shader!("dense_backward_input_tiled.wgsl"),
                    KernelClass::Register => shader!("dense_backward_input_register.wgsl"),
                    KernelClass::Subgroup => shader!("dense_backward_input_subgroup.wgsl"),
                };
                [step, dense, activation, body].join("\n")
            }
        }
    }

    /// Values of the text's override constants.
    pub fn constants(self) -> Vec<(&'static str, f64)> {
        // The number of each function in the shader, and its constant.
        let function = |activation| match activation {
            Elementwise::Linear => (0, None),
            Elementwise::Relu => (1, None),
            Elementwise::Sigmoid => (2, None),
            Elementwise::Tanh => (3, None),
            Elementwise::LeakyRelu { slope } => (4, Some(slope)),
            Elementwise::Elu { alpha } => (5, Some(alpha)),
            Elementwise::Selu => (6, None),
            Elementwise::Softplus => (7, None),
            Elementwise::Silu => (8, None),
            Elementwise::Gelu => (9, None),
            Elementwise::GeluTanh => (10, None),
        };
        let of = |activation| {
            let (number, constant) = function(activation);
            let slope = constant.map(|constant: Scalar| ("SLOPE", constant.value()));
            std::iter::once(("ACTIVATION", f64::from(number))).chain(slope).collect()
        };
        match self {
            Kernel::DenseForward { activation, .. }
            | Kernel::DenseBackwardInput { activation, .. }
            | Kernel::Activate { activation }
            | Kernel::ActivateBackward { activation }
            | Kernel::DropoutBackward { activation }
            | Kernel::BatchNormalizeBackwardInput { activation }
            | Kernel::LayerNormalizeBackwardInput { activation }
            | Kernel::ActivityPenaltyGradient { activation } => of(activation),
            Kernel::PointwiseLoss { loss, activation } => {
                let mut constants: Vec<_> = of(activation);
                constants.push(("LOSS", f64::from(loss as u32)));
                constants
            }
            Kernel::PointwiseMetric { metric } => vec![("METRIC", f64::from(metric as u32))],
            Kernel::BinaryHistogram { even } => vec![("EVEN", f64::from(u8::from(even)))],
            Kernel::Sgd { nesterov } => vec![("NESTEROV", f64::from(u8::from(nesterov)))],
            Kernel::RmsProp { centered } => vec![("CENTERED", f64::from(u8::from(centered)))],
            _ => Vec::new(),
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
