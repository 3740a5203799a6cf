//! The whole model as bytes or as a file, and a model from them.

#[cfg(not(target_arch = "wasm32"))]
use std::path::Path;

use serde_json::{Value, json};

use super::blocking::blocking;
use super::executor::Backend;
use super::executor::Executor;
use super::model::Model;
use super::send::BoxFuture;
use super::session::Session;
use crate::error::{Error, Result};
use crate::model::{
    Compiled, CustomObjects, Objective, SavedModel, Source, check_metadata, tensors,
};

/// More differences than these are counted, not named.
const NAMED: usize = 4;

impl Session {
    pub(super) async fn save_bytes(&mut self) -> Result<Vec<u8>> {
        self.saved().await?.to_bytes(None)
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(super) async fn save(&mut self, path: &Path) -> Result<()> {
        crate::atomic_write::atomic_write(path, &self.save_bytes().await?)
    }

    /// A file with a note beside the model. Numbers that are not finite are an error: a run cannot
    /// go on from them.
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) async fn save_with_note(&mut self, path: &Path, note: String) -> Result<()> {
        let saved = self.saved().await?;
        let mut values = saved.tensors.iter().flat_map(|(_, _, values)| values);
        if !values.all(|value| value.is_finite()) {
            return Err(Error::NonFinite { step: self.steps(), batch: None });
        }
        crate::atomic_write::atomic_write(path, &saved.to_bytes(Some(note))?)
    }

    /// All that the next step depends on.
    pub(super) async fn saved(&mut self) -> Result<SavedModel> {
        let (tensors, steps) = self.read_tensors(tensors(&self.program)).await?;
        let (compiled, user_metadata) = (self.compiled.clone(), self.metadata.clone());
        let epochs = self.epochs;
        Ok(SavedModel { compiled, steps, epochs, user_metadata, tensors })
    }

    /// Sets this model to what is saved in `source`, if it is of the same kind.
    pub(super) async fn restore(&mut self, source: Source<'_>) -> Result<()> {
        let saved = SavedModel::read(source, &self.compiled.custom_objects())?;
        let [theirs, own] = [&saved.compiled, &self.compiled].map(description);
        let mut differences = Vec::new();
        compare("", &theirs, &own, &mut differences);
        if let (Some(saved), Some(own)) = (saved.compiled.shards, self.compiled.shards)
            && saved != own
        {
            differences.push(format!("shards are {saved} and not {own}"));
        }
        if !differences.is_empty() {
            let more = match differences.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more differences"),
            };
            differences.truncate(NAMED);
            return Err(source.refused(format!(
                "is of another model: {}{more}; build the model as that one was, or give another \
                 file",
                differences.join(", ")
            )));
        }
        if let Some(rows) = saved.compiled.micro_batch_size
            && self.compiled.micro_batch_size.is_none()
        {
            self.run_in_parts(rows).await?;
        }
        if let (Some(shards), None) = (saved.compiled.shards, self.compiled.shards) {
            self.run_in_shards(shards).await?;
        }
        // The same layers and optimizer have the same tensors.
        self.write_tensors(&saved.tensors).await?;
        self.compiled.optimizer = saved.compiled.optimizer;
        self.compiled.seed = saved.compiled.seed;
        // Steps recorded before are none of the restored ones, dropped or not.
        if let Executor::Gpu(gpu) = &mut self.executor {
            gpu.forget_dropped();
        }
        self.settle_recorded();
        (self.steps, self.epochs) = (saved.steps, saved.epochs);
        self.metadata = saved.user_metadata;
        Ok(())
    }

    /// A new session in the state of `saved`.
    pub(super) fn from_saved(saved: &SavedModel, backend: Backend) -> BoxFuture<'_, Result<Self>> {
        Box::pin(async move {
            let mut session = Session::new(saved.compiled.clone(), backend).await?;
            session.write_tensors(&saved.tensors).await?;
            (session.steps, session.epochs) = (saved.steps, saved.epochs);
            session.metadata = saved.user_metadata.clone();
            Ok(session)
        })
    }

    async fn load(source: Source<'_>, backend: Backend, objects: &CustomObjects) -> Result<Self> {
        let saved = SavedModel::read(source, objects)?;
        Session::from_saved(&saved, backend).await
    }
}

impl Model {
    /// Keeps a text with the model under `key`: it is saved and restored with it, and means nothing
    /// to it. What predictions need besides the weights fits here: names of classes, or a
    /// [`TextVectorizer`](crate::data::text::TextVectorizer) as JSON. What `key` had before is
    /// replaced.
    ///
    /// # Errors
    /// [`Error::Argument`] if `key` is empty, or if all keys and texts together exceed 8 MiB in
    /// UTF-8. Nothing is changed then.
    pub fn set_metadata(&mut self, key: impl Into<String>, text: impl Into<String>) -> Result<()> {
        let mut metadata = self.session.metadata.clone();
        metadata.insert(key.into(), text.into());
        check_metadata(&metadata).map_err(|problem| Error::argument("metadata", problem))?;
        self.session.metadata = metadata;
        Ok(())
    }

    /// The text that [`set_metadata`](Self::set_metadata) gave the model, or the one whose file it
    /// was loaded from. `None` if there is none of that key.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.session.metadata.get(key).map(String::as_str)
    }

    /// Takes a text away, and returns it; `None` if there was none.
    pub fn remove_metadata(&mut self, key: &str) -> Option<String> {
        self.session.metadata.remove(key)
    }

    blocking! {
        /// The whole model as the bytes of one safetensors file: layers, weights, how it is
        /// trained, the optimizer's state, how far training has come, and the
        /// [metadata](Self::set_metadata).
        ///
        /// # Errors
        /// [`Error::Device`](crate::Error::Device) if reading the weights fails.
        save_bytes, save_bytes_async(&mut self) -> Result<Vec<u8>> {
            self.session.save_bytes().await
        }

        /// Brings this model to the state that a model with the same layers, losses and optimizer
        /// saved as `bytes` with [`save_bytes`](Self::save_bytes): weights, optimizer state,
        /// learning rate, steps, epochs, seed and [metadata](Self::set_metadata). On the same
        /// device, training goes on with the same bits. The metrics of this model stay, and may
        /// differ from the saved ones.
        /// [`load_bytes`](Self::load_bytes) makes a new model instead.
        ///
        /// # Errors
        /// [`Error::Argument`](crate::Error::Argument) if the bytes are damaged or of another
        /// model, the differences named; nothing is changed then.
        /// [`Error::Device`](crate::Error::Device) if the device fails.
        restore_bytes, restore_bytes_async(&mut self, bytes: &[u8]) -> Result<()> {
            self.session.restore(Source::Bytes(bytes)).await
        }
    }

    blocking! {
        /// A model from what [`save_bytes`](Self::save_bytes) returned, on `backend`: to evaluate,
        /// to predict, or to train on. On the same device, training goes on with the same bits as
        /// if it had not been interrupted between two epochs.
        ///
        /// # Errors
        /// [`Error::Argument`](crate::Error::Argument) if the bytes are damaged or of another
        /// version, else as [`Compiled::build`].
        load_bytes, load_bytes_async(bytes: &[u8], backend: impl Into<Backend>) -> Result<Self> {
            Self::load_bytes_with_async(bytes, backend, &CustomObjects::new()).await
        }

        /// [`load_bytes`](Self::load_bytes) of a model with layers, losses or metrics of one's own,
        /// which are taken from `objects` by the names that the bytes hold: Keras'
        /// `custom_objects`.
        ///
        /// # Errors
        /// As `load_bytes`; also if `objects` lack one of the names.
        load_bytes_with, load_bytes_with_async(
            bytes: &[u8],
            backend: impl Into<Backend>,
            objects: &CustomObjects
        ) -> Result<Self> {
            let session = Session::load(Source::Bytes(bytes), backend.into(), objects).await?;
            Ok(Model { session })
        }
    }
}

// The async forms wait for the device, but not for the file.
#[cfg(not(target_arch = "wasm32"))]
impl Model {
    blocking! {
        /// Writes [`save_bytes`](Self::save_bytes) to a file. If that fails, the file stays as it
        /// was.
        ///
        /// # Errors
        /// [`Error::Io`](crate::Error::Io) if it cannot be written,
        /// [`Error::Device`](crate::Error::Device) if reading the weights fails.
        save, save_async(&mut self, path: &Path) -> Result<()> {
            self.session.save(path).await
        }

        /// [`restore_bytes`](Self::restore_bytes) of the file that [`save`](Self::save) wrote to
        /// `path`.
        ///
        /// # Errors
        /// [`Error::Io`](crate::Error::Io) and [`Error::ModelFile`](crate::Error::ModelFile) for a
        /// file that cannot be read or is of another model, the differences named; nothing is
        /// changed then. [`Error::Device`](crate::Error::Device) if the device fails.
        restore, restore_async(&mut self, path: &Path) -> Result<()> {
            self.session.restore(Source::File(path)).await
        }
    }

    blocking! {
        /// [`load_bytes`](Self::load_bytes) of a file.
        ///
        /// # Errors
        /// [`Error::Io`](crate::Error::Io) and [`Error::ModelFile`](crate::Error::ModelFile) for
        /// the file, else as [`Compiled::build`].
        load, load_async(path: &Path, backend: impl Into<Backend>) -> Result<Self> {
            Self::load_with_async(path, backend, &CustomObjects::new()).await
        }

        /// [`load_bytes_with`](Self::load_bytes_with) of a file.
        ///
        /// # Errors
        /// As [`load`](Self::load); also if `objects` lack one of the names.
        load_with, load_with_async(
            path: &Path,
            backend: impl Into<Backend>,
            objects: &CustomObjects
        ) -> Result<Self> {
            let session = Session::load(Source::File(path), backend.into(), objects).await?;
            Ok(Model { session })
        }
    }
}

/// The parts of a model that must be the same to restore it, as its file describes them.
fn description(compiled: &Compiled) -> Value {
    let Compiled { architecture, optimizer, objectives, schedule, .. } = compiled;
    // The rate is a part of the progress: callbacks change it.
    let mut optimizer = *optimizer;
    optimizer.set_learning_rate(0.0);
    let losses = objectives.iter().map(|(name, objective)| {
        let Objective { loss, loss_weight, .. } = objective;
        (name.clone(), json!({ "loss": loss, "loss_weight": loss_weight }))
    });
    json!({
        "model": architecture,
        "outputs": losses.collect::<serde_json::Map<_, _>>(),
        "gradient_accumulation_steps": compiled.gradient_accumulation_steps,
        "optimizer": optimizer,
        "schedule": schedule,
    })
}

/// Adds to `differences` where the file's `saved` and the model's `own` are not the same.
fn compare(path: &str, saved: &Value, own: &Value, differences: &mut Vec<String>) {
    let inside = |key: &str| match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    match (saved, own) {
        (Value::Object(saved), Value::Object(own))
            if saved.keys().any(|key| own.contains_key(key)) =>
        {
            let only_own = own.keys().filter(|key| !saved.contains_key(*key));
            for key in saved.keys().chain(only_own) {
                let [saved, own] = [saved, own].map(|map| map.get(key).unwrap_or(&Value::Null));
                compare(&inside(key), saved, own, differences);
            }
        }
        (Value::Array(saved), Value::Array(own)) if saved.len() == own.len() => {
            for (index, (saved, own)) in saved.iter().zip(own).enumerate() {
                compare(&inside(&(index + 1).to_string()), saved, own, differences);
            }
        }
        (Value::Array(saved), Value::Array(own)) => {
            let (saved, own) = (saved.len(), own.len());
            differences.push(format!("{path} are {saved} there and {own} here"));
        }
        (saved, own) if saved != own => {
            differences.push(format!("{path} is {saved} there and {own} here"));
        }
        _ => {}
    }
}
