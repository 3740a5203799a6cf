//! How a CSV file is to be read.

use std::path::PathBuf;

use super::columns::{CsvCategories, CsvMissing, CsvType};

/// How to read a CSV file.
///
/// ```
/// use minibatch::data::{Csv, CsvType};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("flats.csv");
/// std::fs::write(&path, "rooms,district,note,rent\n3,north,quiet,900\n2,south,-,850\n")?;
/// let flats = Csv::new(&path).column("note", CsvType::Ignored).target("rent").open()?;
/// assert_eq!(flats.input_names(), ["rooms", "district=north", "district=south"]);
/// for column in flats.columns() {
///     println!("{}: {:?}", column.name, column.kind);
/// }
/// let source = flats.source(); // for fit
/// assert_eq!(source.len(), Some(2));
/// # Ok(())
/// # }
/// ```
///
/// By default: fields are separated by commas; the first row is a header if none of its fields is a
/// number; the types of columns are inferred from the first 1,000 rows; categories are one-hot; missing values are refused.
/// White space around a field is not part of it, empty lines are no rows.
#[derive(Debug, Clone)]
pub struct Csv {
    pub(super) path: PathBuf,
    pub(super) delimiter: u8,
    pub(super) header: Option<bool>,
    pub(super) names: Option<Vec<String>>,
    pub(super) told: Vec<(String, CsvType)>,
    pub(super) targets: Vec<String>,
    pub(super) missing: CsvMissing,
    pub(super) markers: Vec<String>,
    pub(super) categories: CsvCategories,
    pub(super) most_categories: usize,
    pub(super) infer_from: usize,
    pub(super) input_shape: Option<Vec<usize>>,
}

impl Csv {
    /// The file at `path`, read as by default.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let markers = ["", "?", "NA", "N/A", "NaN", "nan", "NULL", "null"];
        Csv {
            path: path.into(),
            delimiter: b',',
            header: None,
            names: None,
            told: Vec::new(),
            targets: Vec::new(),
            missing: CsvMissing::Refuse,
            markers: markers.map(String::from).to_vec(),
            categories: CsvCategories::OneHot,
            most_categories: 10_000,
            infer_from: 1000,
            input_shape: None,
        }
    }

    /// What separates fields.
    #[must_use]
    pub fn delimiter(self, delimiter: u8) -> Self {
        Csv { delimiter, ..self }
    }

    /// Whether the first row has the columns' names.
    #[must_use]
    pub fn header(self, header: bool) -> Self {
        Csv { header: Some(header), ..self }
    }

    /// The columns' names, in place of those in the header, or of numbers.
    #[must_use]
    pub fn names<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        Csv { names: Some(names.into_iter().map(Into::into).collect()), ..self }
    }

    /// What the fields of column `name` are.
    #[must_use]
    pub fn column(mut self, name: impl Into<String>, kind: CsvType) -> Self {
        let name = name.into();
        self.told.retain(|(other, _)| *other != name);
        self.told.push((name, kind));
        self
    }

    /// Column `name` is a target and no input. A single target is called `output`, several have the
    /// names of their columns. If its type is not told: texts are classes, and so are whole numbers
    /// of which at most 100 differ in the first rows; other numbers are values.
    #[must_use]
    pub fn target(mut self, name: impl Into<String>) -> Self {
        self.targets.push(name.into());
        self
    }

    /// What becomes of fields without a value. They are refused in a target.
    #[must_use]
    pub fn missing(self, missing: CsvMissing) -> Self {
        Csv { missing, ..self }
    }

    /// What stands in a field without a value; by default nothing, `?`, `NA`, `N/A`, `NaN`, `nan`,
    /// `NULL` or `null`.
    #[must_use]
    pub fn missing_markers<S: Into<String>>(self, markers: impl IntoIterator<Item = S>) -> Self {
        Csv { markers: markers.into_iter().map(Into::into).collect(), ..self }
    }

    /// What categories become as inputs.
    #[must_use]
    pub fn categories(self, categories: CsvCategories) -> Self {
        Csv { categories, ..self }
    }

    /// How many categories a column may have; 10,000 by default. They are kept in memory.
    #[must_use]
    pub fn most_categories(self, most: usize) -> Self {
        Csv { most_categories: most, ..self }
    }

    /// From how many rows types are inferred that were not told; 1,000 by default.
    #[must_use]
    pub fn infer_from(self, rows: usize) -> Self {
        Csv { infer_from: rows.max(1), ..self }
    }

    /// The shape of the input, `[28, 28]` for an image of 784 columns; by default all its values
    /// in one dimension.
    #[must_use]
    pub fn input_shape(self, shape: &[usize]) -> Self {
        Csv { input_shape: Some(shape.to_vec()), ..self }
    }

    pub(super) fn is_missing(&self, field: &[u8]) -> bool {
        self.markers.iter().any(|marker| marker.as_bytes() == field)
    }
}
