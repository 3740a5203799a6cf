//! Workgroup memory that is zeroed before it is used.

use super::contract::{Check, Judged, Need, Probe, RulesOut, STAGED, trial, unwritten};
use crate::operation::Access;
use crate::operation::kernel::wgsl;

/// Zeroed by the driver, and by the kernel.
pub(super) const PROBE: Probe = Probe {
    name: "zeroed-workgroup",
    checks: "workgroup memory is zeroed for all invocations before the first of them adds to it, by the \
             driver and by a kernel with a barrier",
    known: "AMD RX 5700 XT: no barrier after the driver's zeroing (wgpu#4591)",
    needs: Need::Nothing,
    rules_out: RulesOut::Forms(STAGED),
    mistake: ("what was zeroed is used too early", "workgroupBarrier();", ""),
    check: Check::Kernels(kernels),
};

const GROUPS: u32 = 64;

fn kernels() -> Vec<Judged> {
    vec![
        Judged {
            zeroes_workgroup_memory: true,
            ..judged(
                wgsl!["probe/zeroed_by_driver"],
                2048,
                |local, turn| (local * 29 + turn * 64 + 7) % 2048,
                32,
            )
        },
        judged(
            wgsl!["probe/zeroed_by_kernel"],
            1024,
            |local, turn| (local + turn) % 64 + turn * 64,
            16,
        ),
    ]
}

/// In each turn each of 64 invocations adds its number and that of the turn to the place that `place`
/// tells.
fn judged(
    text: Vec<std::borrow::Cow<'static, str>>,
    length: usize,
    place: fn(u32, u32) -> u32,
    turns: u32,
) -> Judged {
    let mut sums = vec![0u32; length];
    for turn in 0..turns {
        for local in 0..64 {
            if let Some(sum) = sums.get_mut(place(local, turn) as usize) {
                *sum += local + turn + 1;
            }
        }
    }
    let expected = sums.repeat(GROUPS as usize);
    let output = (Access::Write, unwritten(expected.len()));
    Judged::exact(trial(PROBE.name, text, vec![output], [GROUPS, 1, 1]), 0, expected)
}
