//! The library's models in processes that MPI connects: the same bits with any number of them.

use std::fs;

use minibatch::distributed::{Mpi, Transport};
use minibatch::model::Compiled;
use minibatch::{Backend, Dataset, Evaluate, Fit, Predict, Shuffle};
use tempfile::TempDir;

use crate::processes::{BATCH, backends, branched, branches, digits, perceptron};
use crate::{done, meeting, succeed};

/// A classifier, and a model of two inputs and two outputs: each with dropout, AdamW whose gradients are
/// clipped by the norm of all, and a last batch that is smaller than the others.
fn models() -> [(&'static str, Compiled, Dataset); 2] {
    [
        ("perceptron", perceptron().shards(8), digits(267)),
        ("branches", branches().shards(8), branched(186)),
    ]
}

/// Everything that a run leaves: the model's file with the optimizer's moments, the histories of the epochs,
/// scores and outputs.
fn run(backend: &Backend, compiled: Compiled, data: &Dataset, mpi: Option<&Mpi>) -> Vec<u8> {
    let mut fit =
        Fit::new().batch_size(BATCH).epochs(3).shuffle(Shuffle::Full).validation_split(0.2);
    let mut evaluate = Evaluate::new().batch_size(BATCH);
    let mut predict = Predict::new().batch_size(BATCH);
    if let Some(mpi) = mpi {
        fit = fit.distribute(mpi);
        evaluate = evaluate.distribute(mpi);
        predict = predict.distribute(mpi);
    }
    let mut model = compiled.build(backend.clone()).unwrap();
    let history = model.fit(data, fit).unwrap();
    let losses: Vec<f64> = history.epochs.iter().map(|epoch| epoch.training.loss).collect();
    assert!(losses[2] < losses[0], "{losses:?}");
    assert_eq!(history.exchange.map(|exchange| exchange.processes), mpi.map(|m| m.process().count));
    let mut bytes = model.save_bytes().unwrap();
    bytes.extend(format!("{:?}", crate::processes::scores(&history)).bytes());
    bytes.extend(format!("{:?}", model.evaluate(data, evaluate).unwrap()).bytes());
    bytes.extend(format!("{:?}", model.predict_outputs(data, predict).unwrap()).bytes());
    bytes
}

#[test]
fn any_number_of_processes_makes_the_same_bits() {
    let run_all = |mpi: Option<&Mpi>, each: &dyn Fn(String, Vec<u8>)| {
        for backend in backends() {
            for (name, compiled, data) in models() {
                let on = if matches!(backend, Backend::Cpu(_)) { "CPU" } else { "GPU" };
                each(format!("{name} on the {on}"), run(&backend, compiled, &data, mpi));
            }
        }
    };
    let Some(meeting) = meeting() else {
        let directory = TempDir::new().unwrap();
        run_all(None, &|file, bytes| fs::write(directory.path().join(file), bytes).unwrap());
        for count in [1, 2, 3, 4, 8] {
            let name = "models::any_number_of_processes_makes_the_same_bits";
            succeed(name, count, directory.path(), &[]);
        }
        return;
    };
    let mpi = Mpi::world().unwrap();
    run_all(Some(&mpi), &|file, bytes| {
        let alone = fs::read(meeting.join(&file)).unwrap();
        assert!(bytes == alone, "{file}: {} has other bits", mpi.process());
    });
    done(mpi.process());
}
