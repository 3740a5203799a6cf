//! A frame: random pixels, a step on them, the picture as the network has it.

use minibatch::gpu::block_on;
use minibatch::wgpu;
use minibatch::{BoundRows, DeviceColumns, DeviceRows, Gpu, Model};

use crate::network::Encoding;
use crate::picture::Picture;
use crate::quality::psnr;
use crate::samples::{ROWS, Samples};
use crate::support::Result;
use crate::support::frames::Scene;
use crate::support::host::Host;
use crate::view::View;

/// Frames from one report to the next.
const REPORT: u32 = 100;

pub(crate) struct LearnImage {
    picture: Picture,
    samples: Samples,
    model: Model,
    rows: BoundRows,
    view: View,
    /// Whether a report has not come yet.
    is_due: bool,
}

impl LearnImage {
    pub(crate) fn new(
        host: &Host,
        format: wgpu::TextureFormat,
        picture: Picture,
        encoding: Encoding,
        steps: u32,
    ) -> Result<Self> {
        let gpu = Gpu::from_device(host.device.clone(), host.queue.clone());
        println!("{}", gpu.describe());
        let samples = Samples::new(host, &picture);
        let mut model = encoding.network(steps).build(&gpu)?;
        let columns = DeviceColumns::new()
            .input("place", DeviceRows::new(&samples.places, ROWS))
            .target("colour", DeviceRows::new(&samples.colours, ROWS).stride(16));
        let rows = block_on(model.bind_rows(columns, ROWS as usize))?;
        let view = View::new(host, format, &model, &picture, &samples)?;
        Ok(LearnImage { picture, samples, model, rows, view, is_due: false })
    }
}

impl Scene for LearnImage {
    fn size(&self) -> (u32, u32) {
        (2 * self.picture.width, self.picture.height)
    }

    fn advance(&mut self, _: &Host, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
        self.samples.record(encoder);
        Ok(self.model.record_step_on(encoder, &self.rows, 0..ROWS)?)
    }

    fn draw(&mut self, encoder: &mut wgpu::CommandEncoder, target: &wgpu::TextureView) {
        self.view.record(encoder, target);
    }

    fn submitted(&mut self, _: &Host, frame: u32) -> Result<Option<String>> {
        self.is_due |= frame.is_multiple_of(REPORT);
        if !self.is_due {
            return Ok(None);
        }
        // The mean over the frames since the last report, as far as the device has come.
        let Some(scores) = self.model.try_take_scores()? else { return Ok(None) };
        self.is_due = false;
        let report = format!("frame {frame}: {:.2} dB", -10.0 * scores.loss.log10());
        println!("{report}");
        Ok(Some(format!("learn_image - {report}")))
    }

    fn finish(&mut self, _: &Host) -> Result<()> {
        let weights = self.model.weights()?;
        let parameters: usize = weights.iter().map(|(_, _, values)| values.len()).sum();
        let values = self.picture.pixels.len() * 3;
        println!("{parameters} parameters for the {values} values of the picture");
        println!("PSNR {:.2} dB", psnr(&mut self.model, &self.picture)?);
        Ok(())
    }
}
