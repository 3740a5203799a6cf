//! What a model takes of its device's memory, by what it is for.

use std::fmt;

use super::builder::Program;
use crate::table::{Buffer, BufferId, Role};

/// Bytes of memory that a model takes on its device, by what they are for. It displays as a table.
///
/// All buffers are counted, to the byte; compiled kernels, bind groups and what the driver keeps beside
/// them are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MemoryUse {
    /// Parameters, trained or not, and moving statistics, with what aligns them.
    pub parameters: u64,
    /// The gradients of trained parameters.
    pub gradients: u64,
    /// What the optimizer keeps from step to step.
    pub optimizer: u64,
    /// Rows of a batch, what layers make of them, and the gradients of that.
    pub batch: u64,
    /// Sums of losses and metrics.
    pub metrics: u64,
    /// Zeros, norms, and sums over steps or over parts of a batch.
    pub other: u64,
    /// What batches are uploaded through.
    pub uploads: u64,
    /// The scalars of steps, and the constants of kernels.
    pub constants: u64,
    /// What results are read back through.
    pub readback: u64,
    /// Data that lie on the device.
    pub data: u64,
}

impl MemoryUse {
    /// What it is for, and the bytes of each.
    pub fn kinds(&self) -> [(&'static str, u64); 10] {
        [
            ("parameters", self.parameters),
            ("gradients", self.gradients),
            ("optimizer", self.optimizer),
            ("batch", self.batch),
            ("metrics", self.metrics),
            ("other", self.other),
            ("uploads", self.uploads),
            ("constants", self.constants),
            ("readback", self.readback),
            ("data", self.data),
        ]
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.kinds().into_iter().fold(0, |sum, (_, bytes)| sum.saturating_add(bytes))
    }

    /// Adds the bytes of the program's buffer `id`; an arena is for what its slices are for.
    pub(crate) fn add(&mut self, program: &Program, id: BufferId, bytes: u64) {
        let is = |buffer: &Buffer, roles: &[Role]| match buffer.role {
            Role::Arena => program.slices(id).any(|(_, slice)| roles.contains(&slice.role)),
            role => roles.contains(&role),
        };
        let buffer = program.buffer(id);
        let of_batch =
            [Role::Input, Role::Target, Role::SampleWeight, Role::Activation, Role::Handover];
        let kind = if is(buffer, &[Role::Parameter, Role::State]) {
            &mut self.parameters
        } else if is(buffer, &[Role::ParameterGradient]) {
            &mut self.gradients
        } else if is(buffer, &[Role::OptimizerState]) {
            &mut self.optimizer
        } else if is(buffer, &of_batch) {
            &mut self.batch
        } else if is(buffer, &[Role::Metric]) {
            &mut self.metrics
        } else {
            &mut self.other
        };
        *kind = kind.saturating_add(bytes);
    }
}

impl fmt::Display for MemoryUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, bytes) in self.kinds().into_iter().filter(|(_, bytes)| *bytes > 0) {
            writeln!(f, "{kind:12}{bytes:>16}")?;
        }
        write!(f, "{:12}{:>16} bytes", "total", self.total())
    }
}
