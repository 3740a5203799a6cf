//! Shows PNG images, the rows of tables, or texts to a saved model.

mod text;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use minibatch::data::{Dataset, Features};
use minibatch::model::{Functional, Input, InputType};
use minibatch::{Model, Predict};
use png::{ColorType, Transformations};
use serde::Serialize;

use crate::processes::Processes;
use crate::table::{self, About};
use crate::{args, backend, print};

/// Rows of a table that are predicted at once by one process.
const ROWS: usize = 4096;

#[derive(Serialize)]
struct Prediction {
    image: String,
    class: usize,
    probability: f32,
    /// Of each class.
    probabilities: Vec<f32>,
}

/// What a model of a table says of a row.
#[derive(Serialize)]
struct RowPrediction {
    file: String,
    /// From 1.
    row: usize,
    #[serde(flatten)]
    told: Told,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Told {
    Class { class: String, probability: f32, probabilities: Vec<f32> },
    Value { value: f32 },
}

/// # Errors
/// If the model or an image cannot be read or do not fit each other.
pub(crate) fn run(args: &args::Predict) -> anyhow::Result<ExitCode> {
    if !args.texts.is_empty() {
        return text::run(args);
    }
    let processes = Processes::meet(args.distributed)?;
    let ended = files(args, &processes);
    processes.end(ended)
}

fn files(args: &args::Predict, processes: &Processes) -> anyhow::Result<ExitCode> {
    let backend = backend::choose_beside(&args.backend, processes)?;
    let first = processes.process().is_first();
    // Standard output holds predictions alone.
    backend.found().filter(|_| first).into_iter().for_each(print::aside);
    let mut model = Model::load(&args.model, backend.backend.clone())?;
    if let Some(about) = table::of(&model)? {
        return rows(args, &mut model, &about, processes);
    }
    let [height, width] = image_size(only_input(model.architecture())?)
        .with_context(|| args.model.display().to_string())?;
    let mut pixels = Vec::new();
    for path in &args.files {
        pixels.extend(read_grey(path, height, width).with_context(|| path.display().to_string())?);
    }
    let data = Dataset::unlabelled(Features::U8(Arc::new(pixels)), &[height, width])?;
    let outputs = model.predict(&data, processes.share_prediction(Predict::new()))?;
    ensure!(
        outputs.iter().all(|probability| probability.is_finite()),
        "{}: its probabilities are non-finite; train it again with a lower learning rate",
        args.model.display()
    );
    let classes = outputs.len() / args.files.len().max(1);
    let predictions: Vec<Prediction> = args
        .files
        .iter()
        .zip(outputs.chunks_exact(classes.max(1)))
        .map(|(path, probabilities)| prediction(path, probabilities))
        .collect();
    if !first {
        return Ok(ExitCode::SUCCESS);
    }
    if args.json {
        print::json(&predictions)?;
    } else {
        for prediction in &predictions {
            print::line(&prediction.in_words())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Predicts the rows of tables, some at a time, so that a table may be of any size. Several processes take a
/// table as a whole, and keep what is predicted of it in memory.
fn rows(
    args: &args::Predict,
    model: &mut Model,
    about: &About,
    processes: &Processes,
) -> anyhow::Result<ExitCode> {
    let first_process = processes.process().is_first();
    let mut all = Vec::new();
    for path in &args.files {
        let file = about.schema.open_inputs(path)?;
        let source = file.source();
        // Processes agree on the data once a file, an empty one too.
        let (rows, end) = match processes.process().count {
            1 => (ROWS, file.len()),
            _ => (file.len().max(1), file.len().max(1)),
        };
        for first in (0..end).step_by(rows) {
            let some = source.skip(first).take(rows);
            let outputs = model.predict(&some, processes.share_prediction(Predict::new()))?;
            ensure!(
                outputs.iter().all(|output| output.is_finite()),
                "{}: its predictions are non-finite; train it again with a lower learning rate",
                args.model.display()
            );
            if !first_process {
                continue;
            }
            let outputs = outputs.chunks_exact(about.classes.len().max(1));
            for (row, output) in (first + 1..).zip(outputs) {
                let file = path.display().to_string();
                let prediction = RowPrediction { file, row, told: told(about, output) };
                match args.json {
                    true => all.push(prediction),
                    false => print::line(&prediction.in_words(&about.classes))?,
                }
            }
        }
    }
    if args.json && first_process {
        print::json(&all)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn told(about: &About, output: &[f32]) -> Told {
    let class = ranked(output).first().copied().unwrap_or_default();
    let probability = output.get(class).copied().unwrap_or_default();
    match about.classes.get(class) {
        Some(name) => {
            Told::Class { class: name.clone(), probability, probabilities: output.to_vec() }
        }
        None => Told::Value { value: probability },
    }
}

impl RowPrediction {
    /// `iris.csv, row 1: Iris-setosa (99.81%), then Iris-virginica (0.12%)`, or `...: 23.5`.
    fn in_words(&self, classes: &[String]) -> String {
        let place = format!("{}, row {}", self.file, self.row);
        match &self.told {
            Told::Value { value } => format!("{place}: {value}"),
            Told::Class { probabilities, .. } => {
                best(&place, probabilities, |class| classes.get(class).cloned().unwrap_or_default())
            }
        }
    }
}

/// Height and width of the images that a model takes.
fn only_input(model: &Functional) -> anyhow::Result<&Input> {
    let mut inputs = model.inputs();
    match (inputs.next(), inputs.next()) {
        (Some((_, input)), None) => Ok(input),
        _ => bail!("takes {} inputs a sample, not one image", model.inputs().count()),
    }
}

fn image_size(input: &Input) -> anyhow::Result<[usize; 2]> {
    match (input.values, input.shape.as_slice()) {
        (InputType::U8 { .. }, &[height, width]) => Ok([height, width]),
        (InputType::U8 { .. }, shape) => bail!("takes samples of shape {shape:?}, not images"),
        (InputType::F32, shape) => bail!("takes floats of shape {shape:?}, not pixels"),
        (InputType::Sparse { .. }, shape) => {
            bail!("takes sparse floats of shape {shape:?}, not pixels; a text is given by --text")
        }
    }
}

fn prediction(path: &Path, probabilities: &[f32]) -> Prediction {
    let class = ranked(probabilities).first().copied().unwrap_or_default();
    Prediction {
        image: path.display().to_string(),
        class,
        probability: probabilities.get(class).copied().unwrap_or_default(),
        probabilities: probabilities.to_vec(),
    }
}

/// The classes, most probable first.
fn ranked(probabilities: &[f32]) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..probabilities.len()).collect();
    classes.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    classes
}

impl Prediction {
    /// `7.png: 7 (99.81%), then 9 (0.12%), 3 (0.04%)`.
    fn in_words(&self) -> String {
        best(&self.image, &self.probabilities, |class| class.to_string())
    }
}

/// The three most probable classes, by the names that `name` gives them.
fn best(what: &str, probabilities: &[f32], name: impl Fn(usize) -> String) -> String {
    let share = |class: usize| probabilities.get(class).copied().unwrap_or_default() * 100.0;
    let shares = ranked(probabilities)
        .into_iter()
        .map(|class| format!("{} ({:.2}%)", name(class), share(class)));
    let best: Vec<String> = shares.take(3).collect();
    match best.as_slice() {
        [first, others @ ..] if !others.is_empty() => {
            format!("{what}: {first}, then {}", others.join(", "))
        }
        _ => format!("{what}: {}", best.concat()),
    }
}

/// The image as one byte a pixel, row by row.
fn read_grey(path: &Path, height: usize, width: usize) -> anyhow::Result<Vec<u8>> {
    let file = File::open(path).context("cannot read")?;
    let mut decoder = png::Decoder::new(BufReader::new(file));
    // Palettes and fewer than 8 bits a channel become 8 bits, 16 bits lose the lower 8.
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().context("not a readable PNG image")?;
    let actual = [reader.info().width as usize, reader.info().height as usize];
    // Checked before anything is allocated for the pixels.
    ensure!(
        actual == [width, height],
        "is {} x {} pixels, but the model takes {width} x {height} (width x height)",
        actual[0],
        actual[1]
    );
    let size = reader.output_buffer_size().context("too large")?;
    let mut bytes = vec![0; size];
    let frame = reader.next_frame(&mut bytes).context("a damaged PNG image")?;
    let channels = match frame.color_type {
        ColorType::Grayscale | ColorType::Indexed => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
    };
    let pixels: Vec<u8> = bytes.chunks_exact(channels).take(width * height).map(grey).collect();
    ensure!(pixels.len() == width * height, "a damaged PNG image: too few pixels");
    Ok(pixels)
}

/// A pixel's brightness by ITU-R BT.601, on black as far as it is transparent.
fn grey(pixel: &[u8]) -> u8 {
    let luma = |[r, g, b]: [u8; 3]| {
        (299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b) + 500) / 1000
    };
    let opaque = |value: u32, alpha: u8| (value * u32::from(alpha) + 127) / 255;
    let value = match *pixel {
        [value] => u32::from(value),
        [value, alpha] => opaque(value.into(), alpha),
        [r, g, b] => luma([r, g, b]),
        [r, g, b, alpha] => opaque(luma([r, g, b]), alpha),
        _ => 0,
    };
    value.min(255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_pixel_becomes_its_brightness() {
        assert_eq!(grey(&[200]), 200);
        assert_eq!([grey(&[200, 255]), grey(&[200, 0])], [200, 0]);
        assert_eq!([grey(&[255, 255, 255]), grey(&[0, 0, 0])], [255, 0]);
        assert_eq!([grey(&[255, 0, 0]), grey(&[0, 255, 0]), grey(&[0, 0, 255])], [76, 150, 29]);
        assert_eq!([grey(&[255, 255, 255, 255]), grey(&[255, 255, 255, 51])], [255, 51]);
    }

    #[test]
    fn the_best_come_first() {
        let prediction = prediction(Path::new("a.png"), &[0.04, 0.9, 0.06]);
        assert_eq!(prediction.class, 1);
        assert_eq!(prediction.in_words(), "a.png: 1 (90.00%), then 2 (6.00%), 0 (4.00%)");
    }
}
