//! From an operation to the function that computes it.

use super::shape::Dense;
use super::{
    accumulate, activate, activate_backward, activity_penalty, adagrad, adam, add, amsgrad, argmax,
    batch_moments, batch_normalize, binary_histogram, categorical_cross_entropy, clip_by_norm,
    clip_by_value, concatenate, confusion_matrix, convert, dense_backward_input,
    dense_backward_weights, dense_forward, dropout, gaussian_noise, layer_normalize, loss,
    moving_average, penalty, penalty_gradient, pointwise_loss, pointwise_metric, rms_prop, sgd,
    slice, softmax, softmax_backward, softmax_cross_entropy, squared_norm, take_mean, top_k,
};
use crate::number::Real;
use crate::operation::Run;
use crate::operation::{self, Op, Operation};
use crate::program::{AdamRule, BufferId, Step, dropout_threshold};

impl<T: Real> Run<'_, T> {
    /// Runs one operation on what its buffers hold.
    fn legacy(&self, op: &Op) {
        let step = self.step;
        let rows = step.live_rows;
        let real = |scalar: f64| T::from_f64(scalar);
        match *op {
            Op::Convert(operation::Convert { input, output, scale }) => {
                let live = rows * self.table.buffer(input).stride();
                let mut output = self.real_mut(output);
                convert::convert(&self.u8(input)[..live], &mut output[..live], real(scale));
            }
            Op::DenseForward(operation::DenseForward {
                input,
                weight,
                bias,
                output,
                activation,
            }) => {
                dense_forward::dense_forward(
                    &self.real(input),
                    &self.real(weight),
                    &self.real(bias),
                    &mut self.real_mut(output),
                    self.dense(rows, input, output),
                    activation,
                );
            }
            Op::Activate(operation::Activate { input, output, activation }) => {
                activate::activate(
                    &self.real(input),
                    &mut self.real_mut(output),
                    self.elements(rows, input),
                    activation,
                );
            }
            Op::ActivateBackward(operation::ActivateBackward {
                output_gradient,
                value,
                input_gradient,
                activation,
            }) => {
                activate_backward::activate_backward(
                    &self.real(output_gradient),
                    &self.real(value),
                    &mut self.real_mut(input_gradient),
                    self.elements(rows, value),
                    activation,
                );
            }
            Op::Dropout(operation::Dropout { input, output, rate, layer }) => {
                dropout::dropout(
                    &self.real(input),
                    &mut self.real_mut(output),
                    self.elements(rows, input),
                    dropped(rate, layer, step),
                );
            }
            Op::DropoutBackward(operation::DropoutBackward {
                output_gradient,
                input,
                input_gradient,
                activation,
                rate,
                layer,
            }) => {
                dropout::dropout_backward(
                    &self.real(output_gradient),
                    &self.real(input),
                    &mut self.real_mut(input_gradient),
                    self.elements(rows, input),
                    activation,
                    dropped(rate, layer, step),
                );
            }
            Op::Softmax(operation::Softmax { input, output }) => {
                let buffer = self.table.buffer(input);
                let (input, mut output) = (self.real(input), self.real_mut(output));
                softmax::softmax(&input, &mut output, rows, buffer.columns, buffer.stride());
            }
            Op::SoftmaxBackward(operation::SoftmaxBackward {
                output_gradient,
                value,
                input_gradient,
            }) => {
                softmax_backward::softmax_backward(
                    &self.real(output_gradient),
                    &self.real(value),
                    &mut self.real_mut(input_gradient),
                    self.elements(rows, value),
                );
            }
            Op::Add(operation::Add { first, second, output }) => {
                add::add(
                    &self.real(first),
                    &self.real(second),
                    &mut self.real_mut(output),
                    self.elements(rows, first),
                );
            }
            Op::Concatenate(operation::Concatenate { first, second, output }) => {
                let [_, first_units, first_stride] = self.elements(rows, first);
                let [_, second_units, second_stride] = self.elements(rows, second);
                concatenate::concatenate(
                    (&self.real(first), [first_units, first_stride]),
                    (&self.real(second), [second_units, second_stride]),
                    (&mut self.real_mut(output), self.table.buffer(output).stride()),
                    rows,
                );
            }
            Op::Slice(operation::Slice { input, output, offset }) => {
                let [_, units, stride] = self.elements(rows, output);
                slice::slice(
                    (&self.real(input), self.table.buffer(input).stride()),
                    (&mut self.real_mut(output), stride),
                    [rows, units],
                    offset,
                );
            }
            Op::GaussianNoise(operation::GaussianNoise {
                input,
                output,
                standard_deviation,
                layer,
            }) => {
                gaussian_noise::gaussian_noise(
                    &self.real(input),
                    &mut self.real_mut(output),
                    self.elements(rows, input),
                    real(standard_deviation),
                    (step.noise, layer),
                );
            }
            Op::BatchMoments(operation::BatchMoments { input, mean, variance }) => {
                batch_moments::batch_moments(
                    &self.real(input),
                    &mut self.real_mut(mean),
                    &mut self.real_mut(variance),
                    self.elements(rows, input),
                );
            }
            Op::MovingAverage(operation::MovingAverage { value, average, momentum }) => {
                moving_average::moving_average(
                    &self.real(value),
                    &mut self.real_mut(average),
                    [real(momentum), real(1.0 - momentum)],
                );
            }
            Op::BatchNormalize(operation::BatchNormalize {
                input,
                mean,
                variance,
                gamma,
                beta,
                output,
                epsilon,
                gamma_offset,
            }) => {
                batch_normalize::batch_normalize(
                    &self.real(input),
                    batch_normalize::Moments {
                        mean: &self.real(mean),
                        variance: &self.real(variance),
                        epsilon: real(epsilon),
                    },
                    batch_normalize::Gamma { gamma: &self.real(gamma), offset: real(gamma_offset) },
                    &self.real(beta),
                    &mut self.real_mut(output),
                    self.elements(rows, input),
                );
            }
            Op::BatchNormalizeBackward(operation::BatchNormalizeBackward {
                output_gradient,
                input,
                mean,
                variance,
                gamma_gradient,
                beta_gradient,
                epsilon,
            }) => {
                batch_normalize::batch_normalize_backward(
                    &self.real(output_gradient),
                    &self.real(input),
                    batch_normalize::Moments {
                        mean: &self.real(mean),
                        variance: &self.real(variance),
                        epsilon: real(epsilon),
                    },
                    [&mut self.real_mut(gamma_gradient), &mut self.real_mut(beta_gradient)],
                    self.elements(rows, input),
                );
            }
            Op::BatchNormalizeBackwardInput(operation::BatchNormalizeBackwardInput {
                output_gradient,
                input,
                mean,
                variance,
                gamma,
                gamma_gradient,
                beta_gradient,
                input_gradient,
                epsilon,
                gamma_offset,
                activation,
            }) => {
                batch_normalize::batch_normalize_backward_input(
                    &self.real(output_gradient),
                    &self.real(input),
                    batch_normalize::Moments {
                        mean: &self.real(mean),
                        variance: &self.real(variance),
                        epsilon: real(epsilon),
                    },
                    batch_normalize::Gamma { gamma: &self.real(gamma), offset: real(gamma_offset) },
                    [&self.real(gamma_gradient), &self.real(beta_gradient)],
                    &mut self.real_mut(input_gradient),
                    self.elements(rows, input),
                    activation,
                );
            }
            Op::LayerNormalize(operation::LayerNormalize {
                input,
                gamma,
                beta,
                output,
                moments,
                epsilon,
                gamma_offset,
            }) => {
                layer_normalize::layer_normalize(
                    &self.real(input),
                    batch_normalize::Gamma { gamma: &self.real(gamma), offset: real(gamma_offset) },
                    &self.real(beta),
                    &mut self.real_mut(output),
                    layer_normalize::Moments {
                        rows: &mut self.real_mut(moments),
                        stride: self.table.buffer(moments).stride(),
                    },
                    self.elements(rows, input),
                    real(epsilon),
                );
            }
            Op::LayerNormalizeBackward(operation::LayerNormalizeBackward {
                output_gradient,
                input,
                moments,
                gamma_gradient,
                beta_gradient,
            }) => {
                layer_normalize::layer_normalize_backward(
                    &self.real(output_gradient),
                    &self.real(input),
                    layer_normalize::Moments {
                        rows: &self.real(moments),
                        stride: self.table.buffer(moments).stride(),
                    },
                    [&mut self.real_mut(gamma_gradient), &mut self.real_mut(beta_gradient)],
                    self.elements(rows, input),
                );
            }
            Op::LayerNormalizeBackwardInput(operation::LayerNormalizeBackwardInput {
                output_gradient,
                input,
                moments,
                gamma,
                input_gradient,
                gamma_offset,
                activation,
            }) => {
                layer_normalize::layer_normalize_backward_input(
                    &self.real(output_gradient),
                    &self.real(input),
                    layer_normalize::Moments {
                        rows: &self.real(moments),
                        stride: self.table.buffer(moments).stride(),
                    },
                    batch_normalize::Gamma { gamma: &self.real(gamma), offset: real(gamma_offset) },
                    &mut self.real_mut(input_gradient),
                    self.elements(rows, input),
                    activation,
                );
            }
            Op::ActivityPenalty(operation::ActivityPenalty { value, loss, l1, l2 }) => {
                activity_penalty::activity_penalty(
                    &self.real(value),
                    &mut self.real_mut(loss),
                    self.elements(rows, value),
                    [real(l1), real(l2)],
                );
            }
            Op::ActivityPenaltyGradient(operation::ActivityPenaltyGradient {
                value,
                input_gradient,
                activation,
                l1,
                l2,
            }) => {
                activity_penalty::activity_penalty_gradient(
                    &self.real(value),
                    &mut self.real_mut(input_gradient),
                    self.elements(rows, value),
                    [real(l1), real(l2)],
                    activation,
                );
            }
            Op::SoftmaxCrossEntropy(operation::SoftmaxCrossEntropy {
                logits,
                labels,
                sample_weights,
                loss,
                counts,
                gradient,
                scale,
            }) => {
                softmax_cross_entropy::softmax_cross_entropy(
                    self.loss_rows(
                        &self.real(logits),
                        &self.real(sample_weights),
                        logits,
                        (scale, step),
                    ),
                    &self.u32(labels),
                    loss::Outputs {
                        loss: &mut self.real_mut(loss),
                        counts: &mut self.u32_mut(counts),
                        gradient: &mut self.real_mut(gradient),
                    },
                );
            }
            Op::CategoricalCrossEntropy(operation::CategoricalCrossEntropy {
                logits,
                targets,
                sample_weights,
                loss,
                counts,
                gradient,
                scale,
                label_smoothing,
            }) => {
                categorical_cross_entropy::categorical_cross_entropy(
                    self.loss_rows(
                        &self.real(logits),
                        &self.real(sample_weights),
                        logits,
                        (scale, step),
                    ),
                    &self.real(targets),
                    loss::Outputs {
                        loss: &mut self.real_mut(loss),
                        counts: &mut self.u32_mut(counts),
                        gradient: &mut self.real_mut(gradient),
                    },
                    real(label_smoothing),
                );
            }
            Op::PointwiseLoss(operation::PointwiseLoss {
                outputs,
                targets,
                sample_weights,
                loss,
                counts,
                gradient,
                scale,
                function,
                activation,
            }) => {
                pointwise_loss::pointwise_loss(
                    self.loss_rows(
                        &self.real(outputs),
                        &self.real(sample_weights),
                        outputs,
                        (scale, step),
                    ),
                    &self.real(targets),
                    loss::Outputs {
                        loss: &mut self.real_mut(loss),
                        counts: &mut self.u32_mut(counts),
                        gradient: &mut self.real_mut(gradient),
                    },
                    function,
                    activation,
                );
            }
            Op::Argmax(operation::Argmax { input, index }) => {
                let size = self.elements(rows, input);
                argmax::argmax(&self.real(input), &mut self.u32_mut(index), size);
            }
            Op::TopK(operation::TopK {
                predictions,
                labels,
                sample_weights,
                sums,
                k,
                weighted,
            }) => {
                let weights = self.real(sample_weights);
                top_k::top_k(
                    &self.real(predictions),
                    &self.u32(labels),
                    weighted.then_some(&*weights),
                    &mut self.real_mut(sums),
                    self.elements(rows, predictions),
                    k,
                );
            }
            Op::PointwiseMetric(operation::PointwiseMetric {
                predictions,
                targets,
                sample_weights,
                sums,
                function,
                weighted,
            }) => {
                let weights = self.real(sample_weights);
                pointwise_metric::pointwise_metric(
                    &self.real(predictions),
                    &self.real(targets),
                    weighted.then_some(&*weights),
                    &mut self.real_mut(sums),
                    self.elements(rows, predictions),
                    function,
                );
            }
            Op::BinaryHistogram(operation::BinaryHistogram {
                predictions,
                targets,
                sample_weights,
                sums,
                thresholds,
                weighted,
            }) => {
                let weights = self.real(sample_weights);
                binary_histogram::binary_histogram(
                    &self.real(predictions),
                    &self.real(targets),
                    weighted.then_some(&*weights),
                    &mut self.real_mut(sums),
                    self.elements(rows, predictions),
                    thresholds,
                );
            }
            Op::ConfusionMatrix(operation::ConfusionMatrix {
                labels,
                predicted,
                sample_weights,
                matrix,
                weighted,
            }) => {
                let weights = self.real(sample_weights);
                confusion_matrix::confusion_matrix(
                    &self.u32(labels)[..rows],
                    &self.u32(predicted)[..rows],
                    weighted.then_some(&*weights),
                    &mut self.real_mut(matrix),
                    self.table.buffer(matrix).columns,
                );
            }
            Op::SquaredNorm(operation::SquaredNorm { gradient, sum, first }) => {
                if let Some(sum) = self.real_mut(sum).first_mut() {
                    squared_norm::squared_norm(&self.real(gradient), sum, first);
                }
            }
            Op::ClipByNorm(operation::ClipByNorm { squared_norm, gradient, limit }) => {
                if let Some(&squared) = self.real(squared_norm).first() {
                    let gradient = &mut self.real_mut(gradient);
                    clip_by_norm::clip_by_norm(squared, gradient, real(limit));
                }
            }
            Op::ClipByValue(operation::ClipByValue { gradient, limit }) => {
                clip_by_value::clip_by_value(&mut self.real_mut(gradient), real(limit));
            }
            Op::Penalty(operation::Penalty { weight, penalty, l1, l2 }) => {
                penalty::penalty(
                    &self.real(weight),
                    &mut self.real_mut(penalty),
                    [real(l1), real(l2)],
                    real(rows as f64),
                );
            }
            Op::PenaltyGradient(operation::PenaltyGradient { weight, weight_gradient, l1, l2 }) => {
                penalty_gradient::penalty_gradient(
                    &self.real(weight),
                    &mut self.real_mut(weight_gradient),
                    [real(l1), real(l2)],
                );
            }
            Op::DenseBackwardWeights(operation::DenseBackwardWeights {
                input,
                output_gradient,
                weight_gradient,
                bias_gradient,
            }) => {
                dense_backward_weights::dense_backward_weights(
                    &self.real(input),
                    &self.real(output_gradient),
                    &mut self.real_mut(weight_gradient),
                    &mut self.real_mut(bias_gradient),
                    self.dense(rows, input, output_gradient),
                );
            }
            Op::DenseBackwardInput(operation::DenseBackwardInput {
                output_gradient,
                weight,
                input,
                input_gradient,
                activation,
            }) => {
                dense_backward_input::dense_backward_input(
                    &self.real(output_gradient),
                    &self.real(weight),
                    &self.real(input),
                    &mut self.real_mut(input_gradient),
                    self.dense(rows, input, output_gradient),
                    activation,
                );
            }
            Op::Accumulate(operation::Accumulate { gradients, accumulated }) => {
                self.each_slice(gradients, [accumulated], |gradients, [accumulated]| {
                    accumulate::accumulate(gradients, accumulated);
                });
            }
            Op::TakeMean(operation::TakeMean { accumulated, gradients, steps }) => {
                let slices = self.table.slices(accumulated).zip(self.table.slices(gradients));
                for ((accumulated, _), (gradients, _)) in slices {
                    take_mean::take_mean(
                        &mut self.real_mut(accumulated),
                        &mut self.real_mut(gradients),
                        real(steps as f64),
                    );
                }
            }
            Op::Adam(operation::Adam { gradients, parameters, moment_1, moment_2, rule }) => {
                let scalars = self.adam(rule, step);
                self.each_slice(gradients, [parameters, moment_1, moment_2], |g, changed| {
                    adam::adam(g, changed, scalars);
                });
            }
            Op::AmsGrad(operation::AmsGrad {
                gradients,
                parameters,
                moment_1,
                moment_2,
                largest_moment_2,
                rule,
            }) => {
                let scalars = self.adam(rule, step);
                let changed = [parameters, moment_1, moment_2, largest_moment_2];
                self.each_slice(gradients, changed, |g, changed| {
                    amsgrad::amsgrad(g, changed, scalars);
                });
            }
            Op::Sgd(operation::Sgd { gradients, parameters, velocity, momentum, nesterov }) => {
                let scalars = sgd::Sgd {
                    step_size: real(step.step_size),
                    momentum: real(momentum),
                    nesterov,
                    decay: real(step.decay),
                };
                self.each_slice(gradients, [parameters, velocity], |g, changed| {
                    sgd::sgd(g, changed, scalars);
                });
            }
            Op::RmsProp(operation::RmsProp {
                gradients,
                parameters,
                mean_square,
                mean_gradient,
                velocity,
                rho,
                momentum,
                epsilon,
                centered,
            }) => {
                let scalars = rms_prop::RmsProp {
                    step_size: real(step.step_size),
                    one_minus_rho: real(1.0 - rho),
                    momentum: real(momentum),
                    epsilon: real(epsilon),
                    centered,
                    decay: real(step.decay),
                };
                let changed = [parameters, mean_square, mean_gradient, velocity];
                self.each_slice(gradients, changed, |g, changed| {
                    rms_prop::rms_prop(g, changed, scalars);
                });
            }
            Op::Adagrad(operation::Adagrad { gradients, parameters, accumulator, epsilon }) => {
                let scalars = adagrad::Adagrad {
                    step_size: real(step.step_size),
                    epsilon: real(epsilon),
                    decay: real(step.decay),
                };
                self.each_slice(gradients, [parameters, accumulator], |g, changed| {
                    adagrad::adagrad(g, changed, scalars);
                });
            }
            Op::Map(op) => op.run(self),
            Op::RowSum(op) => op.run(self),
            Op::SampleLoss(op) => op.run(self),
            Op::SampleMetric(op) => op.run(self),
        }
    }

    fn loss_rows<'a>(
        &self,
        outputs: &'a [T],
        sample_weights: &'a [T],
        id: BufferId,
        (scale, step): (f64, &Step),
    ) -> loss::Rows<'a, T> {
        let buffer = self.table.buffer(id);
        loss::Rows {
            outputs,
            sample_weights,
            rows: step.live_rows,
            units: buffer.columns,
            stride: buffer.stride(),
            step_number: step.number as u32,
            scale: T::from_f64(scale),
        }
    }

    fn adam(&self, rule: AdamRule, step: &Step) -> adam::Adam<T> {
        adam::Adam {
            step_size: T::from_f64(step.step_size),
            root_scale: T::from_f64(step.root_scale),
            one_minus_beta_1: T::from_f64(1.0 - rule.beta_1),
            one_minus_beta_2: T::from_f64(1.0 - rule.beta_2),
            epsilon: T::from_f64(rule.epsilon),
            decay: T::from_f64(step.decay),
        }
    }

    /// Rows, columns and stride.
    fn elements(&self, rows: usize, id: BufferId) -> [usize; 3] {
        let buffer = self.table.buffer(id);
        [rows, buffer.columns, buffer.stride()]
    }

    fn dense(&self, rows: usize, input: BufferId, output: BufferId) -> Dense {
        let (input, output) = (self.table.buffer(input), self.table.buffer(output));
        Dense {
            rows,
            inputs: input.columns,
            units: output.columns,
            input_stride: input.stride(),
            unit_stride: output.stride(),
        }
    }
}

/// Runs an operation of which only this file knows the function.
pub(crate) fn run<T: Real>(op: &Op, on: &Run<'_, T>) {
    on.legacy(op);
}

fn dropped<T: Real>(rate: f64, layer: u32, step: &Step) -> dropout::Dropout<T> {
    dropout::Dropout {
        noise: step.noise,
        layer,
        threshold: dropout_threshold(rate),
        scale: T::from_f64(1.0 / (1.0 - rate)),
    }
}
