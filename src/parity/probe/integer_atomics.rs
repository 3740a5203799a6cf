//! Integers that many invocations add to.

use super::contract::{Check, Judged, Need, Probe, RulesOut, bytes_of, trial, unwritten, words};
use crate::gpu::Tried;
use crate::operation::kernel::wgsl;
use crate::operation::{Access, KernelForm};

/// Sums of 64 bits in two words, and numbers that are drawn.
pub(super) const PROBE: Probe = Probe {
    name: "integer-atomics",
    checks: "sums of integers by many workgroups are exact, and each invocation learns what was there \
             before",
    known: "no driver so far; the gradient of a hash grid is added up so",
    needs: Need::Nothing,
    rules_out: RulesOut::Forms(&[KernelForm::Atomics]),
    mistake: (
        "a value in the place of a sum",
        "atomicAdd(&sums[2u * place], value)",
        "atomicExchange(&sums[2u * place], value)",
    ),
    check: Check::Kernels(kernels),
};

const INVOCATIONS: u32 = 512 * 64;

/// What an invocation adds, and to which sum.
fn addend(id: u32) -> (u32, i32) {
    (id / 4 % 16, id.wrapping_mul(2_654_435_761) as i32 >> 2)
}

fn kernels() -> Vec<Judged> {
    let sums = (0..16).flat_map(|place| {
        let own = (0..INVOCATIONS).map(addend).filter(|(of, _)| *of == place);
        let sum: i64 = own.map(|(_, value)| i64::from(value)).sum();
        // The lower word counts as a signed number.
        let lower = sum as i32;
        [lower as u32, ((sum - i64::from(lower)) >> 32) as u32]
    });
    let sums: Vec<u32> = sums.collect();
    let buffers = vec![
        (Access::Write, bytes_of(&[0u32; 32])),
        (Access::Write, bytes_of(&[0u32; 4])),
        (Access::Write, unwritten(INVOCATIONS as usize)),
    ];
    let text = wgsl!["probe/integer_atomics"];
    let trial = trial(PROBE.name, text, buffers, [INVOCATIONS / 64, 1, 1]);
    vec![Judged::by(trial, move |tried| fault(tried, &sums))]
}

fn fault(tried: &Tried, sums: &[u32]) -> Option<String> {
    let found = words(tried, 0);
    if found != sums {
        return Some(format!("the sums are {found:x?}, expected {sums:x?}"));
    }
    let mut numbers = words(tried, 2);
    numbers.sort_unstable();
    (!numbers.iter().copied().eq(0..INVOCATIONS))
        .then(|| "a number was drawn twice, or never".into())
}
