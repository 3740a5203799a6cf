//! The forms that a matrix kernel is written in, and the classes of adapters that they are written
//! for; plain numbers, nothing here knows a GPU.

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

/// How a matrix kernel is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatrixForm {
    /// Tiles of 128x128 in workgroup memory: for results that give each processor some.
    Tile128,
    /// Tiles of 64x64 whose sums are cut in 4 parts.
    Tile64,
    /// Tiles of 64x32 whose sums are cut in 8 parts.
    Tile64x32,
    /// Tiles of 32x32, by small workgroups.
    Tile32,
    /// Tiles of 32x32 whose sums are cut in 4 parts.
    Tile32Parts4,
    /// Tiles of 16x16 whose sums are cut in 4 parts, by small workgroups.
    Tile16Parts4,
    /// Tiles of 16x16 whose sums are cut in 16 parts.
    Tile16Parts16,
    /// Tiles of 8x8 whose sums are cut in 16 parts, by small workgroups.
    Tile8Parts16,
    /// Tiles of 8x8 whose sums are cut in 64 parts: small results that are long sums.
    Tile8Parts64,
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

impl Tile {
    /// Rows and columns of the squares that an invocation computes: 4 or 8.
    pub const fn side(&self) -> u32 {
        (self.rows * self.columns * self.depth_parts * self.tiles / self.threads).isqrt()
    }

    /// Terms of each sum that are in workgroup memory at a time: as many as let each invocation copy
    /// one block of 4x4 values at most.
    pub const fn chunk(&self) -> u32 {
        let quads = 4 * self.threads / (self.rows + self.columns);
        match quads.checked_ilog2() {
            Some(doublings) => 4 << doublings,
            None => 4,
        }
    }
}

impl MatrixForm {
    /// Each of them.
    pub const ALL: [MatrixForm; 11] = [
        MatrixForm::Tile128,
        MatrixForm::Tile64,
        MatrixForm::Tile64x32,
        MatrixForm::Tile32,
        MatrixForm::Tile32Parts4,
        MatrixForm::Tile16Parts4,
        MatrixForm::Tile16Parts16,
        MatrixForm::Tile8Parts16,
        MatrixForm::Tile8Parts64,
        MatrixForm::Register,
        MatrixForm::Subgroup,
    ];

    /// One form for each class of adapters: where all forms of a class share a text, they stand for the
    /// others.
    pub const OF_EACH_CLASS: [MatrixForm; 3] =
        [MatrixForm::Tile32, MatrixForm::Register, MatrixForm::Subgroup];

    /// The one size of subgroup that [`Subgroup`](Self::Subgroup) is written for: lavapipe's. With
    /// another one its results are wrong.
    pub const SUBGROUP_SIZE: u32 = 8;

    /// Its name in tables: `tile64`.
    pub const fn name(self) -> &'static str {
        match self {
            MatrixForm::Tile128 => "tile128",
            MatrixForm::Tile64 => "tile64",
            MatrixForm::Tile64x32 => "tile64x32",
            MatrixForm::Tile32 => "tile32",
            MatrixForm::Tile32Parts4 => "tile32_parts4",
            MatrixForm::Tile16Parts4 => "tile16_parts4",
            MatrixForm::Tile16Parts16 => "tile16_parts16",
            MatrixForm::Tile8Parts16 => "tile8_parts16",
            MatrixForm::Tile8Parts64 => "tile8_parts64",
            MatrixForm::Register => "register",
            MatrixForm::Subgroup => "subgroup",
        }
    }

    /// The adapters that it is written for. It also runs on others, as far as it needs nothing that
    /// they lack.
    pub const fn class(self) -> AdapterClass {
        match self {
            MatrixForm::Tile128
            | MatrixForm::Tile64
            | MatrixForm::Tile64x32
            | MatrixForm::Tile32
            | MatrixForm::Tile32Parts4
            | MatrixForm::Tile16Parts4
            | MatrixForm::Tile16Parts16
            | MatrixForm::Tile8Parts16
            | MatrixForm::Tile8Parts64 => AdapterClass::Hardware,
            MatrixForm::Register => AdapterClass::Software,
            MatrixForm::Subgroup => AdapterClass::SoftwareSubgroups,
        }
    }

    /// Invocations of a workgroup, and bytes of the memory that they share.
    pub const fn workgroup(self) -> [u32; 2] {
        let threads = self.tile().threads;
        match self.class() {
            // A block of 4x4 values for each invocation.
            AdapterClass::Hardware => [threads, 64 * threads],
            AdapterClass::Software | AdapterClass::SoftwareSubgroups => [threads, 0],
        }
    }

    /// What a workgroup computes.
    pub const fn tile(self) -> Tile {
        let ([rows, columns], threads, depth_parts, tiles) = match self {
            MatrixForm::Tile128 => ([128, 128], 256, 1, 1),
            MatrixForm::Tile64 => ([64, 64], 256, 4, 1),
            MatrixForm::Tile64x32 => ([64, 32], 256, 8, 1),
            MatrixForm::Tile32 => ([32, 32], 64, 1, 1),
            MatrixForm::Tile32Parts4 => ([32, 32], 256, 4, 1),
            MatrixForm::Tile16Parts4 => ([16, 16], 64, 4, 1),
            MatrixForm::Tile16Parts16 => ([16, 16], 256, 16, 1),
            MatrixForm::Tile8Parts16 => ([8, 8], 64, 16, 1),
            MatrixForm::Tile8Parts64 => ([8, 8], 256, 64, 1),
            MatrixForm::Register => ([8, 8], 8, 1, 8),
            MatrixForm::Subgroup => ([32, 32], 8, 1, 1),
        };
        Tile { rows, columns, threads, depth_parts, tiles }
    }
}
