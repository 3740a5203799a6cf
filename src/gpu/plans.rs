//! The plans of the steps that an executor has prepared, bound to its buffers.

use std::sync::Arc;

use wgpu::BufferUsages;

use super::device::Gpu;
use super::dispatches::Bound;
use super::table::Table;
use super::upload::Upload;
use crate::error::Result;
use crate::operation::Dispatch;
use crate::program::{Pass, Program, Role, Step, plan, planned_rows};

/// What is dispatched for steps of each kind and size. A plan is a pure function of the rows of its
/// step, so that nothing that ran before changes it.
#[derive(Default)]
pub(super) struct Plans {
    /// Each dispatch once, whatever plans it is part of.
    bound: Vec<Bound>,
    steps: Vec<PlannedStep>,
}

/// One kind of step.
struct PlannedStep {
    lists: &'static [Pass],
    /// As [`planned_rows`] gives them.
    rows: usize,
    /// Places among what is bound.
    dispatches: Vec<usize>,
    /// Whether it is a [fused step](crate::operation::fused_step).
    fused: bool,
}

impl Plans {
    /// Compiles and binds what `steps` dispatch, unless it is there: what they run, and on how many
    /// rows.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device refuses a kernel.
    pub(super) async fn prepare(
        &mut self,
        to: BindTo<'_>,
        steps: impl IntoIterator<Item = (&'static [Pass], usize)>,
    ) -> Result<()> {
        let mut planned = Vec::new();
        for (lists, rows) in steps {
            let rows = planned_rows(rows);
            if self.find(lists, rows).is_none() {
                planned.push((lists, rows, plan(to.program, lists, rows, to.gpu.adapter())?));
            }
        }
        if planned.is_empty() {
            return Ok(());
        }
        // All at once: the distinct ones are shared out to threads.
        let dispatches = planned.iter().flat_map(|(_, _, dispatches)| dispatches);
        to.gpu.compile_all(dispatches.map(|dispatch| &dispatch.kernel)).await?;
        for (lists, rows, planned) in planned {
            let mut handovers = to.program.of_role(Role::Handover);
            let hands_over = |id| planned.iter().any(|one| one.buffers.contains(&id));
            let fused = handovers.any(|(id, _)| hands_over(id));
            let mut dispatches = Vec::with_capacity(planned.len());
            for dispatch in planned {
                let known = self.bound.iter().position(|bound| bound.dispatch == dispatch);
                dispatches.push(match known {
                    Some(place) => place,
                    None => {
                        self.bound.push(to.bound(dispatch).await?);
                        self.bound.len() - 1
                    }
                });
            }
            self.steps.push(PlannedStep { lists, rows, dispatches, fused });
        }
        Ok(())
    }

    /// The same plans, bound to other buffers.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub(super) async fn bound_to(&self, to: BindTo<'_>) -> Result<Self> {
        let mut plans = Plans::default();
        plans.prepare(to, self.steps.iter().map(|step| (step.lists, step.rows))).await?;
        Ok(plans)
    }

    /// Bytes of the constants of all that is bound.
    pub(super) fn constants(&self) -> u64 {
        self.bound.iter().map(|bound| bound.dispatch.constants.len() as u64).sum()
    }

    /// Whether steps that run `lists` on `rows` rows are prepared.
    pub(super) fn has(&self, lists: &[Pass], rows: usize) -> bool {
        self.find(lists, planned_rows(rows)).is_some()
    }

    /// Whether steps that run `lists` on `rows` rows are fused ones.
    pub(super) fn is_fused(&self, lists: &[Pass], rows: usize) -> bool {
        self.find(lists, planned_rows(rows)).is_some_and(|step| step.fused)
    }

    /// What `step` of `pass` dispatches; nothing unless it is prepared.
    pub(super) fn step(&self, pass: Pass, step: &Step) -> impl Iterator<Item = &Bound> + Clone {
        self.dispatches(pass.lists(step), step.live_rows)
    }

    /// What steps that run `lists` on `rows` rows dispatch; nothing unless they are prepared.
    pub(super) fn dispatches(
        &self,
        lists: &[Pass],
        rows: usize,
    ) -> impl Iterator<Item = &Bound> + Clone {
        let found = self.find(lists, planned_rows(rows));
        let places = found.into_iter().flat_map(|step| &step.dispatches);
        places.filter_map(|&place| self.bound.get(place))
    }

    fn find(&self, lists: &[Pass], rows: usize) -> Option<&PlannedStep> {
        self.steps.iter().find(|step| step.rows == rows && step.lists == lists)
    }
}

/// What dispatches are bound to.
#[derive(Clone, Copy)]
pub(super) struct BindTo<'a> {
    pub gpu: &'a Gpu,
    pub program: &'a Arc<Program>,
    pub table: &'a Table,
    pub upload: &'a Upload,
}

impl BindTo<'_> {
    async fn bound(self, dispatch: Dispatch) -> Result<Bound> {
        let pipeline = self.gpu.pipeline(&dispatch.kernel).await?;
        let bindings = self.gpu.scoped(|| self.bind(&dispatch, &pipeline)).await?;
        Ok(Bound { dispatch, pipeline, bindings })
    }

    fn bind(
        self,
        dispatch: &Dispatch,
        pipeline: &wgpu::ComputePipeline,
    ) -> Result<wgpu::BindGroup> {
        let device = &self.gpu.device;
        let constants = self.gpu.create_buffer(&wgpu::BufferDescriptor {
            label: Some(&self.gpu.label("minibatch.constants")),
            size: dispatch.constants.len() as u64,
            usage: BufferUsages::UNIFORM,
            mapped_at_creation: true,
        });
        constants
            .get_mapped_range_mut(..)
            .map_err(|error| self.gpu.failed(error))?
            .slice(..)
            .copy_from_slice(&dispatch.constants);
        constants.unmap();
        let mut resources = vec![self.upload.binding(), constants.as_entire_binding()];
        for &id in &dispatch.buffers {
            resources.push(self.table.binding(id)?);
        }
        let entries: Vec<_> = (0u32..)
            .zip(resources)
            .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource })
            .collect();
        Ok(device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(&self.gpu.label(&format!("minibatch.{}", dispatch.kernel.name))),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        }))
    }
}
