//! f16 in storage buffers.

use half::f16;

use super::contract::{
    Check, Judged, Need, Probe, RulesOut, bytes_of, half_words, trial, unwritten, words,
};
use crate::gpu::Tried;
use crate::operation::kernel::{shader, wgsl};
use crate::operation::{Access, KernelForm};

/// Every f16 loaded, and f32 between any two of them stored.
pub(super) const PROBE: Probe = Probe {
    name: "f16-storage",
    checks: "every f16 is loaded as the f32 that it is, and every f32 is stored as one of the two nearest",
    known: "Mesa's llvmpipe (wgpu#10077)",
    needs: Need::Halves,
    rules_out: RulesOut::Forms(&[KernelForm::Halves]),
    mistake: ("a result with fewer digits than f16 has", "= Rows(", "= Rows(0.98 * "),
    check: Check::Kernels(kernels),
};

/// All bit patterns of an f16.
const PATTERNS: usize = 1 << 16;

fn kernels() -> Vec<Judged> {
    let halves: Vec<u16> = (0..=u16::MAX).collect();
    let reals: Vec<f32> = halves.iter().map(|&bits| between(bits)).collect();
    let buffers = vec![
        (Access::Read, bytes_of(&halves)),
        (Access::Read, bytes_of(&reals)),
        (Access::Write, unwritten(PATTERNS)),
        (Access::Write, unwritten(PATTERNS / 2)),
    ];
    let mut text = wgsl!["probe/f16_storage"];
    text.splice(0..0, [shader!("shared/halves"), shader!("shared/stored_f16")]);
    let mut trial = trial(PROBE.name, text, buffers, [(PATTERNS / 256) as u32, 1, 1]);
    trial.kernel.halves = true;
    vec![Judged::by(trial, move |tried| fault(tried, &reals))]
}

/// A number between the f16 of these bits and the next larger in size: at a quarter, in the middle or
/// at three quarters of the way. 1 in the place of the last ones, which have no next number.
fn between(bits: u16) -> f32 {
    let (this, next) = (f16::from_bits(bits), f16::from_bits(bits.wrapping_add(1)));
    let part = f64::from(bits % 4) / 4.0;
    match this.is_finite() && next.is_finite() {
        true => (f64::from(this) + (f64::from(next) - f64::from(this)) * part) as f32,
        false => 1.0,
    }
}

fn fault(tried: &Tried, reals: &[f32]) -> Option<String> {
    let loaded = words(tried, 2).into_iter().map(f32::from_bits);
    let not_loaded = (0..=u16::MAX).zip(loaded).find_map(|(bits, found)| {
        let expected = f16::from_bits(bits);
        let is_right = match expected.classify() {
            std::num::FpCategory::Nan | std::num::FpCategory::Infinite => !found.is_finite(),
            // What is subnormal may become 0.
            std::num::FpCategory::Subnormal => found == 0.0 || found == f32::from(expected),
            std::num::FpCategory::Zero | std::num::FpCategory::Normal => {
                found == f32::from(expected)
            }
        };
        (!is_right).then(|| format!("f16 {bits:#06x} was loaded as {found}, expected {expected}"))
    });
    let stored = half_words(tried, 3).into_iter().map(f16::from_bits);
    not_loaded.or_else(|| {
        reals.iter().zip(stored).find_map(|(&real, found)| {
            (!may_be_stored(f64::from(real), f64::from(found)))
                .then(|| format!("f32 {real} was stored as f16 {found}"))
        })
    })
}

/// Whether `found` is one of the two f16 around `real`: WGSL leaves the direction of rounding open. What
/// is subnormal may become 0.
fn may_be_stored(real: f64, found: f64) -> bool {
    const LEAST_NORMAL: f64 = 1.0 / 16_384.0;
    let unit = (real.abs().max(LEAST_NORMAL).log2().floor() - 10.0).exp2();
    let below = (real.abs() / unit).floor() * unit;
    let above = (real.abs() / unit).ceil() * unit;
    let flushed = real.abs() < LEAST_NORMAL && found == 0.0;
    let nearest = [below, above].map(|nearest| nearest.copysign(real));
    flushed || nearest.contains(&found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_nearest_are_told() {
        // 2048 and 2050 are neighbours.
        for (found, expected) in [(2048.0, true), (2050.0, true), (2052.0, false), (2046.0, false)]
        {
            assert_eq!(may_be_stored(2049.0, found), expected, "{found}");
            assert_eq!(may_be_stored(-2049.0, -found), expected, "{found}");
        }
        assert!(!may_be_stored(2049.0, f64::NAN) && !may_be_stored(2049.0, -2048.0));
        // What is an f16 must stay so.
        assert!(may_be_stored(2050.0, 2050.0) && !may_be_stored(2050.0, 2048.0));
        let least = f64::from(f16::from_bits(1));
        assert!(may_be_stored(least, 0.0) && may_be_stored(least, least));
        assert!(!may_be_stored(least, 2.0 * least));
    }

    #[test]
    fn each_f16_has_a_number_beside_it() {
        for bits in 0..=u16::MAX {
            let real = f64::from(between(bits));
            let nearest = f16::from_f64(real);
            assert!(may_be_stored(real, f64::from(nearest)), "{bits:#06x}: {real} {nearest}");
        }
        assert_eq!(between(0x3c02), 1.0 + 2.5 / 1024.0);
    }
}
