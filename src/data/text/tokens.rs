//! The words of a text, and the n-grams that they form.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// The words of a text, in memory that is used again for the next one.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokens {
    /// All words, a space after each: an n-gram is a piece of it.
    text: String,
    /// Where each word is.
    words: Vec<Range<usize>>,
}

impl Tokens {
    /// Takes the words of `text`. A word is a longest run of two or more letters, digits or
    /// underscores, as scikit-learn's `(?u)\b\w\w+\b` finds it.
    pub(super) fn split(&mut self, text: &str, lowercase: bool, strip_accents: bool) {
        self.text.clear();
        self.words.clear();
        if text.is_ascii() {
            self.take(text.chars().map(|c| if lowercase { c.to_ascii_lowercase() } else { c }));
            return;
        }
        // A whole text at once: the lower case of a sigma depends on its neighbours.
        let lower = lowercase.then(|| text.to_lowercase());
        let text = lower.as_deref().unwrap_or(text);
        if strip_accents {
            self.take(text.nfkd().filter(|&c| canonical_combining_class(c) == 0));
        } else {
            self.take(text.chars());
        }
    }

    fn take(&mut self, text: impl Iterator<Item = char>) {
        let (mut start, mut length) = (0, 0);
        // The space ends the last word.
        for c in text.chain([' ']) {
            if is_of_word(c) {
                self.text.push(c);
                length += 1;
            } else if length > 0 {
                if length > 1 {
                    self.words.push(start..self.text.len());
                    self.text.push(' ');
                    start = self.text.len();
                } else {
                    self.text.truncate(start);
                }
                length = 0;
            }
        }
    }

    /// Each n-gram with `least` to `most` words, these with one space between them.
    pub(super) fn terms(&self, [least, most]: [usize; 2]) -> impl Iterator<Item = &str> {
        (least..=most).flat_map(move |n| {
            self.words.windows(n).filter_map(|words| {
                let (first, last) = (words.first()?, words.last()?);
                self.text.get(first.start..last.end)
            })
        })
    }
}

/// What `\w` matches in Python's regular expressions.
fn is_of_word(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    matches!(
        c.general_category_group(),
        GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A list of what Python says of characters and texts.
    fn golden() -> serde_json::Value {
        let text = include_str!("../../../tests/scikit_learn/tokens.json");
        serde_json::from_str(text).unwrap()
    }

    fn ranges(value: &serde_json::Value) -> Vec<[u32; 2]> {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[test]
    fn every_character_that_python_knows_is_of_a_word_as_it_is_there() {
        let golden = golden();
        let (word, unknown) = (ranges(&golden["word"]), ranges(&golden["unassigned"]));
        let inside =
            |ranges: &[[u32; 2]], c: u32| ranges.iter().any(|r| (r[0]..=r[1]).contains(&c));
        let mut compared = 0;
        for c in ('\0'..=char::MAX).filter(|&c| !inside(&unknown, c.into())) {
            assert_eq!(is_of_word(c), inside(&word, c.into()), "U+{:04X}", u32::from(c));
            compared += 1;
        }
        assert!(compared > 140_000, "{compared} characters");
    }

    #[test]
    fn texts_have_the_terms_that_they_have_in_scikit_learn() {
        let golden = golden();
        let cases = golden["cases"].as_array().unwrap();
        assert!(cases.len() > 50);
        // Reused, so that what is left of the text before would be seen.
        let mut tokens = Tokens::default();
        for case in cases {
            let flag = |name: &str| case[name].as_bool().unwrap();
            let bytes: Vec<u8> = serde_json::from_value(case["bytes"].clone()).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            let ngrams = serde_json::from_value(case["ngrams"].clone()).unwrap();
            tokens.split(&text, flag("lowercase"), flag("strip_accents"));
            let mut counts = BTreeMap::new();
            for term in tokens.terms(ngrams) {
                *counts.entry(term.to_owned()).or_insert(0) += 1;
            }
            let expected: BTreeMap<String, u32> =
                serde_json::from_value(case["counts"].clone()).unwrap();
            assert_eq!(counts, expected, "{text:?}");
        }
    }
}
