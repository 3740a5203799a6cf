//! What each operation is called, and what it reads and writes.

use super::{BufferId, Op};

impl Op {
    /// The operation's name: that of its kernel and of its CPU function.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Convert { .. } => "convert",
            Op::DenseForward { .. } => "dense_forward",
            Op::Activate { .. } => "activate",
            Op::ActivateBackward { .. } => "activate_backward",
            Op::Dropout { .. } => "dropout",
            Op::DropoutBackward { .. } => "dropout_backward",
            Op::Softmax { .. } => "softmax",
            Op::SoftmaxBackward { .. } => "softmax_backward",
            Op::Add { .. } => "add",
            Op::Concatenate { .. } => "concatenate",
            Op::Slice { .. } => "slice",
            Op::GaussianNoise { .. } => "gaussian_noise",
            Op::BatchMoments { .. } => "batch_moments",
            Op::MovingAverage { .. } => "moving_average",
            Op::BatchNormalize { .. } => "batch_normalize",
            Op::BatchNormalizeBackward { .. } => "batch_normalize_backward",
            Op::BatchNormalizeBackwardInput { .. } => "batch_normalize_backward_input",
            Op::LayerNormalize { .. } => "layer_normalize",
            Op::LayerNormalizeBackward { .. } => "layer_normalize_backward",
            Op::LayerNormalizeBackwardInput { .. } => "layer_normalize_backward_input",
            Op::ActivityPenalty { .. } => "activity_penalty",
            Op::ActivityPenaltyGradient { .. } => "activity_penalty_gradient",
            Op::SoftmaxCrossEntropy { .. } => "softmax_cross_entropy",
            Op::CategoricalCrossEntropy { .. } => "categorical_cross_entropy",
            Op::PointwiseLoss { .. } => "pointwise_loss",
            Op::Argmax { .. } => "argmax",
            Op::TopK { .. } => "top_k",
            Op::PointwiseMetric { .. } => "pointwise_metric",
            Op::BinaryHistogram { .. } => "binary_histogram",
            Op::ConfusionMatrix { .. } => "confusion_matrix",
            Op::Penalty { .. } => "penalty",
            Op::PenaltyGradient { .. } => "penalty_gradient",
            Op::DenseBackwardWeights { .. } => "dense_backward_weights",
            Op::DenseBackwardInput { .. } => "dense_backward_input",
            Op::SquaredNorm { .. } => "squared_norm",
            Op::ClipByNorm { .. } => "clip_by_norm",
            Op::ClipByValue { .. } => "clip_by_value",
            Op::Accumulate { .. } => "accumulate",
            Op::TakeMean { .. } => "take_mean",
            Op::Adam { .. } => "adam",
            Op::AmsGrad { .. } => "amsgrad",
            Op::Sgd { .. } => "sgd",
            Op::RmsProp { .. } => "rms_prop",
            Op::Adagrad { .. } => "adagrad",
        }
    }

    /// The buffers that it reads and does not write.
    pub fn reads(&self) -> Vec<BufferId> {
        match *self {
            Op::Convert { input, .. }
            | Op::Softmax { input, .. }
            | Op::Activate { input, .. }
            | Op::Dropout { input, .. }
            | Op::Slice { input, .. }
            | Op::GaussianNoise { input, .. }
            | Op::BatchMoments { input, .. } => vec![input],
            Op::ActivateBackward { output_gradient, value, .. }
            | Op::SoftmaxBackward { output_gradient, value, .. } => vec![output_gradient, value],
            Op::Add { first, second, .. } | Op::Concatenate { first, second, .. } => {
                vec![first, second]
            }
            Op::MovingAverage { value, .. }
            | Op::ActivityPenalty { value, .. }
            | Op::ActivityPenaltyGradient { value, .. } => vec![value],
            Op::BatchNormalize { input, mean, variance, gamma, beta, .. } => {
                vec![input, mean, variance, gamma, beta]
            }
            Op::BatchNormalizeBackward { output_gradient, input, mean, variance, .. } => {
                vec![output_gradient, input, mean, variance]
            }
            Op::BatchNormalizeBackwardInput {
                output_gradient,
                input,
                mean,
                variance,
                gamma,
                gamma_gradient,
                beta_gradient,
                ..
            } => {
                vec![output_gradient, input, mean, variance, gamma, gamma_gradient, beta_gradient]
            }
            Op::LayerNormalize { input, gamma, beta, .. } => vec![input, gamma, beta],
            Op::LayerNormalizeBackward { output_gradient, input, moments, .. } => {
                vec![output_gradient, input, moments]
            }
            Op::LayerNormalizeBackwardInput { output_gradient, input, moments, gamma, .. } => {
                vec![output_gradient, input, moments, gamma]
            }
            Op::DropoutBackward { output_gradient, input, .. } => vec![output_gradient, input],
            Op::DenseForward { input, weight, bias, .. } => vec![input, weight, bias],
            Op::SoftmaxCrossEntropy { logits, labels, sample_weights, .. } => {
                vec![logits, labels, sample_weights]
            }
            Op::CategoricalCrossEntropy { logits, targets, sample_weights, .. } => {
                vec![logits, targets, sample_weights]
            }
            Op::PointwiseLoss { outputs, targets, sample_weights, .. } => {
                vec![outputs, targets, sample_weights]
            }
            Op::Argmax { input, .. } => vec![input],
            Op::TopK { predictions, labels: targets, sample_weights, .. }
            | Op::PointwiseMetric { predictions, targets, sample_weights, .. }
            | Op::BinaryHistogram { predictions, targets, sample_weights, .. } => {
                vec![predictions, targets, sample_weights]
            }
            Op::ConfusionMatrix { labels, predicted, sample_weights, .. } => {
                vec![labels, predicted, sample_weights]
            }
            Op::Penalty { weight, .. } | Op::PenaltyGradient { weight, .. } => vec![weight],
            Op::DenseBackwardWeights { input, output_gradient, .. } => vec![input, output_gradient],
            Op::DenseBackwardInput { output_gradient, weight, input, .. } => {
                vec![output_gradient, weight, input]
            }
            Op::SquaredNorm { gradient, .. } => vec![gradient],
            Op::ClipByNorm { squared_norm, .. } => vec![squared_norm],
            Op::ClipByValue { .. } | Op::TakeMean { .. } => Vec::new(),
            Op::Accumulate { gradients, .. }
            | Op::Adam { gradients, .. }
            | Op::AmsGrad { gradients, .. }
            | Op::Sgd { gradients, .. }
            | Op::RmsProp { gradients, .. }
            | Op::Adagrad { gradients, .. } => vec![gradients],
        }
    }

    /// The buffers that it writes (and may also read).
    pub fn writes(&self) -> Vec<BufferId> {
        match *self {
            Op::Convert { output, .. }
            | Op::Softmax { output, .. }
            | Op::Activate { output, .. }
            | Op::Dropout { output, .. }
            | Op::Add { output, .. }
            | Op::Concatenate { output, .. }
            | Op::Slice { output, .. }
            | Op::GaussianNoise { output, .. }
            | Op::BatchNormalize { output, .. }
            | Op::DenseForward { output, .. } => vec![output],
            Op::BatchMoments { mean, variance, .. } => vec![mean, variance],
            Op::MovingAverage { average, .. } => vec![average],
            Op::BatchNormalizeBackward { gamma_gradient, beta_gradient, .. }
            | Op::LayerNormalizeBackward { gamma_gradient, beta_gradient, .. } => {
                vec![gamma_gradient, beta_gradient]
            }
            Op::LayerNormalize { output, moments, .. } => vec![output, moments],
            Op::ActivityPenalty { loss, .. } => vec![loss],
            Op::SoftmaxCrossEntropy { loss, counts, gradient, .. }
            | Op::CategoricalCrossEntropy { loss, counts, gradient, .. }
            | Op::PointwiseLoss { loss, counts, gradient, .. } => vec![loss, counts, gradient],
            Op::Argmax { index, .. } => vec![index],
            Op::TopK { sums, .. }
            | Op::PointwiseMetric { sums, .. }
            | Op::BinaryHistogram { sums, .. } => vec![sums],
            Op::ConfusionMatrix { matrix, .. } => vec![matrix],
            Op::Penalty { penalty, .. } => vec![penalty],
            Op::PenaltyGradient { weight_gradient, .. } => vec![weight_gradient],
            Op::DenseBackwardWeights { weight_gradient, bias_gradient, .. } => {
                vec![weight_gradient, bias_gradient]
            }
            Op::DenseBackwardInput { input_gradient, .. }
            | Op::ActivateBackward { input_gradient, .. }
            | Op::DropoutBackward { input_gradient, .. }
            | Op::SoftmaxBackward { input_gradient, .. }
            | Op::BatchNormalizeBackwardInput { input_gradient, .. }
            | Op::LayerNormalizeBackwardInput { input_gradient, .. }
            | Op::ActivityPenaltyGradient { input_gradient, .. } => vec![input_gradient],
            Op::SquaredNorm { sum, .. } => vec![sum],
            Op::ClipByNorm { gradient, .. } | Op::ClipByValue { gradient, .. } => vec![gradient],
            Op::Accumulate { accumulated, .. } => vec![accumulated],
            Op::TakeMean { accumulated, gradients, .. } => vec![accumulated, gradients],
            Op::Adam { parameters, moment_1, moment_2, .. } => {
                vec![parameters, moment_1, moment_2]
            }
            Op::AmsGrad { parameters, moment_1, moment_2, largest_moment_2, .. } => {
                vec![parameters, moment_1, moment_2, largest_moment_2]
            }
            Op::Sgd { parameters, velocity, .. } => vec![parameters, velocity],
            Op::RmsProp { parameters, mean_square, mean_gradient, velocity, .. } => {
                vec![parameters, mean_square, mean_gradient, velocity]
            }
            Op::Adagrad { parameters, accumulator, .. } => vec![parameters, accumulator],
        }
    }
}
