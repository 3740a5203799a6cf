//! A vectorizer as JSON text.

use serde::{Deserialize, Serialize};

use super::TextVectorizer;
use super::settings::TextSettings;
use super::vectorizer::Feature;
use crate::error::{Error, Result};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    text_vectorizer: u32,
    settings: TextSettings,
    texts: u64,
    classes: usize,
    forgotten: u64,
    row_values: usize,
    /// Term, and how many texts have it.
    features: Vec<(String, u64)>,
}

#[derive(Deserialize)]
struct Version {
    text_vectorizer: u32,
}

impl TextVectorizer {
    /// Everything of it as JSON, about 25 bytes a feature:
    /// `Model::set_metadata(VECTORIZER_KEY, vectorizer.to_json()?)` keeps it with the model.
    ///
    /// # Errors
    /// [`Error::Argument`] if it cannot be written, which does not happen.
    pub fn to_json(&self) -> Result<String> {
        let features = self.features.iter().map(|it| (it.term.to_string(), it.texts));
        let saved = Saved {
            text_vectorizer: VERSION,
            settings: self.settings.clone(),
            texts: self.texts,
            classes: self.classes,
            forgotten: self.forgotten,
            row_values: self.row_values,
            features: features.collect(),
        };
        serde_json::to_string(&saved).map_err(|error| Error::argument("self", error.to_string()))
    }

    /// The vectorizer that [`to_json`](Self::to_json) wrote: it gives the same rows, bit for bit.
    ///
    /// # Errors
    /// [`Error::Argument`] if the text is no such JSON, is of another version, or says what cannot
    /// be: a setting out of its range, terms out of order or twice, counts beyond the number of
    /// texts.
    pub fn from_json(json: &str) -> Result<Self> {
        read(json).map_err(|problem| {
            Error::argument("json", format!("holds no text vectorizer: {problem}"))
        })
    }
}

fn read(json: &str) -> Result<TextVectorizer, String> {
    // The version first: a later one may have other fields.
    let Version { text_vectorizer } =
        serde_json::from_str(json).map_err(|error| error.to_string())?;
    if text_vectorizer != VERSION {
        return Err(format!(
            "it has version {text_vectorizer}; this program reads version {VERSION}"
        ));
    }
    let saved: Saved = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let Saved { settings, texts, classes, forgotten, row_values, features, .. } = saved;
    settings.check().map_err(|(setting, problem)| format!("{setting} {problem}"))?;
    if features.is_empty() || features.len() > settings.max_features {
        let (count, most) = (features.len(), settings.max_features);
        return Err(format!("it has {count} features; expected 1 to max_features, {most}"));
    }
    if classes == 0 {
        return Err("it has no classes; expected at least 1".into());
    }
    if row_values == 0 || settings.row_values.is_some_and(|set| set != row_values) {
        return Err(format!(
            "row_values is {row_values}; expected {}",
            match settings.row_values {
                Some(set) => format!("{set}, as in the settings"),
                None => "at least 1".into(),
            }
        ));
    }
    let mut before = "";
    for (term, of_term) in &features {
        if term.as_str() <= before {
            return Err(format!(
                "the term {term:?} stands after {before:?}; expected each once, none empty, in the \
                 order of their characters"
            ));
        }
        if !(settings.min_df..=texts).contains(of_term) {
            let least = settings.min_df;
            return Err(format!(
                "the term {term:?} is in {of_term} texts; expected min_df, {least}, to {texts}"
            ));
        }
        before = term;
    }
    let features = features.into_iter().map(|(term, texts)| Feature { term: term.into(), texts });
    Ok(TextVectorizer::new(settings, texts, classes, forgotten, row_values, features.collect()))
}
