//! Learning rates that change from step to step.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The learning rate as a function of the step, counted from 0 as Keras' `iterations`; computed in
/// f64. The formulas are those of
/// [`keras.optimizers.schedules`](https://keras.io/api/optimizers/learning_rate_schedules/), and
/// of PyTorch's `OneCycleLR`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Schedule {
    /// The same at every step.
    Constant(f64),
    /// Multiplied by a factor every so many steps.
    ExponentialDecay(ExponentialDecay),
    /// Along half a cosine, after a linear warm-up if one is asked for.
    CosineDecay(CosineDecay),
    /// One value between each two boundaries.
    PiecewiseConstantDecay(PiecewiseConstantDecay),
    /// A power of the share of the steps that is left.
    PolynomialDecay(PolynomialDecay),
    /// Up to a maximum and down again, once.
    OneCycle(OneCycle),
}

/// `initial_learning_rate · decay_rate^(step / decay_steps)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ExponentialDecay {
    /// The rate of step 0.
    pub initial_learning_rate: f64,
    /// Steps in which the rate changes by `decay_rate`, at least 1.
    pub decay_steps: u64,
    /// The factor, positive; above 1 the rate grows.
    pub decay_rate: f64,
    /// Whether the exponent is rounded down, so that the rate changes in stairs; false by default.
    pub staircase: bool,
}

impl ExponentialDecay {
    /// A smooth decay.
    pub fn new(initial_learning_rate: f64, decay_steps: u64, decay_rate: f64) -> Self {
        ExponentialDecay { initial_learning_rate, decay_steps, decay_rate, staircase: false }
    }

    fn at(&self, step: f64) -> f64 {
        let exponent = step / self.decay_steps as f64;
        let exponent = if self.staircase { exponent.floor() } else { exponent };
        self.initial_learning_rate * self.decay_rate.powf(exponent)
    }
}

/// `initial_learning_rate · ((1 - alpha) · (1 + cos(π · step / decay_steps)) / 2 + alpha)` up to
/// `decay_steps`, and `initial_learning_rate · alpha` from there on.
///
/// With a warm-up the rate first goes from `initial_learning_rate` to `warmup_target` in a straight
/// line, and the decay begins there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CosineDecay {
    /// The rate of step 0; with a warm-up it may be 0.
    pub initial_learning_rate: f64,
    /// Steps of the decay, the warm-up not counted; at least 1.
    pub decay_steps: u64,
    /// The share of the rate that is left in the end, 0 to 1; 0 by default.
    pub alpha: f64,
    /// The rate that the warm-up ends with; none by default.
    pub warmup_target: Option<f64>,
    /// Steps of the warm-up; 0 by default. Goes together with `warmup_target`.
    pub warmup_steps: u64,
}

impl CosineDecay {
    /// A decay to 0, without a warm-up.
    pub fn new(initial_learning_rate: f64, decay_steps: u64) -> Self {
        CosineDecay {
            initial_learning_rate,
            decay_steps,
            alpha: 0.0,
            warmup_target: None,
            warmup_steps: 0,
        }
    }

    fn at(&self, step: f64) -> f64 {
        let warmup_steps = self.warmup_steps as f64;
        let from = match self.warmup_target {
            Some(target) if step < warmup_steps => {
                let delta = target - self.initial_learning_rate;
                return delta * (step / warmup_steps) + self.initial_learning_rate;
            }
            Some(target) => target,
            None => self.initial_learning_rate,
        };
        let decay_steps = self.decay_steps as f64;
        let done = (step - warmup_steps).min(decay_steps) / decay_steps;
        from * ((1.0 - self.alpha) * 0.5 * (1.0 + (PI * done).cos()) + self.alpha)
    }
}

/// `values[i]` for the steps after `boundaries[i - 1]` up to and including `boundaries[i]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PiecewiseConstantDecay {
    /// The last step of each piece but the last, each larger than the one before.
    pub boundaries: Vec<u64>,
    /// The rate of each piece: one more than there are boundaries.
    pub values: Vec<f64>,
}

impl PiecewiseConstantDecay {
    /// Pieces that end at `boundaries`.
    pub fn new(boundaries: impl Into<Vec<u64>>, values: impl Into<Vec<f64>>) -> Self {
        PiecewiseConstantDecay { boundaries: boundaries.into(), values: values.into() }
    }

    fn at(&self, step: u64) -> f64 {
        let piece = self.boundaries.partition_point(|&boundary| boundary < step);
        self.values.get(piece).copied().unwrap_or_default()
    }
}

/// `(initial_learning_rate - end_learning_rate) · (1 - step / decay_steps)^power +
/// end_learning_rate` up to `decay_steps`, and `end_learning_rate` from there on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PolynomialDecay {
    /// The rate of step 0.
    pub initial_learning_rate: f64,
    /// Steps of the decay, at least 1.
    pub decay_steps: u64,
    /// The rate in the end; 0.0001 by default.
    pub end_learning_rate: f64,
    /// The exponent, positive; 1 by default.
    pub power: f64,
    /// Whether the decay begins anew beyond `decay_steps`, as Keras does it: with `decay_steps`
    /// stretched to its next multiple that is not below the step. False by default.
    pub cycle: bool,
}

impl PolynomialDecay {
    /// A straight line to 0.0001.
    pub fn new(initial_learning_rate: f64, decay_steps: u64) -> Self {
        PolynomialDecay {
            initial_learning_rate,
            decay_steps,
            end_learning_rate: 0.0001,
            power: 1.0,
            cycle: false,
        }
    }

    fn at(&self, step: f64) -> f64 {
        let once = self.decay_steps as f64;
        let (step, decay_steps) = match self.cycle {
            true => (step, once * (step / once).ceil().max(1.0)),
            false => (step.min(once), once),
        };
        let range = self.initial_learning_rate - self.end_learning_rate;
        range * (1.0 - step / decay_steps).powf(self.power) + self.end_learning_rate
    }
}

/// From `max_learning_rate / div_factor` up to the maximum, then down to
/// `max_learning_rate / div_factor / final_div_factor`, each along half a cosine: PyTorch's
/// [`OneCycleLR`](https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.OneCycleLR.html)
/// with its two phases. Momentum stays as it is. PyTorch fails beyond `total_steps`; here the
/// last rate stays.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OneCycle {
    /// The rate at the top.
    pub max_learning_rate: f64,
    /// Steps of both phases.
    pub total_steps: u64,
    /// The share of the steps in which the rate rises, between 0 and 1; 0.3 by default. The top is
    /// at step `pct_start · total_steps - 1`, which must be above 0.
    pub pct_start: f64,
    /// The maximum over the first rate; 25 by default.
    pub div_factor: f64,
    /// The first rate over the last; 10000 by default.
    pub final_div_factor: f64,
}

impl OneCycle {
    /// A cycle with PyTorch's defaults.
    pub fn new(max_learning_rate: f64, total_steps: u64) -> Self {
        OneCycle {
            max_learning_rate,
            total_steps,
            pct_start: 0.3,
            div_factor: 25.0,
            final_div_factor: 1e4,
        }
    }

    fn top(&self) -> f64 {
        self.pct_start * self.total_steps as f64 - 1.0
    }

    fn at(&self, step: f64) -> f64 {
        let first = self.max_learning_rate / self.div_factor;
        let (top, end) = (self.top(), self.total_steps as f64 - 1.0);
        let (from, to, done) = if step <= top {
            (first, self.max_learning_rate, step / top)
        } else {
            let done = ((step - top) / (end - top)).min(1.0);
            (self.max_learning_rate, first / self.final_div_factor, done)
        };
        to + (from - to) / 2.0 * (1.0 + (PI * done).cos())
    }
}

impl From<ExponentialDecay> for Schedule {
    fn from(schedule: ExponentialDecay) -> Self {
        Schedule::ExponentialDecay(schedule)
    }
}

impl From<CosineDecay> for Schedule {
    fn from(schedule: CosineDecay) -> Self {
        Schedule::CosineDecay(schedule)
    }
}

impl From<PiecewiseConstantDecay> for Schedule {
    fn from(schedule: PiecewiseConstantDecay) -> Self {
        Schedule::PiecewiseConstantDecay(schedule)
    }
}

impl From<PolynomialDecay> for Schedule {
    fn from(schedule: PolynomialDecay) -> Self {
        Schedule::PolynomialDecay(schedule)
    }
}

impl From<OneCycle> for Schedule {
    fn from(schedule: OneCycle) -> Self {
        Schedule::OneCycle(schedule)
    }
}

impl Schedule {
    /// The rate of `step`, from 0. Of what [`check`](Self::check) refuses it may be any number.
    pub fn at(&self, step: u64) -> f64 {
        match self {
            Schedule::Constant(rate) => *rate,
            Schedule::ExponentialDecay(schedule) => schedule.at(step as f64),
            Schedule::CosineDecay(schedule) => schedule.at(step as f64),
            Schedule::PiecewiseConstantDecay(schedule) => schedule.at(step),
            Schedule::PolynomialDecay(schedule) => schedule.at(step as f64),
            Schedule::OneCycle(schedule) => schedule.at(step as f64),
        }
    }

    /// Whether its constants are in their ranges; building a model calls it.
    ///
    /// # Errors
    /// [`Error::Argument`] naming the first that is not.
    pub fn check(&self) -> Result<()> {
        match self {
            Schedule::Constant(rate) => positive("learning_rate", *rate),
            Schedule::ExponentialDecay(schedule) => {
                positive("initial_learning_rate", schedule.initial_learning_rate)?;
                at_least_one("decay_steps", schedule.decay_steps)?;
                positive("decay_rate", schedule.decay_rate)
            }
            Schedule::CosineDecay(schedule) => check_cosine(schedule),
            Schedule::PiecewiseConstantDecay(schedule) => check_pieces(schedule),
            Schedule::PolynomialDecay(schedule) => {
                positive("initial_learning_rate", schedule.initial_learning_rate)?;
                at_least_one("decay_steps", schedule.decay_steps)?;
                not_negative("end_learning_rate", schedule.end_learning_rate)?;
                positive("power", schedule.power)
            }
            Schedule::OneCycle(schedule) => check_cycle(schedule),
        }
    }
}

fn check_cosine(schedule: &CosineDecay) -> Result<()> {
    let CosineDecay { initial_learning_rate, decay_steps, alpha, warmup_target, warmup_steps } =
        *schedule;
    match (warmup_target, warmup_steps) {
        (Some(target), 1..) => {
            not_negative("initial_learning_rate", initial_learning_rate)?;
            positive("warmup_target", target)?;
        }
        (None, 0) => positive("initial_learning_rate", initial_learning_rate)?,
        // Keras would ignore the steps in the one case and the initial rate in the other.
        (Some(_), 0) => {
            return Err(Error::argument("warmup_steps", "is 0; warmup_target needs at least 1"));
        }
        (None, 1..) => {
            let problem = format!("is not given; warmup_steps is {warmup_steps} and needs it");
            return Err(Error::argument("warmup_target", problem));
        }
    }
    at_least_one("decay_steps", decay_steps)?;
    expect("alpha", alpha, (0.0..=1.0).contains(&alpha), "0 to 1")
}

fn check_pieces(schedule: &PiecewiseConstantDecay) -> Result<()> {
    let PiecewiseConstantDecay { boundaries, values } = schedule;
    if values.len() != boundaries.len() + 1 {
        return Err(Error::Shape {
            what: "values of the piecewise constant decay".into(),
            actual: format!("{} for {} boundaries", values.len(), boundaries.len()),
            expected: format!("{}, one more than there are boundaries", boundaries.len() + 1),
        });
    }
    if !boundaries.is_sorted_by(|a, b| a < b) {
        let problem = format!("are {boundaries:?}; each must be larger than the one before");
        return Err(Error::argument("boundaries", problem));
    }
    values.iter().try_for_each(|&value| not_negative("values", value))
}

fn check_cycle(schedule: &OneCycle) -> Result<()> {
    let OneCycle { max_learning_rate, total_steps, pct_start, div_factor, final_div_factor } =
        *schedule;
    positive("max_learning_rate", max_learning_rate)?;
    positive("div_factor", div_factor)?;
    positive("final_div_factor", final_div_factor)?;
    expect("pct_start", pct_start, pct_start > 0.0 && pct_start < 1.0, "between 0 and 1")?;
    if schedule.top() > 0.0 {
        return Ok(());
    }
    let problem = format!(
        "is {total_steps}; with pct_start {pct_start} the rate would never rise, give more than {}",
        (1.0 / pct_start).floor()
    );
    Err(Error::argument("total_steps", problem))
}

fn expect(argument: &'static str, value: f64, fits: bool, expected: &str) -> Result<()> {
    if fits {
        return Ok(());
    }
    Err(Error::argument(argument, format!("is {value}; expected {expected}")))
}

fn positive(argument: &'static str, value: f64) -> Result<()> {
    expect(argument, value, value > 0.0 && value.is_finite(), "a positive, finite number")
}

fn not_negative(argument: &'static str, value: f64) -> Result<()> {
    expect(argument, value, value >= 0.0 && value.is_finite(), "a finite number from 0 up")
}

fn at_least_one(argument: &'static str, steps: u64) -> Result<()> {
    match steps {
        0 => Err(Error::argument(argument, "is 0; give at least 1")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_rates(schedule: impl Into<Schedule>, expected: &[(u64, f64)]) {
        let schedule = schedule.into();
        schedule.check().unwrap();
        for &(step, rate) in expected {
            let actual = schedule.at(step);
            assert!((actual - rate).abs() <= 1e-14, "{schedule:?} at {step}: {actual}, not {rate}");
        }
    }

    #[test]
    fn constant_and_piecewise() {
        assert_rates(Schedule::Constant(0.25), &[(0, 0.25), (1_000_000, 0.25)]);
        // A boundary is the last step of its piece.
        let pieces = PiecewiseConstantDecay::new([10, 20], [1.0, 0.5, 0.25]);
        let steps = [(0, 1.0), (10, 1.0), (11, 0.5), (20, 0.5), (21, 0.25), (99, 0.25)];
        assert_rates(pieces, &steps);
    }

    #[test]
    fn exponential() {
        // 0.1 · 0.25^(1/2) = 0.1 · 0.5, 0.1 · 0.25^1 = 0.025, 0.1 · 0.25^(3/2) = 0.1 · 0.125.
        let smooth = ExponentialDecay::new(0.1, 10, 0.25);
        assert_rates(smooth, &[(0, 0.1), (5, 0.05), (10, 0.025), (15, 0.0125)]);
        // Stairs of ten steps: 0.1, then 0.1 · 0.25, then 0.1 · 0.0625.
        let stairs = ExponentialDecay { staircase: true, ..smooth };
        assert_rates(stairs, &[(0, 0.1), (9, 0.1), (10, 0.025), (19, 0.025), (20, 0.00625)]);
    }

    #[test]
    fn cosine() {
        // cos(60°) = 1/2: 0.8 · (1 + 1/2)/2 = 0.6; cos(90°) = 0: 0.4; cos(120°) = -1/2: 0.2.
        let plain = CosineDecay::new(0.8, 12);
        assert_rates(plain, &[(0, 0.8), (4, 0.6), (6, 0.4), (8, 0.2), (12, 0.0), (50, 0.0)]);
        // 0.8 · (0.75 · 0.75 + 0.25) = 0.65; 0.8 · (0.75 · 0.5 + 0.25) = 0.5; 0.8 · 0.25 = 0.2.
        let alpha = CosineDecay { alpha: 0.25, ..plain };
        assert_rates(alpha, &[(0, 0.8), (4, 0.65), (6, 0.5), (12, 0.2), (13, 0.2)]);
        // From 0.2 to 1 in 4 steps of 0.2, then half a cosine of 6 steps: cos(60°) two steps on.
        let warm =
            CosineDecay { warmup_target: Some(1.0), warmup_steps: 4, ..CosineDecay::new(0.2, 6) };
        let steps = [(0, 0.2), (1, 0.4), (3, 0.8), (4, 1.0), (6, 0.75), (7, 0.5), (10, 0.0)];
        assert_rates(warm, &steps);
    }

    #[test]
    fn polynomial() {
        // (1.1 - 0.1) · (1 - 1/4)² + 0.1 = 0.5625 + 0.1; at a half 0.25 + 0.1.
        let once =
            PolynomialDecay { end_learning_rate: 0.1, power: 2.0, ..PolynomialDecay::new(1.1, 8) };
        assert_rates(once, &[(0, 1.1), (2, 0.6625), (4, 0.35), (8, 0.1), (9, 0.1)]);
        // Beyond step 8 the decay is one of 16 steps: at 12 a quarter is left, 1/16 + 0.1; from
        // step 17 on it is one of 24: at 18 a quarter again.
        let cycle = PolynomialDecay { cycle: true, ..once };
        let steps = [(0, 1.1), (4, 0.35), (8, 0.1), (12, 0.1625), (16, 0.1), (18, 0.1625)];
        assert_rates(cycle, &steps);
        // 0.0101 - 0.01 · step/10 in a straight line to the default 0.0001.
        assert_rates(PolynomialDecay::new(0.0101, 10), &[(5, 0.0051), (10, 0.0001)]);
    }

    #[test]
    fn one_cycle() {
        // Up from 1/10 to 1 over the steps 0 to 0.3·20 - 1 = 5, down to 0.1/100 over 5 to 19.
        // Half way down, at step 12, cos(90°) = 0: (1 + 0.001)/2.
        let cycle =
            OneCycle { div_factor: 10.0, final_div_factor: 100.0, ..OneCycle::new(1.0, 20) };
        assert_rates(cycle, &[(0, 0.1), (5, 1.0), (12, 0.5005), (19, 0.001), (20, 0.001)]);
        // 0.25·12 - 1 = 2: half way up at step 1, (0.1 + 1)/2.
        let cycle = OneCycle { pct_start: 0.25, total_steps: 12, ..cycle };
        assert_rates(cycle, &[(0, 0.1), (1, 0.55), (2, 1.0), (11, 0.001)]);
        // The defaults: 1/25 first, 1/250000 last.
        assert_rates(OneCycle::new(1.0, 20), &[(0, 0.04), (5, 1.0), (19, 4e-6)]);
    }

    #[test]
    fn constants_out_of_range_are_refused() {
        let exponential = ExponentialDecay::new(0.1, 10, 0.9);
        let cosine = CosineDecay::new(0.1, 10);
        let polynomial = PolynomialDecay::new(0.1, 10);
        let cycle = OneCycle::new(0.1, 100);
        let refused: [(&str, Schedule); 19] = [
            ("learning_rate: is 0", Schedule::Constant(0.0)),
            ("learning_rate: is NaN", Schedule::Constant(f64::NAN)),
            ("initial_learning_rate: is -1", ExponentialDecay::new(-1.0, 1, 0.5).into()),
            ("decay_steps: is 0", ExponentialDecay { decay_steps: 0, ..exponential }.into()),
            ("decay_rate: is 0", ExponentialDecay { decay_rate: 0.0, ..exponential }.into()),
            ("initial_learning_rate: is inf", CosineDecay::new(f64::INFINITY, 1).into()),
            ("decay_steps: is 0", CosineDecay { decay_steps: 0, ..cosine }.into()),
            ("alpha: is 1.5", CosineDecay { alpha: 1.5, ..cosine }.into()),
            ("warmup_target: is not given", CosineDecay { warmup_steps: 3, ..cosine }.into()),
            ("warmup_steps: is 0", CosineDecay { warmup_target: Some(1.0), ..cosine }.into()),
            ("got 2 for 2 boundaries", PiecewiseConstantDecay::new([1, 2], [1.0, 2.0]).into()),
            ("larger than", PiecewiseConstantDecay::new([2, 2], [1.0, 2.0, 3.0]).into()),
            ("values: is -1", PiecewiseConstantDecay::new([2], [1.0, -1.0]).into()),
            ("decay_steps: is 0", PolynomialDecay { decay_steps: 0, ..polynomial }.into()),
            ("power: is 0", PolynomialDecay { power: 0.0, ..polynomial }.into()),
            ("end_learning_rate", PolynomialDecay { end_learning_rate: -0.1, ..polynomial }.into()),
            ("pct_start: is 1", OneCycle { pct_start: 1.0, ..cycle }.into()),
            ("div_factor: is 0", OneCycle { div_factor: 0.0, ..cycle }.into()),
            ("total_steps: is 3", OneCycle { total_steps: 3, ..cycle }.into()),
        ];
        for (what, schedule) in refused {
            let error = schedule.check().unwrap_err().to_string();
            assert!(error.contains(what), "{error:?} does not speak of {what:?}");
        }
        let warm = CosineDecay { warmup_target: Some(0.1), warmup_steps: 1, ..cosine };
        let from_zero = CosineDecay { initial_learning_rate: 0.0, ..warm };
        Schedule::from(from_zero).check().unwrap();
    }
}
