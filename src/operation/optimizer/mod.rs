//! optimizer

mod adagrad;
mod adam;
mod amsgrad;
mod gradient;
mod rms_prop;
mod rule;
mod sgd;

pub use adagrad::Adagrad;
pub use adam::Adam;
pub use amsgrad::AmsGrad;
pub use rms_prop::RmsProp;
pub use rule::AdamRule;
pub use sgd::Sgd;
