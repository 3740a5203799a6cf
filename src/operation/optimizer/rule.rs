//! The constants that Adam and AMSGrad share.

/// The constants of [`Adam`](super::Adam) and [`AmsGrad`](super::AmsGrad); those of the step are in
/// [`Step`](crate::table::Step).
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "the fields are those of Adam")]
pub struct AdamRule {
    pub beta_1: f64,
    pub beta_2: f64,
    pub epsilon: f64,
}
