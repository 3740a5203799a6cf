//! A saved model taken up by one that is built already.

use std::path::Path;

use serde_json::{Value, json};

use super::executor::Executor;
use super::model::Model;
use crate::error::{Error, Result};
#[cfg(not(target_arch = "wasm32"))]
use crate::gpu::block_on;
use crate::model::{Compiled, Objective, Saved, load};

/// More differences than these are counted, not named.
const NAMED: usize = 4;

impl Model {
    /// Sets this model to what one of the same layers, loss and optimizer was when
    /// [`save`](Self::save) wrote it to `path`: weights, optimizer state, learning rate, steps,
    /// epochs, seed. On the same device, training goes on with the same bits. The metrics stay
    /// this model's own, and the file's may be others. For a model that is not built yet there is
    /// [`load`](Self::load).
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::ModelFile`] for a file that cannot be read or is of another
    /// model, the differences named; nothing is changed then. [`Error::Device`] if the device
    /// fails.
    pub fn restore(&mut self, path: &Path) -> Result<()> {
        let bad = |problem: String| Error::ModelFile { path: path.into(), problem };
        let Saved { compiled, steps, epochs, tensors } = load(path)?;
        let [saved, own] = [&compiled, &self.compiled].map(description);
        let mut differences = Vec::new();
        compare("", &saved, &own, &mut differences);
        if !differences.is_empty() {
            let more = match differences.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more differences"),
            };
            differences.truncate(NAMED);
            let problem = format!(
                "is of another model: {}{more}; build the model as that one was, or give another \
                 file",
                differences.join(", ")
            );
            return Err(bad(problem));
        }
        // The same layers and optimizer have the same tensors.
        let mut found = Vec::with_capacity(tensors.len());
        for (name, _, values) in tensors {
            let id = self.program.find(&name);
            let id = id.ok_or_else(|| bad(format!("this model has no tensor {name}")))?;
            found.push((id, values));
        }
        for (id, values) in found {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            block_on(self.executor.write(id, &values))?;
        }
        self.compiled.optimizer = compiled.optimizer;
        self.compiled.seed = compiled.seed;
        // Steps recorded before are none of the restored ones, dropped or not.
        if let Executor::Gpu(gpu) = &mut self.executor {
            gpu.forget_dropped();
        }
        self.settle_recorded();
        (self.steps, self.epochs) = (steps, epochs);
        Ok(())
    }
}

/// What must be the same, as a model's file has it.
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
