//! Text as numbers: words and n-grams of them, counted or weighed by tf-idf, as in Google's guide to
//! text classification. Texts come one by one, and each batch is made into sparse rows when it is
//! needed; there is never a matrix of all texts.
//!
//! ```
//! use minibatch::data::text::{SparseRow, TextSettings, TextVectorizer};
//!
//! # fn main() -> minibatch::Result<()> {
//! let texts = [("The match was lost.", 0), ("Oil prices fell.", 1), ("The match of oil!", 0)];
//! let vectorizer = TextSettings::new().min_df(1).fit(texts.map(Ok))?;
//! let mut row = SparseRow::default();
//! vectorizer.transform("Oil, and again oil", &mut row);
//! let words: Vec<_> = row.indices().iter().map(|&i| vectorizer.term(i as usize)).collect();
//! assert_eq!(words, [Some("oil")]);
//!
//! // Kept in the model's file with Model::set_metadata, under the key VECTORIZER_KEY.
//! let read = TextVectorizer::from_json(&vectorizer.to_json()?)?;
//! assert_eq!(read, vectorizer);
//! # Ok(())
//! # }
//! ```

mod anova;
mod candidates;
mod class_rows;
mod classified;
mod file;
mod saved;
mod settings;
mod tokens;
mod vectorizer;

pub use anova::f_value;
pub use classified::ClassifiedText;
pub use file::TextFile;
pub use settings::{TextSelection, TextSettings, TextValues};
pub use vectorizer::{SparseRow, TextVectorizer};

/// The key under which a model's file has the vectorizer that made its input, by
/// [`TextVectorizer::to_json`]: where `mnist-gpu predict --text` looks for it.
pub const VECTORIZER_KEY: &str = "text_vectorizer";

/// The key under which a model's file has the names of its classes, from class 0 on: a list of texts
/// in JSON.
pub const CLASS_NAMES_KEY: &str = "class_names";
