//! What a graph of layers must be before anything is computed of it.

use std::collections::HashSet;

use super::functional::{Functional, NodeKind};
use crate::error::{Error, Result};

/// The first parts of the names of buffers that belong to no layer.
const RESERVED: [&str; 4] = ["all", "targets", "sample_weights", "metrics"];

/// Whether its names, places and widths fit.
///
/// # Errors
/// [`Error::Argument`] or [`Error::Shape`] for what does not.
pub(super) fn check(functional: &Functional) -> Result<()> {
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
        if let NodeKind::Shared { layer_of, .. } = &node.kind
            && (*layer_of >= place || functional.layer_at(*layer_of).is_none())
        {
            return problem("layers", format!("{name:?} is of no layer of this model"));
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
