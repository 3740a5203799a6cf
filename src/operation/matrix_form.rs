//! The forms that a matrix kernel is written in, and what is known of an adapter when one is chosen;
//! plain numbers, nothing here knows a GPU.

use super::device_model::DeviceModel;

/// What an adapter is, as far as the choice of kernels goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdapterClass {
    /// A GPU.
    Hardware,
    /// It computes on the CPU, where a barrier is slow and a load costs as much as many
    /// multiplications.
    Software,
    /// The same, with subgroups of [`SUBGROUP_SIZE`](MatrixForm::SUBGROUP_SIZE) lanes.
    SoftwareSubgroups,
}

impl AdapterClass {
    /// Each of them.
    pub const ALL: [AdapterClass; 3] =
        [AdapterClass::Hardware, AdapterClass::Software, AdapterClass::SoftwareSubgroups];
}

/// What is known of an adapter when dispatches are planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Adapter {
    /// What it is.
    pub class: AdapterClass,
    /// The one form that all matrix kernels take, whatever would be chosen: for tests.
    pub form: Option<MatrixForm>,
    /// Which training steps run as two kernels.
    pub fused_steps: FusedSteps,
    /// How long such a device takes for what. Only of [`Hardware`](AdapterClass::Hardware) it makes a
    /// difference.
    pub model: DeviceModel,
}

/// Which training steps run as two kernels, of those that can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FusedSteps {
    /// Those that this makes faster, as far as their shapes tell.
    #[default]
    WhereFaster,
    /// All of them: for tests.
    Always,
    /// None.
    Never,
}

impl Adapter {
    /// An adapter that is given the forms that suit it.
    pub fn new(class: AdapterClass) -> Self {
        let (form, fused_steps) = (None, FusedSteps::WhereFaster);
        Adapter { class, form, fused_steps, model: DeviceModel::OTHER }
    }

    /// An adapter of the class that `form` is written for, which is given no other form, and no step
    /// without matrix kernels.
    pub fn with_form(form: MatrixForm) -> Self {
        let fused_steps = FusedSteps::Never;
        Adapter { form: Some(form), fused_steps, ..Adapter::new(form.class()) }
    }

    /// The same adapter with another model of its device.
    #[must_use]
    pub fn with_model(self, model: DeviceModel) -> Self {
        Adapter { model, ..self }
    }
}

/// How a matrix kernel is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatrixForm {
    /// Tiles of 64x64 in workgroup memory.
    Tile64,
    /// Tiles in registers, no barriers.
    Register,
    /// The same with operands shared by subgroup broadcasts.
    Subgroup,
}

/// What a workgroup of a matrix kernel computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Rows of the result.
    pub rows: u32,
    /// Columns of the result.
    pub columns: u32,
    /// Invocations of the workgroup.
    pub threads: u32,
    /// Parts that the workgroup cuts the sum of each element into, to add them up at the end.
    pub depth_parts: u32,
    /// Tiles that a workgroup computes.
    pub tiles: u32,
}

impl MatrixForm {
    /// Each of them.
    pub const ALL: [MatrixForm; 3] =
        [MatrixForm::Tile64, MatrixForm::Register, MatrixForm::Subgroup];

    /// The one size of subgroup that [`Subgroup`](Self::Subgroup) is written for: lavapipe's. With
    /// another one its results are wrong.
    pub const SUBGROUP_SIZE: u32 = 8;

    /// Its name in tables: `tile64`.
    pub const fn name(self) -> &'static str {
        match self {
            MatrixForm::Tile64 => "tile64",
            MatrixForm::Register => "register",
            MatrixForm::Subgroup => "subgroup",
        }
    }

    /// The adapters that it is written for. It also runs on others, as far as it needs nothing that
    /// they lack.
    pub const fn class(self) -> AdapterClass {
        match self {
            MatrixForm::Tile64 => AdapterClass::Hardware,
            MatrixForm::Register => AdapterClass::Software,
            MatrixForm::Subgroup => AdapterClass::SoftwareSubgroups,
        }
    }

    /// What a workgroup computes.
    pub fn tile(self) -> Tile {
        let square =
            |side, threads| Tile { rows: side, columns: side, threads, depth_parts: 1, tiles: 1 };
        match self {
            MatrixForm::Tile64 => square(64, 256),
            MatrixForm::Register => Tile { tiles: 8, ..square(8, 8) },
            MatrixForm::Subgroup => square(32, 8),
        }
    }
}
