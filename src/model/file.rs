//! A model's file: one safetensors file with weights and optimizer state, and all else in its
//! metadata.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
#[cfg(not(target_arch = "wasm32"))]
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};

use super::{Compiled, CustomObjects, lower};
use crate::error::{Error, Result};
use crate::program::{Program, Role, Rows};

/// Named tensors: name, shape, values.
pub type Weights = Vec<(String, Vec<usize>, Vec<f32>)>;

/// Where a saved model is read from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    Bytes(&'a [u8]),
    #[cfg(not(target_arch = "wasm32"))]
    File(&'a Path),
}

impl Source<'_> {
    /// The error of a source that holds no model, or not the one that is needed.
    pub(crate) fn refused(self, refusal: impl Into<Refusal>) -> Error {
        let Refusal { problem, source } = refusal.into();
        match self {
            Source::Bytes(_) => {
                // Its words are part of the problem.
                drop(source);
                Error::argument("bytes", problem)
            }
            #[cfg(not(target_arch = "wasm32"))]
            Source::File(path) => Error::ModelFile { path: path.into(), problem, source },
        }
    }

    fn bytes(&self) -> Result<Cow<'_, [u8]>> {
        match *self {
            Source::Bytes(bytes) => Ok(bytes.into()),
            #[cfg(not(target_arch = "wasm32"))]
            Source::File(path) => Ok(std::fs::read(path).map_err(Error::io("read", path))?.into()),
        }
    }
}

/// What is wrong with a saved model, and the error that told, if there was one.
pub(crate) struct Refusal {
    problem: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl From<String> for Refusal {
    fn from(problem: String) -> Self {
        Refusal { problem, source: None }
    }
}

impl Refusal {
    /// `what`, then the error's own words.
    fn because(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Refusal { problem: format!("{what}: {error}"), source: Some(error.into()) }
    }
}

/// What is saved of a model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SavedModel {
    /// The model, how it is trained, and its seed.
    pub compiled: Compiled,
    /// Training steps made so far.
    pub steps: u64,
    /// Epochs begun so far.
    pub epochs: u32,
    /// Texts of the user's own, by key; they pass [`check_metadata`].
    pub user_metadata: Metadata,
    /// Those of [`tensors`].
    pub tensors: Weights,
}

/// Texts that a user keeps with a model, by key. Sorted, so that the same texts give the same bytes.
pub(crate) type Metadata = BTreeMap<String, String>;

/// Bytes of all keys and texts together. Written as JSON inside of JSON a byte takes up to seven,
/// and a safetensors header of more than 100 MB cannot be read.
const MOST_METADATA: usize = 8 << 20;

/// What is wrong with the texts that are to be kept with a model, if anything is.
pub(crate) fn check_metadata(user_metadata: &Metadata) -> Result<(), String> {
    if user_metadata.contains_key("") {
        return Err("a key is empty; give it a name".into());
    }
    let bytes: usize = user_metadata.iter().map(|(key, text)| key.len() + text.len()).sum();
    if bytes > MOST_METADATA {
        return Err(format!(
            "keys and texts are {bytes} bytes, more than the limit of {MOST_METADATA}; keep them in a \
             file of their own"
        ));
    }
    Ok(())
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
    /// Absent if there is none: also in files that were written before there were any.
    #[serde(default, rename = "metadata", skip_serializing_if = "BTreeMap::is_empty")]
    user_metadata: Metadata,
    /// What a backup says of its run; no part of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// What a header says beside the model.
#[derive(Deserialize)]
struct Beside {
    /// Files of earlier builds have none.
    checksum: Option<u32>,
    note: Option<String>,
}

/// What stands between the header's other entries and its last one, the checksum.
const CHECKSUM: &str = ",\"checksum\":";

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
            Rows::Batch | Rows::Fixed(_) | Rows::Packed(_) => {
                vec![buffer.live_rows(0), buffer.columns]
            }
        };
        (buffer.name.clone(), shape)
    });
    named.collect()
}

impl SavedModel {
    /// The bytes of a safetensors file, with a note that is no part of the model.
    pub(crate) fn to_bytes(&self, note: Option<String>) -> Result<Vec<u8>> {
        let bad = |problem: String| Error::argument("model", format!("cannot be saved: {problem}"));
        let SavedModel { compiled, steps, epochs, user_metadata, tensors } = self;
        let (compiled, steps, epochs) = (compiled.clone(), *steps, *epochs);
        let user_metadata = user_metadata.clone();
        let header = Header { version: VERSION, compiled, steps, epochs, user_metadata, note };
        let mut header = serde_json::to_string(&header).map_err(|error| bad(error.to_string()))?;
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
        // The text's closing brace comes after the checksum.
        header.pop();
        let named = tensors.iter().zip(&bytes).map(|((name, ..), bytes)| (name.as_str(), &**bytes));
        let checksum = checksum(&header, named.collect());
        let header = format!("{header}{CHECKSUM}{checksum}}}");
        let metadata = HashMap::from([(METADATA.to_owned(), header)]);
        serialize(views, Some(metadata)).map_err(|error| bad(error.to_string()))
    }

    /// Reads a model. What is damaged, is not one of ours, or has other tensors than its
    /// architecture is [refused](Source::refused). Layers, losses and metrics of the user's own
    /// are taken from `objects` by their names.
    pub(crate) fn read(source: Source<'_>, objects: &CustomObjects) -> Result<Self> {
        parse(&source.bytes()?, objects).map_err(|problem| source.refused(problem))
    }
}

/// What a backup in this file says of its run; `None` if it says nothing.
///
/// # Errors
/// [`Error::Io`] and [`Error::ModelFile`] for a file that cannot be read, is damaged, or of another
/// version. Whether it holds the model that is needed is not looked at.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn read_note(path: &Path) -> Result<Option<String>> {
    let source = Source::File(path);
    let bytes = source.bytes()?;
    let note = Whole::parse(&bytes).map(|whole| whole.note);
    note.map_err(|problem| source.refused(problem))
}

/// A file that is whole and of this version.
struct Whole<'a> {
    file: SafeTensors<'a>,
    header: String,
    #[cfg_attr(target_arch = "wasm32", expect(dead_code, reason = "backups are files"))]
    note: Option<String>,
}

impl<'a> Whole<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let damaged = |error| Refusal::because("not a whole safetensors file", error);
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let header = metadata
            .metadata()
            .as_ref()
            .and_then(|entries| entries.get(METADATA))
            .ok_or_else(|| format!("a safetensors file, but without {METADATA:?} metadata"))?
            .clone();
        // The version first: a later one may have another schema.
        let Version { version } = serde_json::from_str(&header).map_err(damaged_metadata)?;
        if version != VERSION {
            return Err(other_version(version).into());
        }
        let Beside { checksum, note } = serde_json::from_str(&header).map_err(damaged_metadata)?;
        if let Some(told) = checksum {
            let tensors = file.iter().map(|(name, tensor)| (name, tensor.data())).collect();
            let rest = header.rsplit_once(CHECKSUM).map(|(rest, _)| rest);
            if rest.map(|rest| self::checksum(rest, tensors)) != Some(told) {
                return Err("is damaged: its checksum is not that of what it holds"
                    .to_owned()
                    .into());
            }
        }
        Ok(Whole { file, header, note })
    }
}

/// The CRC-32 of the header before the checksum, and of the tensors in the order of their names.
fn checksum(header: &str, mut tensors: Vec<(&str, &[u8])>) -> u32 {
    tensors.sort_unstable_by_key(|(name, _)| *name);
    let mut crc = flate2::Crc::new();
    crc.update(header.as_bytes());
    for (_, bytes) in tensors {
        crc.update(bytes);
    }
    crc.sum()
}

fn damaged_metadata(error: serde_json::Error) -> Refusal {
    Refusal::because(&format!("its {METADATA:?} metadata is damaged"), error)
}

/// The model in the bytes of a file, or what is wrong with them.
fn parse(bytes: &[u8], objects: &CustomObjects) -> Result<SavedModel, Refusal> {
    let Whole { file, header, .. } = Whole::parse(bytes)?;
    let header: Header = serde_json::from_str(&header).map_err(damaged_metadata)?;
    let Header { mut compiled, steps, epochs, user_metadata, .. } = header;
    check_metadata(&user_metadata)
        .map_err(|problem| format!("its metadata are damaged: {problem}"))?;
    compiled.supply(objects);
    if steps > MOST_STEPS {
        return Err(format!("has {steps} steps behind it; this program counts up to 2^53").into());
    }
    let program =
        lower(&compiled).map_err(|error| Refusal::because("its architecture is damaged", error))?;
    let mut read = Weights::new();
    for (name, shape) in tensors(&program) {
        let tensor = file.tensor(&name).map_err(|_| format!("tensor {name} is missing"))?;
        if (tensor.dtype(), tensor.shape()) != (Dtype::F32, &shape) {
            return Err(format!(
                "tensor {name} is {:?} {:?}, expected F32 {shape:?}",
                tensor.dtype(),
                tensor.shape()
            )
            .into());
        }
        let values = tensor.data().chunks_exact(4).map(|b| match b.first_chunk() {
            Some(bytes) => f32::from_le_bytes(*bytes),
            None => 0.0,
        });
        read.push((name, shape, values.collect()));
    }
    Ok(SavedModel { compiled, steps, epochs, user_metadata, tensors: read })
}

fn other_version(version: u32) -> String {
    let way_out = match version < VERSION {
        true => {
            "load it with the minibatch that wrote it, and take Model::weights over with \
             Model::set_weights; or train anew"
        }
        false => "load it with a newer minibatch",
    };
    format!("has version {version}; this program reads version {VERSION}: {way_out}")
}
