//! CSV files: a row is a sample.

mod columns;
mod file;
mod open;
mod rows;
mod schema;
mod settings;

pub use columns::{CsvCategories, CsvColumn, CsvMissing, CsvType};
pub use file::CsvFile;
pub use schema::CsvSchema;
pub use settings::Csv;
