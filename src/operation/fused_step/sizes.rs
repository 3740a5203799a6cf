//! The sizes and places that the kernels of a fused step are made with, counted in groups of four floats.

use super::chain::{Chain, Layer};
use crate::error::Result;
use crate::operation::activation::Elementwise;
use crate::operation::adapter::FusedFrom;
use crate::operation::kernel::size;
use crate::table::{BufferId, Placement, Table};

/// The most invocations of a workgroup: what WebGPU promises.
const MOST_THREADS: u32 = 256;
/// The fewest: fewer would leave a part of a processor's lanes idle all the same.
const FEWEST_THREADS: u32 = 32;
/// Bytes of workgroup memory that WebGPU promises.
const WORKGROUP_MEMORY: u32 = 16_384;
/// Where nothing is.
pub(super) const NOWHERE: u32 = u32::MAX;

/// One layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerSizes {
    pub inputs: u32,
    pub units: u32,
    /// In units.
    pub live_units: u32,
    /// Place in the flat parameters.
    pub weight: u32,
    /// The same of the bias, or [`NOWHERE`].
    pub bias: u32,
    /// Where in a row of workgroup memory its input and its output lie.
    pub input_at: u32,
    pub output_at: u32,
    /// Where in a row of the buffer between the kernels its output lies, or [`NOWHERE`].
    pub output_to: u32,
    /// The same of the gradient of its output.
    pub gradient_to: u32,
    /// The place of its activation among those of the chain.
    pub activation: u32,
    /// Parts that sums over its inputs are cut in.
    pub forward_parts: u32,
    /// The same of sums over its units.
    pub backward_parts: u32,
}

/// A chain's sizes.
#[derive(Debug, Clone)]
pub(super) struct Sizes {
    pub layers: Vec<LayerSizes>,
    /// Where the rows kernel begins.
    pub from: FusedFrom,
    /// Each activation of the chain once.
    pub activations: Vec<Elementwise>,
    /// Invocations of a workgroup of the rows kernel, a power of two.
    pub threads: u32,
    /// A row of what the rows kernel reads.
    pub read: u32,
    /// A row of workgroup memory: what each layer puts out.
    pub values: u32,
    /// A row of the buffer between the kernels.
    pub handover: u32,
}

impl Sizes {
    /// `None` where a layer has more units than a workgroup takes.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if a size does not fit the kernels' 32 bits.
    pub(super) fn new(chain: &Chain, table: &Table, from: FusedFrom) -> Result<Option<Self>> {
        let quads = |id: BufferId| size(table.buffer(id).stride() / 4);
        let place = |id: BufferId| match table.buffer(id).placement {
            Placement::Slice { offset, .. } => size(offset / 4),
            Placement::Own => Ok(NOWHERE),
        };
        let count = chain.layers.len();
        let mut layers: Vec<LayerSizes> = Vec::with_capacity(count);
        let mut activations: Vec<Elementwise> = Vec::new();
        let (mut values, mut handover) = (0, 0);
        for (number, Layer { forward, has_bias }) in chain.layers.iter().enumerate() {
            let units = quads(forward.output)?;
            let known = activations.iter().position(|other| *other == forward.activation);
            let activation = known.unwrap_or(activations.len());
            if known.is_none() {
                activations.push(forward.activation);
            }
            let is_last = number + 1 == count;
            layers.push(LayerSizes {
                inputs: quads(forward.input)?,
                units,
                live_units: size(table.columns(forward.output))?,
                weight: place(forward.weight)?,
                bias: if *has_bias { place(forward.bias)? } else { NOWHERE },
                input_at: layers.last().map_or(NOWHERE, |before| before.output_at),
                output_at: values,
                output_to: if is_last { NOWHERE } else { handover },
                gradient_to: if is_last { handover } else { handover + units },
                activation: size(activation)?,
                forward_parts: 1,
                backward_parts: 1,
            });
            // No kernel counts as far as these could overflow: the places of parameters are checked.
            values += units;
            handover += if is_last { units } else { 2 * units };
        }
        // Enough for each unit and many parts of its sum.
        let before = from.layers_before();
        let computed = layers.iter().skip(before);
        let wanted = computed.map(|layer| layer.units * layer.inputs.min(64)).max();
        let threads = wanted.unwrap_or(1).clamp(FEWEST_THREADS, MOST_THREADS).next_power_of_two();
        for (number, layer) in layers.iter_mut().enumerate() {
            // What invocations share out among themselves, forward and backward.
            let forward = if number < before { 0 } else { layer.units };
            let backward = if number == 0 { 0 } else { layer.inputs };
            if forward.max(backward) > threads {
                return Ok(None);
            }
            layer.forward_parts = (threads / layer.units).clamp(1, layer.inputs);
            layer.backward_parts = (threads / layer.inputs.max(1)).clamp(1, layer.units);
        }
        let read = quads(chain.read_from(from))?;
        Ok(Some(Sizes { layers, from, activations, threads, read, values, handover }))
    }

    /// Whether so many rows fit a workgroup: what the layers put out, and half of the invocations' sums.
    pub(super) fn fits(&self, rows: u32) -> bool {
        let quads = u64::from(self.values) + u64::from(self.threads / 2);
        quads * u64::from(rows) * 16 <= u64::from(WORKGROUP_MEMORY)
    }
}
