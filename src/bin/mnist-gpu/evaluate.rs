//! Evaluates a saved model on the test data.

use std::process::ExitCode;

use anyhow::ensure;
use minibatch::{Evaluate, Model};
use serde::Serialize;

use crate::progress::{duration, in_words};
use crate::{args, backend, network, print, source};

#[derive(Serialize)]
struct Report {
    loss: f64,
    accuracy: Option<f64>,
    samples: usize,
    adapter: String,
    backend: &'static str,
}

/// # Errors
/// If the model, the data or the backend cannot be had or do not fit each other.
pub(crate) fn run(args: &args::Evaluate) -> anyhow::Result<ExitCode> {
    let backend = backend::choose(&args.backend)?;
    let mut model = Model::load(&args.model, backend.backend.clone())?;
    let source = source::choose(&args.data, true)?;
    let test = source.data.test;
    let start = std::time::Instant::now();
    let scores = model.evaluate(&test, Evaluate::new().batch_size(args.batch_size))?;
    ensure!(
        scores.loss.is_finite(),
        "{}: its loss on the test data is non-finite; train it again with a lower learning rate",
        args.model.display()
    );
    if args.json {
        // Which data they are matters, but is not part of the result.
        print::aside(&source.note);
        print::json(&Report {
            loss: scores.loss,
            accuracy: scores.accuracy(),
            samples: test.len(),
            adapter: backend.adapter(),
            backend: backend.name(),
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    print::line(&source.note)?;
    print::line(&backend.describe())?;
    let architecture = model.architecture();
    let inputs = architecture.inputs().map(|(_, input)| input);
    let sizes: Vec<String> =
        inputs.map(|input| network::sizes(input, architecture.layers())).collect();
    let sizes = sizes.join(", ");
    print::line(&format!("model: {}, {sizes}", args.model.display()))?;
    let time = duration(start.elapsed().as_secs_f64());
    print::line(&format!("test: {} - {} samples in {time}", in_words("", &scores), test.len()))?;
    Ok(ExitCode::SUCCESS)
}
