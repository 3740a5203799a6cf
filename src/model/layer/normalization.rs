//! Normalization by what was seen before training.

use serde::{Deserialize, Serialize};

use super::contract::{Forward, check, check_finite};
use crate::data::{Source, Values, Visit};
use crate::error::{Error, Result};
use crate::program::{Affine, Graph, Initial, Value};

/// Samples that are read at once.
const ROWS: usize = 256;

/// Brings each value to mean 0 and variance 1 over data that it was shown before training, as
/// [Keras' layer](https://keras.io/api/layers/preprocessing_layers/numerical/normalization/):
/// `(input - mean) / max(sqrt(variance), 1e-7)`.
///
/// Its tensors, `[inputs]` each: `mean`, `variance`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normalization {
    /// Of each value.
    pub mean: Vec<f64>,
    /// Of each value, over all samples.
    pub variance: Vec<f64>,
}

impl Normalization {
    /// Mean and variance of each value over the samples of `data`, which are read once, in their
    /// order; the memory for that does not depend on their number. Bytes count as what
    /// [`Input::pixels`](crate::model::Input::pixels) makes of them before any layer sees them: 0 to 1.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are several inputs, see [`adapt_input`](Self::adapt_input), if
    /// the data never end, or the input is sparse; what reading returns.
    pub fn adapt(data: impl Into<Source>) -> Result<Self> {
        let data = data.into();
        match data.fields().inputs() {
            [only] => Self::adapt_input(data, &only.name),
            inputs => {
                let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
                let problem =
                    format!("has the inputs {}; name one with adapt_input", names.join(", "));
                Err(Error::argument("data", problem))
            }
        }
    }

    /// The same of the input called `input`, among several.
    ///
    /// # Errors
    /// As [`adapt`](Self::adapt); [`Error::Argument`] if there is no input of that name.
    pub fn adapt_input(data: impl Into<Source>, input: &str) -> Result<Self> {
        let data = data.into();
        let fields = data.fields();
        let refused = |problem: String| Err(Error::argument("data", problem));
        let Some(field) = fields.inputs().iter().find(|field| field.name == input) else {
            let names: Vec<&str> = fields.inputs().iter().map(|field| &*field.name).collect();
            return refused(format!("has no input {input:?}; it has {}", names.join(", ")));
        };
        if data.is_endless() {
            return refused("never ends; take so many samples of it that they are like all".into());
        }
        let width = field.width();
        let (mut mean, mut squares) = (vec![0.0; width], vec![0.0; width]);
        let mut count = 0.0;
        // Welford's update (Technometrics 4, 1962): unlike the mean of squares less the square of
        // the mean, it loses nothing where values lie far from 0.
        let mut add = |values: &mut dyn Iterator<Item = f64>| {
            count += 1.0;
            for ((mean, squares), x) in mean.iter_mut().zip(&mut squares).zip(values) {
                let before = x - *mean;
                *mean += before / count;
                *squares += before * (x - *mean);
            }
        };
        for batch in data.batches(ROWS, &Visit::default())? {
            let batch = batch?;
            match batch.input(input) {
                Some(Values::U8(values)) => {
                    let rows = values.chunks_exact(width);
                    rows.for_each(|row| add(&mut row.iter().map(|&x| f64::from(x) / 255.0)));
                }
                Some(Values::U32(values)) => {
                    let rows = values.chunks_exact(width);
                    rows.for_each(|row| add(&mut row.iter().map(|&x| f64::from(x))));
                }
                Some(Values::F16(values)) => {
                    let rows = values.chunks_exact(width);
                    rows.for_each(|row| add(&mut row.iter().map(|x| x.to_f64())));
                }
                Some(Values::F32(values)) => {
                    let rows = values.chunks_exact(width);
                    rows.for_each(|row| add(&mut row.iter().map(|&x| f64::from(x))));
                }
                Some(Values::Sparse(_)) | None => {
                    return refused(format!(
                        "has the sparse input {input:?}, which stays as it is"
                    ));
                }
            }
        }
        let variance = squares.iter().map(|squares| squares / count.max(1.0)).collect();
        Ok(Normalization { mean, variance })
    }
}

impl Forward for Normalization {
    const KIND: &'static str = "normalization";

    fn forward(&self, graph: &mut Graph, input: &Value) -> Result<Value> {
        let Normalization { mean, variance } = self;
        mean.iter().try_for_each(|&mean| check_finite("mean", mean))?;
        variance.iter().try_for_each(|&variance| {
            let fits = variance >= 0.0 && (variance as f32).is_finite();
            check("variance", variance, fits, "a finite number of at least 0")
        })?;
        if [mean.len(), variance.len()] != [input.columns(); 2] {
            return Err(Error::Shape {
                what: format!("mean and variance of {}", graph.name()),
                actual: format!("{} and {} values", mean.len(), variance.len()),
                expected: format!("{} of both, one a value of a sample", input.columns()),
            });
        }
        let mean = graph.state("mean", Initial::Values(mean.clone()))?;
        // The standard deviation is at least 1e-7, as in Keras: a constant value becomes 0.
        let variance = variance.iter().map(|variance| variance.max(1e-14)).collect();
        let variance = graph.state("variance", Initial::Values(variance))?;
        // Small enough not to change any real variance. It is there so that a variance of 0, which
        // can be set by name, gives 0 and not NaN.
        graph.normalize(input, Affine::default(), [&mean, &variance], 1e-30)
    }

    fn outputs(&self, inputs: usize) -> usize {
        inputs
    }

    fn parameters(&self, inputs: usize) -> [usize; 2] {
        [0, inputs.saturating_mul(2)]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::data::{Dataset, Features};

    #[test]
    fn mean_and_variance_are_those_of_all_samples_read_in_any_way() {
        // 1,000 numbers a million from 0, whose variance is (1000^2 - 1) / 12, and a constant.
        let values: Vec<f32> = (0..1000).flat_map(|i| [1e6 + i as f32, 7.0]).collect();
        let data = Dataset::unlabelled(Features::F32(Arc::from(values)), &[2]).unwrap();
        let source = Source::from(&data);
        for source in [source.clone(), source.shuffle_buffer(100).unwrap()] {
            let Normalization { mean, variance } = Normalization::adapt(source).unwrap();
            assert!((mean[0] - 1_000_499.5).abs() < 1e-6, "{mean:?}");
            assert!((variance[0] - 999_999.0 / 12.0).abs() < 1e-6, "{variance:?}");
            assert_eq!((mean[1], variance[1]), (7.0, 0.0));
        }
        let bytes = Dataset::unlabelled(Features::U8(Arc::new(vec![0, 255])), &[1]).unwrap();
        let Normalization { mean, variance } = Normalization::adapt(&bytes).unwrap();
        assert_eq!((mean, variance), (vec![0.5], vec![0.25]));
        let endless = Normalization::adapt(source.repeat_forever()).unwrap_err().to_string();
        assert!(endless.contains("never ends"), "{endless}");
        let other = Normalization::adapt_input(&data, "x").unwrap_err().to_string();
        assert!(other.contains("no input \"x\"") && other.contains("input"), "{other}");
    }
}
