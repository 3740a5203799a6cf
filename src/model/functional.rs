//! A model as a graph of layers.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::optimizer::Optimizer;
use super::{Compiled, CustomLayer, CustomObjects, Dense, Input, Layer, Objective};
use crate::error::Result;
use crate::operation::activation::Activation;
use crate::program::{Graph, Value};

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
/// [`Compiled::build`]. A layer may stand in several places, see [`again`](Functional::again).
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
    /// Runs the layer of an earlier step once more, with the same parameters.
    Shared {
        /// The step that has the layer.
        layer_of: usize,
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
            NodeKind::Layer { of, .. } | NodeKind::Shared { of, .. } => std::slice::from_ref(of),
            NodeKind::Add { of } | NodeKind::Concatenate { of } => of,
        }
    }

    /// What it is called if it has no name of its own, before its number.
    pub fn kind(&self) -> &'static str {
        match self {
            NodeKind::Input { .. } => "input",
            NodeKind::Layer { layer, .. } => layer.kind(),
            NodeKind::Shared { .. } => "shared",
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

    /// Adds a [layer of the user's own](super::CustomLayer) on `value`, by whose name a saved model asks
    /// for it.
    pub fn custom(
        &mut self,
        value: Tensor,
        name: &str,
        function: impl Fn(&mut Graph, &Value) -> Result<Value> + Send + Sync + 'static,
    ) -> Tensor {
        self.layer(value, CustomLayer::new(name, function))
    }

    /// Adds a layer on `value` under a name of its own.
    pub fn named(&mut self, name: &str, value: Tensor, layer: impl Into<Layer>) -> Tensor {
        let of = self.place(value);
        self.push(Some(name), NodeKind::Layer { layer: layer.into(), of })
    }

    /// Runs a layer once more, on another value: `made` is what [`layer`](Self::layer) returned for
    /// it. Both places have the same parameters, which are trained by the sum of their gradients.
    /// The value must be as wide as that of the first place.
    ///
    /// ```
    /// use minibatch::{Activation, Functional};
    ///
    /// let mut model = Functional::new();
    /// let [left, right] = ["left", "right"].map(|name| model.input(name, 8));
    /// let seen_left = model.dense(left, 4, Activation::Relu);
    /// let seen_right = model.again(seen_left, right);
    /// let both = model.concatenate([seen_left, seen_right]);
    /// model.output("both", both);
    /// ```
    pub fn again(&mut self, made: Tensor, value: Tensor) -> Tensor {
        let mut layer_of = self.place(made);
        if let Some(NodeKind::Shared { layer_of: first, .. }) =
            self.nodes.get(layer_of).map(|node| &node.kind)
        {
            layer_of = *first;
        }
        let of = self.place(value);
        self.push(None, NodeKind::Shared { layer_of, of })
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
            NodeKind::Layer { .. }
            | NodeKind::Shared { .. }
            | NodeKind::Add { .. }
            | NodeKind::Concatenate { .. } => None,
        })
    }

    /// Its outputs, in the order in which they were named.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// Its layers.
    pub fn layers(&self) -> impl Iterator<Item = &Layer> {
        (0..self.nodes.len()).filter_map(|place| self.layer_at(place))
    }

    /// Gives the layers that were read from a file and are the user's own their closures.
    pub fn supply(&mut self, objects: &CustomObjects) {
        for node in &mut self.nodes {
            if let NodeKind::Layer { layer: Layer::Custom(layer), .. } = &mut node.kind {
                objects.supply_layer(layer);
            }
        }
    }

    /// The name of the step at `place`.
    pub(super) fn name_of(&self, place: usize) -> &str {
        self.nodes.get(place).map_or("", |node| &node.name)
    }

    /// The layer whose own step is at `place`.
    pub(super) fn layer_at(&self, place: usize) -> Option<&Layer> {
        match &self.nodes.get(place)?.kind {
            NodeKind::Layer { layer, .. } => Some(layer),
            NodeKind::Input { .. }
            | NodeKind::Shared { .. }
            | NodeKind::Add { .. }
            | NodeKind::Concatenate { .. } => None,
        }
    }

    /// Of each step, whether an output needs what it computes or the parameters of its layer. A
    /// step that none needs is left out of the model.
    pub(super) fn needed(&self) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        let mut waiting: Vec<usize> = self.outputs.iter().map(|output| output.of).collect();
        while let Some(place) = waiting.pop() {
            let Some(seen) = needed.get_mut(place) else { continue };
            if !std::mem::replace(seen, true)
                && let Some(node) = self.nodes.get(place)
            {
                waiting.extend(node.kind.sources());
            }
        }
        let shared = |place: usize| match self.nodes.get(place).map(|node| &node.kind) {
            Some(NodeKind::Shared { layer_of, .. }) => Some(*layer_of),
            _ => None,
        };
        let owners: Vec<usize> = needed
            .iter()
            .enumerate()
            .filter_map(|(place, &needed)| shared(place).filter(|_| needed))
            .collect();
        for owner in owners {
            if let Some(needed) = needed.get_mut(owner) {
                *needed = true;
            }
        }
        needed
    }

    /// Values a sample of each step; 0 where a step takes values from none.
    pub fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let of = |source: &usize| widths.get(*source).copied().unwrap_or(0);
            let width = match &node.kind {
                NodeKind::Input { input } => input.width().unwrap_or(0),
                NodeKind::Layer { layer, of: source } => layer.outputs(of(source)),
                NodeKind::Shared { layer_of, of: source } => {
                    self.layer_at(*layer_of).map_or(0, |layer| layer.outputs(of(source)))
                }
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
