//! What layers compute: the operations that they add to a graph.

use std::ops::Range;

use super::graph::{Affine, Graph, Node, Outside, Parameter, Value};
use super::initializer::Initializer;
use crate::error::{Error, Result};
use crate::operation::activation::{Activation, Elementwise};
use crate::operation::{self, Op};
use crate::table::{BufferId, Element, Role, Rows};

impl Graph {
    /// `input · weight + bias`, of values `[columns]` for each sample. The input may be sparse.
    ///
    /// # Errors
    /// [`Error::Shape`] if the weight has not as many rows as the input has values, or the bias not
    /// as many values as the weight has columns.
    pub fn dense(
        &mut self,
        input: &Value,
        weight: &Parameter,
        bias: Option<&Parameter>,
    ) -> Result<Value> {
        let units = weight.columns;
        let bias = match bias {
            Some(bias) => *bias,
            None => self.constant_once("no_bias", units)?,
        };
        let output = self.result(&[units])?;
        let activation = Elementwise::Linear;
        let (weight, bias) = (weight.buffer, bias.buffer);
        match input.element {
            Element::Sparse { .. } => self.push(operation::SparseForward {
                input: input.buffer,
                weight,
                bias,
                output: output.buffer,
                activation,
            })?,
            Element::Real | Element::U8 | Element::U32 => self.push(operation::DenseForward {
                input: input.buffer,
                weight,
                bias,
                output: output.buffer,
                activation,
            })?,
        }
        Ok(output)
    }

    /// `function` of each value.
    ///
    /// # Errors
    /// [`Error::Argument`] if there are too many values; so below where nothing else is said.
    pub fn activate(&mut self, input: &Value, function: Elementwise) -> Result<Value> {
        if function == Elementwise::Linear {
            return Ok(input.clone());
        }
        let output = self.result(&input.shape)?;
        self.push(operation::Activate {
            input: input.buffer,
            output: output.buffer,
            activation: function,
        })?;
        Ok(output)
    }

    /// Softmax over all values of a sample.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub fn softmax(&mut self, input: &Value) -> Result<Value> {
        let output = self.result(&input.shape)?;
        self.push(operation::Softmax { input: input.buffer, output: output.buffer })?;
        Ok(output)
    }

    /// An activation of either kind.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub fn activation(&mut self, input: &Value, activation: Activation) -> Result<Value> {
        match activation.elementwise() {
            Some(function) => self.activate(input, function),
            None => self.softmax(input),
        }
    }

    /// The sum of two values of the same shape.
    ///
    /// # Errors
    /// [`Error::Shape`] if their shapes differ.
    pub fn add(&mut self, first: &Value, second: &Value) -> Result<Value> {
        if first.shape != second.shape {
            return Err(Error::Shape {
                what: format!("the second of the values that {} adds", self.name()),
                actual: format!("{:?} for each sample", second.shape),
                expected: format!("{:?}, as the first", first.shape),
            });
        }
        let output = self.result(&first.shape)?;
        self.push(operation::Add {
            first: first.buffer,
            second: second.buffer,
            output: output.buffer,
        })?;
        Ok(output)
    }

    /// The values of `first`, then those of `second`: one flat row for each sample.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub fn concatenate(&mut self, first: &Value, second: &Value) -> Result<Value> {
        let output = self.result(&[first.columns().saturating_add(second.columns())])?;
        self.push(operation::Concatenate {
            first: first.buffer,
            second: second.buffer,
            output: output.buffer,
        })?;
        Ok(output)
    }

    /// Some of the values of each sample, as one flat row.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Argument`] if the range is empty or not within the values.
    pub fn slice(&mut self, input: &Value, columns: Range<usize>) -> Result<Value> {
        let output = self.result(&[columns.len()])?;
        self.push(operation::Slice {
            input: input.buffer,
            output: output.buffer,
            offset: columns.start,
        })?;
        Ok(output)
    }

    /// The sines and cosines of each value at several frequencies: [`operation::FrequencyEncoding`].
    ///
    /// # Errors
    /// [`Error::Argument`] if there are no frequencies or more than
    /// [`MOST`](operation::Frequencies::MOST), or too many values.
    pub fn frequency_encoding(
        &mut self,
        input: &Value,
        frequencies: operation::Frequencies,
    ) -> Result<Value> {
        let output = self.result(&[frequencies.outputs(input.columns())])?;
        self.push(operation::FrequencyEncoding {
            input: input.buffer,
            output: output.buffer,
            frequencies,
        })?;
        Ok(output)
    }

    /// The features that a table of a hash grid has at the position `input`, 1 to 4 values in `[0, 1]`:
    /// [`operation::HashGrid`]. The table is one of [`hash_grid_table`](Self::hash_grid_table).
    ///
    /// # Errors
    /// [`Error::Argument`] for a size out of its range, or another number of values;
    /// [`Error::Shape`] if the table is of another grid.
    pub fn hash_grid(
        &mut self,
        input: &Value,
        table: &Parameter,
        sizes: operation::GridSizes,
    ) -> Result<Value> {
        sizes.check(input.columns())?;
        let output = self.result(&[sizes.outputs()])?;
        self.push(operation::HashGrid {
            input: input.buffer,
            table: table.buffer,
            output: output.buffer,
            sizes,
        })?;
        Ok(output)
    }

    /// The table of a hash grid for positions of so many values: `[entries, features]`, trained unless it
    /// is frozen. Its rows lie one directly after the other.
    ///
    /// # Errors
    /// As [`matrix`](Self::matrix), and as [`hash_grid`](Self::hash_grid).
    pub fn hash_grid_table(
        &mut self,
        name: &str,
        dimensions: usize,
        sizes: operation::GridSizes,
        initializer: Initializer,
        trainable: bool,
    ) -> Result<Parameter> {
        sizes.check(dimensions)?;
        let shape = [sizes.levels(dimensions).entries(), sizes.features as usize];
        self.packed_matrix(name, shape, initializer, trainable)
    }

    /// The same values in another shape. Nothing moves.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shape has not as many values.
    pub fn reshape(&mut self, input: &Value, shape: &[usize]) -> Result<Value> {
        let reshaped = Value { shape: shape.to_vec(), ..input.clone() };
        match reshaped.columns() == input.columns() {
            true => Ok(reshaped),
            false => Err(Error::Shape {
                what: format!("the new shape of {}", self.table.buffer(input.buffer).name),
                actual: format!("{shape:?}"),
                expected: format!("{} values", input.columns()),
            }),
        }
    }

    /// In training, drops each value with probability `rate` and multiplies the others by
    /// `1 / (1 - rate)`.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub fn dropout(&mut self, input: &Value, rate: f64) -> Result<Value> {
        let output = self.result(&input.shape)?;
        let layer = self.next_random();
        let dropout =
            operation::Dropout { input: input.buffer, output: output.buffer, rate, layer };
        self.push_node(Node { op: dropout.into(), outside: Outside::Identity })?;
        Ok(output)
    }

    /// In training, adds normal noise to each value.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub fn gaussian_noise(&mut self, input: &Value, standard_deviation: f64) -> Result<Value> {
        let output = self.result(&input.shape)?;
        let noise = operation::GaussianNoise {
            input: input.buffer,
            output: output.buffer,
            standard_deviation,
            layer: self.next_random(),
        };
        self.push_node(Node { op: noise.into(), outside: Outside::Identity })?;
        Ok(output)
    }

    fn next_random(&mut self) -> u32 {
        self.random += 1;
        self.random
    }

    /// Brings each value to mean 0 and variance 1: over the batch in training, by the moving
    /// averages elsewhere. The averages follow the batches of training.
    ///
    /// # Errors
    /// [`Error::Shape`] if a vector has not one value for each of a sample.
    pub fn batch_normalize(
        &mut self,
        input: &Value,
        affine: Affine,
        [moving_mean, moving_variance]: [&Parameter; 2],
        momentum: f64,
        epsilon: f64,
    ) -> Result<Value> {
        let columns = input.columns();
        let mean = self.constant_once("mean", columns)?.buffer;
        let variance = self.constant_once("variance", columns)?.buffer;
        let moments = operation::BatchMoments { input: input.buffer, mean, variance };
        let absent = |op: Op| Node { op, outside: Outside::Absent };
        self.push_node(absent(moments.into()))?;
        for (value, average) in [(mean, moving_mean), (variance, moving_variance)] {
            let average = average.buffer;
            let moving = operation::MovingAverage { value, average, momentum };
            self.push_node(absent(moving.into()))?;
        }
        let [moving_mean, moving_variance] = [moving_mean.buffer, moving_variance.buffer];
        let (output, outside) =
            self.normalization(input, affine, [moving_mean, moving_variance], epsilon)?;
        let op = operation::BatchNormalize { mean, variance, ..outside };
        self.push_node(Node { op: op.into(), outside: Outside::Other(outside.into()) })?;
        Ok(output)
    }

    /// Brings each value to mean 0 and variance 1 by a given mean and variance:
    /// `(input - mean) / sqrt(variance + epsilon)`.
    ///
    /// # Errors
    /// As [`batch_normalize`](Self::batch_normalize).
    pub fn normalize(
        &mut self,
        input: &Value,
        affine: Affine,
        [mean, variance]: [&Parameter; 2],
        epsilon: f64,
    ) -> Result<Value> {
        let (output, op) =
            self.normalization(input, affine, [mean.buffer, variance.buffer], epsilon)?;
        self.push(op)?;
        Ok(output)
    }

    fn normalization(
        &mut self,
        input: &Value,
        affine: Affine,
        [mean, variance]: [BufferId; 2],
        epsilon: f64,
    ) -> Result<(Value, operation::BatchNormalize)> {
        let (gamma, beta, gamma_offset) = self.affine(affine, input.columns())?;
        let output = self.result(&input.shape)?;
        let op = operation::BatchNormalize {
            input: input.buffer,
            mean,
            variance,
            gamma,
            beta,
            output: output.buffer,
            epsilon,
            gamma_offset,
        };
        Ok((output, op))
    }

    /// Brings the values of each sample to mean 0 and variance 1.
    ///
    /// # Errors
    /// As [`batch_normalize`](Self::batch_normalize).
    pub fn layer_normalize(
        &mut self,
        input: &Value,
        affine: Affine,
        epsilon: f64,
    ) -> Result<Value> {
        let (gamma, beta, gamma_offset) = self.affine(affine, input.columns())?;
        let moments = self.fresh_name("moments");
        // Mean and inverse deviation keep their digits where values are stored as f16.
        let moments = self.table.add(moments, Role::Activation, Element::Real, Rows::Batch, 2)?;
        let output = self.result(&input.shape)?;
        self.push(operation::LayerNormalize {
            input: input.buffer,
            gamma,
            beta,
            output: output.buffer,
            moments,
            epsilon,
            gamma_offset,
        })?;
        Ok(output)
    }

    /// Gamma, beta and what is added to gamma: zeros and 1 in the place of a gamma.
    fn affine(&mut self, affine: Affine, columns: usize) -> Result<(BufferId, BufferId, f64)> {
        let (gamma, offset) = match affine.gamma {
            Some(gamma) => (gamma, 0.0),
            None => (self.constant_once("no_gamma", columns)?, 1.0),
        };
        let beta = match affine.beta {
            Some(beta) => beta,
            None => self.constant_once("no_beta", columns)?,
        };
        Ok((gamma.buffer, beta.buffer, offset))
    }

    /// Zeros in the place of a vector that a layer does not have.
    fn constant_once(&mut self, name: &str, columns: usize) -> Result<Parameter> {
        let prefix = format!("{}.", self.name());
        let name = self.fresh_name(name);
        self.constant(name.strip_prefix(&prefix).unwrap_or(&name), columns, 0.0)
    }
}
