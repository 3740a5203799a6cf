//! A kernel by itself, on buffers of its own: how a driver is tried.

use wgpu::{BindGroupEntry, BindingResource, Buffer, BufferBinding, BufferSize, BufferUsages};

use super::device::Gpu;
use super::dispatches::compute_pass;
use super::labels::encoder;
use super::readback::Readback;
use super::upload::STEP_STRIDE;
use crate::error::{Error, Result};
use crate::operation::Kernel;

/// Bytes that stand before and after each buffer of a trial; a multiple of what devices ask of an
/// offset.
const MARGIN: usize = 256;

/// What the margins hold, before and after.
const GUARD: u8 = 0xa5;

/// A kernel, what it is bound to, and how many workgroups run.
#[derive(Debug, Clone)]
pub struct Trial {
    /// What runs.
    pub kernel: Kernel,
    /// What binding 0 holds, 48 bytes for each dispatch: there is one for each, in one compute pass,
    /// and each finds its own by a dynamic offset.
    pub steps: Vec<[u32; 12]>,
    /// What binding 1 holds, a multiple of 16 bytes.
    pub constants: Vec<u8>,
    /// What the storage buffers hold before, from binding 2 on; a multiple of 4 bytes each. Each of
    /// them is a part of a larger buffer.
    pub buffers: Vec<Vec<u8>>,
    /// Workgroups of each dispatch.
    pub workgroups: [u32; 3],
}

/// What a trial has left in its buffers.
#[derive(Debug, Clone)]
pub struct Tried {
    /// What each of them holds.
    pub buffers: Vec<Vec<u8>>,
    /// Whether something was written beside one of them.
    pub is_beyond: bool,
}

impl Gpu {
    /// Runs a trial and waits for it.
    ///
    /// # Errors
    /// [`Error::Device`] if the device refuses it or fails.
    pub async fn try_kernel(&self, trial: &Trial) -> Result<Tried> {
        let pipeline = self.pipeline(&trial.kernel).await?;
        let layout = pipeline.get_bind_group_layout(0);
        let (steps, constants, buffers) = self
            .scoped(|| {
                let steps = trial.steps.iter().flat_map(|step| {
                    let mut bytes = bytemuck::bytes_of(step).to_vec();
                    bytes.resize(STEP_STRIDE as usize, GUARD);
                    bytes
                });
                let steps: Vec<u8> = steps.collect();
                let steps = self.filled("steps", &steps, BufferUsages::UNIFORM);
                let constants = within_margins(&trial.constants);
                let constants = self.filled("constants", &constants, BufferUsages::UNIFORM);
                let storage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
                let buffers = trial.buffers.iter().map(|bytes| {
                    (self.filled("storage", &within_margins(bytes), storage), bytes.len() as u64)
                });
                Ok((steps, constants, buffers.collect::<Vec<_>>()))
            })
            .await?;
        let bound = |buffer, offset, bytes| {
            let size = BufferSize::new(bytes);
            BindingResource::Buffer(BufferBinding { buffer, offset, size })
        };
        let uniforms = [
            bound(&steps, 0, size_of::<[u32; 12]>() as u64),
            bound(&constants, MARGIN as u64, trial.constants.len() as u64),
        ];
        let storage = buffers.iter().map(|(buffer, bytes)| bound(buffer, MARGIN as u64, *bytes));
        let entries: Vec<_> = (0..)
            .zip(uniforms.into_iter().chain(storage))
            .map(|(binding, resource)| BindGroupEntry { binding, resource })
            .collect();
        self.scoped(|| {
            let bindings = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(&self.label("minibatch.trial")),
                layout: &layout,
                entries: &entries,
            });
            let mut encoder = encoder(self, "minibatch.trial");
            let mut pass = compute_pass(self, &mut encoder, None);
            pass.set_pipeline(&pipeline);
            let [x, y, z] = trial.workgroups;
            for (offset, _) in (0..).step_by(STEP_STRIDE as usize).zip(&trial.steps) {
                pass.set_bind_group(0, &bindings, &[offset]);
                pass.dispatch_workgroups(x, y, z);
            }
            drop(pass);
            self.queue.submit([encoder.finish()]);
            Ok(())
        })
        .await?;
        let whole: Vec<_> =
            buffers.into_iter().map(|(buffer, _)| (buffer.clone(), 0, buffer.size())).collect();
        let bytes = Readback::default().read(self, &whole)?.wait().await?;
        parted(&bytes, trial)
    }

    fn filled(&self, name: &str, contents: &[u8], usage: BufferUsages) -> Buffer {
        let name = format!("minibatch.trial.{name}");
        let buffer = self.create_buffer(&wgpu::BufferDescriptor {
            label: Some(&self.label(&name)),
            size: contents.len() as u64,
            usage: usage | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.queue.write_buffer(&buffer, 0, contents);
        buffer
    }
}

fn within_margins(bytes: &[u8]) -> Vec<u8> {
    let guard = [GUARD; MARGIN];
    [&guard, bytes, &guard].concat()
}

/// What the buffers hold, of all that was read.
fn parted(mut bytes: &[u8], trial: &Trial) -> Result<Tried> {
    let mut tried = Tried { buffers: Vec::new(), is_beyond: false };
    let mut next = |length: usize| {
        let (taken, rest) = bytes.split_at_checked(length).ok_or_else(|| Error::Shape {
            what: "what a trial left".into(),
            actual: format!("{} bytes", bytes.len()),
            expected: format!("{length} or more"),
        })?;
        bytes = rest;
        Ok::<_, Error>(taken)
    };
    for before in &trial.buffers {
        for (length, is_margin) in [(MARGIN, true), (before.len(), false), (MARGIN, true)] {
            let part = next(length)?;
            match is_margin {
                true => tried.is_beyond |= part.iter().any(|&byte| byte != GUARD),
                false => tried.buffers.push(part.to_vec()),
            }
        }
    }
    Ok(tried)
}
