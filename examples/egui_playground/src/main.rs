//! A playground for small networks inside an egui app, on egui's own device: choose layers, batch
//! size and learning rate, press train, and see what the network makes of two classes of points.
//!
//! ```text
//! cargo run --release --manifest-path examples/egui_playground/Cargo.toml
//! cargo run --release --manifest-path examples/egui_playground/Cargo.toml -- --headless --frames 300 --out playground.png
//! ```
//!
//! The steps are recorded into the encoder of egui's frame, the points lie in a buffer of the app's,
//! and the picture is a shader that reads the live weights: nothing but the loss comes back to the
//! CPU.

mod app;
mod boundary;
mod headless;
mod points;
mod settings;
mod training;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use eframe::egui;
use egui_wgpu::{WgpuConfiguration, WgpuSetup, WgpuSetupCreateNew};
use minibatch::wgpu;

use app::Playground;
use settings::Task;

/// The size of the window, in points.
const WINDOW: egui::Vec2 = egui::vec2(1180.0, 590.0);

const USAGE: &str = "usage: egui_playground [--points spirals|rings|moons|\"exclusive or\"] \
                     [--layers 32,32] [--headless [--frames N] [--out FILE.png]]";

fn main() -> Result<(), Box<dyn Error>> {
    let mut task = Task::default();
    let (mut headless, mut frames, mut out) = (false, 300, PathBuf::from("playground.png"));
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(USAGE);
        match argument.as_str() {
            "--headless" => headless = true,
            "--frames" => frames = value()?.parse().map_err(|_| USAGE)?,
            "--out" => out = value()?.into(),
            "--points" | "--layers" => task.set(&argument, &value()?)?,
            _ => return Err(USAGE.into()),
        }
    }
    if headless {
        return headless::run(&configuration(), task, frames, &out);
    }
    let options = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default().with_inner_size(WINDOW),
        renderer: eframe::Renderer::Wgpu,
        wgpu_options: configuration(),
        ..Default::default()
    };
    let create = |context: &eframe::CreationContext<'_>| -> Result<Box<dyn eframe::App>, _> {
        let shared = context.wgpu_render_state.as_ref().ok_or("eframe has no wgpu device")?;
        Ok(Box::new(Playground::new(&context.egui_ctx, shared, task)))
    };
    Ok(eframe::run_native("minibatch playground", options, Box::new(create))?)
}

/// egui's usual device, with timestamp queries where the adapter has them: they tell what a training
/// step takes. Without them it is told by the clock.
fn configuration() -> WgpuConfiguration {
    let usual = WgpuSetupCreateNew::without_display_handle();
    let describe = Arc::clone(&usual.device_descriptor);
    let device_descriptor = Arc::new(move |adapter: &wgpu::Adapter| {
        let mut descriptor = describe(adapter);
        descriptor.required_features |= adapter.features() & wgpu::Features::TIMESTAMP_QUERY;
        descriptor
    });
    WgpuConfiguration {
        wgpu_setup: WgpuSetup::CreateNew(WgpuSetupCreateNew { device_descriptor, ..usual }),
        ..Default::default()
    }
}

impl eframe::App for Playground {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.show(ui);
    }
}
