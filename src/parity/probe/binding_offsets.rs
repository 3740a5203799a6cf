//! Bindings that begin within a buffer.

use super::contract::{Check, Judged, Need, Probe, RulesOut, bytes_of, trial, unwritten};
use crate::gpu::Trial;
use crate::operation::Access;
use crate::operation::kernel::wgsl;

/// Five dispatches that find their step by a dynamic offset, and the rest by fixed ones.
pub(super) const PROBE: Probe = Probe {
    name: "binding-offsets",
    checks: "kernels find what is bound with an offset, fixed or dynamic, and its length",
    known: "Intel Xe3 with ANV: cooperative loads took offset 0 (cubecl#1444)",
    needs: Need::Nothing,
    rules_out: RulesOut::Adapter,
    mistake: ("the beginning in the place of an offset", "step.noise_0", "0u"),
    check: Check::Kernels(kernels),
};

fn kernels() -> Vec<Judged> {
    const STEPS: u32 = 5;
    let left: Vec<u32> = (0..64).map(|local| 1000 + local).collect();
    let right: Vec<u32> = (0..64).map(|local| 5000 + 7 * local).collect();
    let shape @ [first, second, third, fourth] = [3, 5, 100_000, 10_000_000_u32];
    let noise = |step: u32| (step + 1) * 1_000_003;
    let steps = (0..STEPS).map(|number| {
        let mut step = [0; 12];
        // Number and random bits of the step.
        (step[1], step[6]) = (number, noise(number));
        step
    });
    let lengths = 64 * third + 16 * fourth;
    let expected = (0..STEPS).flat_map(|step| {
        let both = left.iter().zip(&right);
        both.map(move |(left, right)| left * first + right * second + lengths + noise(step))
    });
    let expected: Vec<u32> = expected.collect();
    let buffers = vec![
        (Access::Read, bytes_of(&left)),
        (Access::Read, bytes_of(&right)),
        (Access::Write, unwritten(expected.len())),
    ];
    let trial = trial(PROBE.name, wgsl!["probe/binding_offsets"], buffers, [1, 1, 1]);
    let trial = Trial { steps: steps.collect(), constants: bytes_of(&shape), ..trial };
    vec![Judged::exact(trial, 2, expected)]
}
