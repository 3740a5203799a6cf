//! Draws a sweep.

use minibatch::Scores;
use minibatch::chart::{Axis, Colour, Figure, Mark, Panel, Series};
use minibatch::training::EpochRecord;

use super::report::{Report, Row};

const MARKS: [Mark; 4] = [Mark::Circle, Mark::Square, Mark::Triangle, Mark::Diamond];

/// Loss and accuracy against epochs and against seconds, the gradient's noise, and the speed.
pub(super) fn figure(report: &Report) -> Figure {
    let title = format!(
        "Batch sizes compared over the same number of {}{}",
        report.equal,
        if report.linear_scaling { ", learning rate in proportion" } else { "" }
    );
    let loss = |scores: &Scores| Some(scores.loss);
    Figure::new(title)
        .columns(2)
        .panel_size(620, 380)
        .panel(curves(report, "loss", Axis::log(""), Along::Epochs, loss))
        .panel(curves(report, "loss", Axis::log(""), Along::Seconds, loss))
        .panel(curves(report, "accuracy", Axis::linear(""), Along::Epochs, Scores::accuracy))
        .panel(curves(report, "accuracy", Axis::linear(""), Along::Seconds, Scores::accuracy))
        .panel(noise(report))
        .panel(speed(report))
}

#[derive(Clone, Copy)]
enum Along {
    Epochs,
    /// Of training alone.
    Seconds,
}

impl Along {
    /// Where each record of a run lies.
    fn places(self, row: &Row) -> Vec<f64> {
        match self {
            Along::Epochs => row.epochs.clone(),
            Along::Seconds => {
                let mut sum = 0.0;
                let seconds = row.history.epochs.iter().map(|record| {
                    sum += record.seconds;
                    sum
                });
                seconds.collect()
            }
        }
    }
}

/// A value over the course of each run: of training a solid line with points, of the samples held
/// out a dashed one.
fn curves(
    report: &Report,
    name: &str,
    y: Axis,
    along: Along,
    value: impl Fn(&Scores) -> Option<f64>,
) -> Panel {
    let (label, x) = match along {
        Along::Epochs => ("epochs", Axis::linear("epochs")),
        // Batches of one sample may take a hundred times as long as others.
        Along::Seconds => ("seconds of training", Axis::log("seconds")),
    };
    let title = format!("{name} against {label} (test dashed)");
    let mut panel = Panel::new(title, x, y);
    let styles = Colour::SERIES.into_iter().cycle().zip(MARKS.into_iter().cycle());
    for (row, (colour, mark)) in report.runs.iter().zip(styles) {
        let places = along.places(row);
        let curve = |scores: fn(&EpochRecord) -> Option<&Scores>| -> Vec<(f64, f64)> {
            let points = places.iter().zip(&row.history.epochs);
            points.filter_map(|(&x, record)| Some((x, value(scores(record)?)?))).collect()
        };
        let training = Series::line(row.batch_size.to_string(), curve(|r| Some(&r.training)));
        let held_out = Series::line("", curve(|record| record.validation.as_ref()));
        panel = panel
            .series(training.colour(colour).mark(mark).points())
            .series(held_out.colour(colour).dashed());
    }
    panel
}

/// How far gradients are off, beside the line that falls with the root of the batch size.
fn noise(report: &Report) -> Panel {
    let mut of: Vec<_> =
        report.runs.iter().filter_map(|row| Some((row.batch_size as f64, row.gradient?))).collect();
    of.sort_by(|a, b| a.0.total_cmp(&b.0));
    // All samples have no place on a logarithmic axis: their gradient is not off.
    let measured: Vec<_> = of.iter().map(|(size, noise)| (*size, noise.measured)).collect();
    let line: Vec<_> = of.iter().map(|(size, noise)| (*size, noise.expected)).collect();
    let title = "noise of the gradient, relative to it";
    let mut panel = Panel::new(title, sizes(report), Axis::log("distance / length"))
        .series(Series::scatter("measured", measured))
        .series(Series::reference("1/sqrt(batch size)", line));
    if let Some(scale) = report.gradient_noise_scale {
        panel = panel.series(Series::vertical("noise scale", scale));
    }
    panel
}

fn speed(report: &Report) -> Panel {
    let mut speed: Vec<(f64, f64)> =
        report.runs.iter().map(|row| (row.batch_size as f64, row.samples_per_second)).collect();
    speed.sort_by(|a, b| a.0.total_cmp(&b.0));
    Panel::new("speed", sizes(report), Axis::log("samples a second"))
        .series(Series::line("", speed).points())
}

/// An axis with a tick at each batch size.
fn sizes(report: &Report) -> Axis {
    let mut sizes: Vec<f64> = report.runs.iter().map(|row| row.batch_size as f64).collect();
    sizes.sort_by(f64::total_cmp);
    Axis::log("batch size").ticks(sizes)
}
