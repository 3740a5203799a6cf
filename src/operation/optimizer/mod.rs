//! Updates of all parameters by their gradients, one for each optimizer.

mod adagrad;
mod adam;
mod amsgrad;
mod cases;
mod gradient;
mod rms_prop;
mod rule;
mod sample;
mod sgd;

pub use adagrad::AdagradUpdate;
pub use adam::AdamUpdate;
pub use amsgrad::AmsGradUpdate;
pub use rms_prop::RmsPropUpdate;
pub use rule::AdamRule;
pub use sgd::SgdUpdate;
