//! What the panel sets.

use minibatch::Activation;

use crate::points::PointSet;

/// The batch sizes to choose from; the largest is what memory is allocated for.
pub const BATCH_SIZES: [usize; 7] = [1, 4, 16, 32, 64, 128, 256];

/// Activations to choose from, with the names of the panel.
pub const ACTIVATIONS: [(&str, Activation); 6] = [
    ("tanh", Activation::Tanh),
    ("relu", Activation::Relu),
    ("gelu", Activation::Gelu),
    ("silu", Activation::Silu),
    ("sigmoid", Activation::Sigmoid),
    ("linear", Activation::Linear),
];

/// What is learned, and by which network. A change begins a new training.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    pub points: PointSet,
    pub count: usize,
    pub noise: f64,
    /// Units of the hidden layers.
    pub layers: Vec<usize>,
    pub activation: Activation,
}

impl Default for Task {
    fn default() -> Self {
        Task {
            points: PointSet::Spirals,
            count: 512,
            noise: 0.03,
            layers: vec![32, 32],
            activation: Activation::Relu,
        }
    }
}

impl Task {
    /// Sets what the command line names: `--points rings`, `--layers 16,16`. Layers are taken as they
    /// are; what cannot be built is told by the model.
    ///
    /// # Errors
    /// What is wrong with the value.
    pub fn set(&mut self, option: &str, value: &str) -> Result<(), String> {
        match option {
            "--points" => {
                let named = PointSet::ALL.into_iter().find(|points| points.name() == value);
                self.points = named.ok_or_else(|| {
                    let names = PointSet::ALL.map(PointSet::name).join(", ");
                    format!("no points are called {value:?}; there are {names}")
                })?;
            }
            "--layers" => {
                let units = value.split(',').map(|units| units.trim().parse());
                self.layers = units
                    .collect::<Result<_, _>>()
                    .map_err(|error| format!("{value:?} are no layers, such as 16,16: {error}"))?;
            }
            _ => return Err(format!("there is no option {option}")),
        }
        Ok(())
    }
}

/// How it is learned. It can change between any two steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    pub batch_size: usize,
    pub learning_rate: f64,
    /// GPU time for the steps of a frame, in milliseconds.
    pub budget: f64,
    /// So many steps a frame in place of a time: without a window nobody waits for the frame, and the
    /// picture should be the same on a slow machine.
    pub steps: Option<usize>,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { batch_size: 32, learning_rate: 0.01, budget: 4.0, steps: None }
    }
}
