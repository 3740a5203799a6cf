//! How texts become numbers.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// More words than these no n-gram has.
const MOST_WORDS: usize = 16;

/// How many columns a first layer could still have.
const MOST_FEATURES: usize = 1 << 24;

/// What a term's value is in a text that has it `n` times; it is 0 where it is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum TextValues {
    /// `n`.
    Counts,
    /// 1.
    Binary,
    /// `n` times `ln((1 + texts) / (1 + texts with the term)) + 1`.
    TfIdf {
        /// `1 + ln(n)` in place of `n`.
        sublinear_tf: bool,
        /// Each row is divided by the root of the sum of its squares.
        l2_norm: bool,
    },
}

/// Which terms become features, if there are more than [`TextSettings::max_features`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TextSelection {
    /// Those that occur most often in all texts together; of equal ones the first in the alphabet.
    Frequency,
    /// Those with the largest ANOVA [F-value](super::f_value); of equal ones the last in the
    /// alphabet, as scikit-learn's `SelectKBest` has it.
    FValue,
}

/// The settings of a [`TextVectorizer`](super::TextVectorizer). The names are those of scikit-learn's `TfidfVectorizer`.
///
/// | setting | default |
/// |---|---|
/// | [`ngrams`](Self::ngrams) | `1..=2` |
/// | [`min_df`](Self::min_df) | 2 |
/// | [`max_features`](Self::max_features) | 20,000 |
/// | [`values`](Self::values) | tf-idf, not sublinear, L2 norm |
/// | [`selection`](Self::selection) | by the F-value |
/// | [`lowercase`](Self::lowercase), [`strip_accents`](Self::strip_accents) | yes |
/// | [`memory`](Self::memory) | 512 MiB |
/// | [`row_values`](Self::row_values) | what the training texts need |
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct TextSettings {
    /// Least and most.
    pub(super) ngrams: [usize; 2],
    pub(super) min_df: u64,
    pub(super) max_features: usize,
    pub(super) values: TextValues,
    pub(super) selection: TextSelection,
    pub(super) lowercase: bool,
    pub(super) strip_accents: bool,
    /// Bytes.
    pub(super) memory: usize,
    pub(super) row_values: Option<usize>,
}

impl Default for TextSettings {
    fn default() -> Self {
        TextSettings {
            ngrams: [1, 2],
            min_df: 2,
            max_features: 20_000,
            values: TextValues::TfIdf { sublinear_tf: false, l2_norm: true },
            selection: TextSelection::FValue,
            lowercase: true,
            strip_accents: true,
            memory: 512 << 20,
            row_values: None,
        }
    }
}

impl TextSettings {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many consecutive words form a term: at least 1, at most 16.
    pub fn ngrams(mut self, words: RangeInclusive<usize>) -> Self {
        self.ngrams = [*words.start(), *words.end()];
        self
    }

    /// In how many training texts a term must be to become a feature, at least 1.
    pub fn min_df(mut self, texts: u64) -> Self {
        self.min_df = texts;
        self
    }

    /// The most features, at least 1.
    pub fn max_features(mut self, features: usize) -> Self {
        self.max_features = features;
        self
    }

    /// What a term's value is.
    pub fn values(mut self, values: TextValues) -> Self {
        self.values = values;
        self
    }

    /// Which terms become features, if there are more than [`max_features`](Self::max_features).
    pub fn selection(mut self, selection: TextSelection) -> Self {
        self.selection = selection;
        self
    }

    /// Whether all letters become small ones.
    pub fn lowercase(mut self, lowercase: bool) -> Self {
        self.lowercase = lowercase;
        self
    }

    /// Whether accents are taken away: `é` becomes `e`, by Unicode's compatibility decomposition,
    /// which also turns `ﬁ` into `fi` and `²` into `2`.
    pub fn strip_accents(mut self, strip_accents: bool) -> Self {
        self.strip_accents = strip_accents;
        self
    }

    /// About how many bytes [`fit`](Self::fit) may use for terms that it has seen, at least 1 MiB.
    /// Where they would take more, the rarest are forgotten, so that at most half remain.
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// The most values in a row, at least 1. What has more keeps its largest.
    pub fn row_values(mut self, most: usize) -> Self {
        self.row_values = Some(most);
        self
    }

    /// The first setting that is out of its range, and what is wrong with it.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let [least, most] = self.ngrams;
        if !(1 <= least && least <= most && most <= MOST_WORDS) {
            let problem =
                format!("is {least}..={most}; expected 1..=1 to {MOST_WORDS}..={MOST_WORDS}");
            return Err(("ngrams", problem));
        }
        let at_least = |setting, value: u64, least: u64| match value < least {
            true => Err((setting, format!("is {value}; expected at least {least}"))),
            false => Ok(()),
        };
        at_least("min_df", self.min_df, 1)?;
        at_least("max_features", self.max_features as u64, 1)?;
        if self.max_features > MOST_FEATURES {
            let problem = format!("is {}; expected at most {MOST_FEATURES}", self.max_features);
            return Err(("max_features", problem));
        }
        at_least("memory", self.memory as u64, 1 << 20)?;
        at_least("row_values", self.row_values.unwrap_or(1) as u64, 1)
    }

    /// The value of a term that is `count` times in a text, but for its weight.
    pub(super) fn term_frequency(&self, count: u32) -> f64 {
        match self.values {
            TextValues::Counts | TextValues::TfIdf { sublinear_tf: false, .. } => f64::from(count),
            TextValues::Binary => 1.0,
            TextValues::TfIdf { sublinear_tf: true, .. } => 1.0 + f64::from(count).ln(),
        }
    }
}
