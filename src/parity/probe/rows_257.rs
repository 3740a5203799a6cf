//! Products of matrices with one row more than a workgroup has invocations.

use super::contract::{Check, Need, Probe, RulesOut};
use super::small_matrices::MATRICES;

/// Products of 257 rows.
pub(super) const PROBE: Probe = Probe {
    name: "rows-257",
    checks: "products of matrices with 257 rows, columns or terms",
    known: "AMD Vega: a product with 257 rows (burn#4355, suspected)",
    needs: Need::Nothing,
    rules_out: RulesOut::TriedForm,
    mistake: ("rows beyond the 256th", "step.live_rows", "min(step.live_rows, 256u)"),
    check: Check::Operations { names: MATRICES, shapes },
};

fn shapes() -> Vec<[usize; 3]> {
    vec![[257, 5, 3], [257, 64, 10], [3, 257, 5], [5, 3, 257], [257, 33, 257]]
}
