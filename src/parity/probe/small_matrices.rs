//! Products of matrices with few rows or columns.

use super::contract::{Check, Need, Probe, RulesOut};

/// Products whose sides are 1 to 9.
pub(super) const PROBE: Probe = Probe {
    name: "small-matrices",
    checks: "products of matrices with 1 to 9 rows, columns and terms, forward and backward",
    known: "Turnip on Adreno 702: wrong below 9 columns (llama.cpp#25906)",
    needs: Need::Nothing,
    rules_out: RulesOut::TriedForm,
    mistake: (
        "the last of few inputs left out",
        "shape.inputs",
        "(shape.inputs - u32(shape.inputs == 5u))",
    ),
    check: Check::Operations { names: MATRICES, shapes },
};

/// The products of a dense layer, its input as reals and as bytes.
pub(super) const MATRICES: &[&str] = &[
    "dense_forward f32 linear",
    "dense_forward u8 linear",
    "dense_backward_weights f32",
    "dense_backward_input linear",
];

fn shapes() -> Vec<[usize; 3]> {
    (1..=9).flat_map(|n| [[n, n, n], [n, 16, 17], [17, n, 16], [16, 17, n]]).collect()
}
