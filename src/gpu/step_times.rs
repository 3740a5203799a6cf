//! How long steps have taken that a host submits: by the device's clock where it has timestamps,
//! else by ours.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wgpu::{
    Buffer, BufferUsages, CommandEncoder, ComputePassTimestampWrites, MapMode, QuerySet,
    QuerySetDescriptor, QueryType,
};

use super::budget::{Budget, Clock};
use super::device::Gpu;
use super::pace::Kind;
use crate::clock::Instant;
use crate::error::Result;

/// Encoders whose steps are timed at the same time; those of others are not.
const LANES: u32 = 4;

/// Bytes of the two timestamps of an encoder.
const TIMES: u64 = 2 * wgpu::QUERY_SIZE as u64;

/// What is known of the steps of one encoder.
#[derive(Debug, Clone, Copy)]
enum State {
    /// There are none.
    Idle,
    /// They have not run yet.
    Waiting,
    /// They have begun and ended so, in ticks of the device.
    Ran([u64; 2]),
    /// They had ended by then.
    Ended(Instant),
}

/// What times the steps of one encoder at a time.
struct Lane {
    /// The callback that the encoder runs when it is done shares it.
    state: Arc<Mutex<State>>,
    /// Where the host finds the device's timestamps; `None` where there are none.
    read: Option<Buffer>,
    kind: Kind,
    steps: usize,
    recorded: Instant,
}

/// Sets a lane free whose encoder was dropped.
struct Listener(Option<Arc<Mutex<State>>>);

impl Listener {
    fn ended(mut self, state: State) {
        if let Some(lane) = self.0.take() {
            *lock(&lane) = state;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(lane) = self.0.take() {
            *lock(&lane) = State::Idle;
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The device's timestamps.
struct DeviceClock {
    queries: QuerySet,
    resolved: Buffer,
    /// Nanoseconds of a tick.
    period: f64,
}

/// Times steps, and says how many of them fit a time.
pub(super) struct StepTimes {
    clock: Option<DeviceClock>,
    lanes: Vec<Lane>,
    budget: Budget,
    /// When the last steps had ended that were timed by our clock.
    back: Option<Instant>,
}

impl StepTimes {
    /// Bytes of its buffers.
    pub(super) fn bytes(&self) -> u64 {
        let read = self.lanes.iter().filter_map(|lane| lane.read.as_ref());
        let resolved = self.clock.iter().map(|clock| &clock.resolved);
        read.chain(resolved).map(Buffer::size).sum()
    }

    /// Takes some hundred bytes on a device with timestamps, and nothing on others.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device refuses the queries.
    pub(super) async fn new(gpu: &Gpu) -> Result<Self> {
        let stride = u64::from(wgpu::QUERY_RESOLVE_BUFFER_ALIGNMENT as u32);
        let clock = || DeviceClock {
            queries: gpu.device.create_query_set(&QuerySetDescriptor {
                label: Some(&gpu.label("minibatch.step_times")),
                ty: QueryType::Timestamp,
                count: 2 * LANES,
            }),
            resolved: gpu.create_buffer(&wgpu::BufferDescriptor {
                label: Some(&gpu.label("minibatch.step_times")),
                size: u64::from(LANES) * stride,
                usage: BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            }),
            period: f64::from(gpu.queue.get_timestamp_period()),
        };
        let read = || {
            gpu.create_buffer(&wgpu::BufferDescriptor {
                label: Some(&gpu.label("minibatch.step_times.read")),
                size: TIMES,
                usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
                mapped_at_creation: false,
            })
        };
        let lane = |read| Lane {
            state: Arc::new(Mutex::new(State::Idle)),
            read,
            kind: Kind { lists: &[], rows: 0 },
            steps: 0,
            recorded: Instant::now(),
        };
        gpu.scoped(|| {
            let timed = gpu.has_timestamps();
            Ok(StepTimes {
                clock: timed.then(clock),
                lanes: (0..LANES).map(|_| lane(timed.then(read))).collect(),
                budget: Budget::default(),
                back: None,
            })
        })
        .await
    }

    /// How many steps of this kind to record in `time`, at most `most`; see [`Budget::steps`].
    pub(super) fn steps(&mut self, kind: Kind, time: Duration, most: usize) -> usize {
        self.collect();
        self.budget.steps(kind, time, most)
    }

    /// The time of a step; `None` if none was measured.
    pub(super) fn step_time(&mut self) -> Option<Duration> {
        self.collect();
        self.budget.step_time()
    }

    /// A lane for `steps` steps of this kind, which are recorded next; `None` if all are on their way.
    pub(super) fn begin(&mut self, kind: Kind, steps: usize) -> Option<usize> {
        let idle = |lane: &Lane| matches!(*lock(&lane.state), State::Idle);
        let place = self.lanes.iter().position(idle)?;
        let lane = self.lanes.get_mut(place)?;
        (lane.kind, lane.steps, lane.recorded) = (kind, steps, Instant::now());
        Some(place)
    }

    /// What the pass of a lane's steps writes.
    pub(super) fn writes(&self, lane: Option<usize>) -> Option<ComputePassTimestampWrites<'_>> {
        let first = 2 * u32::try_from(lane?).ok()?;
        self.clock.as_ref().map(|clock| ComputePassTimestampWrites {
            query_set: &clock.queries,
            beginning_of_pass_write_index: Some(first),
            end_of_pass_write_index: Some(first + 1),
        })
    }

    /// Records what tells the host how long a lane's steps have taken.
    pub(super) fn end(&self, gpu: &Gpu, encoder: &mut CommandEncoder, place: usize) {
        let Some(lane) = self.lanes.get(place) else { return };
        *lock(&lane.state) = State::Waiting;
        let listener = Listener(Some(Arc::clone(&lane.state)));
        let (Some(clock), Some(read)) = (&self.clock, &lane.read) else {
            encoder.on_submitted_work_done(move || listener.ended(State::Ended(Instant::now())));
            return;
        };
        let first = 2 * place as u32;
        let offset = place as u64 * wgpu::QUERY_RESOLVE_BUFFER_ALIGNMENT;
        encoder.resolve_query_set(&clock.queries, first..first + 2, &clock.resolved, offset);
        encoder.copy_buffer_to_buffer(&clock.resolved, offset, read, 0, TIMES);
        let (gpu, mapped) = (gpu.clone(), read.clone());
        encoder.map_buffer_on_submit(read, MapMode::Read, .., move |result| {
            if result.is_err() {
                return;
            }
            // A device may be lost at any moment, of which the host's handler must not hear.
            let ticks = gpu.guarded(|| {
                let ticks = mapped.get_mapped_range(..).map(|view| {
                    let ticks = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_ne_bytes);
                    let (begin, end) = view.split_at_checked(8).unwrap_or_default();
                    [ticks(begin), ticks(end)]
                });
                mapped.unmap();
                Ok(ticks)
            });
            if let Ok(Ok(ticks)) = ticks {
                listener.ended(State::Ran(ticks));
            }
        });
    }

    /// Learns from the steps that have run since the last call.
    fn collect(&mut self) {
        let Self { clock, lanes, budget, back } = self;
        let period = clock.as_ref().map_or(0.0, |clock| clock.period);
        let mut ended: Vec<(Instant, &Lane)> = Vec::new();
        for lane in lanes.iter() {
            let mut state = lock(&lane.state);
            match *state {
                State::Idle | State::Waiting => continue,
                State::Ran([begin, end]) => {
                    let nanoseconds = end.saturating_sub(begin) as f64 * period;
                    let took = Duration::from_nanos(nanoseconds as u64);
                    budget.measured(lane.kind, lane.steps, took, Clock::Device);
                }
                State::Ended(at) => ended.push((at, lane)),
            }
            *state = State::Idle;
        }
        ended.sort_unstable_by_key(|(at, _)| *at);
        for (at, lane) in ended {
            // They begin when those before have ended.
            let begun = back.map_or(lane.recorded, |back| back.max(lane.recorded));
            let took = at.saturating_duration_since(begun);
            budget.measured(lane.kind, lane.steps, took, Clock::Host);
            *back = Some(at);
        }
    }
}
