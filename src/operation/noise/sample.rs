//! None of these operations is a part of a function of one sample.

use super::{Dropout, DropoutBackward, GaussianNoise};
use crate::operation::per_sample::without_sample_text;

without_sample_text!("it is random, which is for training alone": Dropout, DropoutBackward, GaussianNoise);
