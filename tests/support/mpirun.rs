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
    /// Starts `count` processes of what `program` runs, with its arguments, directory and environment;
    /// `more` are options of the launcher.
    pub(crate) fn start(more: &[&str], count: usize, program: &Command) -> Self {
        let told = tempfile::tempdir().unwrap();
        let file = |name: &str| File::create(told.path().join(name)).unwrap();
        let mut command = Command::new(launcher());
        command.args(options()).args(more).args(["-n", &count.to_string()]);
        command.arg(program.get_program()).args(program.get_args());
        if let Some(directory) = program.get_current_dir() {
            command.current_dir(directory);
        }
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err"));
        let line = format!("{command:?}");
        Job { launcher: command.spawn().unwrap(), told, line }
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

/// Whether a process runs; one that has ended and waits for its parent does not.
pub(crate) fn is_alive(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Its state follows the name in brackets, which may hold anything.
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}
