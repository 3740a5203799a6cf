//! Quotients of f16.

use half::f16;

use super::contract::{
    Check, Judged, Need, Probe, RulesOut, bytes_of, half_words, trial, unwritten,
};
use crate::gpu::Tried;
use crate::operation::kernel::{shader, wgsl};
use crate::operation::{Access, KernelForm};

/// 65,536 quotients, against f64.
pub(super) const PROBE: Probe = Probe {
    name: "f16-division",
    checks: "quotients of f16 lie within the 2.5 units in the last place that WGSL allows",
    known: "NVIDIA RTX 3090 and 3070 disagree (llama.cpp#21521)",
    needs: Need::Halves,
    rules_out: RulesOut::Forms(&[KernelForm::Halves]),
    mistake: ("a quotient that is off", "/ divisors[id.x]", "/ (divisors[id.x] * 1.01h)"),
    check: Check::Kernels(kernels),
};

/// WGSL's bound holds for divisors of 2^-14 to 2^14; these are fewer, so that no quotient leaves the
/// normal numbers.
fn values() -> Vec<f16> {
    (-6..6)
        .flat_map(|exponent| {
            (0..10).flat_map(move |part| {
                let value = f64::from(exponent).exp2() * (1.0 + f64::from(part * 101) / 1024.0);
                [f16::from_f64(value), f16::from_f64(-value)]
            })
        })
        .chain([1.0, 3.0, 0.1, 1023.0 / 1024.0].map(f16::from_f64))
        .collect()
}

fn kernels() -> Vec<Judged> {
    let values = values();
    let pairs = values.iter().flat_map(|&a| values.iter().map(move |&b| (a, b)));
    // As many as fill workgroups.
    let kept = values.len() * values.len() / 64 * 64;
    let (dividends, divisors): (Vec<f16>, Vec<f16>) = pairs.take(kept).unzip();
    let bits = |values: &[f16]| bytes_of(&values.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
    let buffers = vec![
        (Access::Read, bits(&dividends)),
        (Access::Read, bits(&divisors)),
        (Access::Write, unwritten(kept / 2)),
    ];
    let mut text = wgsl!["probe/f16_division"];
    text.insert(0, shader!("shared/halves"));
    let mut trial = trial(PROBE.name, text, buffers, [(kept / 64) as u32, 1, 1]);
    trial.kernel.halves = true;
    vec![Judged::by(trial, move |tried| fault(tried, &dividends, &divisors))]
}

fn fault(tried: &Tried, dividends: &[f16], divisors: &[f16]) -> Option<String> {
    let found = half_words(tried, 2).into_iter().map(f16::from_bits);
    found.zip(dividends).zip(divisors).find_map(|((found, dividend), divisor)| {
        let exact = f64::from(*dividend) / f64::from(*divisor);
        let unit = (exact.abs().log2().floor() - 10.0).exp2();
        let units = (f64::from(found) - exact).abs() / unit;
        // NaN is no number of units.
        let is_within = units <= 2.5;
        (!is_within)
            .then(|| format!("{dividend} / {divisor} is {found}, {units:.2} units from {exact:.6}"))
    })
}
