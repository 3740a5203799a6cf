//! Normalization by what was seen before training.

use serde::{Deserialize, Serialize};

use super::contract::{Forward, check, check_finite};
use crate::data::{Dataset, Features};
use crate::error::{Error, Result};
use crate::program::{Affine, Graph, Initial, Value};

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
    /// Mean and variance of each value over the samples of `data`. Bytes count as what
    /// [`Input::pixels`](crate::model::Input::pixels) makes of them before any layer sees them: 0 to 1.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are several inputs; see [`adapt_input`](Self::adapt_input).
    pub fn adapt(data: &Dataset) -> Result<Self> {
        match data.inputs() {
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
    /// [`Error::Argument`] if there is none of that name.
    pub fn adapt_input(data: &Dataset, input: &str) -> Result<Self> {
        let data = data.arranged(&[input], &[])?;
        let Some(column) = data.inputs().first() else {
            return Err(Error::argument("data", "has no input; give at least one"));
        };
        if let Features::Sparse(_) = column.features {
            let problem = "is sparse; a normalization would leave none of its zeros";
            return Err(Error::argument("data", problem));
        }
        let width = column.width();
        let mut mean = vec![0.0; width];
        let mut variance = vec![0.0; width];
        let count = data.len().max(1) as f64;
        // Two passes: the variance of what lies far from 0 would not survive one.
        let each = |visit: &mut dyn FnMut(usize, f64)| -> Result<()> {
            for index in 0..data.len() {
                let bytes = data.sample(index)?.input(0);
                match &column.features {
                    Features::U8(_) => {
                        let scaled = bytes.iter().map(|&x| f64::from(x) / 255.0);
                        scaled.enumerate().for_each(|(i, x)| visit(i, x));
                    }
                    Features::F16(_) => {
                        let words = bytes.chunks_exact(2).map(bytemuck::pod_read_unaligned::<u16>);
                        let values = words.map(|word| half::f16::from_bits(word).to_f64());
                        values.enumerate().for_each(|(i, x)| visit(i, x));
                    }
                    Features::U32(_) => {
                        let words = bytes.chunks_exact(4).map(bytemuck::pod_read_unaligned::<u32>);
                        words.enumerate().for_each(|(i, x)| visit(i, f64::from(x)));
                    }
                    Features::F32(_) => {
                        let words = bytes.chunks_exact(4).enumerate();
                        words.for_each(|(i, word)| {
                            visit(i, f64::from(bytemuck::pod_read_unaligned::<f32>(word)));
                        });
                    }
                    Features::Sparse(_) => {}
                }
            }
            Ok(())
        };
        each(&mut |i, x| mean[i] += x / count)?;
        each(&mut |i, x| variance[i] += (x - mean[i]) * (x - mean[i]) / count)?;
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
