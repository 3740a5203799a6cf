//! Evaluates a saved model on the test data.

use std::process::ExitCode;

use anyhow::{bail, ensure};
use minibatch::Model;
use minibatch::data::Source as Samples;
use serde::Serialize;

use crate::args::Reading;
use crate::processes::Processes;
use crate::progress::{duration, in_words};
use crate::train::evaluation;
use crate::{args, backend, network, print, source, table};

#[derive(Serialize)]
struct Report {
    loss: f64,
    accuracy: Option<f64>,
    /// The mean absolute error, of a model that learned a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    mae: Option<f64>,
    samples: usize,
    adapter: String,
    backend: &'static str,
}

/// # Errors
/// If the model, the data or the backend cannot be had or do not fit each other.
pub(crate) fn run(args: &args::Evaluate) -> anyhow::Result<ExitCode> {
    let processes = Processes::meet(args.distributed)?;
    let ended = evaluate(args, &processes);
    processes.end(ended)
}

fn evaluate(args: &args::Evaluate, processes: &Processes) -> anyhow::Result<ExitCode> {
    let backend = backend::choose_beside(&args.backend, processes)?;
    let mut model = Model::load(&args.model, backend.backend.clone())?;
    let (test, note) = processes.one_first(|| test_data(args, &model))?;
    let samples = test.len().unwrap_or_default();
    let start = std::time::Instant::now();
    let evaluation = evaluation(args.batch_size, &args.loading);
    let scores = model.evaluate(&test, processes.share_evaluation(evaluation))?;
    ensure!(
        scores.loss.is_finite(),
        "{}: its loss on the test data is non-finite; train it again with a lower learning rate",
        args.model.display()
    );
    if !processes.process().is_first() {
        return Ok(ExitCode::SUCCESS);
    }
    if args.json {
        // Which data they are matters, but is not part of the result.
        print::aside(&note);
        print::json(&Report {
            loss: scores.loss,
            accuracy: scores.accuracy(),
            mae: scores.value("mae"),
            samples,
            adapter: backend.adapter(),
            backend: backend.name(),
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    print::line(&note)?;
    print::line(&backend.describe())?;
    if let Some(processes) = processes.describe() {
        print::line(&processes)?;
    }
    let architecture = model.architecture();
    let inputs = architecture.inputs().map(|(_, input)| input);
    let sizes: Vec<String> =
        inputs.map(|input| network::sizes(input, architecture.layers())).collect();
    let sizes = sizes.join(", ");
    print::line(&format!("model: {}, {sizes}", args.model.display()))?;
    let time = duration(start.elapsed().as_secs_f64());
    print::line(&format!("test: {} - {samples} samples in {time}", in_words("", &scores)))?;
    Ok(ExitCode::SUCCESS)
}

/// The samples for a model, and one line about them.
fn test_data(args: &args::Evaluate, model: &Model) -> anyhow::Result<(Samples, String)> {
    let name = args.model.display();
    match (table::of(model)?, table::path(&args.data)) {
        (Some(about), Some(path)) => about.test(path),
        (None, None) => {
            let source = source::choose(&args.data, &Reading::default(), true)?;
            Ok((source.test, source.note))
        }
        (Some(about), None) => bail!(
            "{name}: was trained on a table, to tell {}; give it one with --data FILE.csv",
            about.target()
        ),
        (None, Some(path)) => {
            bail!("--data {}: is a table, but {name} was trained on images", path.display())
        }
    }
}
