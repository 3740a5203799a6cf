//! The WGSL text of each kernel, and the constants that specialise it.

use super::kernel::{InputKind, Kernel};
use crate::operation::KernelClass;
use crate::operation::activation::Elementwise;

macro_rules! shader {
    ($path:literal) => {
        include_str!(concat!("../../shaders/", $path))
    };
}

impl Kernel {
    /// The WGSL text: shared declarations first, then the kernel's own file.
    pub fn source(self) -> String {
        let step = shader!("shared/step.wgsl");
        let dense = shader!("shared/dense.wgsl");
        let rows = shader!("shared/rows.wgsl");
        let fold = shader!("shared/fold.wgsl");
        let sum = shader!("shared/sum.wgsl");
        let nan = shader!("shared/nan.wgsl");
        let activation =
            &self.activation().map_or_else(String::new, |activation| activation.text().join("\n"));
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
            Kernel::Convert => [step, fold, ""].join("\n"),
            Kernel::Activate { .. } => [step, dense, rows, elements, activation, ""].join("\n"),
            Kernel::ActivateBackward { .. } => {
                let body = "";
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
            Kernel::Add => [step, dense, elements, ""].join("\n"),
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
                    KernelClass::Tiled => "",
                    KernelClass::Register => "",
                    KernelClass::Subgroup => "",
                };
                [step, dense, activation, load(input), body].join("\n")
            }
            Kernel::DenseBackwardWeights { class, input } => {
                let body = match class {
                    KernelClass::Tiled => "",
                    KernelClass::Register => "",
                    KernelClass::Subgroup => "",
                };
                [step, dense, load(input), body].join("\n")
            }
            Kernel::DenseBackwardInput { class, .. } => {
                let body = match class {
                    KernelClass::Tiled => "",
                    KernelClass::Register => "",
                    KernelClass::Subgroup => "",
                };
                [step, dense, activation, body].join("\n")
            }
        }
    }

    /// Values of the text's override constants.
    pub fn constants(self) -> Vec<(&'static str, f64)> {
        let mut constants: Vec<_> =
            self.activation().and_then(Elementwise::overrides).into_iter().collect();
        match self {
            Kernel::PointwiseLoss { loss, .. } => constants.push(("LOSS", f64::from(loss as u32))),
            Kernel::PointwiseMetric { metric } => {
                constants.push(("METRIC", f64::from(metric as u32)));
            }
            Kernel::BinaryHistogram { even } => constants.push(("EVEN", f64::from(u8::from(even)))),
            Kernel::Sgd { nesterov } => constants.push(("NESTEROV", f64::from(u8::from(nesterov)))),
            Kernel::RmsProp { centered } => {
                constants.push(("CENTERED", f64::from(u8::from(centered))));
            }
            _ => {}
        }
        constants
    }

    fn activation(self) -> Option<Elementwise> {
        match self {
            Kernel::DenseForward { activation, .. }
            | Kernel::DenseBackwardInput { activation, .. }
            | Kernel::Activate { activation }
            | Kernel::ActivateBackward { activation }
            | Kernel::DropoutBackward { activation }
            | Kernel::BatchNormalizeBackwardInput { activation }
            | Kernel::LayerNormalizeBackwardInput { activation }
            | Kernel::ActivityPenaltyGradient { activation }
            | Kernel::PointwiseLoss { activation, .. } => Some(activation),
            _ => None,
        }
    }
}
