//! What the columns of a CSV file are, and what their fields become.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::data::samples::Values;

/// What the fields of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CsvType {
    /// Numbers: an f32 of the input or a target.
    Number,
    /// Whole numbers from 0 to 255. If all inputs are such, the input is of bytes.
    Byte,
    /// One of several texts or numbers. As an input see [`CsvCategories`]; as a target, the class.
    Category,
    /// Nothing that is used.
    Ignored,
}

/// What a category becomes as an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CsvCategories {
    /// One value a category: 1 for its own, 0 for the others.
    #[default]
    OneHot,
    /// Its number, from 0.
    Index,
}

/// What becomes of a field without a value.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CsvMissing {
    /// It is an error.
    #[default]
    Refuse,
    /// A number becomes this one. Missing categories are a category of their own, without a name.
    Constant(f32),
    /// A number becomes the mean of its column, as the file that was opened first has it. Missing
    /// categories are a category of their own, without a name.
    Mean,
}

/// What is known of a column.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CsvColumn {
    /// Its name in the header; its number from 0 if there is none.
    pub name: String,
    /// What its fields are.
    pub kind: CsvType,
    /// Whether that was inferred from the first rows.
    pub inferred: bool,
    /// Whether it is a target.
    pub is_target: bool,
    /// Its categories: those that occur, as numbers if all are whole numbers, else as texts, in
    /// ascending order. Category 0 comes first.
    pub categories: Vec<String>,
}

/// A column, and what is needed to read its fields.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) column: CsvColumn,
    /// The number of each category.
    numbers: BTreeMap<Vec<u8>, u32>,
    /// What a missing number becomes.
    pub(super) instead: Option<f32>,
    pub(super) one_hot: bool,
}

impl Reading {
    pub(super) fn new(column: CsvColumn, one_hot: bool) -> Self {
        Reading { column, numbers: BTreeMap::new(), instead: None, one_hot }
    }

    /// Takes these as the categories.
    pub(super) fn set_categories(&mut self, found: BTreeSet<Vec<u8>>) {
        let mut found: Vec<Vec<u8>> = found.into_iter().collect();
        if found.iter().all(|text| integer(text).is_some()) {
            found.sort_by_key(|text| integer(text));
        }
        self.set_category_fields(found);
    }

    /// Takes these as the categories, in this order.
    pub(super) fn set_category_fields(&mut self, found: Vec<Vec<u8>>) {
        self.column.categories =
            found.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
        self.numbers = found.into_iter().zip(0..).collect();
    }

    /// The fields that are its categories, from category 0 on.
    pub(super) fn category_fields(&self) -> Vec<&[u8]> {
        let mut fields: Vec<_> = self.numbers.iter().collect();
        fields.sort_by_key(|(_, number)| **number);
        fields.into_iter().map(|(field, _)| field.as_slice()).collect()
    }

    /// The number of a category.
    pub(super) fn category(&self, field: &[u8]) -> Result<u32, String> {
        self.numbers.get(field).copied().ok_or_else(|| {
            let field = String::from_utf8_lossy(field);
            let mut some: Vec<_> = self.column.categories.iter().take(10).cloned().collect();
            if self.column.categories.len() > some.len() {
                some.push("...".into());
            }
            format!("is {field:?}, which is none of the categories: {}", some.join(", "))
        })
    }

    /// The number in a field.
    pub(super) fn number(&self, field: &[u8]) -> Result<f32, String> {
        let (expected, value) = match self.column.kind {
            CsvType::Byte => {
                let value = integer(field).and_then(|value| u8::try_from(value).ok());
                ("a whole number from 0 to 255", value.map(f32::from))
            }
            CsvType::Number | CsvType::Category | CsvType::Ignored => {
                ("a finite number that an f32 can hold", number(field))
            }
        };
        value.ok_or_else(|| {
            let field = String::from_utf8_lossy(field);
            let inferred = match self.column.inferred {
                true => "; its type was inferred from the first rows, tell it if it is another",
                false => "",
            };
            format!("is {field:?}, expected {expected}{inferred}")
        })
    }

    /// Values that it is in the input.
    pub(super) fn width(&self) -> usize {
        match self.column.kind {
            CsvType::Number | CsvType::Byte => 1,
            CsvType::Category if self.one_hot => self.column.categories.len(),
            CsvType::Category => 1,
            CsvType::Ignored => 0,
        }
    }

    /// Appends what a field becomes in the input. A number that is missing is `instead`.
    pub(super) fn append(
        &self,
        field: &[u8],
        missing: bool,
        into: &mut Values,
    ) -> Result<(), String> {
        match self.column.kind {
            CsvType::Ignored => Ok(()),
            CsvType::Number | CsvType::Byte => {
                let value = match missing {
                    true => self.instead.ok_or("has no value")?,
                    false => self.number(field)?,
                };
                match into {
                    Values::U8(values) => values.push(value as u8),
                    Values::F32(values) => values.push(value),
                    Values::U32(_) | Values::F16(_) | Values::Sparse(_) => {}
                }
                Ok(())
            }
            CsvType::Category => {
                let category = self.category(if missing { b"" } else { field })?;
                if let Values::F32(values) = into {
                    if self.one_hot {
                        let start = values.len();
                        values.resize(start + self.column.categories.len(), 0.0);
                        if let Some(own) = values.get_mut(start + category as usize) {
                            *own = 1.0;
                        }
                    } else {
                        values.push(category as f32);
                    }
                }
                Ok(())
            }
        }
    }
}

/// The whole number that a field is.
pub(super) fn integer(field: &[u8]) -> Option<i64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// The finite number that a field is.
pub(super) fn number(field: &[u8]) -> Option<f32> {
    let value: f32 = std::str::from_utf8(field).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}
