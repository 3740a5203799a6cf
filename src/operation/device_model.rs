//! How long a device takes for a dispatch, told from a few numbers about the device. The estimate is
//! there to compare kernels with each other; `docs/speed.md` says where the numbers come from.

use super::work::Work;

/// What is known of a kind of device. Plain whole numbers, so that the same device is always told the
/// same estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceModel {
    /// What such a device is called in messages.
    pub name: &'static str,
    /// Processors, each of which runs whole workgroups: NVIDIA's streaming multiprocessors, AMD's
    /// and Intel's compute units or cores.
    pub processors: u32,
    /// f32 operations that a processor starts in a cycle: with fewer invocations it is not busy.
    pub lanes: u32,
    /// Invocations that a processor keeps at a time.
    pub invocations: u32,
    /// Operations a nanosecond of one processor, a multiplication with an addition counted as two.
    pub flops_per_ns: u32,
    /// How much of that a kernel in WGSL reaches, in percent.
    pub reached_percent: u32,
    /// Bytes a nanosecond between the cache and one processor.
    pub cache_bytes_per_ns: u32,
    /// Bytes a nanosecond between one processor and the memory of its workgroups.
    pub local_bytes_per_ns: u32,
    /// Bytes a nanosecond between memory and cache, of the whole device.
    pub memory_bytes_per_ns: u32,
    /// Bytes that the cache holds.
    pub cache_bytes: u64,
    /// Nanoseconds from one dispatch to the next that needs its results.
    pub dispatch_ns: u32,
    /// Nanoseconds until a value is there that is loaded from the cache.
    pub latency_ns: u32,
}

impl DeviceModel {
    /// A large discrete GPU: the numbers are NVIDIA's H100 SXM's.
    pub const DISCRETE: DeviceModel = DeviceModel {
        name: "a discrete GPU",
        processors: 132,
        lanes: 128,
        invocations: 1024,
        flops_per_ns: 507,
        reached_percent: 57,
        cache_bytes_per_ns: 62,
        local_bytes_per_ns: 225,
        memory_bytes_per_ns: 3350,
        cache_bytes: 50 << 20,
        dispatch_ns: 1300,
        latency_ns: 150,
    };

    /// A GPU that shares the memory of the CPU: the numbers are Apple's M2's.
    pub const INTEGRATED: DeviceModel = DeviceModel {
        name: "an integrated GPU",
        processors: 10,
        lanes: 128,
        invocations: 1024,
        flops_per_ns: 360,
        reached_percent: 65,
        cache_bytes_per_ns: 45,
        local_bytes_per_ns: 180,
        memory_bytes_per_ns: 100,
        cache_bytes: 8 << 20,
        dispatch_ns: 2000,
        latency_ns: 300,
    };

    /// A GPU of which nothing is known, as in a browser: between the two.
    pub const OTHER: DeviceModel = DeviceModel {
        name: "a GPU of unknown size",
        processors: 32,
        lanes: 128,
        invocations: 1024,
        flops_per_ns: 400,
        reached_percent: 50,
        cache_bytes_per_ns: 50,
        local_bytes_per_ns: 200,
        memory_bytes_per_ns: 400,
        cache_bytes: 16 << 20,
        dispatch_ns: 1500,
        latency_ns: 200,
    };

    /// The same device with so many processors, at least 1. Its memory and its cache stay.
    #[must_use]
    pub fn with_processors(self, processors: u32) -> Self {
        DeviceModel { processors: processors.max(1), ..self }
    }

    /// Microseconds that a dispatch takes which does `work`.
    ///
    /// The dispatch itself takes its time. The workgroups are dealt out evenly, and the processor with
    /// the most of them is the last to end. It computes while it loads, so the slower of the two
    /// counts; if it has few invocations, it computes at a part of its rate. Besides, an invocation
    /// waits for what it loads; as many workgroups as a processor keeps at a time wait together.
    #[must_use]
    pub fn us(&self, work: &Work) -> f64 {
        let groups = work.workgroups.max(1);
        let each = groups.div_ceil(self.processors.max(1).into());
        let threads = u64::from(work.threads.max(1));
        let at_a_time = (u64::from(self.invocations) / threads).clamp(1, each);
        let waves = each.div_ceil(at_a_time) as f64;
        let share = each as f64 / groups as f64;

        let busy = (threads * at_a_time).min(self.lanes.into()) as f64 / f64::from(self.lanes);
        let rate = f64::from(self.flops_per_ns) * f64::from(self.reached_percent) / 100.0 * busy;
        let computing = work.flops as f64 * share / rate;

        let from_cache = work.bytes as f64 * share / f64::from(self.cache_bytes_per_ns);
        let from_memory = match work.bound_bytes > self.cache_bytes {
            true => work.bound_bytes as f64 / f64::from(self.memory_bytes_per_ns),
            false => 0.0,
        };

        let from_local = work.local_bytes as f64 * share / f64::from(self.local_bytes_per_ns);

        let waiting = waves * work.waits as f64 * f64::from(self.latency_ns);
        let working = computing.max(from_local).max(from_cache).max(from_memory);
        (f64::from(self.dispatch_ns) + waiting + working) / 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Round numbers, so that the estimates can be worked out by hand.
    const MODEL: DeviceModel = DeviceModel {
        name: "a model",
        processors: 4,
        lanes: 128,
        invocations: 512,
        flops_per_ns: 200,
        reached_percent: 50,
        cache_bytes_per_ns: 10,
        local_bytes_per_ns: 40,
        memory_bytes_per_ns: 20,
        cache_bytes: 1_000_000,
        dispatch_ns: 1000,
        latency_ns: 100,
    };

    const WORK: Work = Work {
        flops: 600_000,
        bytes: 6_000,
        bound_bytes: 6_000,
        local_bytes: 6_000,
        workgroups: 6,
        threads: 256,
        waits: 4,
    };

    #[track_caller]
    fn assert_us(work: Work, expected: f64) {
        let us = MODEL.us(&work);
        assert!((us - expected).abs() < 1e-9, "{us} for {work:?}; expected {expected}");
    }

    #[test]
    fn estimates_are_those_worked_out_by_hand() {
        // A processor has 2 of 6 workgroups, both at a time: 200,000 operations at 100 a ns, and
        // four loads to wait for.
        assert_us(WORK, 1.0 + 2.0 + 0.4);
        // 30,000 of 90,000 bytes at 10 a ns.
        assert_us(Work { bytes: 90_000, ..WORK }, 1.0 + 3.0 + 0.4);
        // 120,000 of 360,000 bytes at 40 a ns.
        assert_us(Work { local_bytes: 360_000, ..WORK }, 1.0 + 3.0 + 0.4);
        // Beyond the cache, at 20 bytes a ns for the whole device.
        assert_us(Work { bound_bytes: 2_000_000, ..WORK }, 1.0 + 100.0 + 0.4);
        // 2 workgroups of 32 invocations keep half of 128 lanes busy.
        assert_us(Work { threads: 32, ..WORK }, 1.0 + 4.0 + 0.4);
        // 5 workgroups a processor, 2 at a time: three waves.
        assert_us(Work { workgroups: 20, ..WORK }, 1.0 + 1.5 + 1.2);
        let nothing = Work {
            flops: 0,
            bytes: 0,
            bound_bytes: 0,
            local_bytes: 0,
            workgroups: 0,
            threads: 0,
            waits: 0,
        };
        assert_us(nothing, 1.0);
    }

    /// Each of these models, and dispatches of all sizes.
    fn each(mut see: impl FnMut(DeviceModel, Work)) {
        let sizes = [1, 2, 15, 64, 131, 132, 133, 1000, 4096, 100_000];
        for model in [DeviceModel::DISCRETE, DeviceModel::INTEGRATED, DeviceModel::OTHER, MODEL] {
            for workgroups in sizes {
                for threads in [8, 32, 64, 256, 1024] {
                    for flops in [0, 1_000, 1_000_000, 1_000_000_000] {
                        for bytes in [16, 100_000, 100_000_000] {
                            for waits in [1, 16, 784] {
                                see(
                                    model,
                                    Work {
                                        flops,
                                        bytes,
                                        bound_bytes: bytes,
                                        local_bytes: flops,
                                        workgroups,
                                        threads,
                                        waits,
                                    },
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn more_processors_are_never_slower() {
        each(|model, work| {
            let mut before = f64::INFINITY;
            for processors in [1, 2, 3, 4, 7, 10, 16, 31, 64, 131, 132, 133, 500, 1 << 20] {
                let us = model.with_processors(processors).us(&work);
                assert!(us <= before * (1.0 + 1e-12), "{processors}: {us} > {before}, {work:?}");
                before = us;
            }
        });
    }

    #[test]
    fn more_work_is_never_faster() {
        each(|model, work| {
            let us = model.us(&work);
            for more in [
                Work { flops: work.flops * 2 + 1, ..work },
                Work { bytes: work.bytes * 2, ..work },
                Work { bound_bytes: work.bound_bytes * 2, ..work },
                Work { local_bytes: work.local_bytes * 2, ..work },
                Work { waits: work.waits + 1, ..work },
            ] {
                assert!(model.us(&more) >= us, "{more:?} after {work:?}");
            }
            assert!(us >= f64::from(model.dispatch_ns) / 1e3 && us.is_finite());
        });
    }
}
