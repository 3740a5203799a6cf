//! The file of `--history`.

use std::path::Path;

use anyhow::bail;
use minibatch::atomic_write;
use minibatch::training::{EpochRecord, Scores};
use serde::Serialize;

/// How a history is written, by the file's extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Json,
    Csv,
}

impl Format {
    /// # Errors
    /// If the file's name ends in neither.
    pub fn of(path: &Path) -> anyhow::Result<Self> {
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("json") => Ok(Format::Json),
            Some("csv") => Ok(Format::Csv),
            _ => bail!("--history {}: give a file name that ends in .json or .csv", path.display()),
        }
    }
}

/// A training run.
#[derive(Debug, Serialize)]
pub struct Run {
    pub epochs: Vec<EpochRecord>,
    /// `None` if training was ended by Ctrl-C.
    pub test: Option<Scores>,
    pub adapter: String,
    pub backend: &'static str,
    pub seed: u64,
    pub batch_size: usize,
    pub steps_per_epoch: usize,
}

impl Run {
    /// Writes it; the file is whole, or as it was. A `.csv` holds the epochs only.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = match Format::of(path)? {
            Format::Json => serde_json::to_string_pretty(self)? + "\n",
            Format::Csv => self.csv(),
        };
        Ok(atomic_write(path, text.as_bytes())?)
    }

    fn csv(&self) -> String {
        let validated = self.epochs.iter().any(|record| record.validation.is_some());
        let validation = if validated { "val_loss,val_accuracy," } else { "" };
        let mut text = format!("epoch,loss,accuracy,{validation}seconds\n");
        for EpochRecord { epoch, training, validation, seconds } in &self.epochs {
            let mut fields = vec![epoch.to_string(), training.loss.to_string()];
            fields.push(field(training.accuracy));
            if validated {
                fields.push(field(validation.map(|scores| scores.loss)));
                fields.push(field(validation.and_then(|scores| scores.accuracy)));
            }
            fields.push(seconds.to_string());
            text.push_str(&fields.join(","));
            text.push('\n');
        }
        text
    }
}

/// Empty if there is no value.
fn field(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        let scores = |loss| Scores { loss, accuracy: Some(0.5) };
        let record = |epoch, validation| EpochRecord {
            epoch,
            training: scores(1.5),
            validation,
            seconds: 2.0,
        };
        Run {
            epochs: vec![record(1, Some(scores(1.25))), record(2, None)],
            test: Some(scores(1.0)),
            adapter: "a".into(),
            backend: "gpu",
            seed: 3,
            batch_size: 32,
            steps_per_epoch: 7,
        }
    }

    #[test]
    fn the_json_has_the_documented_fields() -> anyhow::Result<()> {
        let expected = serde_json::json!({
            "epochs": [
                {"epoch": 1, "loss": 1.5, "accuracy": 0.5, "val_loss": 1.25, "val_accuracy": 0.5,
                 "seconds": 2.0},
                {"epoch": 2, "loss": 1.5, "accuracy": 0.5, "seconds": 2.0},
            ],
            "test": {"loss": 1.0, "accuracy": 0.5},
            "adapter": "a", "backend": "gpu", "seed": 3, "batch_size": 32, "steps_per_epoch": 7,
        });
        assert_eq!(serde_json::to_value(run())?, expected);
        Ok(())
    }

    #[test]
    fn the_csv_leaves_out_what_is_not_there() {
        let mut run = run();
        assert_eq!(
            run.csv(),
            "epoch,loss,accuracy,val_loss,val_accuracy,seconds\n\
             1,1.5,0.5,1.25,0.5,2\n2,1.5,0.5,,,2\n"
        );
        run.epochs.remove(0);
        assert_eq!(run.csv(), "epoch,loss,accuracy,seconds\n2,1.5,0.5,2\n");
    }

    #[test]
    fn the_extension_decides() {
        assert_eq!(Format::of(Path::new("a.JSON")).ok(), Some(Format::Json));
        assert_eq!(Format::of(Path::new("a/b.csv")).ok(), Some(Format::Csv));
        assert!(Format::of(Path::new("json")).is_err());
    }
}
