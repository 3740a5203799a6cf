//! What a run does when, as a trace that Perfetto and Chrome open.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use crate::clock::Instant;

/// Spans that a profile keeps at most: what comes later is only counted. A trace of so many takes
/// about half a gigabyte.
const MOST_SPANS: usize = 4_000_000;

/// Records what a run does when: the steps, the loading of their batches on each thread, their
/// recording and submission, callbacks, and on a GPU with timestamp queries each kernel's time. See
/// [`Model::set_profile`](crate::Model::set_profile).
///
/// The trace is in [Chrome's JSON
/// format](https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU), which
/// <https://ui.perfetto.dev> opens. Clones record into the same trace. The default records nothing,
/// and takes no time for it.
///
/// ```
/// use minibatch::Profile;
///
/// let profile = Profile::new();
/// {
///     let _span = profile.span("read a file");
///     // ...
/// }
/// assert!(profile.to_json().contains("read a file"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Profile {
    trace: Option<Arc<Trace>>,
}

#[derive(Debug)]
struct Trace {
    begun: Instant,
    recorded: Mutex<Recorded>,
}

#[derive(Debug, Default)]
struct Recorded {
    spans: Vec<Ended>,
    threads: HashMap<ThreadId, u32>,
    /// Names of the threads, in the order of their numbers.
    names: Vec<String>,
    devices: Vec<Device>,
    /// Spans for which there was no room.
    left_out: u64,
}

/// A span that has ended; times in nanoseconds since the profile began.
#[derive(Debug)]
struct Ended {
    name: &'static str,
    number: Option<(&'static str, u64)>,
    thread: u32,
    begin: u64,
    end: u64,
}

/// The kernels of a device, by its own clock.
#[derive(Debug)]
struct Device {
    name: String,
    /// Nanoseconds of a tick.
    period: f64,
    kernels: Vec<Kernel>,
    /// What is to be added to the device's nanoseconds to have ours.
    offset: f64,
    /// The first tick seen: differences to it are exact in f64.
    first: u64,
}

#[derive(Debug)]
struct Kernel {
    name: &'static str,
    begin: u64,
    end: u64,
}

impl Trace {
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorded {
    /// The number of the thread that calls.
    fn thread(&mut self) -> u32 {
        let thread = std::thread::current();
        let Recorded { threads, names, .. } = self;
        *threads.entry(thread.id()).or_insert_with(|| {
            let number = names.len() as u32;
            names.push(thread.name().map_or_else(|| format!("thread {number}"), str::to_owned));
            number
        })
    }

    fn has_room(&mut self) -> bool {
        let kernels: usize = self.devices.iter().map(|device| device.kernels.len()).sum();
        let room = self.spans.len() + kernels < MOST_SPANS;
        self.left_out += u64::from(!room);
        room
    }
}

impl Profile {
    /// Records from now on.
    #[must_use]
    pub fn new() -> Self {
        let trace = Trace { begun: Instant::now(), recorded: Mutex::default() };
        Profile { trace: Some(Arc::new(trace)) }
    }

    /// Whether it records anything.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.trace.is_some()
    }

    /// Records a span of the calling thread, from now until it is dropped.
    #[must_use = "a span ends when it is dropped"]
    pub fn span(&self, name: &'static str) -> Span {
        let open = self.trace.as_ref().map(|trace| {
            let thread = trace.recorded().thread();
            Open { trace: Arc::clone(trace), name, number: None, thread, begin: trace.now() }
        });
        Span { open }
    }

    /// A track for the kernels of a device whose clock ticks every `period` nanoseconds; `None` if
    /// nothing is recorded.
    pub(crate) fn device(&self, name: &str, period: f64) -> Option<DeviceTrack> {
        let trace = Arc::clone(self.trace.as_ref()?);
        let mut recorded = trace.recorded();
        let number = recorded.devices.len();
        let (name, kernels) = (name.to_owned(), Vec::new());
        recorded.devices.push(Device { name, period, kernels, offset: f64::MIN, first: 0 });
        drop(recorded);
        Some(DeviceTrack { trace, number })
    }

    /// The trace of all spans that have ended, in Chrome's JSON format. Threads are those of process
    /// 1; each device is a process of its own.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut events =
            Events { json: String::from("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[") };
        if let Some(trace) = &self.trace {
            let recorded = trace.recorded();
            // Writing into a string cannot fail.
            let _ = events.write(&recorded);
        }
        events.json + "\n]}\n"
    }

    /// Writes [`to_json`](Self::to_json) to a file, which is whole, or as it was.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if it cannot be written.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn write(&self, path: impl AsRef<std::path::Path>) -> crate::Result<()> {
        crate::atomic_write(path.as_ref(), self.to_json().as_bytes())
    }
}

/// Something that goes on, and ends when this is dropped. See [`Profile::span`].
#[derive(Debug)]
pub struct Span {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    trace: Arc<Trace>,
    name: &'static str,
    number: Option<(&'static str, u64)>,
    thread: u32,
    begin: u64,
}

impl Span {
    /// Gives it a number to be shown with it, as `with("step", 12)`.
    #[must_use = "a span ends when it is dropped"]
    pub fn with(mut self, what: &'static str, number: u64) -> Self {
        if let Some(open) = &mut self.open {
            open.number = Some((what, number));
        }
        self
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(Open { trace, name, number, thread, begin }) = self.open.take() {
            let end = trace.now();
            let mut recorded = trace.recorded();
            if recorded.has_room() {
                recorded.spans.push(Ended { name, number, thread, begin, end });
            }
        }
    }
}

/// Where the kernels of a device are recorded.
#[derive(Debug, Clone)]
pub(crate) struct DeviceTrack {
    trace: Arc<Trace>,
    number: usize,
}

impl DeviceTrack {
    /// Nanoseconds since the profile began.
    pub(crate) fn now(&self) -> u64 {
        self.trace.now()
    }

    /// Records kernels that were submitted together at `submitted`, which is
    /// [`now`](Self::now) of then: each one's name, and the ticks of its begin and end.
    ///
    /// How the device's clock relates to ours follows from all that is recorded: no kernel begins
    /// before it is submitted, and some begin at once.
    pub(crate) fn record(
        &self,
        submitted: u64,
        kernels: impl IntoIterator<Item = (&'static str, u64, u64)>,
    ) {
        let mut recorded = self.trace.recorded();
        for (name, begin, end) in kernels {
            if begin == 0 || end < begin || !recorded.has_room() {
                continue;
            }
            let Some(device) = recorded.devices.get_mut(self.number) else { return };
            if device.kernels.is_empty() {
                device.first = begin;
            }
            let offset = submitted as f64 - device.nanoseconds(begin);
            device.offset = device.offset.max(offset);
            device.kernels.push(Kernel { name, begin, end });
        }
    }
}

impl Device {
    /// Since the first tick.
    fn nanoseconds(&self, tick: u64) -> f64 {
        let ticks = match tick >= self.first {
            true => (tick - self.first) as f64,
            false => -((self.first - tick) as f64),
        };
        ticks * self.period
    }
}

/// The list of events, as text.
struct Events {
    json: String,
}

impl Events {
    fn write(&mut self, recorded: &Recorded) -> std::fmt::Result {
        self.name("process_name", 1, 0, "minibatch")?;
        for (thread, name) in (0..).zip(&recorded.names) {
            self.name("thread_name", 1, thread, name)?;
        }
        for Ended { name, number, thread, begin, end } in &recorded.spans {
            self.span("host", name, 1, *thread, *begin as f64, end.saturating_sub(*begin) as f64)?;
            if let Some((what, number)) = number {
                write!(self.json, ",\"args\":{{{}:{number}}}", quoted(what))?;
            }
            self.json.push('}');
        }
        for (process, device) in (2..).zip(&recorded.devices) {
            self.name("process_name", process, 0, &device.name)?;
            self.name("thread_name", process, 0, "kernels")?;
            for Kernel { name, begin, end } in &device.kernels {
                let begin = device.nanoseconds(*begin);
                let duration = device.nanoseconds(*end) - begin;
                self.span("kernel", name, process, 0, begin + device.offset, duration)?;
                self.json.push('}');
            }
        }
        if recorded.left_out > 0 {
            let text = format!("minibatch ({} more spans were left out)", recorded.left_out);
            self.name("process_name", 1, 0, &text)?;
        }
        Ok(())
    }

    fn begin(&mut self) {
        self.json.push_str(if self.json.ends_with('[') { "\n" } else { ",\n" });
    }

    fn name(&mut self, what: &str, process: u32, thread: u32, name: &str) -> std::fmt::Result {
        self.begin();
        write!(
            self.json,
            r#"{{"ph":"M","name":"{what}","pid":{process},"tid":{thread},"args":{{"name":{}}}}}"#,
            quoted(name)
        )
    }

    /// An event without its closing brace; times in nanoseconds. The format counts microseconds.
    fn span(
        &mut self,
        category: &str,
        name: &str,
        process: u32,
        thread: u32,
        begin: f64,
        duration: f64,
    ) -> std::fmt::Result {
        self.begin();
        write!(
            self.json,
            r#"{{"ph":"X","cat":"{category}","name":{},"pid":{process},"tid":{thread},"ts":{:.3},"dur":{:.3}"#,
            quoted(name),
            begin / 1e3,
            duration / 1e3
        )
    }
}

/// A text as JSON has it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(profile: &Profile) -> Vec<serde_json::Value> {
        let trace: serde_json::Value = serde_json::from_str(&profile.to_json()).unwrap();
        let events = trace["traceEvents"].as_array().unwrap().clone();
        events.into_iter().filter(|event| event["ph"] == "X").collect()
    }

    #[test]
    fn spans_are_recorded_with_the_thread_that_began_them() {
        let profile = Profile::new();
        let outer = profile.span("outer").with("step", 3);
        drop(profile.span("inner"));
        let other = profile.clone();
        let thread = std::thread::Builder::new().name("loader \"0\"".into());
        thread.spawn(move || drop(other.span("read"))).unwrap().join().unwrap();
        drop(outer);
        let spans = spans(&profile);
        let names: Vec<_> = spans.iter().map(|span| span["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["inner", "read", "outer"]);
        assert_eq!(spans[2]["args"]["step"], 3);
        assert_eq!(spans[0]["tid"], spans[2]["tid"]);
        assert_ne!(spans[0]["tid"], spans[1]["tid"]);
        let [begin, end] = [&spans[2], &spans[0]].map(|span| {
            let begin = span["ts"].as_f64().unwrap();
            [begin, begin + span["dur"].as_f64().unwrap()]
        });
        assert!(begin[0] <= end[0] && end[1] <= begin[1], "{spans:?}");
        assert!(profile.to_json().contains(r#""loader \"0\"""#));
    }

    #[test]
    fn kernels_begin_when_they_are_submitted_or_later() {
        let profile = Profile::new();
        let track = profile.device("a device", 2.0).unwrap();
        // The second one begins at once, the first 100 ticks after its submission; garbage is left
        // out.
        track.record(1_000, [("dense", 50_100, 50_200), ("softmax", 50_200, 50_250)]);
        track.record(5_000, [("dense", 52_000, 52_010), ("broken", 9, 8), ("unwritten", 0, 7)]);
        let spans = spans(&profile);
        let times: Vec<_> = spans
            .iter()
            .map(|span| [&span["ts"], &span["dur"]].map(|time| time.as_f64().unwrap()))
            .collect();
        assert_eq!(times, [[1.2, 0.2], [1.4, 0.1], [5.0, 0.02]]);
    }

    #[test]
    fn nothing_is_recorded_by_default() {
        let profile = Profile::default();
        drop(profile.span("a").with("step", 1));
        assert!(!profile.is_on() && profile.device("b", 1.0).is_none());
        assert_eq!(spans(&profile).len(), 0);
    }
}
