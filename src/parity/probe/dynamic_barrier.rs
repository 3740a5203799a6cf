//! Barriers under conditions that are known when the kernel runs.

use super::contract::{Check, Judged, Need, Probe, RulesOut, bytes_of, trial, unwritten};
use crate::gpu::Trial;
use crate::operation::Access;
use crate::operation::kernel::wgsl;

/// A sum in a tree whose height is a constant of the dispatch, by every other workgroup.
pub(super) const PROBE: Probe = Probe {
    name: "dynamic-barrier",
    checks: "barriers in a branch and in a loop that depend on what the host uploads",
    known: "Metal (wgpu#4500)",
    needs: Need::Nothing,
    // Sums over rows and columns need it in every form.
    rules_out: RulesOut::Adapter,
    mistake: ("no barrier", "workgroupBarrier();", ""),
    check: Check::Kernels(kernels),
};

fn kernels() -> Vec<Judged> {
    let all = [64, 32, 8, 1, 0].into_iter().flat_map(|first| [(first, 0), (first, 1)]);
    all.map(|(first, parity)| judged(first, parity)).collect()
}

fn judged(first: u32, parity: u32) -> Judged {
    const GROUPS: u32 = 16;
    let mut expected = Vec::new();
    for group in 0..GROUPS {
        let mut sums: Vec<u32> = (0..128).map(|local| group * 128 + local).collect();
        let mut half = if group % 2 == parity { first as usize } else { 0 };
        while half > 0 {
            let upper: Vec<u32> = sums.iter().skip(half).take(half).copied().collect();
            sums.iter_mut().zip(upper).for_each(|(sum, other)| *sum += other);
            half /= 2;
        }
        expected.extend(sums);
    }
    let output = (Access::Write, unwritten(expected.len()));
    let text = wgsl!["probe/dynamic_barrier"];
    let constants = bytes_of(&[first, parity, 0, 0]);
    let trial = trial(PROBE.name, text, vec![output], [GROUPS, 1, 1]);
    Judged::exact(Trial { constants, ..trial }, 0, expected)
}
