//! Whole training steps in two or three kernels.

use super::contract::{Check, Need, Probe, RulesOut};
use crate::operation::KernelForm;
use crate::parity::FusedShape;

/// Fused steps of few rows, of 257, and of as many as fill no workgroup.
pub(super) const PROBE: Probe = Probe {
    name: "fused-steps",
    checks: "training steps whose forward, backward and update are two or three kernels",
    known: "no driver so far; two barriers and eight bindings a kernel are more than most ask of one",
    needs: Need::Nothing,
    rules_out: RulesOut::Forms(&[KernelForm::FusedSteps]),
    mistake: ("rows beyond the 256th", "step.live_rows", "min(step.live_rows, 256u)"),
    check: Check::FusedSteps { names: STEPS, shapes },
};

/// One from the first layer on, and one from the second.
const STEPS: &[&str] = &[
    "fused_step u8 sigmoid softmax adam",
    "fused_step f32 relu categorical_crossentropy sgd from the second layer",
];

fn shapes() -> Vec<FusedShape> {
    vec![
        FusedShape { rows: 3, inputs: 5, units: &[9, 7] },
        FusedShape { rows: 33, inputs: 31, units: &[33, 10] },
        FusedShape { rows: 257, inputs: 17, units: &[5, 3] },
    ]
}
