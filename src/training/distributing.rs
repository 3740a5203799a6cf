//! Joining other processes for a fit, an evaluation or a prediction, and leaving them.

use std::sync::Arc;

use flate2::Crc;

use super::arguments::Named;
use super::callback::Resume;
use super::executor::Executor;
use super::session::Session;
use super::sharing::Sharing;
use crate::data::{Source, fingerprint};
use crate::distributed::{Group, Transport};
use crate::error::{Error, Result};
use crate::gpu::adapter_key;
use crate::model::{Compiled, Source as SavedIn, needs_whole_batches};
use crate::program::Role;

/// Shards of a batch where several processes share it, unless the model says otherwise.
const SHARDS: usize = 8;

impl Session {
    /// Joins the other processes of `transport` to train, which must have the same model, data and arguments.
    /// Batches are cut into shards from now on.
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
        if let Some(rows) = self.compiled.micro_batch_size {
            let problem = format!(
                "needs batches that are cut into shards, and this model runs them in parts of {rows} \
                 rows (micro_batch_size, or since a batch did not fit its device); build it anew, with \
                 shards"
            );
            return Err(Error::argument("distribute", problem));
        }
        if let Some(reason) = needs_whole_batches(&self.program) {
            let problem = format!("needs batches that can be cut, and {reason}; freeze that layer");
            return Err(Error::argument("distribute", problem));
        }
        let group = self.agree(transport, arguments, data)?;
        if self.compiled.shards.is_none() {
            self.run_in_shards(SHARDS).await?;
        }
        self.sharing = Sharing::with(group);
        Ok(())
    }

    /// Joins them to evaluate or to predict, with the model of the first process. What is only run forward
    /// is cut into shards without any change of the model, which [`leave`](Self::leave) ends.
    ///
    /// # Errors
    /// As [`join`](Self::join).
    pub(super) async fn join_forward(
        &mut self,
        transport: &Arc<dyn Transport>,
        arguments: Vec<Named>,
        data: &Source,
    ) -> Result<()> {
        let group = self.agree(transport, arguments, &[("data", data)])?;
        self.sharing = Sharing::with(group);
        self.sharing.cut_for_now = self.compiled.shards.is_none();
        self.compiled.shards.get_or_insert(SHARDS);
        self.share_state(None).await.map(|_| ())
    }

    /// The processes of `transport`, once it is known that all are about to do the same.
    fn agree(
        &self,
        transport: &Arc<dyn Transport>,
        arguments: Vec<Named>,
        data: &[(&str, &Source)],
    ) -> Result<Group> {
        let shards = self.compiled.shards.unwrap_or(SHARDS);
        let group = Group::new(Arc::clone(transport), shards)?;
        if group.process().count > 1 && matches!(self.executor, Executor::CpuInF64(_)) {
            let problem = "exchanges f32, and the model computes in f64; take the CPU in f32";
            return Err(Error::argument("distribute", problem));
        }
        let mut description = self.description(shards)?;
        description.extend(arguments);
        for (name, source) in data {
            let own = fingerprint(source)?.into_iter();
            description.extend(own.map(|(what, value)| (format!("{name}: {what}"), value)));
        }
        group.agree(&description)?;
        Ok(group)
    }

    /// What makes the same bits of the same data, but for the state, which all take over from the first
    /// process.
    fn description(&self, shards: usize) -> Result<Vec<Named>> {
        let named = |name: &str, value: String| (name.to_owned(), value);
        let mut compiled = Compiled { seed: 0, shards: None, ..self.compiled.clone() };
        // The rate is a part of the state: callbacks change it.
        compiled.optimizer.set_learning_rate(0.0);
        let model = serde_json::to_string(&compiled)
            .map_err(|error| Error::argument("model", format!("cannot be described: {error}")))?;
        let device = match &self.executor {
            Executor::Cpu(_) => format!("CPU ({})", vector_instructions()),
            Executor::CpuInF64(_) => "CPU in f64".to_owned(),
            Executor::Gpu(gpu) => {
                let (key, adapter) = (adapter_key(gpu.gpu().info()), gpu.gpu().adapter());
                format!("{} {adapter:?}", key.replace('\n', " "))
            }
        };
        Ok(vec![
            named("version", env!("CARGO_PKG_VERSION").to_owned()),
            named("seed", self.compiled.seed.to_string()),
            named("shards", shards.to_string()),
            named("model", model),
            named("fusion", self.compiled.fusion.to_string()),
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

    /// Goes on alone after a call that was given `transport`; a call within it was given none, and leaves
    /// nobody. An error that the other processes may not have ends what they wait for.
    pub(super) fn leave<T>(
        &mut self,
        transport: Option<&Arc<dyn Transport>>,
        ended: Result<T>,
    ) -> Result<T> {
        let Some(transport) = transport else { return ended };
        self.stop_sharing();
        match &ended {
            // All of them have it too.
            Ok(_) | Err(Error::Distributed { .. } | Error::NonFinite { batch: Some(_), .. }) => {}
            Err(error) => transport.fail(&error.to_string()),
        }
        ended
    }

    /// Forgets the other processes.
    pub(super) fn stop_sharing(&mut self) {
        if self.sharing.cut_for_now {
            self.compiled.shards = None;
        }
        self.sharing = Sharing::default();
    }
}

/// On which the rounding of matrix products depends: the architecture, and which of those instructions it
/// has that the products look for.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn vector_instructions() -> String {
    let known = [
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx", std::arch::is_x86_feature_detected!("avx")),
    ];
    let found = known.into_iter().filter(|(_, has)| *has).map(|(name, _)| format!(" {name}"));
    std::env::consts::ARCH.to_owned() + &found.collect::<String>()
}

/// The same where all of an architecture have the same.
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
fn vector_instructions() -> String {
    std::env::consts::ARCH.to_owned()
}
