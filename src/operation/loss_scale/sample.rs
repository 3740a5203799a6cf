//! None of these operations is a part of a function of one sample.

use super::{AdjustLossScale, UnscaleGradients};
use crate::operation::per_sample::without_sample_text;

without_sample_text!("it is a part of the update": AdjustLossScale, UnscaleGradients);
