//! From a text to a sparse row.

use std::collections::HashMap;
use std::sync::Arc;

use super::settings::{TextSettings, TextValues};
use super::tokens::Tokens;

/// A term that is a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Feature {
    pub term: Arc<str>,
    /// Training texts that have it.
    pub texts: u64,
}

/// Makes texts into sparse rows: a column for each term that was chosen from training texts.
/// [`TextSettings::fit`] makes one.
///
/// It can be shared between threads, each with a [`SparseRow`] of its own.
#[derive(Debug, Clone)]
pub struct TextVectorizer {
    pub(super) settings: TextSettings,
    /// Training texts.
    pub(super) texts: u64,
    pub(super) classes: usize,
    pub(super) forgotten: u64,
    pub(super) row_values: usize,
    /// In the order of the alphabet, that of the columns.
    pub(super) features: Vec<Feature>,
    /// By which a term frequency is multiplied, for each feature.
    weights: Vec<f64>,
    columns: HashMap<Arc<str>, u32>,
}

impl PartialEq for TextVectorizer {
    fn eq(&self, other: &Self) -> bool {
        let all = |it: &Self| (it.texts, it.classes, it.forgotten, it.row_values);
        all(self) == all(other)
            && self.settings == other.settings
            && self.features == other.features
    }
}

impl TextVectorizer {
    /// `features` are in the order of the alphabet, none twice.
    pub(super) fn new(
        settings: TextSettings,
        texts: u64,
        classes: usize,
        forgotten: u64,
        row_values: usize,
        features: Vec<Feature>,
    ) -> Self {
        let weight = |feature: &Feature| match settings.values {
            TextValues::Counts | TextValues::Binary => 1.0,
            TextValues::TfIdf { .. } => {
                ((1.0 + texts as f64) / (1.0 + feature.texts as f64)).ln() + 1.0
            }
        };
        let weights = features.iter().map(weight).collect();
        let columns = (0..).zip(&features).map(|(column, it)| (Arc::clone(&it.term), column));
        let columns = columns.collect();
        TextVectorizer {
            settings,
            texts,
            classes,
            forgotten,
            row_values,
            features,
            weights,
            columns,
        }
    }

    /// How it was made.
    pub fn settings(&self) -> &TextSettings {
        &self.settings
    }

    /// Number of features: a row's indices are less than that.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features.len()
    }

    /// The term of a feature, its words with one space between them. Features are numbered in the
    /// order of their terms' Unicode characters. `None` if there is no such feature.
    #[must_use]
    pub fn term(&self, feature: usize) -> Option<&str> {
        self.features.get(feature).map(|feature| &*feature.term)
    }

    /// Number of classes of the training texts: one more than the largest.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Number of training texts.
    #[must_use]
    pub fn texts(&self) -> u64 {
        self.texts
    }

    /// The most values in a row: as [set](TextSettings::row_values), or the most of the 256 training
    /// texts with the most different terms, at least 64.
    #[must_use]
    pub fn row_values(&self) -> usize {
        self.row_values
    }

    /// By how many texts the counts of a term can be too low, because terms had to be forgotten to
    /// stay within [`TextSettings::memory`]. 0 if all counts are exact.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Makes `text` the content of `row`. What is not UTF-8 in it is read as U+FFFD, which is of no
    /// word. A text without any known term gives an empty row. If it has more features than
    /// [`row_values`](Self::row_values), those with the largest values are kept, as they are; of
    /// equal ones the first.
    pub fn transform(&self, text: impl AsRef<[u8]>, row: &mut SparseRow) {
        let SparseRow { indices, values, tokens, columns, exact } = row;
        let settings = &self.settings;
        let text = String::from_utf8_lossy(text.as_ref());
        tokens.split(&text, settings.lowercase, settings.strip_accents);
        columns.clear();
        columns.extend(
            tokens.terms(settings.ngrams).filter_map(|term| self.columns.get(term).copied()),
        );
        columns.sort_unstable();
        exact.clear();
        exact.extend(columns.chunk_by(|a, b| a == b).filter_map(|same| {
            let &column = same.first()?;
            let count = u32::try_from(same.len()).unwrap_or(u32::MAX);
            let weight = self.weights.get(column as usize)?;
            Some((column, settings.term_frequency(count) * weight))
        }));
        if let TextValues::TfIdf { l2_norm: true, .. } = settings.values {
            let norm = exact.iter().map(|(_, value)| value * value).sum::<f64>().sqrt();
            exact.iter_mut().for_each(|(_, value)| *value /= norm);
        }
        if exact.len() > self.row_values {
            exact.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            exact.truncate(self.row_values);
            exact.sort_unstable_by_key(|(column, _)| *column);
        }
        indices.clear();
        indices.extend(exact.iter().map(|(column, _)| *column));
        values.clear();
        values.extend(exact.iter().map(|(_, value)| *value as f32));
    }
}

/// The features that a text has, and memory that is used again for the next text.
#[derive(Debug, Clone, Default)]
pub struct SparseRow {
    indices: Vec<u32>,
    values: Vec<f32>,
    tokens: Tokens,
    /// A column for each occurrence of a term.
    columns: Vec<u32>,
    /// Column and value, before it is rounded.
    exact: Vec<(u32, f64)>,
}

impl SparseRow {
    /// The features that are not 0, strictly ascending.
    #[must_use]
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// The value of each, computed in f64 and rounded once.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}
