//! NaN, which a compiler may assume never to be there.

use super::contract::{Check, Judged, Need, Probe, RulesOut, bytes_of, trial, unwritten, words};
use crate::gpu::Tried;
use crate::operation::Access;
use crate::operation::kernel::wgsl;

/// NaN of many kinds among numbers.
pub(super) const PROBE: Probe = Probe {
    name: "nan-bits",
    checks: "NaN is told by its bits where max would hide it, so that training that goes astray is noticed",
    known: "Metal's fast arithmetic, and every driver that WGSL allows it",
    needs: Need::Nothing,
    rules_out: RulesOut::Adapter,
    mistake: ("NaN becomes a number", "return select(y, x,", "return select(y, y,"),
    check: Check::Kernels(kernels),
};

fn kernels() -> Vec<Judged> {
    let special = [
        0x7fc0_0000,
        0xffc0_0000,
        0x7f80_0001,
        0xff80_0001,
        0x7fff_ffff,
        0xffff_ffff,
        0x7fa5_5a5a,
        0x7f80_0000,
        0xff80_0000,
        0x7f7f_ffff,
        0xff7f_ffff,
        0x0080_0000,
        0x8080_0000,
        0,
        0x8000_0000,
        0x3f80_0000,
    ];
    let input: Vec<u32> = (0..256usize)
        .map(|place| {
            let number = (place as f32 - 128.0) / 8.0;
            let own = special.get(place / 5).filter(|_| place.is_multiple_of(5));
            own.copied().unwrap_or(number.to_bits())
        })
        .collect();
    let buffers = vec![(Access::Read, bytes_of(&input)), (Access::Write, unwritten(input.len()))];
    let text = wgsl!["shared/nan", "probe/nan_bits"];
    let trial = trial(PROBE.name, text, buffers, [1, 1, 1]);
    vec![Judged::by(trial, move |tried| fault(tried, &input))]
}

/// Payloads of NaN may change. The maximum of zeros may have either sign, and WGSL need not keep an
/// infinity.
fn fault(tried: &Tried, input: &[u32]) -> Option<String> {
    let found = words(tried, 1);
    input.iter().zip(found).find_map(|(&before, after)| {
        let (x, y) = (f32::from_bits(before), f32::from_bits(after));
        let is_right = match (x.is_nan(), x.is_infinite()) {
            (true, _) => y.is_nan(),
            (_, true) => true,
            (false, false) => y == x.max(0.0),
        };
        (!is_right).then(|| format!("{before:#010x} became {after:#010x}"))
    })
}
