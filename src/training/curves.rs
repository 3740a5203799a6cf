//! Learning curves as a figure.

use super::history::EpochRecord;
use super::scores::Scores;
use crate::chart::{Axis, Colour, Figure, Mark, Panel, Series};

const MARKS: [Mark; 4] = [Mark::Circle, Mark::Square, Mark::Triangle, Mark::Diamond];

/// Draws loss and metrics of runs over their epochs: a panel for each value, the loss first. What
/// was reached on the training samples is a solid line with points, on the validation samples a
/// dashed one. Several runs, each with its name, have a colour each.
///
/// A value that is not a finite number is left out, and its line broken there.
#[must_use]
pub fn learning_curves(title: &str, runs: &[(&str, &[EpochRecord])]) -> Figure {
    let mut names: Vec<String> = Vec::new();
    let mut validated = false;
    for record in runs.iter().flat_map(|(_, epochs)| *epochs) {
        validated |= record.validation.is_some();
        let scores = [Some(&record.training), record.validation.as_ref()].into_iter().flatten();
        for (name, _) in scores.flat_map(Scores::values) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let several = runs.len() > 1;
    let mut figure = Figure::new(title).panel_size(680, 320);
    for name in &names {
        let heading = match several && validated {
            true => format!("{name} (validation dashed)"),
            false => name.clone(),
        };
        let epoch = Axis::linear("epoch").integers();
        let mut panel = Panel::new(heading, epoch, Axis::linear(""));
        let styles = Colour::SERIES.into_iter().cycle().zip(MARKS.into_iter().cycle());
        for ((run, epochs), (colour, mark)) in runs.iter().zip(styles) {
            let curve = |scores: fn(&EpochRecord) -> Option<&Scores>| -> Vec<(f64, f64)> {
                let value = |record| scores(record)?.value(name);
                let points = epochs.iter().filter_map(|r| Some((f64::from(r.epoch), value(r)?)));
                points.collect()
            };
            let training = curve(|record| Some(&record.training));
            let validation = curve(|record| record.validation.as_ref());
            let (training, validation) = match several {
                true => (
                    Series::line(*run, training).colour(colour).mark(mark),
                    Series::line("", validation).colour(colour),
                ),
                false => {
                    (Series::line("training", training), Series::line("validation", validation))
                }
            };
            panel = panel.series(training.points());
            if validated {
                panel = panel.series(validation.dashed());
            }
        }
        figure = figure.panel(panel);
    }
    figure
}
