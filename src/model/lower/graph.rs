//! What a graph of layers must be to be lowered, and the steps of it that do something.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::model::functional::{Functional, NodeKind};
use crate::model::{Dense, Layer};
use crate::operation::activation::Activation;

/// One step of a checked graph that does something.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub name: String,
    pub kind: NodeKind,
    /// Its place in the graph; what it takes values from is told by these places too.
    pub place: usize,
}

/// A checked graph.
pub(super) struct Graph {
    pub steps: Vec<Step>,
    /// Name and place of each output.
    pub outputs: Vec<(String, usize)>,
}

impl Graph {
    /// Checks `functional` and leaves out what does nothing: an activation that follows a linear
    /// dense layer, of which nothing else is taken, becomes a part of it.
    ///
    /// # Errors
    /// [`Error::Argument`] or [`Error::Shape`] for what cannot be.
    pub fn new(functional: &Functional) -> Result<Self> {
        check(functional)?;
        let nodes = functional.nodes();
        // By place: the place that holds its value.
        let mut stands_for: Vec<usize> = (0..nodes.len()).collect();
        let mut kinds: Vec<NodeKind> = nodes.iter().map(|node| node.kind.clone()).collect();
        let taken = |place: usize| {
            let steps = nodes.iter().flat_map(|node| node.kind.sources());
            let outputs = functional.outputs().iter().map(|output| &output.of);
            steps.chain(outputs).filter(|&&source| source == place).count()
        };
        for (place, node) in nodes.iter().enumerate() {
            let NodeKind::Layer { layer, of } = &node.kind else { continue };
            match (layer, stands_for.get(*of).copied()) {
                (Layer::Flatten(_), Some(source)) => stands_for[place] = source,
                (
                    &Layer::Activation(crate::model::ActivationLayer { activation }),
                    Some(source),
                ) if source == *of => {
                    if let Some(NodeKind::Layer { layer: Layer::Dense(dense), .. }) =
                        kinds.get_mut(source)
                        && dense.activation == Activation::Linear
                        && dense.activity_regularizer.is_none()
                        && taken(source) == 1
                    {
                        dense.activation = activation;
                        stands_for[place] = source;
                    }
                }
                _ => {}
            }
        }
        let found = |of: usize| stands_for.get(of).copied().unwrap_or(of);
        let mut steps = Vec::new();
        for (place, (node, mut kind)) in nodes.iter().zip(kinds).enumerate() {
            if found(place) != place {
                continue;
            }
            match &mut kind {
                NodeKind::Input { .. } => {}
                NodeKind::Layer { of, .. } => *of = found(*of),
                NodeKind::Add { of } | NodeKind::Concatenate { of } => {
                    of.iter_mut().for_each(|of| *of = found(*of));
                }
            }
            steps.push(Step { name: node.name.clone(), kind, place });
        }
        let outputs = functional.outputs().iter();
        let outputs = outputs.map(|output| (output.name.clone(), found(output.of))).collect();
        Ok(Graph { steps, outputs })
    }

    /// The activation that made the value of `place`; linear if none did.
    pub fn activation_of(&self, place: usize) -> Activation {
        let kind = self.steps.iter().find(|step| step.place == place).map(|step| &step.kind);
        match kind {
            Some(NodeKind::Layer { layer: Layer::Dense(Dense { activation, .. }), .. })
            | Some(NodeKind::Layer {
                layer: Layer::Activation(crate::model::ActivationLayer { activation }),
                ..
            }) => *activation,
            _ => Activation::Linear,
        }
    }

    /// The softmax or sigmoid whose results the value of `place` consists of, dropped or with noise,
    /// added up or one beside the other; none if it is its own.
    pub fn passed_on(&self, place: usize) -> Option<Activation> {
        let mut seen = HashSet::new();
        let mut waiting = vec![place];
        while let Some(place) = waiting.pop() {
            let passes_on = self.steps.iter().find(|step| step.place == place).filter(|step| {
                let NodeKind::Layer { layer, .. } = &step.kind else { return true };
                matches!(
                    layer,
                    Layer::Dropout(_)
                        | Layer::GaussianNoise(_)
                        | Layer::Activation(crate::model::ActivationLayer {
                            activation: Activation::Linear
                        })
                )
            });
            let sources = passes_on.map_or(&[][..], |step| step.kind.sources());
            for &source in sources.iter().filter(|&&source| seen.insert(source)) {
                match self.activation_of(source) {
                    made @ (Activation::Softmax | Activation::Sigmoid) => return Some(made),
                    _ => waiting.push(source),
                }
            }
        }
        None
    }
}

/// The first parts of the names of buffers that belong to no layer.
const RESERVED: [&str; 4] = ["all", "targets", "sample_weights", "metrics"];

fn check(functional: &Functional) -> Result<()> {
    let nodes = functional.nodes();
    let problem = |argument, problem: String| Err(Error::argument(argument, problem));
    if functional.outputs().is_empty() {
        return problem("outputs", "there is none; name at least one".into());
    }
    if functional.layers().next().is_none() {
        return problem("layers", "there is none; add at least one dense layer".into());
    }
    let mut names = HashSet::new();
    let named = nodes.iter().map(|node| ("layers", &node.name));
    for (argument, name) in named {
        if name.is_empty() || name.contains('.') {
            return problem(argument, format!("has the name {name:?}; give one without a dot"));
        }
        if RESERVED.contains(&name.as_str()) {
            return problem(
                argument,
                format!("one is called {name:?}, which is kept for training"),
            );
        }
        if !names.insert(name) {
            return problem(argument, format!("two are called {name:?}; give each its own name"));
        }
    }
    let mut names = HashSet::new();
    for output in functional.outputs() {
        if output.name.is_empty() || !names.insert(&output.name) {
            let name = &output.name;
            return problem("outputs", format!("two are called {name:?}, or it is empty"));
        }
        if output.of >= nodes.len() {
            return problem("outputs", format!("{:?} is of another model", output.name));
        }
    }
    let widths = functional.widths();
    for (place, node) in nodes.iter().enumerate() {
        let name = &node.name;
        if node.kind.sources().iter().any(|&source| source >= place) {
            return problem("layers", format!("{name:?} takes a value of another model"));
        }
        if let NodeKind::Add { of } | NodeKind::Concatenate { of } = &node.kind
            && of.len() < 2
        {
            return problem(
                "layers",
                format!("{name:?} takes {} values; give 2 or more", of.len()),
            );
        }
        if let NodeKind::Add { of } = &node.kind {
            let own: Vec<usize> =
                of.iter().filter_map(|&source| widths.get(source).copied()).collect();
            if own.windows(2).any(|pair| pair.first() != pair.last()) {
                return Err(Error::Shape {
                    what: format!("the values that {name} adds"),
                    actual: format!("widths {own:?}"),
                    expected: "the same width".into(),
                });
            }
        }
    }
    Ok(())
}
