//! Opening a CSV file: what its columns are, and where its rows begin.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::columns::{CsvCategories, CsvColumn, CsvMissing, CsvType, Reading, integer, number};
use super::file::CsvFile;
use super::rows::{At, BUFFER, Rows, SMALL_BUFFER};
use super::settings::Csv;
use crate::data::file::PositionedFile;
use crate::data::row_index::{RowIndex, START};
use crate::error::{Error, Result};

/// The rows from which types are inferred take no more than this.
const MOST_SAMPLE_BYTES: usize = 16 << 20;
/// Whole numbers as a target are classes if so few differ.
const FEW: usize = 100;

impl Csv {
    /// Reads the file once, in order: counts its rows, gathers categories and means, and remembers
    /// where rows begin. The memory for that grows with the number of categories, not with that of
    /// rows.
    ///
    /// # Errors
    /// [`Error::Data`] with file, line and column: if a row has more or fewer fields than the
    /// first, a value is missing, a category has too many values, or there is no row;
    /// [`Error::Argument`] if a column that was named is not there; [`Error::Io`] if the file
    /// cannot be read. Numbers that are none are found when their row is read.
    pub fn open(&self) -> Result<CsvFile> {
        let file = PositionedFile::open(&self.path)?;
        let first = FirstRows::read(self, &file)?;
        let header = self.header.unwrap_or_else(|| first.has_header());
        let names = self.column_names(&first, header)?;
        let mut columns = self.readings(&first, header, names)?;
        let width = columns.len();

        let mut gathering: Vec<Gathering> = columns.iter().map(|_| Gathering::default()).collect();
        let count = |columns: &[Reading], gathering: &mut [Gathering]| {
            self.pass_over(&file, header, width, |at, rows| {
                let fields = columns.iter().zip(gathering.iter_mut()).zip(rows.fields());
                for ((reading, gathered), field) in fields {
                    self.gather(reading, gathered, field)
                        .map_err(|problem| at.error(&reading.column.name, problem))?;
                }
                Ok(())
            })
        };
        let index = count(&columns, &mut gathering)?;
        let missing = gathering.iter().map(|gathered| gathered.missing).sum();
        for (reading, gathered) in columns.iter_mut().zip(gathering) {
            reading.instead = match self.missing {
                CsvMissing::Refuse => None,
                CsvMissing::Constant(value) => Some(value),
                // A column of which every value is missing has no mean.
                CsvMissing::Mean => Some((gathered.sum / gathered.count.max(1) as f64) as f32),
            };
            if reading.column.kind == CsvType::Category {
                reading.set_categories(gathered.categories);
            }
        }
        let header = first.rows.into_iter().next().filter(|_| header);
        CsvFile::new(self.clone(), file, columns, index, header, missing)
    }

    /// Opens the file as one of these columns, whose first row is `header`, which `than` has, if
    /// it has one.
    pub(super) fn open_as(
        self,
        columns: Vec<Reading>,
        header: Option<Vec<Vec<u8>>>,
        than: &str,
    ) -> Result<CsvFile> {
        let file = PositionedFile::open(&self.path)?;
        if let Some(header) = &header {
            let mut rows = Rows::new(&file, self.delimiter, START, SMALL_BUFFER);
            if !(rows.read()? && rows.fields().eq(header.iter().map(Vec::as_slice))) {
                let problem = format!("has another header than {than}");
                return Err(Error::data(self.path.display().to_string(), problem));
            }
        }
        let mut gathered = Gathering::default();
        let index = self.pass_over(&file, header.is_some(), columns.len(), |at, rows| {
            for (reading, field) in columns.iter().zip(rows.fields()) {
                let checked = match reading.column.kind {
                    CsvType::Category if !self.is_missing(field) => {
                        reading.category(field).map(|_| ())
                    }
                    _ => {
                        gathered.categories.clear();
                        self.gather(reading, &mut gathered, field)
                    }
                };
                checked.map_err(|problem| at.error(&reading.column.name, problem))?;
            }
            Ok(())
        })?;
        CsvFile::new(self, file, columns, index, header, gathered.missing)
    }

    /// The columns' names, each another.
    fn column_names(&self, first: &FirstRows, header: bool) -> Result<Vec<String>> {
        let width = first.rows.first().map_or(0, Vec::len);
        let names = match (&self.names, header, first.rows.first()) {
            (Some(names), ..) => names.clone(),
            (None, true, Some(row)) => {
                row.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
            }
            _ => (0..width).map(|column| column.to_string()).collect(),
        };
        if names.len() != width {
            let problem = format!("are {}; the file has {width} columns", names.len());
            return Err(Error::argument("names", problem));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(*name)) {
            let problem = format!("two columns are called {twice:?}; give all of them names");
            return Err(Error::data(self.path.display().to_string(), problem));
        }
        let named = self.told.iter().map(|(name, _)| name).chain(&self.targets);
        for name in named {
            if !names.contains(name) {
                let problem = format!("there is no {name:?}; there is {}", names.join(", "));
                return Err(Error::argument("column", problem));
            }
        }
        Ok(names)
    }

    /// The types of all columns, told or inferred.
    fn readings(
        &self,
        first: &FirstRows,
        header: bool,
        names: Vec<String>,
    ) -> Result<Vec<Reading>> {
        let columns = names.into_iter().enumerate().map(|(column, name)| {
            let told = self.told.iter().find(|(other, _)| *other == name).map(|(_, kind)| *kind);
            let is_target = self.targets.contains(&name);
            let values = || {
                let rows = first.rows.iter().skip(usize::from(header));
                let fields = rows.filter_map(move |row| row.get(column));
                fields.filter(|field| !self.is_missing(field))
            };
            let kind = told.unwrap_or_else(|| {
                let numbers = values().all(|field| number(field).is_some());
                let integers = || values().all(|field| integer(field).is_some());
                let few = || values().collect::<BTreeSet<_>>().len() <= FEW;
                match (values().next(), is_target) {
                    (None, _) => CsvType::Ignored,
                    (Some(_), true) if numbers && integers() && few() => CsvType::Category,
                    (Some(_), _) if numbers => CsvType::Number,
                    (Some(_), _) => CsvType::Category,
                }
            });
            if is_target && matches!(kind, CsvType::Ignored) {
                let problem = format!("{name:?} is a target without a value in the first rows");
                return Err(Error::argument("column", problem));
            }
            let one_hot = self.categories == CsvCategories::OneHot;
            let column = CsvColumn {
                name,
                kind,
                inferred: told.is_none(),
                is_target,
                categories: Vec::new(),
            };
            Ok(Reading::new(column, one_hot))
        });
        columns.collect()
    }

    /// What the first pass learns from a field.
    fn gather(
        &self,
        reading: &Reading,
        gathered: &mut Gathering,
        field: &[u8],
    ) -> Result<(), String> {
        let kind = reading.column.kind;
        if kind == CsvType::Ignored {
            return Ok(());
        }
        if self.is_missing(field) {
            if reading.column.is_target {
                return Err("has no value, and is a target".into());
            }
            if self.missing == CsvMissing::Refuse {
                return Err("has no value; say with missing what to take instead".into());
            }
            gathered.missing += 1;
            if kind == CsvType::Category {
                gathered.categories.insert(Vec::new());
            }
            return Ok(());
        }
        match kind {
            CsvType::Category => {
                if !gathered.categories.contains(field) {
                    if gathered.categories.len() >= self.most_categories {
                        return Err(format!(
                            "has more than {} categories; ignore it, or set most_categories",
                            self.most_categories
                        ));
                    }
                    gathered.categories.insert(field.to_vec());
                }
            }
            CsvType::Number | CsvType::Byte if self.missing == CsvMissing::Mean => {
                gathered.sum += f64::from(reading.number(field)?);
                gathered.count += 1;
            }
            CsvType::Number | CsvType::Byte | CsvType::Ignored => {}
        }
        Ok(())
    }

    /// Calls `visit` with each row that is no header, and remembers where they are.
    fn pass_over(
        &self,
        file: &Arc<PositionedFile>,
        header: bool,
        width: usize,
        mut visit: impl FnMut(At<'_>, &Rows) -> Result<()>,
    ) -> Result<RowIndex> {
        let mut rows = Rows::new(file, self.delimiter, START, BUFFER);
        let mut index = RowIndex::new();
        if header {
            rows.read()?;
        }
        while rows.read()? {
            let at = At { path: &self.path, line: rows.position().line };
            at.check_width(&rows, width)?;
            visit(at, &rows)?;
            index.push(rows.position());
        }
        match index.rows() {
            0 => Err(Error::data(self.path.display().to_string(), "has no row of data")),
            _ => Ok(index),
        }
    }
}

impl CsvFile {
    /// Opens another file with the same columns, types, categories and means: the test set that
    /// belongs to a training set.
    ///
    /// # Errors
    /// As [`Csv::open`]; also [`Error::Data`] if its header is another, or it has a category that
    /// this file lacks.
    pub fn like(&self, path: impl Into<PathBuf>) -> Result<CsvFile> {
        let opened = &self.0;
        let csv = Csv { path: path.into(), ..opened.csv.clone() };
        let own = opened.csv.path.display().to_string();
        csv.open_as(opened.columns.clone(), opened.header.clone(), &own)
    }
}

/// What the first pass gathers of a column.
#[derive(Default)]
struct Gathering {
    categories: BTreeSet<Vec<u8>>,
    sum: f64,
    count: u64,
    /// Fields without a value.
    missing: u64,
}

/// The rows from which types are inferred, all of the same width.
struct FirstRows {
    rows: Vec<Vec<Vec<u8>>>,
}

impl FirstRows {
    fn read(csv: &Csv, file: &Arc<PositionedFile>) -> Result<Self> {
        let mut input = Rows::new(file, csv.delimiter, START, BUFFER);
        let mut rows: Vec<Vec<Vec<u8>>> = Vec::new();
        let mut bytes = 0;
        while rows.len() <= csv.infer_from && bytes < MOST_SAMPLE_BYTES && input.read()? {
            let at = At { path: &csv.path, line: input.position().line };
            at.check_width(&input, rows.first().map_or(input.len(), Vec::len))?;
            bytes += input.fields().map(|field| field.len() + 24).sum::<usize>();
            rows.push(input.fields().map(<[u8]>::to_vec).collect());
        }
        match rows.is_empty() {
            true => Err(Error::data(csv.path.display().to_string(), "has no row")),
            false => Ok(FirstRows { rows }),
        }
    }

    fn has_header(&self) -> bool {
        self.rows.first().is_some_and(|first| {
            // Where a table was written with the numbers of its rows, these have no name.
            first.iter().all(|field| number(field).is_none())
                && first.iter().any(|field| !field.is_empty())
        })
    }
}
