//! The record of a run, epoch by epoch.

use serde::Serialize;
use serde::ser::SerializeMap;

use super::scores::Scores;

/// One epoch. As in Keras, loss and accuracy are running values: each batch counts as it was
/// before its own update.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EpochRecord {
    /// From 1.
    pub epoch: u32,
    /// The scores on the samples of the epoch.
    pub training: Scores,
    /// The scores on the validation samples, after the epoch; `None` if it was not validated.
    pub validation: Option<Scores>,
    /// The rate of the epoch's last step.
    pub learning_rate: f64,
    /// Duration of the epoch, validation included.
    pub seconds: f64,
}

impl EpochRecord {
    /// An epoch of this number and these scores, not validated; the learning rate and the seconds
    /// are 0.
    pub fn new(epoch: u32, training: Scores) -> Self {
        EpochRecord { epoch, training, validation: None, learning_rate: 0.0, seconds: 0.0 }
    }

    /// Each value under Keras' name for it: those of the training, those of the validation with
    /// `val_` in front, `learning_rate`, `seconds`.
    pub fn values(&self) -> Vec<(String, f64)> {
        let validation = self.validation.iter().flat_map(Scores::values);
        let mut values = self.training.values();
        values.extend(validation.map(|(name, value)| (format!("val_{name}"), value)));
        values.push(("learning_rate".into(), self.learning_rate));
        values.push(("seconds".into(), self.seconds));
        values
    }

    /// The value of that name; `None` if it is not among [`values`](Self::values).
    pub fn value(&self, name: &str) -> Option<f64> {
        self.values().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The epoch's number and the values called `names`, as one line of CSV; a value that is not
    /// there is left empty.
    pub(super) fn csv_line(&self, names: &[String], separator: char) -> String {
        let mut line = self.epoch.to_string();
        for name in names {
            line.push(separator);
            if let Some(value) = self.value(name) {
                line.push_str(&value.to_string());
            }
        }
        line + "\n"
    }
}

/// The header line for [`EpochRecord::csv_line`].
pub(super) fn csv_header(names: &[String], separator: char) -> String {
    let mut line = "epoch".to_owned();
    for name in names {
        line.push(separator);
        line.push_str(name);
    }
    line + "\n"
}

impl Serialize for EpochRecord {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("epoch", &self.epoch)?;
        for (name, value) in self.values() {
            map.serialize_entry(&name, &value)?;
        }
        map.end()
    }
}

/// The epochs of a run, which [`fit`](super::Model::fit) returns.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct History {
    /// Every epoch that ran, in order.
    pub epochs: Vec<EpochRecord>,
    /// True if a callback ended training early.
    #[serde(skip)]
    pub stopped: bool,
}

impl History {
    /// A history of these epochs, which no callback ended.
    pub fn new(epochs: Vec<EpochRecord>) -> Self {
        History { epochs, stopped: false }
    }

    /// `{"epochs": [{"epoch": 1, "loss": ...}, ...]}`: of each epoch its number and its
    /// [`values`](EpochRecord::values). What is no finite number is `null`.
    pub fn to_json(&self) -> String {
        format!("{:#}\n", serde_json::json!({ "epochs": self.epochs }))
    }

    /// A line of names, `epoch,loss,...`, and a line for each epoch; what was not measured in an
    /// epoch is left empty there.
    pub fn to_csv(&self) -> String {
        // Epochs differ only in whether they were validated: the longest has every name.
        let longest = self.epochs.iter().map(EpochRecord::values).max_by_key(Vec::len);
        let names: Vec<String> =
            longest.unwrap_or_default().into_iter().map(|(name, _)| name).collect();
        let lines = self.epochs.iter().map(|record| record.csv_line(&names, ','));
        [csv_header(&names, ',')].into_iter().chain(lines).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> History {
        let scores = |loss| Scores::new(loss, [("accuracy".into(), 0.5)]);
        let record = |epoch, validation| EpochRecord {
            epoch,
            training: scores(1.5),
            validation,
            learning_rate: 0.001,
            seconds: 2.0,
        };
        let epochs = vec![record(1, None), record(2, Some(scores(1.25)))];
        History { epochs, stopped: false }
    }

    #[test]
    fn values_have_keras_names() {
        let record = &history().epochs[1];
        let named = ["loss", "accuracy", "val_loss", "learning_rate", "val_mse"];
        let values = named.map(|name| record.value(name));
        assert_eq!(values, [Some(1.5), Some(0.5), Some(1.25), Some(0.001), None]);
        assert_eq!(history().epochs[0].value("val_loss"), None);
    }

    #[test]
    fn the_json_has_each_value_under_its_name() {
        let expected = serde_json::json!({"epochs": [
            {"epoch": 1, "loss": 1.5, "accuracy": 0.5, "learning_rate": 0.001, "seconds": 2.0},
            {"epoch": 2, "loss": 1.5, "accuracy": 0.5, "val_loss": 1.25, "val_accuracy": 0.5,
             "learning_rate": 0.001, "seconds": 2.0},
        ]});
        let read = |history: &History| -> serde_json::Value {
            serde_json::from_str(&history.to_json()).unwrap()
        };
        assert_eq!(read(&history()), expected);
        let mut broken = history();
        broken.epochs[1].validation = Some(Scores::new(f64::NAN, []));
        assert_eq!(read(&broken)["epochs"][1]["val_loss"], serde_json::Value::Null);
    }

    #[test]
    fn the_csv_leaves_out_what_is_not_there() {
        let mut history = history();
        assert_eq!(
            history.to_csv(),
            "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds\n\
             1,1.5,0.5,,,0.001,2\n2,1.5,0.5,1.25,0.5,0.001,2\n"
        );
        history.epochs.pop();
        assert_eq!(
            history.to_csv(),
            "epoch,loss,accuracy,learning_rate,seconds\n1,1.5,0.5,0.001,2\n"
        );
    }
}
