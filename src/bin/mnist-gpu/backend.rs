//! Chooses where to compute.

use anyhow::bail;
use minibatch::{Cpu, Error, Gpu, gpu, training};

use crate::args::{self, BackendKind};
use crate::pipelines::{self, Kept};
use crate::processes::Processes;
use crate::verified::{self, Masked};

/// The place chosen, and why if nobody named it.
pub(crate) struct Chosen {
    pub backend: training::Backend,
    why: Option<String>,
    /// What `verify` found wrong there, if anything.
    found: Option<String>,
    /// Written when the program is done with the device.
    _pipelines: Option<Kept>,
}

impl Chosen {
    /// One line: where it computes, on what, and why.
    pub(crate) fn describe(&self) -> String {
        let place = match &self.backend {
            training::Backend::Gpu(gpu) => gpu.describe(),
            training::Backend::Cpu(cpu) => match cpu.pool().count() {
                1 => "the CPU, 1 thread".to_owned(),
                threads => format!("the CPU, {threads} threads"),
            },
            _ => "the CPU".to_owned(),
        };
        let parts = [Some(format!("backend: {place}")), self.found.clone(), self.why.clone()];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// What `verify` found wrong there, if anything: for commands that say nothing else of the backend.
    pub(crate) fn found(&self) -> Option<&str> {
        self.found.as_deref()
    }

    /// The adapter's name, `CPU` without one.
    pub(crate) fn adapter(&self) -> String {
        match &self.backend {
            training::Backend::Gpu(gpu) => gpu.info().name.clone(),
            _ => "CPU".into(),
        }
    }

    /// The word of `--backend` that asks for it: `gpu` or `cpu`.
    pub(crate) fn name(&self) -> &'static str {
        match &self.backend {
            training::Backend::Gpu(_) => "gpu",
            _ => "cpu",
        }
    }
}

/// Without a desktop session, Mesa's device-select layer prints an error about Wayland whenever
/// adapters are looked for. All that this layer does is sort them, and we do that ourselves.
pub(crate) fn quieten_mesa() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: `main` calls this before anything else, so there is one thread only.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}

/// The backend that the command line names, else a GPU if there is one, else the CPU.
///
/// # Errors
/// If what is named does not exist or gives no device.
pub(crate) fn choose(args: &args::Backend) -> anyhow::Result<Chosen> {
    choose_beside(args, &Processes::ALONE)
}

/// The same for one of several processes, each of which has its share of its machine's cores and GPUs,
/// unless the command line says which.
///
/// # Errors
/// As [`choose`].
pub(crate) fn choose_beside(args: &args::Backend, others: &Processes) -> anyhow::Result<Chosen> {
    let open = |name: Option<&str>| match name {
        Some(name) => Gpu::with_adapter(name),
        None => others.adapter().map_or_else(Gpu::new, Gpu::at),
    };
    choose_by(args, others.threads(), open)
}

/// The same for the first process, where a GPU tells each kernel's time if it can.
///
/// # Errors
/// As [`choose`].
pub(crate) fn choose_for_profile(
    args: &args::Backend,
    others: &Processes,
) -> anyhow::Result<Chosen> {
    choose_by(args, others.threads(), Gpu::with_timestamps)
}

fn choose_by(
    args: &args::Backend,
    threads: Option<usize>,
    open: impl Fn(Option<&str>) -> Result<Gpu, Error>,
) -> anyhow::Result<Chosen> {
    if let (BackendKind::Gpu, Some(threads)) = (args.kind, args.threads) {
        bail!("--threads {threads} are of the CPU, but --backend is gpu; give one of them");
    }
    let cpu = args.threads.or(threads).map_or_else(Cpu::new, |threads| Cpu::new().threads(threads));
    let open = |name: Option<&str>| open(name).map(verified::masked);
    let (chosen, why) = match (args.kind, args.adapter.as_deref()) {
        (BackendKind::Cpu, Some(name)) => {
            bail!("--adapter {name} names a GPU adapter, but --backend is cpu; give one of them")
        }
        (BackendKind::Cpu, None) => (None, None),
        (_, Some(name)) => (Some(open(Some(name))?), None),
        (BackendKind::Gpu, None) => (Some(open(None)?), None),
        (BackendKind::Auto, None) => automatic(open(None))?,
    };
    let Some(Masked { gpu, note, .. }) = chosen else {
        let backend = training::Backend::Cpu(cpu);
        return Ok(Chosen { backend, why, found: None, _pipelines: None });
    };
    let (gpu, kept) = pipelines::kept(gpu);
    Ok(Chosen { backend: training::Backend::Gpu(gpu), why, found: note, _pipelines: kept })
}

/// The best adapter; or none, which means the CPU, and why.
fn automatic(best: Result<Masked, Error>) -> anyhow::Result<(Option<Masked>, Option<String>)> {
    Ok(match best {
        // It would compute on the CPU as well, only slower.
        Ok(best) if best.gpu.is_software() => {
            let name = &best.gpu.info().name;
            let why = format!("no GPU here, only a software adapter (--backend gpu takes {name})");
            (None, Some(why))
        }
        Ok(best) if !best.is_trusted => {
            let name = &best.gpu.info().name;
            let found = best.note.unwrap_or_default();
            (None, Some(format!("{name}: {found} (--backend gpu takes it all the same)")))
        }
        Ok(best) => (Some(best), None),
        Err(error @ (Error::NoAdapter(_) | Error::Device(_))) => (None, Some(error.to_string())),
        Err(error) => return Err(error.into()),
    })
}

/// Whether [`choose`] takes this adapter by itself if there is no better one.
pub(crate) fn is_automatic(info: &gpu::AdapterInfo) -> bool {
    !gpu::is_software(info)
}
