//! Values that pass from one invocation to another through workgroup memory.

use super::contract::{Check, Judged, Need, Probe, RulesOut, trial, unwritten};
use crate::operation::Access;
use crate::operation::kernel::wgsl;

/// A square transposed six times by 256 invocations.
pub(super) const PROBE: Probe = Probe {
    name: "workgroup-barrier",
    checks: "256 invocations see what the others wrote to workgroup memory before a barrier",
    known: "Microsoft's Basic Render Driver of Direct3D 12 (wgpu#7904)",
    needs: Need::Nothing,
    // Sums over rows and columns need it in every form.
    rules_out: RulesOut::Adapter,
    mistake: ("no barrier", "workgroupBarrier();", ""),
    check: Check::Kernels(kernels),
};

fn kernels() -> Vec<Judged> {
    const GROUPS: u32 = 32;
    let mut expected = Vec::new();
    for group in 0..GROUPS {
        let mut square: Vec<u32> = (0..256).map(|local| group * 256 + local).collect();
        for turn in 0..6 {
            let transposed = (0..256).map(|local| local % 16 * 16 + local / 16);
            let taken = transposed.filter_map(|from: usize| square.get(from));
            square = taken.map(|value| value.wrapping_mul(3).wrapping_add(turn)).collect();
        }
        expected.extend(square);
    }
    let output = (Access::Write, unwritten(expected.len()));
    let text = wgsl!["probe/workgroup_barrier"];
    vec![Judged::exact(trial(PROBE.name, text, vec![output], [GROUPS, 1, 1]), 0, expected)]
}
