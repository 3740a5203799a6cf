//! A GPU kernel and its dispatch in plain text and numbers; nothing here knows a GPU.

use std::borrow::Cow;
use std::collections::HashMap;

use bytemuck::{Pod, Zeroable};

use super::access::{Access, Buffers};
use super::adapter::Adapter;
use super::matrix_form::{AdapterClass, MatrixForm, Tile};
use crate::error::{Error, Result};
use crate::table::{BufferId, Reals, Table};

/// A compute kernel: one specialisation of WGSL text. Kernels that are equal share a pipeline.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// The name of the operation; the kernel's label is `minibatch.<name>`.
    pub name: &'static str,
    /// The storage bindings, from binding 2 on. Binding 0 is the step, 1 the operation's
    /// constants, both uniform.
    pub bindings: Vec<Access>,
    /// The WGSL text in pieces: what several kernels share first, then the kernel's own file.
    pub text: Vec<Cow<'static, str>>,
    /// Override constants of the text that this kernel sets, with the bits of their values.
    overrides: Vec<(&'static str, u64)>,
    /// Whether the text uses subgroup operations.
    pub subgroups: bool,
    /// Whether it uses f16.
    pub halves: bool,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:?}", self.name, self.overrides().collect::<Vec<_>>())
    }
}

impl Kernel {
    /// A kernel without override constants. `text` comes from `wgsl!`.
    pub(crate) fn new(
        name: &'static str,
        bindings: Vec<Access>,
        text: Vec<Cow<'static, str>>,
    ) -> Self {
        Kernel { name, bindings, text, overrides: Vec::new(), subgroups: false, halves: false }
    }

    /// The same with these override constants of its text.
    #[must_use]
    pub fn with_overrides(
        mut self,
        overrides: impl IntoIterator<Item = (&'static str, f64)>,
    ) -> Self {
        let bits = overrides.into_iter().map(|(name, value)| (name, value.to_bits()));
        self.overrides.extend(bits);
        self
    }

    /// The whole text.
    pub fn source(&self) -> String {
        self.text.join("\n")
    }

    /// Whether it has atomic operations.
    pub fn has_atomics(&self) -> bool {
        self.text.iter().any(|piece| piece.contains("atomic<"))
    }

    /// Name and value of each override constant that it sets.
    pub fn overrides(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.overrides.iter().map(|&(name, bits)| (name, f64::from_bits(bits)))
    }
}

/// Joins files below `shaders/`, named without their ending, to the text of a kernel. The
/// declaration of the step comes first in all of them.
macro_rules! wgsl {
    ($($file:literal),+ $(,)?) => {
        vec![
            $crate::operation::kernel::shader!("shared/step"),
            $($crate::operation::kernel::shader!($file),)+
        ]
    };
}

/// The text of one file below `shaders/`.
macro_rules! shader {
    ($($name:literal),+) => {
        std::borrow::Cow::Borrowed(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/shaders/",
            $($name,)+
            ".wgsl"
        )))
    };
}

pub(crate) use {shader, wgsl};

/// A length that a grid covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extent {
    /// The live rows of the batch.
    Rows,
    /// Always the same.
    Fixed(u32),
}

/// How many workgroups a dispatch takes: `height` by `width`, cut in tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grid {
    /// First dimension of what is computed.
    pub height: Extent,
    /// Second dimension.
    pub width: Extent,
    /// Height and width of a tile.
    pub tile: [u32; 2],
    /// How tiles are shared out.
    pub groups: Groups,
}

/// How the tiles of a grid become workgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Groups {
    /// One workgroup for each tile, in two dimensions.
    Plane,
    /// So many tiles for each workgroup, the workgroups numbered along x and then y.
    Folded(u32),
}

impl Grid {
    /// One invocation for each four values of each live row, 64 invocations a workgroup.
    pub fn elements(columns: u32) -> Self {
        Grid {
            height: Extent::Rows,
            width: Extent::Fixed(columns.div_ceil(4)),
            tile: [1, 1],
            groups: Groups::Folded(64),
        }
    }

    /// One invocation for each four of `length` parameters, 64 invocations a workgroup.
    pub fn parameters(length: u32) -> Self {
        Grid {
            height: Extent::Fixed(1),
            width: Extent::Fixed(length.div_ceil(4)),
            tile: [1, 1],
            groups: Groups::Folded(64),
        }
    }

    /// Live rows, so many for each workgroup, in one dimension.
    pub fn rows(each: u32) -> Self {
        Grid {
            height: Extent::Rows,
            width: Extent::Fixed(1),
            tile: [each, 1],
            groups: Groups::Plane,
        }
    }

    /// Columns, so many for each workgroup, in one dimension.
    pub fn columns(columns: u32, each: u32) -> Self {
        Grid { height: Extent::Fixed(columns), ..Self::rows(each) }
    }

    /// Live rows, so many for each workgroup, the workgroups numbered along x and then y.
    pub fn folded_rows(each: u32) -> Self {
        Grid { groups: Groups::Folded(1), ..Self::rows(each) }
    }

    /// Columns, so many for each workgroup, the workgroups numbered along x and then y.
    pub fn folded_columns(columns: u32, each: u32) -> Self {
        Grid {
            height: Extent::Fixed(columns),
            width: Extent::Fixed(1),
            tile: [each, 1],
            groups: Groups::Folded(1),
        }
    }

    /// The tiles of a matrix kernel's result.
    pub fn matrix(form: MatrixForm, height: Extent, width: Extent) -> Self {
        let Tile { rows, columns, tiles, .. } = form.tile();
        let groups = match form.class() {
            AdapterClass::Hardware => Groups::Plane,
            AdapterClass::Software | AdapterClass::SoftwareSubgroups => Groups::Folded(tiles),
        };
        Grid { height, width, tile: [rows, columns], groups }
    }

    /// Workgroups for `rows` live rows, in three dimensions.
    pub fn workgroups(&self, rows: u32) -> [u32; 3] {
        let length = |extent| match extent {
            Extent::Rows => rows,
            Extent::Fixed(length) => length,
        };
        let [height, width] = self.tile;
        let down = length(self.height).div_ceil(height);
        let across = length(self.width).div_ceil(width);
        match self.groups {
            Groups::Plane => [down, across, 1],
            Groups::Folded(tiles) => {
                fold((u64::from(down) * u64::from(across)).div_ceil(u64::from(tiles)))
            }
        }
    }
}

/// So many workgroups over x and, beyond what one dimension may hold, over y.
fn fold(workgroups: u64) -> [u32; 3] {
    const MOST: u64 = 65_535;
    let y = workgroups.div_ceil(MOST).max(1);
    [workgroups.div_ceil(y) as u32, y as u32, 1]
}

/// What a kernel computes, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// So many floating-point operations for each value of the largest buffer that it binds.
    Values(u32),
    /// A product of matrices of `[height, depth]` and `[depth, width]`.
    Product {
        /// Height, depth and width.
        product: [Extent; 3],
        /// How the kernel is built.
        form: MatrixForm,
    },
    /// What the kernel says of itself.
    Stated(Stated),
}

impl Arithmetic {
    /// How a matrix kernel is built.
    pub fn form(self) -> Option<MatrixForm> {
        match self {
            Arithmetic::Product { form, .. } => Some(form),
            Arithmetic::Values(_) | Arithmetic::Stated(_) => None,
        }
    }
}

/// What a kernel does, by its own count: a fixed part, and one for each row of the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stated {
    /// Floating-point operations.
    pub flops: [u64; 2],
    /// Bytes read and written, the last number for each workgroup.
    pub bytes: [u64; 3],
    /// How often an invocation waits, one time after the other, until what it loads is there.
    pub waits: [u64; 2],
}

/// One dispatch: a kernel, its constants and its storage buffers in binding order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// What runs.
    pub kernel: Kernel,
    /// The uniform at binding 1, a multiple of 16 bytes.
    pub constants: Vec<u8>,
    /// The storage buffers from binding 2 on.
    pub buffers: Vec<BufferId>,
    /// How many workgroups run.
    pub grid: Grid,
    /// The most terms that one invocation adds up, where that depends on parameters and not on the
    /// sizes of activations; else 0.
    pub terms: u32,
    /// How many of them each row of the batch adds, where that is more than one; else 0.
    pub terms_a_row: u32,
    /// What is counted of what it computes.
    pub arithmetic: Arithmetic,
}

impl Dispatch {
    /// The dispatch of `operation`, one binding for each of its buffers. `text` comes from
    /// `wgsl!`; the constants are a struct of the text.
    pub fn new<O: Buffers>(
        operation: &O,
        text: Vec<Cow<'static, str>>,
        constants: impl bytemuck::NoUninit,
        grid: Grid,
    ) -> Self {
        let (mut bindings, mut buffers) = (Vec::new(), Vec::new());
        operation.each(&mut |access, id| {
            bindings.push(access);
            buffers.push(id);
        });
        let mut constants = bytemuck::bytes_of(&constants).to_vec();
        constants.resize(constants.len().next_multiple_of(16).max(16), 0);
        let kernel = Kernel::new(O::NAME, bindings, text);
        let arithmetic = Arithmetic::Values(0);
        Dispatch { kernel, constants, buffers, grid, terms: 0, terms_a_row: 0, arithmetic }
    }

    /// Says what is counted of what it computes.
    #[must_use]
    pub fn with_arithmetic(self, arithmetic: Arithmetic) -> Self {
        Dispatch { arithmetic, ..self }
    }

    /// Counts so many operations for each value, unless it says otherwise.
    #[must_use]
    pub fn counted(self, flops: u32) -> Self {
        match self.arithmetic {
            Arithmetic::Values(0) => Dispatch { arithmetic: Arithmetic::Values(flops), ..self },
            Arithmetic::Values(_) | Arithmetic::Product { .. } | Arithmetic::Stated(_) => self,
        }
    }

    /// Sets override constants of the text.
    pub fn overrides(mut self, overrides: impl IntoIterator<Item = (&'static str, f64)>) -> Self {
        self.kernel = self.kernel.with_overrides(overrides);
        self
    }

    /// Says that the kernel is a matrix kernel of this form, for a product of matrices of
    /// `[height, depth]` and `[depth, width]`.
    pub fn with_product(mut self, product: [Extent; 3], form: MatrixForm) -> Self {
        self.kernel.subgroups = form == MatrixForm::Subgroup;
        self.with_arithmetic(Arithmetic::Product { product, form })
    }

    /// Adds pieces of text before the kernel's own file, which is the last one.
    pub fn with_text(mut self, pieces: impl IntoIterator<Item = Cow<'static, str>>) -> Self {
        let at = self.kernel.text.len().saturating_sub(1);
        self.kernel.text.splice(at..at, pieces);
        self
    }

    /// Says how rows of activations are stored, and whether any is stored as f16, before all other
    /// text.
    pub(super) fn with_rows(mut self, rows: Reals, halves: bool) -> Self {
        let rows = match rows {
            Reals::Full => shader!("shared/stored_f32"),
            Reals::Half => shader!("shared/stored_f16"),
        };
        self.kernel.text.insert(0, rows);
        self.kernel.halves = halves;
        if halves {
            self.kernel.text.insert(0, shader!("shared/halves"));
        }
        self
    }

    /// Reads what `operand` says in the place of `id`, with the text that loads it.
    pub fn with_operand(mut self, id: BufferId, operand: Operand) -> Self {
        for buffer in self.buffers.iter_mut().filter(|buffer| **buffer == id) {
            *buffer = operand.id;
        }
        self.with_text([operand.text])
    }
}

/// The constants of a kernel over rows of `[B,U]`: the columns of its input where they are not those
/// of its output, those of its output, and two of the operation's own.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub struct RowConstants {
    /// Columns of the input.
    pub inputs: u32,
    /// Columns of the output.
    pub units: u32,
    /// The first constant of the operation.
    pub first: f32,
    /// The second one.
    pub second: f32,
}

impl RowConstants {
    /// For rows of `units` values, and an operation without constants.
    pub fn new(units: u32) -> Self {
        RowConstants { inputs: 0, units, first: 0.0, second: 0.0 }
    }

    /// The same with constants.
    pub fn with(self, first: f64, second: f64) -> Self {
        RowConstants { first: first as f32, second: second as f32, ..self }
    }
}

/// The constants of a kernel over the elements of a parameter: their number, padding included, and up
/// to three of the operation's own.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub struct ParameterConstants {
    length: u32,
    own: [f32; 3],
}

impl ParameterConstants {
    /// For so many elements, and the operation's constants in the order of the text.
    pub fn new<const N: usize>(length: u32, constants: [f64; N]) -> Self {
        const { assert!(N <= 3) };
        let mut own = [0.0; 3];
        for (own, constant) in own.iter_mut().zip(constants) {
            *own = constant as f32;
        }
        ParameterConstants { length, own }
    }
}

/// Where a kernel finds reals that may be stored as bytes.
#[derive(Debug, Clone)]
pub struct Operand {
    /// The buffer that holds them, as reals or as bytes.
    pub id: BufferId,
    /// What a byte counts; 1 for reals.
    pub scale: f32,
    /// `load_input` for this way of storing.
    pub text: Cow<'static, str>,
}

/// The program and the adapter that dispatches are made for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The buffers.
    pub table: &'a Table,
    /// What the kernels are to suit.
    pub adapter: Adapter,
    /// Conversions from bytes that need no dispatch, as every operation that reads their results
    /// loads the bytes by itself: of each result the bytes and their scale.
    pub conversions: &'a HashMap<BufferId, (BufferId, f64)>,
}

impl Target<'_> {
    /// Columns of `id`, as kernels count them.
    ///
    /// # Errors
    /// [`Error::Argument`] beyond 32 bits.
    pub fn columns(&self, id: BufferId) -> Result<u32> {
        size(self.table.columns(id))
    }

    /// Elements of a parameter, padding included, as kernels count them.
    ///
    /// # Errors
    /// As [`columns`](Self::columns).
    pub fn elements(&self, id: BufferId) -> Result<u32> {
        size(self.table.buffer(id).allocated(0))
    }

    /// Where a kernel finds the reals of `id`.
    pub fn operand(&self, id: BufferId) -> Operand {
        match self.conversions.get(&id) {
            Some(&(bytes, scale)) => {
                Operand { id: bytes, scale: scale as f32, text: shader!("shared/input_u8") }
            }
            None => Operand { id, scale: 1.0, text: shader!("shared/input_rows") },
        }
    }
}

/// Sizes and counts are u32 in the kernels.
///
/// # Errors
/// [`Error::Argument`] beyond 32 bits.
pub fn size(value: usize) -> Result<u32> {
    u32::try_from(value).map_err(|_| {
        Error::argument("size", format!("{value} is beyond the 2^32 - 1 that a kernel can count"))
    })
}
