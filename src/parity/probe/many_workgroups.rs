//! More workgroups than one dimension may have.

use super::contract::{Check, Judged, Need, Probe, RulesOut, trial, unwritten};
use crate::operation::Access;
use crate::operation::kernel::wgsl;

/// Twice 65,535 workgroups.
pub(super) const PROBE: Probe = Probe {
    name: "many-workgroups",
    checks: "each of 131,070 workgroups over two dimensions runs once and knows its number",
    known: "no driver so far; WebGPU promises 65,535 in each dimension",
    needs: Need::Nothing,
    rules_out: RulesOut::Adapter,
    mistake: ("workgroups of the second line lost", "group.y * groups.x + group.x", "group.x"),
    check: Check::Kernels(kernels),
};

fn kernels() -> Vec<Judged> {
    const GROUPS: [u32; 3] = [65_535, 2, 1];
    let count = GROUPS.iter().product();
    let expected = (0..count).map(|place| 3 * place + 1).collect();
    let output = (Access::Write, unwritten(count as usize));
    let text = wgsl!["probe/many_workgroups"];
    vec![Judged::exact(trial(PROBE.name, text, vec![output], GROUPS), 0, expected)]
}
