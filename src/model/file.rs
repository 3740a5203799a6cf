//! A model's file: one safetensors file with weights and optimizer state, and all else in its
//! metadata.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};

use super::{Compiled, lower};
use crate::atomic_write::atomic_write;
use crate::error::{Error, Result};
use crate::program::{Program, Role, Rows};

/// Named tensors: name, shape, values.
pub type Weights = Vec<(String, Vec<usize>, Vec<f32>)>;

/// What a model's file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// The model, how it is trained, and its seed.
    pub compiled: Compiled,
    /// Training steps made so far.
    pub steps: u64,
    /// Epochs begun so far.
    pub epochs: u32,
    /// Those of [`tensors`].
    pub tensors: Weights,
}

/// The only metadata entry. With a single one the file's bytes cannot depend on the order of a
/// hash map.
const METADATA: &str = "minibatch";

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    #[serde(flatten)]
    compiled: Compiled,
    steps: u64,
    epochs: u32,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

const VERSION: u32 = 3;

/// Learning rates and bias corrections are functions of the step in f64.
const MOST_STEPS: u64 = 1 << 53;

/// Names and shapes of what of a model outlasts a step: the parameters, `dense_1.weight`
/// `[inputs, units]` and `dense_1.bias` `[units]`, moving statistics, and what the optimizer keeps
/// for each parameter, `dense_1.weight.moment_1`.
pub fn tensors(program: &Program) -> Vec<(String, Vec<usize>)> {
    let mut tensors = parameters(program);
    tensors.extend(described(program, &[Role::OptimizerState]));
    tensors
}

/// Names and shapes of the parameters and of what else was learned, layer by layer.
pub(crate) fn parameters(program: &Program) -> Vec<(String, Vec<usize>)> {
    described(program, &[Role::Parameter, Role::State])
}

fn described(program: &Program, roles: &[Role]) -> Vec<(String, Vec<usize>)> {
    let buffers = program.buffers().filter(|(_, buffer)| roles.contains(&buffer.role));
    let named = buffers.map(|(_, buffer)| {
        let shape = match buffer.rows {
            Rows::One => vec![buffer.columns],
            _ => vec![buffer.live_rows(0), buffer.columns],
        };
        (buffer.name.clone(), shape)
    });
    named.collect()
}

/// Writes a model so that the file is whole or as it was before: beside it, synced, renamed.
///
/// # Errors
/// [`Error::Io`] if it cannot be written.
pub fn save(path: &Path, saved: &Saved) -> Result<()> {
    let bad = |problem: String| Error::ModelFile { path: path.into(), problem };
    let Saved { compiled, steps, epochs, tensors } = saved;
    let (compiled, steps, epochs) = (compiled.clone(), *steps, *epochs);
    let header = Header { version: VERSION, compiled, steps, epochs };
    let header = serde_json::to_string(&header).map_err(|error| bad(error.to_string()))?;
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, values)| values.iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let mut views = Vec::with_capacity(tensors.len());
    for ((name, shape, _), bytes) in tensors.iter().zip(&bytes) {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes)
            .map_err(|error| bad(error.to_string()))?;
        views.push((name.as_str(), view));
    }
    let metadata = HashMap::from([(METADATA.to_owned(), header)]);
    let file = serialize(views, Some(metadata)).map_err(|error| bad(error.to_string()))?;
    atomic_write(path, &file)
}

/// Reads a model.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, [`Error::ModelFile`] if it is damaged, is not one of
/// ours, or its tensors are not those of its architecture.
pub fn load(path: &Path) -> Result<Saved> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    let bad = |problem: String| Error::ModelFile { path: path.into(), problem };
    let damaged = |error| bad(format!("not a whole safetensors file: {error}"));
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
    let file = SafeTensors::deserialize(&bytes).map_err(damaged)?;
    let header = metadata
        .metadata()
        .as_ref()
        .and_then(|entries| entries.get(METADATA))
        .ok_or_else(|| bad(format!("a safetensors file, but without {METADATA:?} metadata")))?;
    let damaged = |error| bad(format!("its {METADATA:?} metadata is damaged: {error}"));
    // The version first: a later one may have another schema.
    let Version { version } = serde_json::from_str(header).map_err(damaged)?;
    if version != VERSION {
        return Err(bad(format!("has version {version}; this program reads version {VERSION}")));
    }
    let header: Header = serde_json::from_str(header).map_err(damaged)?;
    let Header { compiled, steps, epochs, .. } = header;
    if steps > MOST_STEPS {
        return Err(bad(format!("has {steps} steps behind it; this program counts up to 2^53")));
    }
    let program =
        lower(&compiled).map_err(|error| bad(format!("its architecture is damaged: {error}")))?;
    let mut read = Weights::new();
    for (name, shape) in tensors(&program) {
        let tensor = file.tensor(&name).map_err(|_| bad(format!("tensor {name} is missing")))?;
        if (tensor.dtype(), tensor.shape()) != (Dtype::F32, &shape) {
            return Err(bad(format!(
                "tensor {name} is {:?} {:?}, expected F32 {shape:?}",
                tensor.dtype(),
                tensor.shape()
            )));
        }
        let values = tensor.data().chunks_exact(4).map(|b| match b.first_chunk() {
            Some(bytes) => f32::from_le_bytes(*bytes),
            None => 0.0,
        });
        read.push((name, shape, values.collect()));
    }
    Ok(Saved { compiled, steps, epochs, tensors: read })
}
