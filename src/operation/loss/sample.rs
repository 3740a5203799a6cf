//! None of these operations is a part of a function of one sample.

use super::{
    ActivityPenalty, ActivityPenaltyGradient, CategoricalCrossentropy, PointwiseLoss, SampleLoss,
    SoftmaxCrossentropy,
};
use crate::operation::per_sample::without_sample_text;

without_sample_text!("it computes a loss": ActivityPenalty, ActivityPenaltyGradient, SoftmaxCrossentropy, CategoricalCrossentropy, PointwiseLoss, SampleLoss);
