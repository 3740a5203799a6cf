//! None of these operations is a part of a function of one sample.

use super::{
    Accumulate, AddShards, ClipByNorm, ClipByValue, KeepShards, Penalty, PenaltyGradient,
    SquaredNorm, TakeMean,
};
use crate::operation::per_sample::without_sample_text;

without_sample_text!("it is a part of the update": Accumulate, AddShards, ClipByNorm, ClipByValue, KeepShards, Penalty, PenaltyGradient, SquaredNorm, TakeMean);
