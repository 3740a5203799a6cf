//! Bytes in storage buffers, which have words only.

use super::contract::{Check, Judged, Need, Probe, RulesOut, bytes_of, trial, unwritten};
use crate::gpu::Trial;
use crate::operation::Access;
use crate::operation::kernel::{shader, wgsl};

/// Each byte in each place of a word.
pub(super) const PROBE: Probe = Probe {
    name: "byte-loads",
    checks: "each byte in each place of a word becomes the real that it counts",
    known: "no driver so far; every image passes here",
    needs: Need::Nothing,
    rules_out: RulesOut::Adapter,
    mistake: ("bytes in another order", "(0u, 8u, 16u, 24u)", "(8u, 0u, 16u, 24u)"),
    check: Check::Kernels(kernels),
};

fn kernels() -> Vec<Judged> {
    [1.0, 1.0 / 255.0].into_iter().map(judged).collect()
}

fn judged(scale: f32) -> Judged {
    let bytes: Vec<u8> = (0..=255u8)
        .flat_map(|byte| [0, 67, 134, 201].map(|further| byte.wrapping_add(further)))
        .collect();
    // WGSL's products of f32 are rounded correctly, and these are not subnormal.
    let expected = bytes.iter().map(|&byte| (f32::from(byte) * scale).to_bits()).collect();
    let mut text = wgsl!["shared/dense", "shared/input_u8", "probe/byte_loads"];
    text.insert(0, shader!("shared/stored_f32"));
    let buffers = vec![(Access::Load, bytes), (Access::Write, unwritten(4 * 256))];
    let trial = trial(PROBE.name, text, buffers, [4, 1, 1]);
    let constants = bytes_of(&[0, 0, scale.to_bits(), 0]);
    Judged::exact(Trial { constants, ..trial }, 1, expected)
}
