//! File names with an epoch's values in them: `model-{epoch:02}-{val_loss:.2f}.safetensors`.

use crate::error::{Error, Result};
use crate::training::history::EpochRecord;

/// A wider field than this is taken for a typing error.
const MOST_DIGITS: usize = 99;

/// A parsed pattern.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PathPattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Field(Field),
}

/// `{name:[0][width][.precision][d|f]}`, the part of Python's format language that such names
/// need.
#[derive(Debug, Clone, PartialEq)]
struct Field {
    name: String,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
}

impl PathPattern {
    /// Parses `pattern`, whose fields must be `epoch` or among `names`.
    pub(super) fn parse(pattern: &str, names: &[String]) -> Result<Self> {
        let bad = |problem: String| Error::argument("filepath", format!("{pattern:?}: {problem}"));
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = pattern.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '{' | '}' if rest.next_if_eq(&c).is_some() => text.push(c),
                '{' => {
                    let mut inside = String::new();
                    loop {
                        match rest.next() {
                            Some('}') => break,
                            Some(c) => inside.push(c),
                            None => return Err(bad(format!("{{{inside} is not closed"))),
                        }
                    }
                    parts.push(Part::Text(std::mem::take(&mut text)));
                    parts.push(Part::Field(Field::parse(&inside, names).map_err(bad)?));
                }
                '}' => {
                    return Err(bad("a } without its {; write }} for a brace in the name".into()));
                }
                c => text.push(c),
            }
        }
        parts.push(Part::Text(text));
        Ok(PathPattern(parts))
    }

    /// The file name for an epoch; `None` if a value of the pattern was not measured in it.
    pub(super) fn path(&self, record: &EpochRecord) -> Option<String> {
        let part = |part: &Part| match part {
            Part::Text(text) => Some(text.clone()),
            Part::Field(field) => field.format(record),
        };
        self.0.iter().map(part).collect()
    }
}

impl Field {
    fn parse(inside: &str, names: &[String]) -> Result<Self, String> {
        let (name, format) = inside.split_once(':').unwrap_or((inside, ""));
        let is_epoch = name == "epoch";
        if !is_epoch && !names.iter().any(|known| known == name) {
            let names = names.join(", ");
            return Err(format!("there is no value {name:?}; this run has epoch, {names}"));
        }
        let bad_format = || {
            format!(
                "{{{inside}}} is not understood; write {{name}}, {{epoch:02}} or {{name:.2f}}, \
                 with at most {MOST_DIGITS} digits"
            )
        };
        let (format, kind) = match format.strip_suffix(['d', 'f']) {
            Some(shorter) => (shorter, format.get(shorter.len()..)),
            None => (format, None),
        };
        let (width, precision) = match format.split_once('.') {
            Some((width, precision)) => (width, Some(precision)),
            None => (format, None),
        };
        let number = |text: &str| match text {
            "" => Some(0),
            digits if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse().ok().filter(|&number| number <= MOST_DIGITS)
            }
            _ => None,
        };
        let field = Field {
            name: name.to_owned(),
            zeros: width.starts_with('0'),
            width: number(width).ok_or_else(bad_format)?,
            precision: match (kind, precision) {
                // As Python: a bare f has six digits.
                (Some("f"), None) => Some(6),
                (Some("f"), Some(digits)) if !digits.is_empty() => {
                    Some(number(digits).ok_or_else(bad_format)?)
                }
                (Some("d"), None) if is_epoch => None,
                (None, None) => None,
                _ => return Err(bad_format()),
            },
        };
        Ok(field)
    }

    fn format(&self, record: &EpochRecord) -> Option<String> {
        let width = self.width;
        let text = match (self.name.as_str(), self.precision) {
            ("epoch", None) => record.epoch.to_string(),
            ("epoch", Some(precision)) => format!("{:.precision$}", f64::from(record.epoch)),
            (name, None) => record.value(name)?.to_string(),
            (name, Some(precision)) => format!("{:.precision$}", record.value(name)?),
        };
        if !self.zeros {
            return Some(format!("{text:>width$}"));
        }
        // Zeros stand between the sign and the digits.
        let digits = text.trim_start_matches('-');
        let sign = if digits.len() < text.len() { "-" } else { "" };
        Some(format!("{sign}{digits:0>0$}", width.saturating_sub(sign.len())))
    }
}
