//! Several processes that MPI's launcher starts, and how they end.
//!
//! MPIRUN names the launcher, of OpenMPI or MPICH, whichever the crate was built with.

use std::env;
use std::fs::{self, File};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longer than anything takes; what is not done then, hangs.
const HANGS: Duration = Duration::from_secs(150);

/// In the environment of each process, the directory of its job.
const JOB: &str = "MINIBATCH_MPI_JOB";

fn launcher() -> String {
    env::var("MPIRUN").unwrap_or_else(|_| "mpirun".to_owned())
}

/// What OpenMPI's launcher must be told, so that it starts more processes than there are cores, also as
/// root. MPICH's does so by itself, and knows none of these.
fn options() -> &'static [&'static str] {
    static OPEN_MPI: OnceLock<bool> = OnceLock::new();
    let is_open_mpi = *OPEN_MPI.get_or_init(|| {
        let output = Command::new(launcher()).arg("--version").output().unwrap_or_else(|error| {
            panic!(
                "{}: {error}; on Debian or Ubuntu: \
                 apt-get install -y openmpi-bin libopenmpi-dev libclang-dev",
                launcher()
            )
        });
        String::from_utf8_lossy(&output.stdout).contains("Open MPI")
    });
    if is_open_mpi { &["--oversubscribe", "--allow-run-as-root"] } else { &[] }
}

/// Processes that run.
pub(crate) struct Job {
    launcher: Child,
    told: TempDir,
    line: String,
}

/// How they ended, and what they printed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Job {
    /// Starts so many processes of what each of `programs` runs, by rank one after the other, in the
    /// directory and the environment of the first; `more` are options of the launcher.
    pub(crate) fn start(more: &[&str], programs: &[(usize, &Command)]) -> Self {
        let told = tempfile::tempdir().unwrap();
        let file = |name: &str| File::create(told.path().join(name)).unwrap();
        let mut command = Command::new(launcher());
        command.args(options()).args(more);
        for (place, (count, program)) in programs.iter().enumerate() {
            if place > 0 {
                command.arg(":");
            }
            command.args(["-n", &count.to_string()]);
            command.arg(program.get_program()).args(program.get_args());
        }
        let (_, first) = programs[0];
        if let Some(directory) = first.get_current_dir() {
            command.current_dir(directory);
        }
        for (name, value) in first.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env(JOB, told.path());
        // So that launchers that run at the same time have no directory in common.
        command.env("OMPI_MCA_orte_tmpdir_base", told.path());
        // A container may forbid to read another process's memory, on which OpenMPI counts.
        command.env("OMPI_MCA_btl_vader_single_copy_mechanism", "none");
        command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err"));
        let line = format!("{command:?}");
        Job { launcher: command.spawn().unwrap(), told, line }
    }

    /// The launcher's process.
    pub(crate) fn id(&self) -> u32 {
        self.launcher.id()
    }

    /// The processes themselves, by rank, as far as they run already.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let running = fs::read_dir("/proc").unwrap().flatten();
        let numbers = running.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let rank = |process: u32| {
            let environment = fs::read(format!("/proc/{process}/environ")).ok()?;
            let variables = environment.split(|&byte| byte == 0);
            let value = |name: &str| {
                let value = variables.clone().find_map(|v| v.strip_prefix(name.as_bytes()))?;
                std::str::from_utf8(value).ok().map(str::to_owned)
            };
            // Each test has a directory of its own for what its processes print.
            if value(&format!("{JOB}=")).as_deref() != self.told.path().to_str() {
                return None;
            }
            // OpenMPI's, and MPICH's. The launcher has neither.
            let rank = value("OMPI_COMM_WORLD_RANK=").or_else(|| value("PMI_RANK="))?;
            rank.parse::<usize>().ok()
        };
        let mut found: Vec<(usize, u32)> =
            numbers.filter_map(|process| Some((rank(process)?, process))).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, process)| process).collect()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.launcher.try_wait().unwrap().is_none()
    }

    /// Waits for all of them.
    pub(crate) fn end(self) -> Ended {
        self.end_within(HANGS)
    }

    /// Waits for all of them, no longer than that.
    pub(crate) fn end_within(mut self, limit: Duration) -> Ended {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.launcher.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > limit {
                self.kill();
                panic!("{}: runs on after {limit:?}: {:?}", self.line, self.told());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let (out, err) = self.told();
        Ended { status, out, err }
    }

    /// Waits for all of them, which must succeed; what they printed.
    pub(crate) fn succeed(self) -> Ended {
        let line = self.line.clone();
        let ended = self.end();
        assert!(ended.status.success(), "{line}: {}\n{}\n{}", ended.status, ended.out, ended.err);
        ended
    }

    fn told(&self) -> (String, String) {
        let text = |name| {
            String::from_utf8_lossy(&fs::read(self.told.path().join(name)).unwrap()).into_owned()
        };
        (text("out"), text("err"))
    }

    fn kill(&mut self) {
        // A launcher that is asked to end, ends its processes first.
        signal(self.launcher.id(), "TERM");
        let begun = Instant::now();
        while self.launcher.try_wait().unwrap().is_none() {
            if begun.elapsed() > Duration::from_secs(10) {
                self.launcher.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Sends a signal, as `KILL` or `TERM`, to a process.
pub(crate) fn signal(process: u32, signal: &str) {
    let status = Command::new("kill").args(["-s", signal, &process.to_string()]).status();
    assert!(status.unwrap().success(), "there is no process {process} to send {signal} to");
}

/// Whether a thread of a process runs; one that has ended and waits for its parent does not. As long as one
/// does, the process has its files open, and locks them.
pub(crate) fn is_alive(process: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let runs = |stat: String| {
        // The state follows the name in brackets, which may hold anything.
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        state.is_some_and(|state| state != 'Z' && state != 'X')
    };
    threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok()).any(runs)
}
