//! The dispatches of a fused step.

use std::borrow::Cow;

use super::chain::Chain;
use super::sizes::Sizes;
use super::text;
use crate::error::Result;
use crate::operation::access::Access;
use crate::operation::adapter::FusedFrom;
use crate::operation::kernel::{Arithmetic, Dispatch, Grid, Stated, Target, shader};
use crate::table::BufferId;

/// Inputs and units, in groups of four, of a tile of the weights kernel.
const TILE: u32 = 8;
/// A workgroup reads all weights, which takes 17 microseconds for 1 MiB of them on a large GPU: with more
/// the dispatches that are saved are no gain, and no memory is set aside for them. The weights of a first
/// layer that goes before count all the same: both ways are for the same networks.
const MOST_WEIGHTS: u64 = 1 << 18;
/// Rows that a workgroup of the rows kernel may take, and the text of each; the most first.
const ROWS_OF_WORKGROUP: [(u32, Cow<'static, str>); 3] = [
    (4, shader!("fused/four_rows")),
    (2, shader!("fused/two_rows")),
    (1, shader!("fused/one_row")),
];

impl Chain {
    /// The two dispatches that are the whole step after [what goes before](Self::before), for batches of
    /// about `rows` rows; `handover` is a buffer of [so many columns](Self::handover_columns). `None` where
    /// the network is too wide for the memory of a workgroup or has too many weights, or where its bytes are
    /// converted by an operation of its own. Whether there are any does not depend on the rows, so that
    /// there is memory for the handover whatever the batch.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) if a size does not fit the kernels' 32 bits.
    pub fn dispatches(
        &self,
        target: &Target<'_>,
        handover: BufferId,
        rows: u32,
        from: FusedFrom,
    ) -> Result<Option<[Dispatch; 2]>> {
        if self.converted && !target.conversions.contains_key(&self.input) {
            return Ok(None);
        }
        if self.products(target.table, 0) > MOST_WEIGHTS {
            return Ok(None);
        }
        let Some(sizes) = Sizes::new(self, target.table, from)? else { return Ok(None) };
        let Some(rows_of_workgroup) =
            rows_of_workgroup(&sizes, target.adapter.model.processors, rows)
        else {
            return Ok(None);
        };
        let mut begins = Vec::with_capacity(sizes.layers.len());
        let mut workgroups = 0u32;
        for layer in &sizes.layers {
            begins.push(workgroups);
            // The bias comes after the last input.
            // All of them are fewer than one dimension of a dispatch may have, as weights are so few.
            workgroups += (layer.inputs + 1).div_ceil(TILE) * layer.units.div_ceil(TILE);
        }
        let first = self.rows_dispatch(target, handover, &sizes, rows_of_workgroup)?;
        let second =
            self.weights_dispatch(target, handover, &sizes, &begins, [workgroups, rows])?;
        Ok(Some([first, second]))
    }

    fn rows_dispatch(
        &self,
        target: &Target<'_>,
        handover: BufferId,
        sizes: &Sizes,
        (each, text_of_rows): (u32, Cow<'static, str>),
    ) -> Result<Dispatch> {
        let operand = target.operand(self.read_from(sizes.from));
        // The loss has its text, its constants and buffers 3 to 6: targets, weights, loss and counts.
        let mut dispatch = self.loss.dispatch(target)?;
        let kernel = &mut dispatch.kernel;
        kernel.name = "fused_step_rows";
        kernel.text.retain(|text| *text != shader!("loss/each_row"));
        let activations = text::activations(&sizes.activations, &kernel.text);
        kernel.text.extend(activations);
        kernel.text.extend([
            text::operand(&operand),
            text::constants(sizes),
            text_of_rows,
            shader!("fused/rows"),
            text::rows_main(sizes),
        ]);
        replace(&mut dispatch, 0, (Access::Load, operand.id));
        replace(&mut dispatch, 5, (Access::Read, self.parameters));
        dispatch.kernel.bindings.push(Access::Write);
        dispatch.buffers.push(handover);
        dispatch.grid = Grid::folded_rows(each);
        // Nobody wants the gradient of the first layer's input.
        let (forward, backward) = (sizes.from.layers_before(), 1);
        let products = [forward, backward].map(|from| self.products(target.table, from));
        let weights = [forward, backward].map(|from| {
            let layers = sizes.layers.iter().skip(from);
            layers.map(|layer| 64 * u64::from(layer.inputs * layer.units)).sum::<u64>()
        });
        // Four loads of a forward sum are on their way together; a level of the tree takes as long.
        let levels = |parts: u32| u64::from(parts.next_power_of_two().ilog2());
        let waits_forward = sizes.layers.iter().enumerate().map(|(number, layer)| {
            if number < forward {
                return u64::from((each * layer.units).div_ceil(sizes.threads));
            }
            let steps = layer.inputs.div_ceil(layer.forward_parts);
            u64::from(steps / 4 + steps % 4) + levels(layer.forward_parts)
        });
        let waits_backward = sizes.layers.iter().skip(backward).map(|layer| {
            u64::from(layer.units.div_ceil(layer.backward_parts)) + levels(layer.backward_parts)
        });
        // The loss goes along its units one by one.
        let judging = u64::from(sizes.layers.last().map_or(0, |layer| layer.units)) / 4 + 1;
        let stated = Stated {
            flops: [0, 2 * products.iter().sum::<u64>()],
            bytes: [0, 16 * u64::from(sizes.read + sizes.handover), weights.iter().sum()],
            waits: [waits_forward.sum::<u64>() + waits_backward.sum::<u64>() + judging, 0],
        };
        Ok(dispatch.with_arithmetic(Arithmetic::Stated(stated)))
    }

    fn weights_dispatch(
        &self,
        target: &Target<'_>,
        handover: BufferId,
        sizes: &Sizes,
        begins: &[u32],
        [workgroups, rows]: [u32; 2],
    ) -> Result<Dispatch> {
        let operand = target.operand(self.input);
        // The optimizer has its text, its constants, the parameters at 3 and what it keeps from 4 on.
        let mut dispatch = self.update.dispatch(target)?;
        dispatch.kernel.name = "fused_step_weights";
        let own = [shader!("shared/fold"), shader!("optimizer/each_parameter")];
        dispatch.kernel.text.retain(|text| !own.contains(text));
        replace(&mut dispatch, 0, (Access::Load, operand.id));
        let binding = 2 + dispatch.buffers.len();
        dispatch.kernel.bindings.push(Access::Read);
        dispatch.buffers.push(handover);
        dispatch.kernel.text.extend([
            text::operand(&operand),
            text::layers(sizes, binding, begins),
            shader!("fused/weights"),
        ]);
        dispatch.grid = Grid::columns(workgroups, 1);
        // Each changed value is read and written, a parameter's quad by one invocation.
        let changed = u64::from(target.elements(self.parameters)?) * 4;
        let arenas = dispatch.buffers.len() as u64 - 2;
        let stated = Stated {
            flops: [4 * changed, 2 * self.products(target.table, 0)],
            bytes: [2 * arenas * changed, u64::from(2 * TILE) * 16 * u64::from(workgroups), 0],
            // A block of rows is loaded at a time; then the parts are added up, and the update loads.
            waits: [u64::from(rows.div_ceil(32)) + 3, 0],
        };
        Ok(dispatch.with_arithmetic(Arithmetic::Stated(stated)))
    }
}

/// Puts another buffer at a place of the bindings.
fn replace(dispatch: &mut Dispatch, place: usize, (access, id): (Access, BufferId)) {
    if let Some(binding) = dispatch.kernel.bindings.get_mut(place) {
        *binding = access;
    }
    if let Some(buffer) = dispatch.buffers.get_mut(place) {
        *buffer = id;
    }
}

/// Rows of the batch that a workgroup takes, with their text; `None` where not even one fits. The device's
/// processors each want a workgroup first; with more rows than that each weight that is loaded serves
/// several of them.
fn rows_of_workgroup(
    sizes: &Sizes,
    processors: u32,
    rows: u32,
) -> Option<(u32, Cow<'static, str>)> {
    let wanted = rows.div_ceil(processors.max(1)).next_power_of_two();
    ROWS_OF_WORKGROUP.into_iter().find(|(each, _)| *each <= wanted && sizes.fits(*each))
}
