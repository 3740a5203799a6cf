//! `pointwise_metric`.

use crate::metric::PointwiseMetric as Function;
use crate::operation::contract::operation;

operation! {
    /// `sums[B,0] += w · mean over U of function(predictions[B,U], targets[B,U])`,
    /// `sums[B,1] += w`.
    pub struct PointwiseMetric("pointwise_metric") {
        read predictions, read targets, read sample_weights, write sums;
        function: Function,
        weighted: bool,
    }
}
