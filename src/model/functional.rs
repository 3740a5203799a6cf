//! A model as a graph of layers.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::optimizer::Optimizer;
use super::{Compiled, Dense, Input, Layer, Objective};
use crate::operation::activation::Activation;

/// A value in a [`Functional`] model or a clone of it, `[batch, width]`: what goes into one of its
/// layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tensor {
    model: u64,
    place: usize,
}

/// Tells models apart, so that none takes values of another. It is no part of what a model is: two
/// of the same layers are equal.
#[derive(Debug, Clone)]
struct Identity(u64);

impl Default for Identity {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Identity(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl PartialEq for Identity {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Layers in any order from named inputs to named outputs, as
/// [Keras' functional models](https://keras.io/guides/functional_api/). A
/// [`Sequential`](super::Sequential) becomes one when it is compiled, with one input called `input`
/// and one output called `output`.
///
/// ```
/// use minibatch::{Activation, Adam, Functional, Loss, Metric};
/// use minibatch::model::Objective;
///
/// let mut model = Functional::new();
/// let picture = model.input("picture", 64);
/// let place = model.input("place", 2);
/// let seen = model.dense(picture, 32, Activation::Relu);
/// let both = model.concatenate([seen, place]);
/// let both = model.dense(both, 16, Activation::Relu);
/// let kind = model.dense(both, 3, Activation::Softmax);
/// let size = model.dense(both, 1, Activation::Linear);
/// model.output("kind", kind);
/// model.output("size", size);
/// let kind = Objective::new(Loss::SparseCategoricalCrossentropy).metrics([Metric::Accuracy]);
/// let size = Objective::new(Loss::MeanSquaredError).loss_weight(0.5);
/// let compiled = model.compile(Adam::default(), [("kind", kind), ("size", size)]);
/// ```
///
/// What cannot be (widths that do not fit, names that occur twice) is told by
/// [`Compiled::build`]. A layer has one place in the graph: weights are not shared.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Functional {
    nodes: Vec<Node>,
    outputs: Vec<Output>,
    #[serde(skip)]
    identity: Identity,
}

/// One step of the graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Unique in its model; of its tensors the first part of the name.
    pub name: String,
    /// What it does.
    #[serde(flatten)]
    pub kind: NodeKind,
}

/// What a step of the graph does; steps are told by their place in the graph, and come after those
/// that they take their values from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "node")]
pub enum NodeKind {
    /// Takes a value from the data.
    Input {
        /// Its shape and type.
        #[serde(flatten)]
        input: Input,
    },
    /// Runs a layer.
    Layer {
        /// Which.
        #[serde(flatten)]
        layer: Layer,
        /// On the value of this step.
        of: usize,
    },
    /// The sum of values of the same width.
    Add {
        /// At least two.
        of: Vec<usize>,
    },
    /// The values one beside the other.
    Concatenate {
        /// At least two.
        of: Vec<usize>,
    },
}

impl NodeKind {
    /// The steps that it takes its values from.
    pub fn sources(&self) -> &[usize] {
        match self {
            NodeKind::Input { .. } => &[],
            NodeKind::Layer { of, .. } => std::slice::from_ref(of),
            NodeKind::Add { of } | NodeKind::Concatenate { of } => of,
        }
    }

    /// What it is called if it has no name of its own, before its number.
    pub fn kind(&self) -> &'static str {
        match self {
            NodeKind::Input { .. } => "input",
            NodeKind::Layer { layer, .. } => layer.kind(),
            NodeKind::Add { .. } => "add",
            NodeKind::Concatenate { .. } => "concatenate",
        }
    }
}

/// What the model computes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Under which its target, its scores and its predictions go.
    pub name: String,
    /// The step whose value it is.
    pub of: usize,
}

impl Functional {
    /// The name of a sequential model's input.
    pub const INPUT: &str = "input";
    /// The name of a sequential model's output.
    pub const OUTPUT: &str = "output";

    /// No input, no layer, no output.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an input: samples of so many floats, or an [`Input`]. The data has it under this name.
    pub fn input(&mut self, name: &str, input: impl Into<Input>) -> Tensor {
        self.push(Some(name), NodeKind::Input { input: input.into() })
    }

    /// Adds a layer on `value`, called by its kind and number: `dense_1`.
    pub fn layer(&mut self, value: Tensor, layer: impl Into<Layer>) -> Tensor {
        let of = self.place(value);
        self.push(None, NodeKind::Layer { layer: layer.into(), of })
    }

    /// Adds a layer on `value` under a name of its own.
    pub fn named(&mut self, name: &str, value: Tensor, layer: impl Into<Layer>) -> Tensor {
        let of = self.place(value);
        self.push(Some(name), NodeKind::Layer { layer: layer.into(), of })
    }

    /// Adds a dense layer on `value`.
    pub fn dense(&mut self, value: Tensor, units: usize, activation: Activation) -> Tensor {
        self.layer(value, Dense::new(units, activation))
    }

    /// The sum of values of the same width, at least two.
    pub fn add(&mut self, values: impl IntoIterator<Item = Tensor>) -> Tensor {
        let of = values.into_iter().map(|value| self.place(value)).collect();
        self.push(None, NodeKind::Add { of })
    }

    /// The values one beside the other, at least two.
    pub fn concatenate(&mut self, values: impl IntoIterator<Item = Tensor>) -> Tensor {
        let of = values.into_iter().map(|value| self.place(value)).collect();
        self.push(None, NodeKind::Concatenate { of })
    }

    /// Makes `value` an output.
    pub fn output(&mut self, name: &str, value: Tensor) {
        let of = self.place(value);
        self.outputs.push(Output { name: name.to_owned(), of });
    }

    fn push(&mut self, name: Option<&str>, kind: NodeKind) -> Tensor {
        let name = name.map_or_else(|| self.next_name(kind.kind()), str::to_owned);
        self.nodes.push(Node { name, kind });
        Tensor { model: self.identity.0, place: self.nodes.len() - 1 }
    }

    /// Where `value` comes from; no place at all for a value of another model, which building
    /// refuses.
    fn place(&self, value: Tensor) -> usize {
        if value.model == self.identity.0 { value.place } else { usize::MAX }
    }

    /// The first of `dense_1`, `dense_2`, ... that comes after all those that are taken: as in
    /// Keras, a layer with a name of its own takes no number.
    fn next_name(&self, kind: &str) -> String {
        let numbered = |number: usize| format!("{kind}_{number}");
        let taken = |number, node: &Node| number + usize::from(node.name == numbered(number));
        numbered(self.nodes.iter().fold(1, taken))
    }

    /// Chooses how it is trained: what each output is judged by, under its name. Those that are not
    /// named are only predicted.
    pub fn compile<N: Into<String>>(
        self,
        optimizer: impl Into<Optimizer>,
        objectives: impl IntoIterator<Item = (N, Objective)>,
    ) -> Compiled {
        let objectives = objectives.into_iter().map(|(name, objective)| (name.into(), objective));
        Compiled::new(self, optimizer.into(), objectives.collect())
    }

    /// Its steps, each after those that it takes values from.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Name and kind of each input.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, &Input)> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Input { input } => Some((node.name.as_str(), input)),
            _ => None,
        })
    }

    /// Its outputs, in the order in which they were named.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// Its layers.
    pub fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Layer { layer, .. } => Some(layer),
            _ => None,
        })
    }

    /// Values a sample of each step; 0 where a step takes values from none.
    pub fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let of = |source: &usize| widths.get(*source).copied().unwrap_or(0);
            let width = match &node.kind {
                NodeKind::Input { input } => input.width().unwrap_or(0),
                NodeKind::Layer { layer, of: source } => layer.outputs(of(source)),
                NodeKind::Add { of: sources } => sources.first().map_or(0, of),
                NodeKind::Concatenate { of: sources } => {
                    sources.iter().map(of).fold(0, usize::saturating_add)
                }
            };
            widths.push(width);
        }
        widths
    }

    /// Values a sample of the output called `name`; `None` if there is none.
    pub fn width_of(&self, name: &str) -> Option<usize> {
        let output = self.outputs.iter().find(|output| output.name == name)?;
        self.widths().get(output.of).copied()
    }
}
