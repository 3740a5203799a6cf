//! Compares runs by their history files.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;

use minibatch::callbacks::Mode;
use minibatch::training::{EpochRecord, learning_curves};

use crate::{args, figure, history, print};

/// # Errors
/// If a history cannot be read, or the figure cannot be written.
pub(crate) fn run(args: &args::Show) -> anyhow::Result<ExitCode> {
    if let Some(path) = &args.figure {
        figure::check(path)?;
    }
    let names = names(&args.histories);
    let runs = args.histories.iter().map(|path| history::read(path));
    let runs = runs.collect::<anyhow::Result<Vec<_>>>()?;
    let runs = names.iter().map(String::as_str).zip(runs.iter().map(Vec::as_slice));
    let runs: Vec<(&str, &[EpochRecord])> = runs.collect();
    print::line(&table(&runs))?;
    if let Some(path) = &args.figure {
        figure::write(path, &learning_curves("", &runs))?;
        print::line(&format!("figure saved to {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the runs are called: the files' names without directory and extension where they differ,
/// else the paths.
fn names(paths: &[PathBuf]) -> Vec<String> {
    let stem = |path: &PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let stems: Vec<String> = paths.iter().filter_map(stem).collect();
    let different: HashSet<&String> = stems.iter().collect();
    match different.len() == paths.len() {
        true => stems,
        false => paths.iter().map(|path| path.display().to_string()).collect(),
    }
}

/// For each run and each of its values: the best one, its epoch, and the last one.
fn table(runs: &[(&str, &[EpochRecord])]) -> String {
    let mut rows = vec![["run", "epochs", "value", "best", "at epoch", "last"].map(str::to_owned)];
    for (run, epochs) in runs {
        let mut first = [(*run).to_owned(), epochs.len().to_string()];
        for name in value_names(epochs) {
            let values = epochs.iter().filter_map(|r| Some((r.epoch, r.value(&name)?)));
            let last =
                values.clone().next_back().map_or_else(String::new, |(_, value)| shown(value));
            let [best, at] = match best(values, Mode::of(&name)) {
                Some((epoch, value)) => [shown(value), epoch.to_string()],
                None => ["-", "-"].map(str::to_owned),
            };
            let [run, count] = std::mem::take(&mut first);
            rows.push([run, count, name, best, at, last]);
        }
    }
    aligned(&rows)
}

/// Names of the scores, in the order in which epochs have them.
fn value_names(epochs: &[EpochRecord]) -> Vec<String> {
    let mut names = Vec::new();
    for (name, _) in epochs.iter().flat_map(EpochRecord::values) {
        if !names.contains(&name) && name != "learning_rate" && name != "seconds" {
            names.push(name);
        }
    }
    names
}

/// The first epoch with the best value; none if the direction is unknown or no value is a number.
fn best(values: impl Iterator<Item = (u32, f64)>, mode: Option<Mode>) -> Option<(u32, f64)> {
    let upward = mode? == Mode::Max;
    let numbers = values.filter(|(_, value)| !value.is_nan());
    numbers.reduce(|best, next| {
        let better = if upward { next.1 > best.1 } else { next.1 < best.1 };
        if better { next } else { best }
    })
}

fn shown(value: f64) -> String {
    match value.abs() {
        0.0 | 1e-3..1e6 => format!("{value:.4}"),
        _ if value.is_finite() => format!("{value:.3e}"),
        _ => value.to_string(),
    }
}

/// Lines with columns as wide as their widest cell: texts from the left, numbers from the right.
fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            let is_text = column == 0 || column == 2;
            if is_text { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join("  ")
    });
    lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_value_is_the_first_of_the_best_and_never_nan() {
        let values = || [(1, f64::NAN), (2, 0.5), (3, 0.25), (4, 0.25), (5, 0.75)].into_iter();
        assert_eq!(best(values(), Some(Mode::Min)), Some((3, 0.25)));
        assert_eq!(best(values(), Some(Mode::Max)), Some((5, 0.75)));
        assert_eq!(best(values(), None), None);
        assert_eq!(best(values().take(1), Some(Mode::Min)), None);
    }

    #[test]
    fn runs_are_named_by_what_tells_their_files_apart() {
        let names = |paths: &[&str]| names(&paths.iter().map(PathBuf::from).collect::<Vec<_>>());
        assert_eq!(names(&["a/x.json", "b/y.csv"]), ["x", "y"]);
        assert_eq!(names(&["a/x.json", "b/x.json"]), ["a/x.json", "b/x.json"]);
    }
}
