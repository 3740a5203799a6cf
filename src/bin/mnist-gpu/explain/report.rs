//! What `explain` tells, as its JSON has it.

use std::collections::BTreeMap;

use minibatch::operation::{DeviceModel, KernelForm, KernelForms, MatrixForm, Total};
use minibatch::program::{
    Candidate, ExplainedBuffer, ExplainedDispatch, ExplainedWay, Explanation, planned_rows,
};
use serde::Serialize;

use super::Step;
use crate::args;

#[derive(Serialize)]
pub(super) struct Report {
    pub layers: Vec<usize>,
    pub batch_size: usize,
    pub device: Device,
    /// Names of forms of kernels that are not used, if any are not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<&'static str>,
    pub dispatches: Vec<Dispatch>,
    pub total: Sum,
    pub buffers: Vec<Buffer>,
    /// Bytes on the device, by what they are for, and their total.
    pub memory: BTreeMap<&'static str, u64>,
    /// What else could run, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all: Option<All>,
}

#[derive(Serialize)]
pub(super) struct Device {
    pub kind: &'static str,
    pub processors: u32,
    /// The rows that the kernels were chosen for: those of the batch, up to the next power of two.
    pub planned_rows: usize,
}

#[derive(Serialize)]
pub(super) struct Dispatch {
    pub kernel: &'static str,
    /// How a matrix kernel is built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub form: Option<&'static str>,
    pub workgroups: u64,
    pub threads: u32,
    pub flops: u64,
    pub bytes: u64,
    pub us: f64,
    pub reads: Vec<String>,
    pub writes: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Sum {
    pub dispatches: usize,
    pub flops: u64,
    pub bytes: u64,
    pub us: f64,
}

#[derive(Serialize)]
pub(super) struct Buffer {
    pub name: String,
    pub bytes: u64,
    /// Whether its values outlast the step.
    pub lasts: bool,
    /// The first and the last dispatch that use it, from 1; none of this step does without them.
    pub used: Option<[usize; 2]>,
}

#[derive(Serialize)]
pub(super) struct All {
    /// The ways in which the step could run.
    pub steps: Vec<StepPlan>,
}

#[derive(Serialize)]
pub(super) struct Alternatives {
    /// Its place among the dispatches, from 1.
    pub dispatch: usize,
    pub candidates: Vec<Alternative>,
}

#[derive(Serialize)]
pub(super) struct Alternative {
    pub chosen: bool,
    #[serde(flatten)]
    pub dispatch: Dispatch,
}

#[derive(Serialize)]
pub(super) struct StepPlan {
    pub plan: &'static str,
    pub chosen: bool,
    #[serde(flatten)]
    pub total: Sum,
    /// For each dispatch that has alternatives: all of them.
    pub kernels: Vec<Alternatives>,
}

impl Report {
    /// `unfused` is the same step without fusion, to tell what else could run.
    pub(super) fn new(
        args: &args::Explain,
        model: &DeviceModel,
        step: &Step,
        unfused: Option<&Step>,
        without: KernelForms,
    ) -> Self {
        let runs = step.explanation.chosen();
        Report {
            layers: args.layers.clone(),
            batch_size: args.batch_size,
            device: Device {
                kind: model.name,
                processors: model.processors,
                planned_rows: planned_rows(args.batch_size),
            },
            without: without.iter().map(KernelForm::name).collect(),
            dispatches: runs.dispatches.iter().map(|one| step.dispatch(one.chosen())).collect(),
            total: sum(&runs.total),
            buffers: step.explanation.buffers.iter().map(|buffer| step.buffer(buffer)).collect(),
            memory: step
                .memory
                .kinds()
                .into_iter()
                .chain([("total", step.memory.total())])
                .collect(),
            all: unfused.map(|unfused| All { steps: step.ways(unfused) }),
        }
    }
}

fn sum(total: &Total) -> Sum {
    let Total { dispatches, flops, bytes, us } = *total;
    Sum { dispatches, flops, bytes, us }
}

impl Step {
    fn dispatch(&self, candidate: &Candidate) -> Dispatch {
        let Candidate { kernel, form, work, us, reads, writes } = candidate;
        let names = |ids: &[minibatch::program::BufferId]| {
            ids.iter().map(|&id| self.program.buffer(id).name.clone()).collect()
        };
        Dispatch {
            kernel,
            form: form.map(MatrixForm::name),
            workgroups: work.workgroups,
            threads: work.threads,
            flops: work.flops,
            bytes: work.bytes,
            us: *us,
            reads: names(reads),
            writes: names(writes),
        }
    }

    /// `unfused` is the same step where no operations are joined.
    fn ways(&self, unfused: &Step) -> Vec<StepPlan> {
        let plan = |step: &Step, plan, chosen, way: &ExplainedWay| StepPlan {
            plan,
            chosen,
            total: sum(&way.total),
            kernels: step.alternatives(way),
        };
        let Explanation { ways, chosen, .. } = &self.explanation;
        let ways = ways.iter().enumerate();
        let ways = ways.map(|(place, way)| plan(self, way.name, place == *chosen, way));
        let unfused = plan(unfused, "no operations joined", false, unfused.explanation.chosen());
        ways.chain([unfused]).collect()
    }

    fn alternatives(&self, way: &ExplainedWay) -> Vec<Alternatives> {
        let all = way.dispatches.iter().enumerate();
        let several = all.filter(|(_, dispatch)| dispatch.candidates.len() > 1);
        let alternatives = |(place, dispatch): (usize, &ExplainedDispatch)| {
            let candidates = dispatch.candidates.iter().enumerate();
            let candidates = candidates.map(|(number, candidate)| Alternative {
                chosen: number == dispatch.chosen,
                dispatch: self.dispatch(candidate),
            });
            Alternatives { dispatch: place + 1, candidates: candidates.collect() }
        };
        several.map(alternatives).collect()
    }

    fn buffer(&self, buffer: &ExplainedBuffer) -> Buffer {
        let described = self.program.buffer(buffer.id);
        Buffer {
            name: described.name.clone(),
            bytes: buffer.bytes,
            lasts: described.role.outlasts_step(),
            used: buffer.used.map(|used| used.map(|place| place + 1)),
        }
    }
}
