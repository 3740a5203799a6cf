//! The threads that compute on the CPU. An operation cuts what it writes into parts, never a sum, and
//! the parts run on whichever thread is free: the results are the same bits with any number.
//!
//! A step of a small network takes a tenth of a millisecond and hands work over several times, so a
//! hand-over has to take about a microsecond. Pools made for larger tasks, such as rayon's, let their
//! threads sleep at once when there is no work, and waking one takes longer than most of these parts
//! do. So the threads of this pool watch for work a little while before they sleep, and a part that no
//! other thread has begun is computed by the calling thread, which never waits for one to wake up.

use std::any::Any;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{JoinHandle, available_parallelism};
use std::time::Duration;

use crate::clock::Instant;

/// How long a thread watches for work before it sleeps: longer than what lies between two operations
/// of a step, and between two steps.
const WATCHING: Duration = Duration::from_micros(100);

/// A part takes at least about so many times as long as one addition of a loop that is made of
/// vectors: some microseconds, several times what a hand-over takes.
const LEAST_WORK: usize = 16_384;

/// A pool of the host's.
pub trait HostThreads: Send + Sync {
    /// How many threads there are, the calling one included.
    fn count(&self) -> usize;

    /// Calls `work` on as many threads as are free at the moment, once on each, of which the calling
    /// thread may be one; returns after the last call has returned. With rayon:
    /// `rayon::broadcast(|_| work())`.
    fn run(&self, work: &(dyn Fn() + Sync));
}

/// The threads that compute on the CPU.
///
/// Clones share them. If two models compute at the same time on the same threads, one of them has
/// the others, and the second one computes on the thread that called it.
#[derive(Clone)]
pub struct Threads(Kind);

#[derive(Clone)]
enum Kind {
    /// The calling thread.
    Calling,
    Pool(Arc<Pool>),
    Host(Arc<dyn HostThreads>),
}

impl std::fmt::Debug for Threads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Threads").field("count", &self.count()).finish_non_exhaustive()
    }
}

impl Default for Threads {
    fn default() -> Self {
        Threads::all()
    }
}

impl Threads {
    /// The calling thread alone.
    pub fn one() -> Self {
        Threads(Kind::Calling)
    }

    /// `count` threads, of which the calling one is one; 0 counts as 1. The others are started by the
    /// first step that has work for them, and end with the last clone. Where threads cannot be
    /// started, as in a browser, the calling thread does all.
    pub fn new(count: usize) -> Self {
        match count.saturating_sub(1) {
            0 => Threads::one(),
            helpers => Threads(Kind::Pool(Arc::new(Pool::new(helpers)))),
        }
    }

    /// As many threads as this process may use cores. All callers share them.
    pub fn all() -> Self {
        static ALL: OnceLock<Threads> = OnceLock::new();
        let cores = || available_parallelism().map_or(1, NonZeroUsize::get);
        ALL.get_or_init(|| Threads::new(cores())).clone()
    }

    /// The threads of a host's own pool.
    pub fn of_host(host: impl HostThreads + 'static) -> Self {
        Threads(Kind::Host(Arc::new(host)))
    }

    /// How many there are, the calling one included; at least 1.
    pub fn count(&self) -> usize {
        match &self.0 {
            Kind::Calling => 1,
            Kind::Pool(pool) => pool.helpers + 1,
            Kind::Host(host) => host.count().max(1),
        }
    }

    /// How many of `items` go into one part, if each takes as long as `work` additions in a loop that
    /// is made of vectors: all of them where a hand-over would cost more than it saves.
    pub(crate) fn share(&self, items: usize, work: usize) -> usize {
        items.div_ceil(self.parts(items.saturating_mul(work), LEAST_WORK)).max(1)
    }

    /// Into how many parts `work` is cut, of which each has at least about `least`.
    pub(crate) fn parts(&self, work: usize, least: usize) -> usize {
        (work / least).clamp(1, self.count())
    }

    /// Runs `each` on all `parts`, several at the same time. Returns after the last one. A single
    /// part runs on the calling thread.
    pub(crate) fn each<P: Send>(
        &self,
        mut parts: impl Iterator<Item = P> + Send,
        each: impl Fn(P) + Sync,
    ) {
        let Some(first) = parts.next() else { return };
        let Some(second) = parts.next() else { return each(first) };
        let others = parts.size_hint().1.map_or(usize::MAX, |others| others.saturating_add(1));
        let parts = Mutex::new([first, second].into_iter().chain(parts));
        let next = || locked(&parts).next();
        let work = || {
            while let Some(part) = next() {
                each(part);
            }
        };
        match &self.0 {
            Kind::Calling => {}
            Kind::Pool(pool) => pool.run(others, &work),
            Kind::Host(host) => host.run(&work),
        }
        // All of it, or what is left.
        work();
    }
}

/// A panic elsewhere does not change what these locks protect.
fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Threads that help the calling one.
struct Pool {
    helpers: usize,
    shared: Arc<Shared>,
    started: OnceLock<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Work was offered, or the pool ends.
    offered: Condvar,
    /// The last helper has left the work.
    left: Condvar,
    /// How often work was offered: who watches needs no lock.
    offers: AtomicUsize,
    /// Helpers that run the work; changed under the lock.
    running: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// What runs, and how many more helpers may join.
    work: Option<(&'static (dyn Fn() + Sync), usize)>,
    /// Whether somebody's work runs or ends.
    taken: bool,
    sleeping: usize,
    ends: bool,
    panic: Option<Box<dyn Any + Send>>,
}

impl Pool {
    fn new(helpers: usize) -> Self {
        Pool { helpers, shared: Arc::default(), started: OnceLock::new() }
    }

    fn start(&self) -> &[JoinHandle<()>] {
        self.started.get_or_init(|| {
            let start = |number| {
                let shared = Arc::clone(&self.shared);
                let named = std::thread::Builder::new().name(format!("minibatch-cpu-{number}"));
                named.spawn(move || shared.help()).ok()
            };
            // Where no thread can be started, none helps.
            (1..=self.helpers).map_while(start).collect()
        })
    }

    /// Runs `work` on the calling thread, and on up to `helpers` others.
    fn run(&self, helpers: usize, work: &(dyn Fn() + Sync)) {
        let started = self.start().len();
        let helpers = helpers.min(started);
        if helpers == 0 {
            return;
        }
        // SAFETY: only the lifetime changes. Helpers take the reference out of `State::work` under its
        // lock and count themselves as running. `Shared::end` takes the reference away and
        // waits until no helper runs; it is called before this function ends, also by a panic.
        let work: &'static (dyn Fn() + Sync) = unsafe { std::mem::transmute(work) };
        let shared = &*self.shared;
        if !shared.offer(helpers, started, work) {
            return;
        }
        let offer = Offer(shared);
        work();
        std::mem::forget(offer);
        if let Some(panic) = shared.end() {
            resume_unwind(panic);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        locked(&self.shared.state).ends = true;
        self.shared.offers.fetch_add(1, Ordering::Release);
        self.shared.offered.notify_all();
        for helper in self.started.take().into_iter().flatten() {
            // It runs no work, so it cannot panic.
            let _ = helper.join();
        }
    }
}

impl Shared {
    /// Offers `work` to `helpers` of those that were `started`; false if they have other work.
    fn offer(&self, helpers: usize, started: usize, work: &'static (dyn Fn() + Sync)) -> bool {
        let mut state = locked(&self.state);
        if state.taken {
            return false;
        }
        state.taken = true;
        state.work = Some((work, helpers));
        self.offers.fetch_add(1, Ordering::Release);
        // Those that watch need not be woken, which would take longer than all of this.
        let watching = started.saturating_sub(state.sleeping);
        drop(state);
        for _ in watching..helpers {
            self.offered.notify_one();
        }
        true
    }

    /// Takes the work away, waits for those who run it, and returns what they panicked with.
    fn end(&self) -> Option<Box<dyn Any + Send>> {
        locked(&self.state).work = None;
        // Nobody joins any more, and those who did are about to end.
        for _ in 0..4096 {
            if self.running.load(Ordering::Acquire) == 0 {
                break;
            }
            std::hint::spin_loop();
        }
        let mut state = locked(&self.state);
        while self.running.load(Ordering::Acquire) > 0 {
            state = self.left.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.taken = false;
        state.panic.take()
    }

    /// What a helper does until the pool ends.
    fn help(&self) {
        let (mut seen, mut worked) = (0, Instant::now());
        loop {
            self.watch(seen, worked);
            let mut state = locked(&self.state);
            while self.offers.load(Ordering::Relaxed) == seen && !state.ends {
                state.sleeping += 1;
                state = self.offered.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.sleeping -= 1;
            }
            if state.ends {
                return;
            }
            seen = self.offers.load(Ordering::Relaxed);
            let work = match &mut state.work {
                Some((work, places)) if *places > 0 => {
                    *places -= 1;
                    *work
                }
                _ => continue,
            };
            self.running.fetch_add(1, Ordering::Relaxed);
            drop(state);
            let result = catch_unwind(AssertUnwindSafe(work));
            let mut state = locked(&self.state);
            if let Err(panic) = result {
                state.panic = Some(panic);
            }
            if self.running.fetch_sub(1, Ordering::Release) == 1 {
                self.left.notify_one();
            }
            drop(state);
            worked = Instant::now();
        }
    }

    /// Waits for the next offer, until a little while after this helper's last work.
    fn watch(&self, seen: usize, worked: Instant) {
        while worked.elapsed() < WATCHING {
            for _ in 0..32 {
                if self.offers.load(Ordering::Acquire) != seen {
                    return;
                }
                std::hint::spin_loop();
            }
        }
    }
}

/// Ends the offer where the calling thread's own part panics.
struct Offer<'a>(&'a Shared);

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        // The panic that is under way is the one that counts.
        let _ = self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cuts 1000 elements into parts of 7 and counts how often each is reached.
    fn count(threads: &Threads, each: impl Fn(&mut [u32]) + Sync) -> Vec<u32> {
        let mut counts = vec![0; 1000];
        threads.each(counts.chunks_mut(7), |part| {
            part.iter_mut().for_each(|count| *count += 1);
            each(part);
        });
        counts
    }

    #[test]
    fn each_part_runs_once_whatever_the_number_of_threads() {
        for number in [0, 1, 2, 3, 8] {
            let threads = Threads::new(number);
            assert_eq!(threads.count(), number.max(1));
            for _ in 0..200 {
                assert_eq!(count(&threads, |_| {}), [1; 1000]);
            }
            // Long enough for the helpers to fall asleep.
            std::thread::sleep(10 * WATCHING);
            assert_eq!(count(&threads, |_| {}), [1; 1000]);
        }
    }

    #[test]
    fn parts_run_at_the_same_time() {
        // Each of the two parts waits for the other one.
        let barrier = std::sync::Barrier::new(2);
        let pool = Threads::new(2);
        pool.each([(), ()].into_iter().chain([]), |()| {
            barrier.wait();
        });
    }

    #[test]
    fn work_within_work_and_from_several_callers_is_done() {
        let threads = Threads::new(3);
        let nested = |_: &mut [u32]| assert_eq!(count(&threads, |_| {}), [1; 1000]);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| assert_eq!(count(&threads, nested), [1; 1000]));
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_leaves_the_pool_as_it_was() {
        let threads = Threads::new(2);
        let calling = std::thread::current().id();
        for on_calling_thread in [true, false] {
            let barrier = std::sync::Barrier::new(2);
            let result = catch_unwind(AssertUnwindSafe(|| {
                threads.each([(), ()].into_iter().chain([]), |()| {
                    barrier.wait();
                    let here = std::thread::current().id() == calling;
                    assert!(here != on_calling_thread, "of a part");
                });
            }));
            let panic = result.unwrap_err();
            assert!(panic.downcast_ref::<&str>().is_some_and(|text| text.contains("of a part")));
            assert_eq!(count(&threads, |_| {}), [1; 1000]);
        }
    }

    #[test]
    fn little_work_is_one_part() {
        let threads = Threads::new(4);
        assert_eq!(threads.share(100, 1), 100);
        assert_eq!(threads.share(2 * LEAST_WORK, 1), LEAST_WORK);
        assert_eq!(threads.share(1 << 20, 1), 1 << 18);
        assert_eq!(Threads::one().share(1 << 20, 1), 1 << 20);
        assert_eq!(threads.share(0, 5), 1);
        // A part is a whole item at least.
        assert_eq!(threads.share(2, usize::MAX), 1);
    }
}
