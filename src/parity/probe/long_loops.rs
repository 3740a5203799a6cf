//! Loops of many turns.

use super::contract::{Check, Judged, Need, Probe, RulesOut, bytes_of, trial, unwritten};
use crate::gpu::Trial;
use crate::operation::Access;
use crate::operation::kernel::wgsl;

/// As many turns as every adapter is given.
pub(super) const PROBE: Probe = Probe {
    name: "long-loops",
    checks: "a loop of 65,535 turns runs to its end",
    known: "Mesa's llvmpipe ends loops after as many, without a word; no longer ones are run there",
    needs: Need::Nothing,
    rules_out: RulesOut::Adapter,
    mistake: ("a loop that ends early", "turn < shape.turns", "turn < min(shape.turns, 65534u)"),
    check: Check::Kernels(kernels),
};

fn kernels() -> Vec<Judged> {
    const TURNS: u32 = 65_535;
    const LENGTH: u32 = 1000;
    let values: Vec<u32> = (0..LENGTH).map(|place| 3 * place + 1).collect();
    let whole = values.iter().sum::<u32>().wrapping_mul(TURNS / LENGTH);
    let expected = (0..64).map(|local| {
        let rest = values.iter().cycle().skip(local).take((TURNS % LENGTH) as usize);
        whole.wrapping_add(rest.sum())
    });
    let expected = expected.collect();
    let buffers = vec![(Access::Read, bytes_of(&values)), (Access::Write, unwritten(64))];
    let trial = trial(PROBE.name, wgsl!["probe/long_loops"], buffers, [1, 1, 1]);
    let constants = bytes_of(&[TURNS, LENGTH, 0, 0]);
    vec![Judged::exact(Trial { constants, ..trial }, 1, expected)]
}
