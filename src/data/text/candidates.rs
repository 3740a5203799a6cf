//! The one pass over the training texts: which terms there are, and what is known of each.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};

use super::anova::f_value;
use super::settings::{TextSelection, TextSettings};
use super::tokens::Tokens;
use super::vectorizer::{Feature, TextVectorizer};
use crate::error::{Error, Result};

/// Classes are numbers from 0, and each number below the largest takes memory.
const MOST_CLASSES: usize = 1 << 16;

/// Of so many texts, those with the most terms, it is remembered which terms they have.
const LONGEST: usize = 256;

/// However short the training texts are, a row may have so many values.
const LEAST_ROW_VALUES: usize = 64;

/// What a term takes besides its own bytes and a sum for each class: its entry in the hash table at
/// a load of one half, the block of its text on the heap, and [`Seen`].
const BYTES_OF_A_TERM: usize = 110;

/// What is known of a term.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// Texts that have it.
    texts: u64,
    /// How often it occurs in all of them.
    count: u64,
    /// The sum of the squares of its values.
    squares: f64,
}

/// All terms seen so far.
#[derive(Debug)]
pub(super) struct Candidates {
    settings: TextSettings,
    numbers: HashMap<Box<str>, u32>,
    /// By the term's number.
    seen: Vec<Seen>,
    /// For each class the sums of each term's values, by its number; shorter than `seen` if the last
    /// terms are none of the class. Empty if terms are not chosen by their F-value.
    sums: Vec<Vec<f64>>,
    /// Bytes of all terms.
    bytes: usize,
    texts: u64,
    /// Texts of each class.
    texts_of_class: Vec<u64>,
    /// By how much a count can be too low, for terms that were forgotten.
    forgotten: u64,
    /// The terms of the texts that have the most different ones, the shortest on top.
    longest: BinaryHeap<Reverse<(usize, Vec<u32>)>>,
    tokens: Tokens,
    /// The terms of the text at hand, by number.
    terms: Vec<u32>,
}

impl TextSettings {
    /// Chooses the features and learns how to weigh them from `texts`, each with its class from 0,
    /// in one pass. What is not UTF-8 in a text is read as U+FFFD, which is of no word.
    ///
    /// The F-value of a term is that of its count (1 for [`TextValues::Binary`](super::TextValues::Binary), `1 + ln(n)` where
    /// tf is sublinear). Scaling a feature does not change it, so it is exactly the F-value of the
    /// term's tf-idf before rows are normed. The norm of a row depends on the weights of all its
    /// terms, which are known after the last text, so that F-values of normed rows would need a
    /// second pass. In scikit-learn's words this is
    /// `make_pipeline(CountVectorizer(...), SelectKBest(f_classif, k), TfidfTransformer())`.
    ///
    /// Memory goes by the number of different terms, not of texts: about 100 bytes for each, its own
    /// bytes, and 8 more for each class if terms are chosen by their F-value. It is bounded by
    /// [`memory`](Self::memory): [`TextVectorizer::forgotten`] says whether the bound was reached,
    /// and how inexact the counts can be for it.
    ///
    /// # Errors
    /// [`Error::Argument`] if a setting is out of its range, if there is no text, or no term in
    /// `min_df` of them, if a class is 65,536 or more, or if terms must be chosen by their F-value
    /// and all texts are of one class. The first error among `texts` is returned as it is.
    pub fn fit<T, I>(self, texts: I) -> Result<TextVectorizer>
    where
        T: AsRef<[u8]>,
        I: IntoIterator<Item = Result<(T, u32)>>,
    {
        self.check().map_err(|(setting, problem)| Error::argument(setting, problem))?;
        let mut candidates = Candidates::new(self);
        for text in texts {
            let (text, class) = text?;
            candidates.add(&String::from_utf8_lossy(text.as_ref()), class)?;
        }
        candidates.choose()
    }
}

impl Candidates {
    pub(super) fn new(settings: TextSettings) -> Self {
        Candidates {
            settings,
            numbers: HashMap::new(),
            seen: Vec::new(),
            sums: Vec::new(),
            bytes: 0,
            texts: 0,
            texts_of_class: Vec::new(),
            forgotten: 0,
            longest: BinaryHeap::new(),
            tokens: Tokens::default(),
            terms: Vec::new(),
        }
    }

    /// Counts the terms of one more text.
    pub(super) fn add(&mut self, text: &str, class: u32) -> Result<()> {
        let class = self.class(class)?;
        self.texts += 1;
        self.tokens.split(text, self.settings.lowercase, self.settings.strip_accents);
        self.terms.clear();
        for term in self.tokens.terms(self.settings.ngrams) {
            let number = match self.numbers.get(term) {
                Some(&number) => number,
                None => {
                    let number = u32::try_from(self.seen.len())
                        .map_err(|_| Error::argument("texts", "have more than 2^32 terms"))?;
                    self.numbers.insert(term.into(), number);
                    self.seen.push(Seen::default());
                    self.bytes += term.len();
                    number
                }
            };
            self.terms.push(number);
        }
        self.terms.sort_unstable();
        let mut different = 0;
        for same in self.terms.chunk_by(|a, b| a == b) {
            different += 1;
            let Some(number) = same.first().map(|&number| number as usize) else { continue };
            let Some(seen) = self.seen.get_mut(number) else { continue };
            let value = self.settings.term_frequency(u32::try_from(same.len()).unwrap_or(u32::MAX));
            seen.texts += 1;
            seen.count += same.len() as u64;
            seen.squares += value * value;
            let Some(sums) = self.sums.get_mut(class) else { continue };
            if sums.len() <= number {
                sums.resize(number + 1, 0.0);
            }
            if let Some(sum) = sums.get_mut(number) {
                *sum += value;
            }
        }
        self.remember_if_long(different);
        if self.memory() > self.settings.memory {
            self.forget();
        }
        Ok(())
    }

    /// Counts a text of `class`.
    fn class(&mut self, class: u32) -> Result<usize> {
        let index = class as usize;
        if index >= MOST_CLASSES {
            let problem = format!("are of class {class}; expected less than {MOST_CLASSES}");
            return Err(Error::argument("texts", problem));
        }
        if self.texts_of_class.len() <= index {
            self.texts_of_class.resize(index + 1, 0);
            if self.settings.selection == TextSelection::FValue {
                self.sums.resize_with(index + 1, Vec::new);
            }
        }
        if let Some(texts) = self.texts_of_class.get_mut(index) {
            *texts += 1;
        }
        Ok(index)
    }

    fn remember_if_long(&mut self, different: usize) {
        let shortest = self.longest.peek().map_or(0, |Reverse((different, _))| *different);
        if self.settings.row_values.is_some()
            || (self.longest.len() >= LONGEST && different <= shortest)
        {
            return;
        }
        // The memory of the one that goes is used for the one that comes.
        let mut terms = match self.longest.len() >= LONGEST {
            true => self.longest.pop().map(|Reverse((_, terms))| terms).unwrap_or_default(),
            false => Vec::new(),
        };
        terms.clear();
        terms.extend(self.terms.chunk_by(|a, b| a == b).filter_map(|same| same.first()));
        self.longest.push(Reverse((different, terms)));
    }

    /// Bytes that the terms take, about.
    fn memory(&self) -> usize {
        let of_a_term = BYTES_OF_A_TERM + size_of::<f64>() * self.sums.len();
        self.bytes + self.seen.len() * of_a_term
    }

    /// Forgets the terms that are in the fewest texts, so that at most half remain.
    fn forget(&mut self) {
        let mut texts: Vec<u64> = self.seen.iter().map(|seen| seen.texts).collect();
        let middle = texts.len() / 2;
        if middle >= texts.len() {
            return;
        }
        let most = *texts.select_nth_unstable_by(middle, |a, b| b.cmp(a)).1;
        self.forgotten += most;

        // In the order of the old numbers, so that the new ones do not depend on the hash table's.
        let mut kept = 0;
        let new_numbers: Vec<Option<u32>> = self
            .seen
            .iter()
            .map(|seen| {
                let stays = seen.texts > most;
                kept += u32::from(stays);
                stays.then(|| kept - 1)
            })
            .collect();
        let new = |old: usize| new_numbers.get(old).copied().flatten();
        let bytes = &mut self.bytes;
        self.numbers.retain(|term, number| match new(*number as usize) {
            Some(new) => {
                *number = new;
                true
            }
            None => {
                *bytes -= term.len();
                false
            }
        });
        self.seen.retain(|seen| seen.texts > most);
        for sums in &mut self.sums {
            let mut old = 0..;
            sums.retain(|_| old.next().and_then(new).is_some());
        }
        // A text keeps its place among the longest: the terms that it lost may come back in others.
        for Reverse((different, terms)) in std::mem::take(&mut self.longest) {
            let terms = terms.into_iter().filter_map(|old| new(old as usize)).collect();
            self.longest.push(Reverse((different, terms)));
        }
    }

    /// The vectorizer of the best terms.
    pub(super) fn choose(self) -> Result<TextVectorizer> {
        let refused = |problem: String| Err(Error::argument("texts", problem));
        let Candidates { settings, mut numbers, seen, sums, texts, texts_of_class, .. } = self;
        if texts == 0 {
            return refused("are none; expected at least one".into());
        }
        let texts_with = |number: u32| seen.get(number as usize).map_or(0, |seen| seen.texts);
        // No list of these terms is made before the best are chosen. In more texts, more terms are in
        // `min_df` of them, even if no new one comes, and memory shall not grow with that.
        numbers.retain(|_, number| texts_with(*number) >= settings.min_df);
        if numbers.is_empty() {
            return refused(format!(
                "have no term that is in {} of the {texts} texts; lower min_df, or give more",
                settings.min_df
            ));
        }
        let terms = if numbers.len() <= settings.max_features {
            in_order(numbers)
        } else {
            // Of equally good terms, the first of the alphabet or the last.
            let (worth, last_first): (Vec<f64>, bool) = match settings.selection {
                TextSelection::Frequency => {
                    (seen.iter().map(|seen| seen.count as f64).collect(), false)
                }
                TextSelection::FValue => {
                    if texts_of_class.iter().filter(|&&texts| texts > 0).count() < 2 {
                        return refused(
                            "are all of one class, which no F-value can tell from others; give \
                             texts of two classes, or choose by TextSelection::Frequency"
                                .into(),
                        );
                    }
                    (f_values(&seen, &sums, &texts_of_class), true)
                }
            };
            best(numbers, &worth, settings.max_features, last_first)
        };

        let row_values = settings.row_values.unwrap_or_else(|| {
            let mut is_feature = vec![false; seen.len()];
            for (_, number) in &terms {
                if let Some(is_feature) = is_feature.get_mut(*number as usize) {
                    *is_feature = true;
                }
            }
            let feature = |&&number: &&u32| is_feature.get(number as usize) == Some(&true);
            let rows =
                self.longest.iter().map(|Reverse((_, row))| row.iter().filter(feature).count());
            rows.max().unwrap_or(0).max(LEAST_ROW_VALUES)
        });
        let features = terms
            .into_iter()
            .map(|(term, number)| Feature { term: term.into(), texts: texts_with(number) });
        Ok(TextVectorizer::new(
            settings,
            texts,
            texts_of_class.len(),
            self.forgotten,
            row_values,
            features.collect(),
        ))
    }
}

/// A term, and its number.
type Term = (Box<str>, u32);

/// The terms in the order of the alphabet.
fn in_order(numbers: HashMap<Box<str>, u32>) -> Vec<Term> {
    let mut terms: Vec<Term> = numbers.into_iter().collect();
    terms.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    terms
}

/// The `most` terms of the largest worth, which is given by their numbers, in the order of the
/// alphabet. There are more than `most`. Of equal ones, the first of the alphabet are taken, or,
/// with `last_first`, the last.
fn best(
    mut numbers: HashMap<Box<str>, u32>,
    worth: &[f64],
    most: usize,
    last_first: bool,
) -> Vec<Term> {
    let worth_of = |number: u32| worth.get(number as usize).copied().unwrap_or(f64::MIN);
    // What the worst of them is worth: only what reaches it is sorted.
    let mut all: Vec<f64> = numbers.values().map(|&number| worth_of(number)).collect();
    let place = most.saturating_sub(1).min(all.len().saturating_sub(1));
    let least = *all.select_nth_unstable_by(place, |a, b| b.total_cmp(a)).1;
    drop(all);
    numbers.retain(|_, number| worth_of(*number) >= least);

    let mut terms = in_order(numbers);
    if last_first {
        terms.reverse();
    }
    terms.sort_by(|a, b| worth_of(b.1).partial_cmp(&worth_of(a.1)).unwrap_or(Ordering::Equal));
    terms.truncate(most);
    terms.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    terms
}

/// The F-value of each term, by its number.
fn f_values(seen: &[Seen], sums: &[Vec<f64>], texts_of_class: &[u64]) -> Vec<f64> {
    let mut of_classes = Vec::with_capacity(sums.len());
    let f_value_of = |(number, seen): (usize, &Seen)| {
        of_classes.clear();
        of_classes.extend(sums.iter().map(|sums| sums.get(number).copied().unwrap_or(0.0)));
        let f_value = f_value(&of_classes, texts_of_class, seen.squares);
        // A term that is everywhere the same is the worst of all.
        if f_value.is_nan() { f64::MIN } else { f_value }
    };
    seen.iter().enumerate().map(f_value_of).collect()
}
