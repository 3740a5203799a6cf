//! A frame: the network moves its particles, the world moves, and the network learns of it.

use minibatch::gpu::block_on;
use minibatch::wgpu;
use minibatch::{BoundRows, DeviceColumns, DeviceRows, Gpu, Model};

use crate::memory::held;
use crate::network::{errors, network};
use crate::prediction::Prediction;
use crate::simulation::{PARTICLES, Simulation};
use crate::support::Result;
use crate::support::frames::Scene;
use crate::support::host::Host;
use crate::view::View;

/// Frames from one report to the next.
const REPORT: u32 = 200;
/// Frames after the last one that are predicted only, for the errors at the end.
const TEST: u32 = 60;

pub(crate) struct Particles {
    simulation: Simulation,
    model: Model,
    rows: BoundRows,
    prediction: Prediction,
    view: View,
    /// Whether a report has not come yet.
    is_due: bool,
}

impl Particles {
    pub(crate) fn new(host: &Host, format: wgpu::TextureFormat, steps: u32) -> Result<Self> {
        let gpu = Gpu::from_device(host.device.clone(), host.queue.clone());
        println!("{}", gpu.describe());
        let simulation = Simulation::new(host);
        let mut model = network(steps).build(&gpu)?;
        let columns = DeviceColumns::new()
            .input("state", DeviceRows::new(&simulation.inputs, PARTICLES))
            .target("change", DeviceRows::new(&simulation.changes, PARTICLES));
        let rows = block_on(model.bind_rows(columns, PARTICLES as usize))?;
        let prediction = Prediction::new(host, &mut model, &simulation)?;
        let view = View::new(host, format, &simulation, &prediction);
        Ok(Particles { simulation, model, rows, prediction, view, is_due: false })
    }
}

impl Scene for Particles {
    fn size(&self) -> (u32, u32) {
        (1024, 512)
    }

    fn advance(&mut self, _: &Host, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
        self.prediction.record(encoder);
        self.simulation.record(encoder);
        Ok(self.model.record_step_on(encoder, &self.rows, 0..PARTICLES)?)
    }

    fn draw(&mut self, encoder: &mut wgpu::CommandEncoder, target: &wgpu::TextureView) {
        self.view.record(encoder, target);
    }

    fn submitted(&mut self, host: &Host, frame: u32) -> Result<Option<String>> {
        if frame.is_multiple_of(REPORT) {
            println!("frame {frame}: {}", held(&host.device));
            self.is_due = true;
        }
        if !self.is_due {
            return Ok(None);
        }
        // The means since the last report, as far as the device has come.
        let Some(scores) = self.model.try_take_scores()? else { return Ok(None) };
        self.is_due = false;
        let report = format!("frame {frame}: {}", errors(&scores));
        println!("{report}");
        Ok(Some(format!("particles - {report}")))
    }

    /// Frames that the network has not learned from.
    fn finish(&mut self, host: &Host) -> Result<()> {
        for _ in 0..TEST {
            let mut encoder = host.device.create_command_encoder(&Default::default());
            self.simulation.record(&mut encoder);
            self.model.record_evaluation_on(&mut encoder, &self.rows, 0..PARTICLES)?;
            host.queue.submit([encoder.finish()]);
            host.device.poll(wgpu::PollType::wait_indefinitely())?;
        }
        let scores = block_on(self.model.take_evaluation_scores())?.ok_or("there are no scores")?;
        println!(
            "error: sqrt(mean((prediction - change)^2)) over {TEST} frames that were not learned from"
        );
        println!("{}", errors(&scores));
        Ok(())
    }
}
