//! Initial weights.

use crate::random::{Random, Stream};

/// A weight `[inputs, units]` with uniform values in `±sqrt(6 / (inputs + units))` (Glorot and
/// Bengio, 2010; [Keras' default](https://keras.io/api/layers/initializers/)). A pure function of
/// the seed and the number of the layer; each value is an f32.
pub fn glorot_uniform(seed: u64, layer: u32, inputs: usize, units: usize) -> Vec<f64> {
    let limit = (6.0 / (inputs + units) as f64).sqrt();
    let mut random = Random::new(seed, Stream::Initializer(layer));
    (0..inputs * units).map(|_| f64::from(random.range(-limit, limit) as f32)).collect()
}
