//! What a program takes of a device's memory: before it is there, and now.

use std::sync::Arc;

use super::executor::{GpuExecutor, up_to};
use super::readback;
use super::upload;
use crate::error::Result;
use crate::operation::{Adapter, Dispatch};
use crate::program::{
    MemoryUse, Pass, Placement, Program, Role, all_dispatches, plan, planned_rows, used,
};

/// What `program` takes on a device like `adapter` once it is ready to train on batches of up to `rows`
/// samples, and its scores have been read; `upload_slots` are those of
/// [`Compiled::upload_slots`](crate::Compiled::upload_slots). A pure function of these.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) if a size does not fit the kernels' 32-bit counts.
pub fn planned_memory(
    program: &Arc<Program>,
    rows: usize,
    adapter: Adapter,
    upload_slots: Option<usize>,
) -> Result<MemoryUse> {
    let mut memory = MemoryUse::default();
    let used = used(program, &all_dispatches(program, rows, adapter)?);
    for (id, buffer) in program.buffers() {
        if buffer.placement == Placement::Own && used.get(id.index()).copied().unwrap_or_default() {
            memory.add(program, id, buffer.bytes(rows));
        }
    }
    memory.uploads = upload::bytes(program, rows, upload_slots);
    memory.constants = upload::step_bytes(upload::slots(program, rows, upload_slots));
    for dispatch in dispatches(program, rows, adapter)? {
        memory.constants += dispatch.constants.len() as u64;
    }
    let metrics = program.of_role(Role::Metric).map(|(_, buffer)| buffer.bytes(rows));
    let metrics: u64 = metrics.sum();
    if metrics > 0 {
        let ledger = upload::ledger_bytes(upload::slots(program, rows, upload_slots));
        memory.readback = readback::room(metrics + ledger);
    }
    Ok(memory)
}

/// What all training steps of up to `rows` rows dispatch, each once.
fn dispatches(program: &Program, rows: usize, adapter: Adapter) -> Result<Vec<Dispatch>> {
    let mut found: Vec<Dispatch> = Vec::new();
    for (lists, rows) in up_to(program, Pass::Train, rows) {
        for dispatch in plan(program, lists, planned_rows(rows), adapter)? {
            if !found.contains(&dispatch) {
                found.push(dispatch);
            }
        }
    }
    Ok(found)
}

impl GpuExecutor {
    /// What it takes on the device now, in buffers of its own and in data that were
    /// [attached](Self::attach).
    pub fn memory_use(&self) -> MemoryUse {
        let mut memory = MemoryUse::default();
        self.table.each(|id, bytes| memory.add(&self.program, id, bytes));
        memory.uploads = self.upload.slots().bytes();
        memory.constants = upload::step_bytes(self.upload.slots().len()) + self.plans.constants();
        memory.readback = self.readback.bytes();
        for own in self.evaluations.iter().chain(self.shards.others()) {
            memory.constants += own.plans.constants();
            own.table.each(|id, bytes| {
                if self.program.buffer(id).role == Role::Metric {
                    memory.add(&self.program, id, bytes);
                }
            });
        }
        if let Some(times) = &self.step_times {
            memory.readback += times.bytes();
        }
        if let Some(gather) = &self.gather {
            memory.data = gather.data_bytes();
            memory.uploads += gather.upload_bytes();
            memory.constants += gather.constant_bytes();
        }
        if let Some(timestamps) = &self.timestamps {
            memory.readback += timestamps.bytes();
        }
        memory
    }
}
