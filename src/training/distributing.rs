//! Joining other processes for a fit, an evaluation or a prediction, and leaving them.

use std::sync::Arc;

use flate2::Crc;

use super::callback::Resume;
use super::executor::Executor;
use super::session::Session;
use super::sharding::Sharing;
use crate::data::{Source, fingerprint};
use crate::distributed::{Group, Transport};
use crate::error::{Error, Result};
use crate::gpu::adapter_key;
use crate::model::{Compiled, Source as SavedIn, needs_whole_batches};
use crate::program::Role;

/// Shards of a batch where several processes share it, unless the model says otherwise.
const SHARDS: usize = 8;

/// Something that is the same in all processes, or should be: its name and its value.
pub(super) type Named = (String, String);

impl Session {
    /// Joins the other processes of `transport`, which must have the same model, data and arguments. Batches
    /// are cut into shards from now on.
    ///
    /// # Errors
    /// [`Error::Argument`] if the model cannot be cut into shards, or there are fewer than processes;
    /// [`Error::Distributed`] with the difference if a process has anything else. Nothing is changed
    /// then.
    pub(super) async fn join(
        &mut self,
        transport: &Arc<dyn Transport>,
        arguments: Vec<Named>,
        data: &[(&str, &Source)],
    ) -> Result<()> {
        let shards = self.compiled.shards.unwrap_or(SHARDS);
        if self.compiled.micro_batch_size.is_some() {
            let problem = "goes with shards only: compile the model without micro_batch_size";
            return Err(Error::argument("distribute", problem));
        }
        if let Some(reason) = needs_whole_batches(&self.program) {
            let problem = format!("needs batches that can be cut, and {reason}; freeze that layer");
            return Err(Error::argument("distribute", problem));
        }
        let group = Group::new(Arc::clone(transport), shards)?;
        let mut description = self.description(shards)?;
        description.extend(arguments);
        for (name, source) in data {
            let own = fingerprint(source)?.into_iter();
            description.extend(own.map(|(what, value)| (format!("{name}: {what}"), value)));
        }
        group.agree(&description)?;
        if self.compiled.shards.is_none() {
            self.run_in_shards(shards).await?;
        }
        self.sharing = Sharing::with(group);
        Ok(())
    }

    /// What makes the same bits of the same data.
    fn description(&self, shards: usize) -> Result<Vec<Named>> {
        let named = |name: &str, value: String| (name.to_owned(), value);
        let compiled = Compiled { seed: 0, shards: None, ..self.compiled.clone() };
        let model = serde_json::to_string(&compiled)
            .map_err(|error| Error::argument("model", format!("cannot be described: {error}")))?;
        let device = match &self.executor {
            Executor::Cpu(_) => format!("CPU ({})", std::env::consts::ARCH),
            Executor::CpuInF64(_) => "CPU in f64".to_owned(),
            Executor::Gpu(gpu) => adapter_key(gpu.gpu().info()).replace('\n', " "),
        };
        Ok(vec![
            named("version", env!("CARGO_PKG_VERSION").to_owned()),
            named("seed", self.compiled.seed.to_string()),
            named("shards", shards.to_string()),
            named("model", model),
            named("device", device),
        ])
    }

    /// Takes over the model of the first process, and where it goes on.
    ///
    /// # Errors
    /// [`Error::Distributed`] if another process is gone, [`Error::Device`] if the device fails.
    pub(super) async fn share_state(&mut self, place: Option<Resume>) -> Result<Option<Resume>> {
        let process = self.process();
        if process.count == 1 {
            return Ok(place);
        }
        let (state, place) = match process.is_first() {
            true => {
                let epochs_and_steps = place.map(|place| (place.epochs, place.steps));
                (
                    self.save_bytes().await?,
                    serde_json::to_vec(&epochs_and_steps).unwrap_or_default(),
                )
            }
            false => (Vec::new(), Vec::new()),
        };
        let Some(group) = &self.sharing.group else { return Ok(None) };
        let (state, place) = (group.of_first(state)?, group.of_first(place)?);
        if !process.is_first() {
            self.restore(SavedIn::Bytes(&state)).await?;
        }
        let place: Option<(u32, usize)> = serde_json::from_slice(&place)
            .map_err(|error| Error::distributed("process 0", format!("sent no place: {error}")))?;
        Ok(place.map(|(epochs, steps)| Resume::new(epochs, steps)))
    }

    /// Whether all processes hold the same parameters after this epoch. Each must call it.
    ///
    /// # Errors
    /// [`Error::Distributed`] if they do not.
    pub(super) async fn compare_parameters(&mut self, epoch: u32) -> Result<()> {
        let process = self.process();
        if process.count == 1 {
            return Ok(());
        }
        let ids: Vec<_> = self.program.of_role(Role::Parameter).map(|(id, _)| id).collect();
        let (values, _) = self.executor.read_together(&ids).await?;
        let mut crc = Crc::new();
        for values in &values {
            crc.update(bytemuck::cast_slice(values));
        }
        let Some(group) = &self.sharing.group else { return Ok(()) };
        let sums = group.gather(&crc.sum().to_ne_bytes())?;
        match sums.iter().position(|sum| Some(sum) != sums.first()) {
            Some(other) => Err(Error::distributed(
                format!("process {other} of {}", process.count),
                format!(
                    "holds other parameters than process 0 after epoch {epoch}: its device computes \
                     otherwise, or a callback has changed the model in one of them; give all processes \
                     devices of the same kind, and let callbacks do the same in all"
                ),
            )),
            None => Ok(()),
        }
    }

    /// Goes on alone. An error that the other processes do not know of ends what they wait for.
    pub(super) fn leave<T>(
        &mut self,
        transport: &Arc<dyn Transport>,
        ended: Result<T>,
    ) -> Result<T> {
        self.sharing = Sharing::default();
        match &ended {
            Ok(_) | Err(Error::Distributed { .. }) => {}
            Err(error) => transport.fail(&error.to_string()),
        }
        ended
    }
}
