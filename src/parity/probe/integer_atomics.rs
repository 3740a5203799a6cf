//! Integers that many invocations add to.

use super::contract::{Check, Judged, Need, Probe, RulesOut, bytes_of, trial, words};
use crate::operation::Access;
use crate::operation::kernel::wgsl;

/// Sums of u32 that overflow, and extremes.
pub(super) const PROBE: Probe = Probe {
    name: "integer-atomics",
    checks: "sums, maxima and minima of u32 by many workgroups are exact, whatever their order",
    known: "no driver so far; the gradient of a hash grid is added up so",
    needs: Need::Nothing,
    rules_out: RulesOut::Adapter,
    mistake: (
        "no atomic sum",
        "atomicAdd(&sums[id.x % 16u], value)",
        "atomicStore(&sums[id.x % 16u], value)",
    ),
    check: Check::Kernels(kernels),
};

fn kernels() -> Vec<Judged> {
    const GROUPS: u32 = 512;
    let values = || (0..GROUPS * 64).map(|id| (id, id.wrapping_mul(2_654_435_761)));
    let sums: Vec<u32> = (0..16)
        .map(|place| {
            let own = values().filter(|(id, _)| id % 16 == place);
            own.fold(0u32, |sum, (_, value)| sum.wrapping_add(value))
        })
        .collect();
    let most = values().map(|(_, value)| value).max().unwrap_or_default();
    let buffers = vec![
        (Access::Write, bytes_of(&[0u32; 16])),
        (Access::Write, bytes_of(&[0, u32::MAX, 0, 0])),
    ];
    let trial = trial(PROBE.name, wgsl!["probe/integer_atomics"], buffers, [GROUPS, 1, 1]);
    vec![Judged::by(trial, move |tried| {
        let (found, extremes) = (words(tried, 0), words(tried, 1));
        if found != sums {
            return Some(format!("the sums are {found:x?}, expected {sums:x?}"));
        }
        // The first value is 0.
        (extremes != [most, 0, 0, 0])
            .then(|| format!("the extremes are {extremes:x?}, expected {most:x} and 0"))
    })]
}
