//! Shows plain texts to a saved model that has a text vectorizer.

use std::ffi::OsString;
use std::io::{self, BufRead};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use minibatch::data::text::{CLASS_NAMES_KEY, SparseRow, TextVectorizer, VECTORIZER_KEY};
use minibatch::data::{Dataset, Features, SparseMatrix, SparseRows};
use minibatch::model::InputType;
use minibatch::{Model, Predict};
use serde::Serialize;

use super::{best, only_input, ranked};
use crate::{args, backend, print};

/// Texts that are predicted at once, so that there may be any number of them.
const TEXTS: usize = 1024;
/// So many characters of a text stand before its classes.
const SHOWN: usize = 60;

#[derive(Serialize)]
struct Prediction {
    text: String,
    /// From 0.
    class: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    probability: f32,
    /// Of each class.
    probabilities: Vec<f32>,
    /// How many different terms of the text the model knows.
    known_terms: usize,
}

/// # Errors
/// If the model cannot be read or takes no text, or standard input cannot be read.
pub(super) fn run(args: &args::Predict) -> anyhow::Result<ExitCode> {
    let backend = backend::choose(&args.backend)?;
    // Standard output holds predictions alone.
    backend.found().into_iter().for_each(print::aside);
    let mut model = Model::load(&args.model, backend.backend.clone())?;
    let vectorizer = vectorizer(&model).with_context(|| args.model.display().to_string())?;
    let names = class_names(&model).with_context(|| args.model.display().to_string())?;
    let mut texts = texts(&args.texts);
    let mut all = Vec::new();
    let mut count = 0;
    loop {
        let some = texts.by_ref().take(TEXTS).collect::<io::Result<Vec<_>>>();
        let some = some.context("cannot read standard input")?;
        if some.is_empty() {
            break;
        }
        count += some.len();
        let predictions = predict(&mut model, &vectorizer, names.as_deref(), &some)
            .with_context(|| args.model.display().to_string())?;
        if args.json {
            all.extend(predictions);
        } else {
            for prediction in &predictions {
                print::line(&prediction.in_words(names.as_deref()))?;
            }
        }
    }
    ensure!(count > 0, "there is no line on standard input, from which --text - takes texts");
    if args.json {
        print::json(&all)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The vectorizer that makes texts into the model's input.
fn vectorizer(model: &Model) -> anyhow::Result<TextVectorizer> {
    let Some(json) = model.metadata(VECTORIZER_KEY) else {
        bail!(
            "has no text vectorizer, so it takes no text; give a model that was saved with one, as \
             the example `news` does"
        );
    };
    let vectorizer = TextVectorizer::from_json(json)?;
    let input = only_input(model.architecture())?;
    let [features, values] = [vectorizer.features(), vectorizer.row_values()];
    match input.values {
        InputType::Sparse { most } if input.shape == [features] && values <= most => Ok(vectorizer),
        _ => bail!(
            "its text vectorizer makes {features} sparse features, up to {values} in a text, and the \
             model takes others: shape {:?}, {:?}",
            input.shape,
            input.values
        ),
    }
}

fn class_names(model: &Model) -> anyhow::Result<Option<Vec<String>>> {
    let names = model.metadata(CLASS_NAMES_KEY).map(serde_json::from_str).transpose();
    names.context("the names of its classes cannot be read")
}

/// What the arguments say; in place of `-`, the lines of standard input.
fn texts(given: &[OsString]) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    given.iter().flat_map(|text| -> Box<dyn Iterator<Item = io::Result<Vec<u8>>>> {
        if text == "-" {
            Box::new(io::stdin().lock().split(b'\n'))
        } else {
            // As on standard input, what is no text becomes U+FFFD.
            Box::new(std::iter::once(Ok(text.to_string_lossy().into_owned().into_bytes())))
        }
    })
}

fn predict(
    model: &mut Model,
    vectorizer: &TextVectorizer,
    names: Option<&[String]>,
    texts: &[Vec<u8>],
) -> anyhow::Result<Vec<Prediction>> {
    let (mut rows, mut row) = (SparseRows::default(), SparseRow::default());
    let mut known_terms = Vec::with_capacity(texts.len());
    for text in texts {
        vectorizer.transform(text, &mut row);
        rows.push(row.indices(), row.values())?;
        known_terms.push(row.indices().len());
    }
    let features = vectorizer.features();
    let rows = Features::Sparse(SparseMatrix::new(features, rows)?);
    let outputs = model.predict(&Dataset::unlabelled(rows, &[features])?, Predict::new())?;
    ensure!(
        outputs.iter().all(|probability| probability.is_finite()),
        "its probabilities are non-finite; train it again with a lower learning rate"
    );
    let classes = outputs.len() / texts.len().max(1);
    if let Some(names) = names {
        let names = names.len();
        ensure!(names == classes, "it has {classes} classes, and names for {names}");
    }
    let texts = texts.iter().zip(known_terms);
    let predictions = outputs.chunks_exact(classes.max(1)).zip(texts);
    let predictions = predictions.map(|(probabilities, (text, known_terms))| {
        let class = ranked(probabilities).first().copied().unwrap_or_default();
        Prediction {
            text: String::from_utf8_lossy(text).trim_end_matches('\r').to_owned(),
            class,
            name: names.and_then(|names| names.get(class)).cloned(),
            probability: probabilities.get(class).copied().unwrap_or_default(),
            probabilities: probabilities.to_vec(),
            known_terms,
        }
    });
    Ok(predictions.collect())
}

impl Prediction {
    /// `Oil prices fell again ...: Business (98.12%), then World (1.08%), Sports (0.42%)`.
    fn in_words(&self, names: Option<&[String]>) -> String {
        let name = |class: usize| {
            let name = names.and_then(|names| names.get(class));
            name.cloned().unwrap_or_else(|| format!("class {class}"))
        };
        let words = best(&shown(&self.text), &self.probabilities, name);
        match self.known_terms {
            0 => format!("{words}; the model knows none of its words"),
            _ => words,
        }
    }
}

/// A text on one line, its end cut off if it is long.
fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} ...", line.get(..end).unwrap_or_default().trim_end()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shown_on_one_line() {
        assert_eq!(shown(" two\n lines\t"), "two lines");
        // Cut between characters, not bytes, and not before a space.
        let long = "\u{e9}".repeat(59) + " " + "more";
        assert_eq!(shown(&long), "\u{e9}".repeat(59) + " ...");
        assert_eq!(shown(&"x".repeat(60)), "x".repeat(60));
    }
}
