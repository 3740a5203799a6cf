//! None of these operations is a part of a function of one sample.

use super::{AdagradUpdate, AdamUpdate, AmsGradUpdate, RmsPropUpdate, SgdUpdate};
use crate::operation::per_sample::without_sample_text;

without_sample_text!("it is the update": AdagradUpdate, AdamUpdate, AmsGradUpdate, RmsPropUpdate, SgdUpdate);
