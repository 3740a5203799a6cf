//! Runs a probe in a child process, so that a driver that crashes or hangs takes nothing else with it.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use minibatch::Gpu;
use minibatch::gpu::block_on;
use minibatch::parity::probe::{Attempt, Need, Outcome};
use serde::{Deserialize, Serialize};

use crate::{args, print};

/// The probe before all others: whether the device can be opened.
pub(super) const OPEN_DEVICE: &str = "open-device";

/// For tests: `NAME=abort`, `NAME=hang` or `NAME=wrong`, with commas between, in place of what the probe
/// NAME does.
const FAULTS: &str = "MINIBATCH_PROBE_FAULTS";

/// What a child tells.
#[derive(Serialize, Deserialize)]
struct Told {
    verdict: Verdict,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Passed,
    Wrong(String),
    SkippedWithoutSubgroups,
    SkippedWithoutHalves,
}

/// The child: runs one probe and prints what it found.
///
/// # Errors
/// If there is no such probe or adapter, or the device fails.
pub(crate) fn run(args: &args::Probe) -> anyhow::Result<ExitCode> {
    let faults = std::env::var(FAULTS).unwrap_or_default();
    let own = faults.split(',').filter_map(|fault| fault.split_once('='));
    let fault = own.into_iter().find(|(name, _)| *name == args.name).map(|(_, fault)| fault);
    match fault {
        Some("abort") => std::process::abort(),
        Some("hang") => hang(),
        Some("wrong") | None => {}
        Some(other) => bail!("{FAULTS} knows no {other}"),
    }
    let gpu = Gpu::with_adapter(&args.adapter)?;
    let verdict = if args.name == OPEN_DEVICE {
        Verdict::Passed
    } else {
        let attempt = Attempt::named(&args.name).context("there is no such probe")?;
        let outcome = match fault {
            Some(_) => block_on(attempt.run_broken(&gpu))?,
            None => block_on(attempt.run(&gpu))?,
        };
        match outcome {
            Outcome::Passed => Verdict::Passed,
            Outcome::Wrong(fault) => Verdict::Wrong(fault),
            Outcome::Skipped(Need::Subgroups) => Verdict::SkippedWithoutSubgroups,
            Outcome::Skipped(Need::Halves) => Verdict::SkippedWithoutHalves,
            Outcome::Skipped(Need::Nothing) | Outcome::Crashed(_) | Outcome::TimedOut(_) => {
                bail!("a probe that ran can be neither: {outcome}")
            }
        }
    };
    print::line(&serde_json::to_string(&Told { verdict })?)?;
    Ok(ExitCode::SUCCESS)
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

/// Runs a probe in a child, which is ended after `limit`; how it ended.
///
/// # Errors
/// If no child can be started.
pub(super) fn outcome_of(name: &str, adapter: &str, limit: Duration) -> anyhow::Result<Outcome> {
    let program = std::env::current_exe().context("the program does not know where it lies")?;
    let mut command = Command::new(program);
    command.args(["probe", name, "--adapter", adapter]);
    ended(command, limit)
}

/// How a child ended.
fn ended(mut command: Command, limit: Duration) -> anyhow::Result<Outcome> {
    // Files, as a pipe that nobody empties would stop a driver that has much to say.
    let mut told = tempfile::tempfile().context("cannot make a temporary file")?;
    let mut complaints = tempfile::tempfile().context("cannot make a temporary file")?;
    command.stdin(Stdio::null()).stdout(told.try_clone()?).stderr(complaints.try_clone()?);
    let child = command.spawn().context("cannot start a child process")?;
    let Some(status) = wait(child, limit)? else { return Ok(Outcome::TimedOut(limit)) };
    if status.success()
        && let Some(line) = text_of(&mut told)?.lines().last()
        && let Ok(Told { verdict }) = serde_json::from_str(line)
    {
        return Ok(match verdict {
            Verdict::Passed => Outcome::Passed,
            Verdict::Wrong(fault) => Outcome::Wrong(fault),
            Verdict::SkippedWithoutSubgroups => Outcome::Skipped(Need::Subgroups),
            Verdict::SkippedWithoutHalves => Outcome::Skipped(Need::Halves),
        });
    }
    let complaints = text_of(&mut complaints)?;
    let last = complaints.lines().map(str::trim).rfind(|line| !line.is_empty());
    Ok(Outcome::Crashed(match (how(status), last) {
        (how, Some(last)) if !how.starts_with("signal") => format!("{how}: {last}"),
        (how, _) => how,
    }))
}

/// How the child ended by itself; `None` if it had to be killed.
fn wait(mut child: Child, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() >= limit {
            child.kill().context("cannot end a child process")?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(unix)]
fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("signal {signal}"),
        (None, code) => format!("exit code {}", code.unwrap_or_default()),
    }
}

#[cfg(not(unix))]
fn how(status: ExitStatus) -> String {
    // Windows' exceptions are such numbers: 0xc0000005 is an access violation.
    format!("exit code {:#x}", status.code().unwrap_or_default())
}

/// The last part of what was written to a file.
fn text_of(file: &mut File) -> anyhow::Result<String> {
    const MOST: u64 = 1 << 16;
    let length = file.metadata()?.len();
    file.seek(std::io::SeekFrom::Start(length.saturating_sub(MOST)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Outcome {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        ended(command, limit).unwrap()
    }

    #[test]
    fn each_way_to_end_has_its_verdict() {
        let generous = Duration::from_secs(60);
        let crashed = |how: &str| Outcome::Crashed(how.into());
        assert_eq!(shell("kill -SEGV $$", generous), crashed("signal 11"));
        assert_eq!(shell("kill -ABRT $$", generous), crashed("signal 6"));
        assert_eq!(shell("exit 3", generous), crashed("exit code 3"));
        let lost = "echo driver: noise >&2; echo 'error: the device was lost' >&2; exit 2";
        assert_eq!(shell(lost, generous), crashed("exit code 2: error: the device was lost"));
        // It ended well, but has told nothing.
        assert_eq!(shell("exit 0", generous), crashed("exit code 0"));
        let limit = Duration::from_millis(200);
        assert_eq!(shell("sleep 100", limit), Outcome::TimedOut(limit));
        let told = |json: &str| shell(&format!("echo a driver talks; echo '{json}'"), generous);
        assert_eq!(told(r#"{"verdict":"passed"}"#), Outcome::Passed);
        assert_eq!(told(r#"{"verdict":{"wrong":"a"}}"#), Outcome::Wrong("a".into()));
        let skipped = Outcome::Skipped(Need::Halves);
        assert_eq!(told(r#"{"verdict":"skipped_without_halves"}"#), skipped);
    }

    #[test]
    fn a_talkative_driver_stops_nothing() {
        let script = r#"head -c 3000000 /dev/zero | tr '\0' 'x' >&2; echo '{"verdict":"passed"}'"#;
        assert_eq!(shell(script, Duration::from_secs(60)), Outcome::Passed);
    }
}
