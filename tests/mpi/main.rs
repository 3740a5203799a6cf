//! Processes that MPI's launcher starts. The tests in `models` and `transport` run themselves as one process of
//! several.
#![cfg(target_os = "linux")]

#[path = "../support/checkpoints.rs"]
mod checkpoints;
#[path = "../support/mpirun.rs"]
mod mpirun;
#[path = "../support/numbers.rs"]
mod numbers;
#[path = "../support/processes.rs"]
#[allow(dead_code, reason = "others use the rest")]
mod processes;
#[path = "../support/program.rs"]
#[allow(dead_code, reason = "others use the rest")]
mod program;

mod models;
mod runs;
mod transport;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use minibatch::distributed::Process;
use mpirun::{Ended, Job};

/// Set for the processes that a test starts: the directory in which they meet it.
const MEETING: &str = "MINIBATCH_MPI_TEST";
/// Within which all processes end when one of them is gone.
const SECONDS_10: Duration = Duration::from_secs(10);

/// Where this process was told to meet the test that started it; `None` in the test itself.
fn meeting() -> Option<PathBuf> {
    env::var_os(MEETING).map(PathBuf::from)
}

/// Runs the test `name` of this file's modules as `count` processes, each of which finds [`meeting`].
fn start(name: &str, count: usize, meeting: &Path, options: &[&str]) -> Job {
    let mut program = Command::new(env::current_exe().unwrap());
    program.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(MEETING, meeting);
    Job::start(options, &[(count, &program)])
}

/// The same, to their end, which must be a good one of each of them.
fn succeed(name: &str, count: usize, meeting: &Path, options: &[&str]) {
    let Ended { out, err, .. } = start(name, count, meeting, options).succeed();
    for rank in 0..count {
        let done = format!("{} is done\n", Process { rank, count });
        assert!(out.contains(&done), "{count} processes: {out}{err}");
    }
}

/// Says so to the test that started it.
fn done(process: Process) {
    println!("\n{process} is done");
}
