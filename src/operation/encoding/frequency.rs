//! The frequency encoding forward.

use bytemuck::{Pod, Zeroable};

use crate::error::Error;
use crate::operation::prelude::*;
use crate::table::BufferId;

/// How the columns of a frequency encoding lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frequencies {
    /// How many frequencies each input has: 1 to [`MOST`](Self::MOST).
    pub count: u32,
    /// Whether the inputs themselves stand before their waves.
    pub with_input: bool,
}

impl Frequencies {
    /// The most frequencies. The 24 digits of an f32 in `[0, 1)` are used up before.
    pub const MOST: u32 = 32;

    /// So many frequencies of each input, and the inputs themselves before them if wanted.
    ///
    /// # Errors
    /// [`Error::Argument`] if they are none or too many.
    pub fn new(count: usize, with_input: bool) -> Result<Self> {
        match u32::try_from(count) {
            Ok(count) if (1..=Self::MOST).contains(&count) => Ok(Frequencies { count, with_input }),
            Ok(_) | Err(_) => {
                let problem = format!("are {count}; give 1 to {}", Self::MOST);
                Err(Error::argument("frequencies", problem))
            }
        }
    }

    /// Waves of each input: a sine and a cosine of each frequency.
    pub fn waves(self) -> usize {
        2 * self.count as usize
    }

    /// The column of the first wave.
    pub(super) fn first(self, inputs: usize) -> usize {
        if self.with_input { inputs } else { 0 }
    }

    /// Columns of the output.
    pub fn outputs(self, inputs: usize) -> usize {
        inputs.saturating_mul(self.waves()).saturating_add(self.first(inputs))
    }

    /// # Errors
    /// [`Error::Argument`] or [`Error::Shape`] for what the operation or its gradient does not take.
    pub(super) fn check(self, shapes: &Shapes<'_>, [inputs, outputs]: [BufferId; 2]) -> Result<()> {
        Frequencies::new(self.count as usize, self.with_input)?;
        let columns = shapes.columns(inputs);
        shapes.activations([inputs], columns)?;
        shapes.activations([outputs], self.outputs(columns))
    }
}

operation! {
    /// For each input `x` of a row `sin(2^k π x)`, `cos(2^k π x)` for `k` from 0 to
    /// `frequencies.count - 1`: `output[B, 2·count·i + 2k]` and the column after it belong to input `i`
    /// and frequency `k`. With `with_input`, the inputs stand before all of these. This is γ of
    /// [Mildenhall and others, 2020](https://arxiv.org/abs/2003.08934), equation 4.
    pub struct FrequencyEncoding("frequency_encoding") {
        read input, write output;
        /// How many, and whether the input is a part of the output.
        frequencies: Frequencies,
    }
}

/// `Columns` in `encoding/frequency.wgsl`.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Columns {
    /// Of what the kernel reads, and of what it writes; for the gradient the other way round.
    pub columns: [u32; 2],
    /// The column of the first wave.
    pub first: u32,
}

/// What a wave costs, as [`Threads`](crate::threads::Threads) count it.
const WAVE_WORK: usize = 16;

impl Operation for FrequencyEncoding {
    const IN_PARTS: InParts = InParts::Rows;
    const FLOPS: u32 = 24;

    fn check(&self, shapes: &Shapes<'_>) -> Result<()> {
        self.frequencies.check(shapes, [self.input, self.output])
    }

    fn run<T: Real>(&self, on: &Run<'_, T>) {
        let (inputs, shape) = (on.shape(self.input), on.shape(self.output));
        let first = self.frequencies.first(inputs.columns);
        let waves = self.frequencies.waves();
        let input = &*on.real(self.input);
        on.each_row(&mut on.real_mut(self.output), shape, WAVE_WORK, |row, output| {
            let x = &input[row * inputs.stride..][..inputs.columns];
            let (before, output) = output[..shape.columns].split_at_mut(first);
            before.copy_from_slice(&x[..first]);
            for (output, &x) in output.chunks_exact_mut(waves).zip(x) {
                for (frequency, pair) in (0..).zip(output.chunks_exact_mut(2)) {
                    pair.copy_from_slice(&sine_and_cosine(x, frequency));
                }
            }
        });
    }

    fn dispatch(&self, target: &Target<'_>) -> Result<Dispatch> {
        let (inputs, units) = (target.columns(self.input)?, target.columns(self.output)?);
        let first = if self.frequencies.with_input { inputs } else { 0 };
        let text = wgsl!["shared/elements", "encoding/function/frequency", "encoding/frequency"];
        let grid = Grid {
            height: Extent::Rows,
            width: Extent::Fixed(units.div_ceil(4)),
            tile: [64, 1],
            groups: Groups::Plane,
        };
        Ok(Dispatch::new(self, text, Columns { columns: [inputs, units], first }, grid)
            .overrides(self.frequencies.overrides()))
    }
}

impl Frequencies {
    pub(super) fn overrides(self) -> [(&'static str, f64); 1] {
        [("WAVES", f64::from(2 * self.count))]
    }
}

/// `[sin(2^k π x), cos(2^k π x)]`. Whole turns are taken away before, which is exact.
fn sine_and_cosine<T: Real>(x: T, k: i32) -> [T; 2] {
    let turns = libm::ldexp(x.to_f64(), k - 1);
    let angle = std::f64::consts::TAU * (turns - turns.round());
    [libm::sin(angle), libm::cos(angle)].map(T::from_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the sine and the cosine are known, for frequencies at which the argument is large.
    #[test]
    fn waves_have_the_values_of_the_unit_circle() {
        for k in 0..32 {
            let half_turn = libm::ldexp(1.0, -k);
            let root = std::f64::consts::FRAC_1_SQRT_2;
            for (turns, expected) in [
                (0.0, [0.0, 1.0]),
                (0.125, [root, root]),
                (0.25, [1.0, 0.0]),
                (0.5, [0.0, -1.0]),
                (0.75, [-1.0, 0.0]),
                (1000.875, [-root, root]),
                (-0.25, [-1.0, 0.0]),
            ] {
                let x = 2.0 * turns * half_turn;
                let found = sine_and_cosine(x, k);
                let error = (0..2).map(|i| (found[i] - expected[i]).abs()).fold(0.0, f64::max);
                assert!(error < 1e-15, "{turns} turns at {k}: {found:?}");
                assert!((f64::from(sine_and_cosine(x as f32, k)[0]) - expected[0]).abs() < 1e-7);
            }
        }
    }
}
