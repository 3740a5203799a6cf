//! Whether a GPU computes what it should: each operation and a whole training, against the CPU
//! executor in f64. `mnist-gpu verify` and the test suite run the same cases.

mod case;
mod fused_forms;
mod fused_step;
pub mod probe;
mod trajectory;

use crate::clock::Instant;
use crate::error::Result;
use crate::gpu::Gpu;
pub use crate::operation::case::{Form, Mutation, shapes};
pub use crate::operation::forms;
use crate::operation::{Adapter, AdapterClass, Dispatch, Kernel, MatrixForm};
use crate::program::{Pass, ProgramBuilder, plan};
pub use case::Worst;
pub use fused_forms::{FusedForm, FusedShape, fused_dispatches, fused_forms, fused_shapes};
pub use fused_step::fused_step;
pub use trajectory::Training;

/// How one operation, or the whole training, fared.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The operation and its form.
    pub name: String,
    /// Shapes tried.
    pub shapes: usize,
    /// The element that came closest to its bound.
    pub worst: Worst,
    /// What was written where nothing must be, if anything.
    pub stray: Option<String>,
    /// Kernels that ran.
    pub kernels: Vec<Kernel>,
    /// Duration, the oracle's part included.
    pub seconds: f64,
}

impl Verdict {
    /// True if every result was within its bound and nothing else was touched.
    pub fn passed(&self) -> bool {
        self.worst.ratio() <= 1.0 && self.stray.is_none()
    }
}

/// Runs a form of an operation over `shapes` (`[rows, inputs, units]` each) on `gpu` and on the
/// oracle.
///
/// # Errors
/// [`Error::Device`](crate::Error::Device) if the device fails. A wrong result is no error but a
/// [`Verdict`].
pub async fn operation(gpu: &Gpu, form: &Form, shapes: &[[usize; 3]]) -> Result<Verdict> {
    let start = Instant::now();
    let mut verdict = Verdict {
        name: form.name.clone(),
        shapes: shapes.len(),
        worst: Worst::default(),
        stray: None,
        kernels: Vec::new(),
        seconds: 0.0,
    };
    for (seed, &shape) in (0..).zip(shapes) {
        let outcome = case::run(&(form.case)(shape, seed)?, gpu).await?;
        verdict.worst = verdict.worst.or(outcome.worst);
        verdict.stray = verdict.stray.or(outcome.stray);
        verdict.kernels.extend(outcome.kernels);
    }
    verdict.seconds = start.elapsed().as_secs_f64();
    Ok(verdict)
}

/// The forms that `gpu` can run.
pub fn forms_for(gpu: &Gpu) -> impl Iterator<Item = Form> {
    let halves = gpu.has_halves();
    forms().into_iter().filter(move |form| halves || !form.halves)
}

/// The dispatches of a form's case at one shape, as matrix kernels of one form would run it. Needs no
/// device.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) if a size does not fit the kernel's 32 bits.
pub fn dispatches(of: &Form, shape: [usize; 3], form: MatrixForm) -> Result<Vec<Dispatch>> {
    let case = (of.case)(shape, 0)?;
    let mut builder = ProgramBuilder::from_table(case.table);
    for op in case.ops {
        builder.push(Pass::Predict, op)?;
    }
    let program = builder.build();
    let [rows, ..] = shape;
    plan(&program, &[Pass::Predict], rows, Adapter::with_form(form))
}

/// Those of `forms` that `case` has to be tried in: which give it other kernels than those before them
/// and, if it tries text that several share, are [one of each class](MatrixForm::OF_EACH_CLASS). Needs no
/// device.
///
/// # Errors
/// As [`dispatches`].
pub fn distinct(case: &Form, forms: &[MatrixForm]) -> Result<Vec<MatrixForm>> {
    let (mut distinct, mut kernels) = (Vec::new(), Vec::new());
    for &form in forms {
        if case.of_shared_text && !MatrixForm::OF_EACH_CLASS.contains(&form) {
            continue;
        }
        let own = dispatches(case, [7, 5, 3], form)?;
        let own: Vec<Kernel> = own.into_iter().map(|dispatch| dispatch.kernel).collect();
        if !kernels.contains(&own) {
            distinct.push(form);
            kernels.push(own);
        }
    }
    Ok(distinct)
}

/// The [`shapes`] at which `case` is tried in a form of matrix kernels: those that are awkward for its
/// tile. Where a result has many tiles, there is nothing in them that is not in one of a few. Needs no
/// device.
///
/// # Errors
/// As [`dispatches`].
pub fn shapes_of(case: &Form, form: MatrixForm) -> Result<Vec<[usize; 3]>> {
    const MOST_TILES: u32 = 64;
    let mut kept = Vec::new();
    for shape in shapes() {
        let [rows, ..] = shape.map(|length| length as u32);
        let many = dispatches(case, shape, form)?.iter().any(|dispatch| {
            let tiles = dispatch.grid.workgroups(rows).iter().product::<u32>();
            let tiled = dispatch
                .arithmetic
                .form()
                .is_some_and(|form| form.class() == AdapterClass::Hardware);
            tiled && tiles > MOST_TILES
        });
        if !many {
            kept.push(shape);
        }
    }
    Ok(kept)
}

/// Trains a small model on `gpu`, in f32 and in f64, step by step. The error may be four times that
/// of f32 on the CPU, plus 1e-6; in half precision, plus four times what that changes.
///
/// # Errors
/// As [`operation`].
pub async fn training(gpu: &Gpu, training: Training) -> Result<Verdict> {
    let start = Instant::now();
    let worst = trajectory::trajectory(gpu, training).await?;
    Ok(Verdict {
        name: training.name().into(),
        shapes: 1,
        worst,
        stray: None,
        kernels: Vec::new(),
        seconds: start.elapsed().as_secs_f64(),
    })
}
