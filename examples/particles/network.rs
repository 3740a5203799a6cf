//! The network: from a state to its change within a frame.

use minibatch::model::FrequencyEncoding;
use minibatch::program::{Graph, Value};
use minibatch::schedule::CosineDecay;
use minibatch::{Activation, Adam, Compiled, Loss, Metric, Schedule, Scores, Sequential};

/// The name of what is lost by whoever predicts that nothing changes.
const NOTHING_CHANGES: &str = "nothing_changes";

/// `[x, y, speed along x, speed along y]` to their changes, all in units that make them about 1; the
/// learning rate falls to 0 within `steps`.
pub(crate) fn network(steps: u32) -> Compiled {
    let square_of_change = |graph: &mut Graph, _: &Value, change: &Value| {
        graph.map([change], |[change]| change.square())
    };
    Sequential::new(4)
        // The world repeats itself, and so do waves.
        .layer(FrequencyEncoding::new(2).with_input())
        .dense(64, Activation::Silu)
        .dense(64, Activation::Silu)
        .dense(4, Activation::Linear)
        .compile(
            Adam::new(0.01),
            Loss::MeanSquaredError,
            [Metric::custom(NOTHING_CHANGES, square_of_change)],
        )
        .schedule(Schedule::CosineDecay(CosineDecay::new(0.01, steps.into())))
}

/// Two errors, `sqrt(mean((prediction - change)^2))` over particles and the four numbers of a change:
/// the network's and that of the prediction that nothing changes; and the first over the second.
pub(crate) fn errors(scores: &Scores) -> String {
    let network = scores.loss.sqrt();
    let nothing = scores.value(NOTHING_CHANGES).unwrap_or(f64::NAN).sqrt();
    format!(
        "error {network:.4}, of \"nothing changes\" {nothing:.4}, ratio {:.4}",
        network / nothing
    )
}
