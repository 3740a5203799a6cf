//! Which values dropout keeps, for the CPU functions and for the kernels.

use bytemuck::{Pod, Zeroable};

use crate::number::Real;
use crate::operation::run::Run;
use crate::random::noise;

/// Dropout drops a value if its 32 random bits are below this.
pub fn dropout_threshold(rate: f64) -> u32 {
    // The cast saturates; a rate is below 1.
    (rate * 4_294_967_296.0) as u32
}

/// What a value that is kept is multiplied by, so that the mean of all stays the same.
fn scale(rate: f64) -> f64 {
    1.0 / (1.0 - rate)
}

/// What a value costs, as [`Threads`](crate::cpu::Threads) count it: its random bits.
pub(super) const NOISE_WORK: usize = 8;

/// The factors of one layer in one step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mask<T> {
    noise: u64,
    layer: u32,
    threshold: u32,
    scale: T,
}

impl<T: Real> Mask<T> {
    /// Drops the share `rate` of a layer's values.
    pub(super) fn new(on: &Run<'_, T>, rate: f64, layer: u32) -> Self {
        Mask {
            noise: on.step.noise,
            layer,
            threshold: dropout_threshold(rate),
            scale: T::from_f64(scale(rate)),
        }
    }

    /// `1 / (1 - rate)` or 0: what the value at `index` of the whole batch is multiplied by.
    pub(super) fn factor(&self, index: usize) -> T {
        let kept = noise(self.noise, self.layer, index as u32) >= self.threshold;
        if kept { self.scale } else { T::ZERO }
    }
}

/// `Dropout` in `shared/dropout.wgsl`.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct MaskConstants {
    units: u32,
    scale: f32,
    layer: u32,
    threshold: u32,
}

impl MaskConstants {
    /// For rows of `units` values, of which the layer drops the share `rate`.
    pub(super) fn new(units: u32, rate: f64, layer: u32) -> Self {
        MaskConstants {
            units,
            scale: scale(rate) as f32,
            layer,
            threshold: dropout_threshold(rate),
        }
    }
}
