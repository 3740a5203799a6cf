//! The operations.

use super::BufferId;
use crate::activation::Elementwise;
use crate::loss::PointwiseLoss;
use crate::metric::{PointwiseMetric, Thresholds};

/// Which of a program's lists of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Forward, backward, and the update unless gradients are accumulated.
    Train,
    /// After a [`Pass::Train`] that completes an accumulation: the update. Empty without one.
    Update,
    /// Forward, loss and metrics.
    Evaluate,
    /// Forward to the outputs.
    Predict,
}

/// One operation. Its fields stand in the order of the kernel's bindings and of the arguments of
/// its CPU function, inputs first. B is the batch, I a layer's inputs, U its units.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "the fields are named in the formula of each variant")]
pub enum Op {
    /// `output[B,I] = input[B,I] · scale`, bytes to reals.
    Convert { input: BufferId, output: BufferId, scale: f64 },
    /// `output[B,U] = activation(input[B,I] · weight[I,U] + bias[U])`.
    DenseForward {
        input: BufferId,
        weight: BufferId,
        bias: BufferId,
        output: BufferId,
        activation: Elementwise,
    },
    /// `output[B,U] = activation(input[B,U])`.
    Activate { input: BufferId, output: BufferId, activation: Elementwise },
    /// `input_gradient[B,U] = output_gradient[B,U] · activation'`, told from `value[B,U]`: the
    /// activation's result where it [is fused](Elementwise::is_fused), else its input.
    ActivateBackward {
        output_gradient: BufferId,
        value: BufferId,
        input_gradient: BufferId,
        activation: Elementwise,
    },
    /// `output[B,U] = input[B,U] · mask / (1 - rate)`; the mask is a pure function of the step's
    /// noise, the layer and the place, and drops the share `rate`.
    Dropout { input: BufferId, output: BufferId, rate: f64, layer: u32 },
    /// `input_gradient[B,U] = output_gradient[B,U] · mask / (1 - rate) · activation'(input)`,
    /// where the fused `activation` made `input[B,U]`.
    DropoutBackward {
        output_gradient: BufferId,
        input: BufferId,
        input_gradient: BufferId,
        activation: Elementwise,
        rate: f64,
        layer: u32,
    },
    /// `output[B,U] = softmax(input[B,U])`, row by row.
    Softmax { input: BufferId, output: BufferId },
    /// `input_gradient[B,U] = value · (output_gradient - sum over U of output_gradient · value)`,
    /// where `value[B,U]` is what [`Softmax`](Self::Softmax) made.
    SoftmaxBackward { output_gradient: BufferId, value: BufferId, input_gradient: BufferId },
    /// `output[B,U] = first[B,U] + second[B,U]`.
    Add { first: BufferId, second: BufferId, output: BufferId },
    /// `output[B,M+N] = first[B,M]` beside `second[B,N]`.
    Concatenate { first: BufferId, second: BufferId, output: BufferId },
    /// `output[B,N] = input[B, offset .. offset + N]`.
    Slice { input: BufferId, output: BufferId, offset: usize },
    /// `output[B,U] = input[B,U] + standard_deviation · z`, with `z` of the standard normal
    /// distribution: a pure function of the step's noise, the layer and the place.
    GaussianNoise { input: BufferId, output: BufferId, standard_deviation: f64, layer: u32 },
    /// `mean[U] = sum over B of input[B,U] / B`, `variance[U] = sum over B of (input - mean)² / B`,
    /// over the live rows.
    BatchMoments { input: BufferId, mean: BufferId, variance: BufferId },
    /// `average[U] = average · momentum + value[U] · (1 - momentum)`.
    MovingAverage { value: BufferId, average: BufferId, momentum: f64 },
    /// `output[B,U] = (input[B,U] - mean[U]) / sqrt(variance[U] + epsilon) · (gamma[U] +
    /// gamma_offset) + beta[U]`. `gamma_offset` is 1 where a layer has no gamma and zeros stand in
    /// its place, else 0.
    BatchNormalize {
        input: BufferId,
        mean: BufferId,
        variance: BufferId,
        gamma: BufferId,
        beta: BufferId,
        output: BufferId,
        epsilon: f64,
        gamma_offset: f64,
    },
    /// `gamma_gradient[U] = sum over B of output_gradient[B,U] · normalized[B,U]`,
    /// `beta_gradient[U] = sum over B of output_gradient`, with
    /// `normalized = (input - mean) / sqrt(variance + epsilon)`.
    BatchNormalizeBackward {
        output_gradient: BufferId,
        input: BufferId,
        mean: BufferId,
        variance: BufferId,
        gamma_gradient: BufferId,
        beta_gradient: BufferId,
        epsilon: f64,
    },
    /// `input_gradient[B,U] = (gamma + gamma_offset) / sqrt(variance + epsilon) · (output_gradient -
    /// (beta_gradient + normalized · gamma_gradient) / live rows) · activation'(input)`, where the
    /// fused `activation` made `input[B,U]`, and `mean` and `variance` are those of this batch
    /// ([`BatchMoments`](Self::BatchMoments)). Where they are constants instead, both gradients
    /// are zeros. (Ioffe and Szegedy, "Batch normalization", 2015.)
    BatchNormalizeBackwardInput {
        output_gradient: BufferId,
        input: BufferId,
        mean: BufferId,
        variance: BufferId,
        gamma: BufferId,
        gamma_gradient: BufferId,
        beta_gradient: BufferId,
        input_gradient: BufferId,
        epsilon: f64,
        gamma_offset: f64,
        activation: Elementwise,
    },
    /// `moments[B,2] = (mean, 1 / sqrt(variance + epsilon))` of each row of `input[B,U]`, the
    /// variance divided by U; `output[B,U] = (input - mean) · moments[B,1] · (gamma[U] +
    /// gamma_offset) + beta[U]`, with `gamma_offset` as in [`BatchNormalize`](Self::BatchNormalize).
    LayerNormalize {
        input: BufferId,
        gamma: BufferId,
        beta: BufferId,
        output: BufferId,
        moments: BufferId,
        epsilon: f64,
        gamma_offset: f64,
    },
    /// `gamma_gradient[U] = sum over B of output_gradient[B,U] · normalized[B,U]`,
    /// `beta_gradient[U] = sum over B of output_gradient`, with
    /// `normalized = (input - moments[B,0]) · moments[B,1]`.
    LayerNormalizeBackward {
        output_gradient: BufferId,
        input: BufferId,
        moments: BufferId,
        gamma_gradient: BufferId,
        beta_gradient: BufferId,
    },
    /// `input_gradient[B,U] = moments[B,1] · (g - mean over U of g - normalized · mean over U of
    /// (g · normalized)) · activation'(input)`, with `g = output_gradient · (gamma +
    /// gamma_offset)`, where the fused `activation` made `input[B,U]`. (Ba, Kiros and Hinton,
    /// "Layer normalization", 2016.)
    LayerNormalizeBackwardInput {
        output_gradient: BufferId,
        input: BufferId,
        moments: BufferId,
        gamma: BufferId,
        input_gradient: BufferId,
        gamma_offset: f64,
        activation: Elementwise,
    },
    /// `loss[B] += l1 · sum over U of |value[B,U]| + l2 · sum over U of value²`.
    ActivityPenalty { value: BufferId, loss: BufferId, l1: f64, l2: f64 },
    /// `input_gradient[B,U] = (l1 · sign(value) + 2 · l2 · value) · activation'(value) / live rows`,
    /// where the fused `activation` made `value[B,U]`.
    ActivityPenaltyGradient {
        value: BufferId,
        input_gradient: BufferId,
        activation: Elementwise,
        l1: f64,
        l2: f64,
    },
    /// Softmax cross-entropy of `logits[B,U]` against the class indices `labels[B]`: adds each
    /// sample's loss, times its weight, to `loss[B]`, adds 1 to `counts[B,0]` where the largest
    /// logit is the label's, notes in `counts[B,1]` the number of the first step in which a logit
    /// or the loss was not finite or the label was no class, and writes
    /// `gradient[B,U] = (softmax(logits) - onehot(labels)) · weight · scale / live rows`.
    SoftmaxCrossEntropy {
        logits: BufferId,
        labels: BufferId,
        sample_weights: BufferId,
        loss: BufferId,
        counts: BufferId,
        gradient: BufferId,
        scale: f64,
    },
    /// The same against `targets[B,U]`, a probability of each class, smoothed:
    /// `target · (1 - label_smoothing) + label_smoothing / U`.
    CategoricalCrossEntropy {
        logits: BufferId,
        targets: BufferId,
        sample_weights: BufferId,
        loss: BufferId,
        counts: BufferId,
        gradient: BufferId,
        scale: f64,
        label_smoothing: f64,
    },
    /// A loss of each of `outputs[B,U]` against a target of its own, the mean over U, with
    /// weights, metrics and gradient as above; `gradient[B,U]` is that before `activation`, which
    /// made the outputs. `counts[B,0]` counts the right outputs of a binary cross-entropy.
    PointwiseLoss {
        outputs: BufferId,
        targets: BufferId,
        sample_weights: BufferId,
        loss: BufferId,
        counts: BufferId,
        gradient: BufferId,
        scale: f64,
        function: PointwiseLoss,
        activation: Elementwise,
    },
    /// `index[B] = argmax over U of input[B,U]`, the first of several largest. NaN is passed
    /// over; a row of nothing else has the index 0.
    Argmax { input: BufferId, index: BufferId },
    /// `sums[B,0] += w · hit`, `sums[B,1] += w`, where `w` is the sample's weight, or 1 unless
    /// `weighted`, here and in what follows. A hit has fewer than `k` of `predictions[B,U]` greater
    /// than that of its class index `labels[B]`, as in Keras' `in_top_k`; with `k = 1` that of the
    /// label is the [`Op::Argmax`]. A label that is no class, or whose prediction is not finite,
    /// is no hit.
    TopK {
        predictions: BufferId,
        labels: BufferId,
        sample_weights: BufferId,
        sums: BufferId,
        k: usize,
        weighted: bool,
    },
    /// `sums[B,0] += w · mean over U of function(predictions[B,U], targets[B,U])`,
    /// `sums[B,1] += w`.
    PointwiseMetric {
        predictions: BufferId,
        targets: BufferId,
        sample_weights: BufferId,
        sums: BufferId,
        function: PointwiseMetric,
        weighted: bool,
    },
    /// `sums[B, 2 · bucket + positive] += w` for each of `predictions[B,U]`, where `bucket` is that
    /// of the prediction between `thresholds`, and `positive` is 1 where `targets[B,U]` is not 0.
    /// A NaN is in the first bucket.
    BinaryHistogram {
        predictions: BufferId,
        targets: BufferId,
        sample_weights: BufferId,
        sums: BufferId,
        thresholds: Thresholds,
        weighted: bool,
    },
    /// `matrix[labels[B], predicted[B]] += w` for each sample, in their order. A label or a
    /// prediction beyond the classes of `matrix[C,C]` counts nowhere.
    ConfusionMatrix {
        labels: BufferId,
        predicted: BufferId,
        sample_weights: BufferId,
        matrix: BufferId,
        weighted: bool,
    },
    /// `(l1 · sum |weight| + l2 · sum weight²) · live rows`, added to the next slot of `penalty`.
    Penalty { weight: BufferId, penalty: BufferId, l1: f64, l2: f64 },
    /// `weight_gradient += l1 · sign(weight) + 2 · l2 · weight`.
    PenaltyGradient { weight: BufferId, weight_gradient: BufferId, l1: f64, l2: f64 },
    /// `weight_gradient[I,U] = inputᵀ[I,B] · output_gradient[B,U]`,
    /// `bias_gradient[U] = sum over B of output_gradient`.
    DenseBackwardWeights {
        input: BufferId,
        output_gradient: BufferId,
        weight_gradient: BufferId,
        bias_gradient: BufferId,
    },
    /// `input_gradient[B,I] = (output_gradient[B,U] · weightᵀ[U,I]) ⊙ activation'`, where
    /// `activation` is the function that made `input[B,I]`, and its derivative is computed from
    /// that result.
    DenseBackwardInput {
        output_gradient: BufferId,
        weight: BufferId,
        input: BufferId,
        input_gradient: BufferId,
        activation: Elementwise,
    },
    /// `sum = sum of squares of gradient`, added to what was there before unless it is the first.
    SquaredNorm { gradient: BufferId, sum: BufferId, first: bool },
    /// `gradient *= limit / max(norm, limit)`, with the square of the norm given.
    ClipByNorm { squared_norm: BufferId, gradient: BufferId, limit: f64 },
    /// Moves each value of the gradient into `[-limit, limit]`.
    ClipByValue { gradient: BufferId, limit: f64 },
    /// `accumulated += gradients` over the whole flat arenas.
    Accumulate { gradients: BufferId, accumulated: BufferId },
    /// `gradients = accumulated / steps`, then `accumulated = 0`, over the whole flat arenas.
    TakeMean { accumulated: BufferId, gradients: BufferId, steps: usize },
    /// [`Adam`](crate::Adam) over the whole flat parameter buffer, as the other updates below.
    Adam {
        gradients: BufferId,
        parameters: BufferId,
        moment_1: BufferId,
        moment_2: BufferId,
        rule: AdamRule,
    },
    /// [`Adam`](crate::Adam) with `amsgrad`.
    AmsGrad {
        gradients: BufferId,
        parameters: BufferId,
        moment_1: BufferId,
        moment_2: BufferId,
        largest_moment_2: BufferId,
        rule: AdamRule,
    },
    /// [`Sgd`](crate::Sgd).
    Sgd {
        gradients: BufferId,
        parameters: BufferId,
        velocity: BufferId,
        momentum: f64,
        nesterov: bool,
    },
    /// [`RmsProp`](crate::RmsProp).
    RmsProp {
        gradients: BufferId,
        parameters: BufferId,
        mean_square: BufferId,
        mean_gradient: BufferId,
        velocity: BufferId,
        rho: f64,
        momentum: f64,
        epsilon: f64,
        centered: bool,
    },
    /// [`Adagrad`](crate::Adagrad).
    Adagrad { gradients: BufferId, parameters: BufferId, accumulator: BufferId, epsilon: f64 },
}

/// [`Op::Dropout`] drops a value if its 32 random bits are below this.
pub fn dropout_threshold(rate: f64) -> u32 {
    // The cast saturates; a rate is below 1.
    (rate * 4_294_967_296.0) as u32
}

/// The constants of [`Op::Adam`] and [`Op::AmsGrad`]; those of the step are in
/// [`Step`](super::Step).
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "the fields are those of Adam")]
pub struct AdamRule {
    pub beta_1: f64,
    pub beta_2: f64,
    pub epsilon: f64,
}
