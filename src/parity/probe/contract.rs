//! What a probe is: plain data, but for how its results are judged.

use std::borrow::Cow;

use crate::gpu::{Trial, Tried};
use crate::operation::case::Mistake;
use crate::operation::{Access, Kernel, KernelForm, MatrixForm};
use crate::parity::FusedShape;

/// A check of one thing that drivers are known to get wrong.
#[derive(Debug)]
pub struct Probe {
    /// Its name: `small-matrices`.
    pub name: &'static str,
    /// What it checks, in one sentence.
    pub checks: &'static str,
    /// Which driver got it wrong, with the number of the public issue.
    pub known: &'static str,
    /// What the device must have for it.
    pub needs: Need,
    /// What is not used where it fails.
    pub rules_out: RulesOut,
    /// A mistake that it must notice: proof that it can fail.
    pub mistake: Mistake,
    pub(super) check: Check,
}

/// A feature of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// None that a device could lack.
    Nothing,
    /// `SUBGROUP`.
    Subgroups,
    /// `SHADER_F16`.
    Halves,
}

impl Need {
    /// What wgpu calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Need::Nothing => "nothing",
            Need::Subgroups => "SUBGROUP",
            Need::Halves => "SHADER_F16",
        }
    }
}

/// What a probe that fails says of an adapter.
#[derive(Debug, Clone, Copy)]
pub enum RulesOut {
    /// Not to use these forms.
    Forms(&'static [KernelForm]),
    /// Not to use the form of matrix kernels that was tried.
    TriedForm,
    /// That every kernel may be wrong: nothing can take the place of what failed.
    Adapter,
}

/// What a probe runs.
#[derive(Debug)]
pub(super) enum Check {
    /// Kernels of its own.
    Kernels(fn() -> Vec<Judged>),
    /// Cases of these names of the parity suite at shapes of its own, in each form of matrix kernels.
    Operations { names: &'static [&'static str], shapes: fn() -> Vec<[usize; 3]> },
    /// Fused training steps of these names at shapes of its own.
    FusedSteps { names: &'static [&'static str], shapes: fn() -> Vec<FusedShape> },
}

/// What is wrong with what a trial left, if anything.
pub(super) type Judge = Box<dyn Fn(&Tried) -> Option<String> + Send + Sync>;

/// A kernel of a probe, and what it must leave.
pub(super) struct Judged {
    pub trial: Trial,
    pub judge: Judge,
    /// Whether the driver has to zero workgroup memory, as WGSL promises.
    pub zeroes_workgroup_memory: bool,
}

impl Judged {
    /// Buffer `place` must end with exactly these words.
    pub(super) fn exact(trial: Trial, place: usize, expected: Vec<u32>) -> Self {
        Judged::by(trial, move |tried| {
            let found = words(tried, place);
            if found.len() != expected.len() {
                return Some(format!("{} words in the place of {}", found.len(), expected.len()));
            }
            let differs = |(_, (found, expected)): &(usize, (&u32, &u32))| found != expected;
            let first = found.iter().zip(&expected).enumerate().find(differs);
            first.map(|(at, (found, expected))| {
                format!("word {at} is {found:#010x}, expected {expected:#010x}")
            })
        })
    }

    pub(super) fn by(
        trial: Trial,
        judge: impl Fn(&Tried) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Judged { trial, judge: Box::new(judge), zeroes_workgroup_memory: false }
    }
}

/// A trial of one dispatch without constants.
pub(super) fn trial(
    name: &'static str,
    text: Vec<Cow<'static, str>>,
    buffers: Vec<(Access, Vec<u8>)>,
    workgroups: [u32; 3],
) -> Trial {
    let (bindings, buffers) = buffers.into_iter().unzip();
    let kernel = Kernel::new(name, bindings, text);
    Trial { kernel, steps: vec![[0; 12]], constants: vec![0; 16], buffers, workgroups }
}

/// What buffer `place` holds, as words.
pub(super) fn words(tried: &Tried, place: usize) -> Vec<u32> {
    let bytes = tried.buffers.get(place).map(Vec::as_slice).unwrap_or_default();
    bytes.chunks_exact(4).map(bytemuck::pod_read_unaligned).collect()
}

/// What buffer `place` holds, as pairs of bytes.
pub(super) fn half_words(tried: &Tried, place: usize) -> Vec<u16> {
    let bytes = tried.buffers.get(place).map(Vec::as_slice).unwrap_or_default();
    bytes.chunks_exact(2).map(bytemuck::pod_read_unaligned).collect()
}

pub(super) fn bytes_of<T: bytemuck::NoUninit>(values: &[T]) -> Vec<u8> {
    bytemuck::cast_slice(values).to_vec()
}

/// `count` words that no kernel leaves there by chance.
pub(super) fn unwritten(count: usize) -> Vec<u8> {
    bytes_of(&vec![0xdead_beef_u32; count])
}

/// The forms of matrix kernels that stage their operands in workgroup memory, and the fused steps, which
/// do so too.
pub(super) const STAGED: &[KernelForm] = &[
    KernelForm::Matrix(MatrixForm::Tile128),
    KernelForm::Matrix(MatrixForm::Tile64),
    KernelForm::Matrix(MatrixForm::Tile64x32),
    KernelForm::Matrix(MatrixForm::Tile32),
    KernelForm::Matrix(MatrixForm::Tile32Parts4),
    KernelForm::Matrix(MatrixForm::Tile16Parts4),
    KernelForm::Matrix(MatrixForm::Tile16Parts16),
    KernelForm::Matrix(MatrixForm::Tile8Parts16),
    KernelForm::Matrix(MatrixForm::Tile8Parts64),
    KernelForm::FusedSteps,
];
