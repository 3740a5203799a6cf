//! The kernel that puts rows of the host's buffers in their places.

use wgpu::{BindGroupEntry, BindingResource, BufferUsages, ComputePass};

use super::device::Gpu;
use super::device_element::DeviceElement;
use super::device_rows::DeviceRows;
use super::feed::row_bytes;
use super::table::Table;
use super::upload::Upload;
use crate::error::{Error, Result};
use crate::operation::Access;
use crate::operation::kernel::{Grid, Kernel, size, wgsl};
use crate::program::BufferId;

/// Columns that one dispatch places.
const COLUMNS: usize = 3;

/// Storage buffers that it binds.
const BINDINGS: u32 = 1 + 2 * COLUMNS as u32;

/// The kernel that puts rows of the host's buffers in their places: of each column, of which there are up to
/// three, the type of the host's values, `None` for ones, and that of the values in their places.
#[doc(hidden)]
pub fn place_kernel(types: &[(Option<DeviceElement>, DeviceElement)]) -> Kernel {
    use Access::{Read, Write};
    const SOURCES: [&str; COLUMNS] = ["SOURCE_0", "SOURCE_1", "SOURCE_2"];
    const PLACED: [&str; COLUMNS] = ["PLACED_0", "PLACED_1", "PLACED_2"];
    let text = wgsl!["shared/fold", "feed/place"];
    let kernel = Kernel::new("place", vec![Read, Read, Read, Read, Write, Write, Write], text);
    let names = SOURCES.into_iter().zip(PLACED);
    kernel.with_overrides(types.iter().zip(names).flat_map(|(&(source, placed), names)| {
        let source = source.map_or(ONES, type_number);
        [(names.0, f64::from(source)), (names.1, f64::from(type_number(placed)))]
    }))
}

/// What a column of ones has as the type of its source in `feed/place.wgsl`.
const ONES: u32 = 4;

/// What `feed/place.wgsl` calls a type of values.
fn type_number(element: DeviceElement) -> u32 {
    match element {
        DeviceElement::F32 => 0,
        DeviceElement::F16 => 1,
        DeviceElement::U8 => 2,
        DeviceElement::U32 => 3,
    }
}

/// `Column` of `feed/place.wgsl`.
#[derive(Debug, Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Column {
    words: u32,
    values: u32,
    first_byte: u32,
    row_bytes: u32,
}

/// The uniform of `feed/place.wgsl`.
#[derive(Debug, Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Columns {
    columns: [Column; COLUMNS],
    rows: u32,
    index_words: u32,
    first_index: u32,
    pad: u32,
}

/// Dispatches that put the rows of a step in their places, up to three columns each.
pub(super) struct Placings {
    placings: Vec<Placing>,
}

struct Placing {
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    grid: Grid,
}

/// What the dispatches are bound to.
#[derive(Clone, Copy)]
pub(super) struct PlaceIn<'a> {
    pub gpu: &'a Gpu,
    pub table: &'a Table,
    pub upload: &'a Upload,
}

impl Placings {
    /// For these columns, each of so many `rows`; one without rows of the host's is filled with ones.
    ///
    /// # Errors
    /// [`Error::Argument`] and [`Error::Shape`] for rows that cannot be bound or do not fit their
    /// column, [`Error::Device`] if the device fails.
    pub(super) async fn new(
        to: PlaceIn<'_>,
        columns: &[(BufferId, Option<&DeviceRows>)],
        indices: Option<&DeviceRows>,
        rows: u32,
    ) -> Result<Self> {
        let most = to.gpu.limits().max_storage_buffers_per_shader_stage;
        if most < BINDINGS {
            let problem = format!(
                "of the host's buffers are placed by a kernel that binds {BINDINGS} storage buffers; \
                 this device binds at most {most} a stage"
            );
            return Err(Error::argument("rows", problem));
        }
        let mut placings = Vec::new();
        for part in columns.chunks(COLUMNS) {
            let types: Vec<_> = part
                .iter()
                .map(|&(id, source)| {
                    let placed = DeviceElement::of(to.table.describe(id));
                    (source.map(|source| source.element), placed)
                })
                .collect();
            let pipeline = to.gpu.pipeline(&place_kernel(&types)).await?;
            let bound = to.gpu.scoped(|| to.bind(&pipeline, part, indices, rows)).await?;
            placings.push(Placing { pipeline, bindings: bound.0, grid: bound.1 });
        }
        Ok(Placings { placings })
    }

    /// Dispatches them for a step of `rows` rows, whose scalars lie at `offset`; how many they are.
    pub(super) fn dispatch(&self, pass: &mut ComputePass<'_>, rows: u32, offset: u32) -> u64 {
        for Placing { pipeline, bindings, grid } in &self.placings {
            let [x, y, z] = grid.workgroups(rows);
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, bindings, &[offset]);
            pass.dispatch_workgroups(x, y, z);
        }
        self.placings.len() as u64
    }
}

impl PlaceIn<'_> {
    fn bind(
        self,
        pipeline: &wgpu::ComputePipeline,
        columns: &[(BufferId, Option<&DeviceRows>)],
        indices: Option<&DeviceRows>,
        rows: u32,
    ) -> Result<(wgpu::BindGroup, Grid)> {
        let PlaceIn { gpu, table, upload } = self;
        let limits = gpu.limits();
        let make = |label: &str, usage, size, mapped_at_creation| {
            gpu.create_buffer(&wgpu::BufferDescriptor {
                label: Some(&gpu.label(label)),
                size,
                usage,
                mapped_at_creation,
            })
        };
        // What a dispatch has nothing for is bound to one of these; no two bindings share a buffer.
        let nothing: [wgpu::Buffer; BINDINGS as usize] = std::array::from_fn(|_| {
            make("minibatch.place.nothing", BufferUsages::STORAGE, 4, false)
        });
        let mut storage: [BindingResource<'_>; BINDINGS as usize] =
            std::array::from_fn(|place| nothing[place].as_entire_binding());
        let mut constants = Columns { rows, ..Columns::default() };
        let mut bind = |place: usize, resource| {
            if let Some(bound) = storage.get_mut(place) {
                *bound = resource;
            }
        };
        if let Some(indices) = indices {
            let region = indices.region(1, "the indices", &limits)?;
            bind(0, binding(&indices.buffer, region.start, region.size));
            constants.index_words = region.row_bytes / 4;
            constants.first_index = region.first_byte / 4;
        }
        let mut quads = 0u32;
        for (number, (&(id, source), column)) in
            columns.iter().zip(&mut constants.columns).enumerate()
        {
            let buffer = table.describe(id);
            column.words = size((row_bytes(buffer) / 4) as usize)?;
            column.values = size(buffer.columns)?;
            quads = quads.saturating_add(column.words.div_ceil(4));
            bind(1 + COLUMNS + number, table.binding(id)?);
            if let Some(source) = source {
                source.check_element(buffer)?;
                let region = source.region(buffer.columns, &buffer.name, &limits)?;
                (column.first_byte, column.row_bytes) = (region.first_byte, region.row_bytes);
                bind(1 + number, binding(&source.buffer, region.start, region.size));
            }
        }
        let uniform =
            make("minibatch.constants", BufferUsages::UNIFORM, size_of::<Columns>() as u64, true);
        uniform
            .get_mapped_range_mut(..)
            .map_err(|error| gpu.failed(error))?
            .slice(..)
            .copy_from_slice(bytemuck::bytes_of(&constants));
        uniform.unmap();
        let resources = [upload.binding(), uniform.as_entire_binding()];
        let entries: Vec<_> = (0u32..)
            .zip(resources.into_iter().chain(storage))
            .map(|(binding, resource)| BindGroupEntry { binding, resource })
            .collect();
        let bindings = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(&gpu.label("minibatch.place")),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        // Four words an invocation, none of which is of two rows or of two columns.
        size((quads as usize).saturating_mul(table.capacity()))?;
        Ok((bindings, Grid::elements(quads.saturating_mul(4))))
    }
}

fn binding(buffer: &wgpu::Buffer, offset: u64, size: u64) -> BindingResource<'_> {
    let size = wgpu::BufferSize::new(size);
    BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size })
}
