//! The loop over frames: what a scene does in each of them, and where it is shown.

use std::path::PathBuf;

use minibatch::wgpu;

use super::host::Host;
use super::{Result, headless, window};

/// Where frames are shown.
pub(crate) enum Show {
    /// In a window, until it is closed or so many were shown.
    Window { frames: Option<u32> },
    /// Nowhere; the last one is written to a PNG file.
    Headless { frames: u32, file: PathBuf },
}

impl Show {
    /// How many frames there will be, if that is known.
    pub(crate) fn frames(&self) -> Option<u32> {
        match self {
            Show::Window { frames } => *frames,
            Show::Headless { frames, .. } => Some(*frames),
        }
    }
}

/// What is shown: it trains as it goes.
pub(crate) trait Scene {
    /// Columns and rows in which the picture is sharp.
    fn size(&self) -> (u32, u32);

    /// Records what changes in a frame into the host's encoder, before anything is drawn: the
    /// host's passes and a training step.
    fn advance(&mut self, host: &Host, encoder: &mut wgpu::CommandEncoder) -> Result<()>;

    /// Records the render pass. It is left out of frames that nobody sees.
    fn draw(&mut self, encoder: &mut wgpu::CommandEncoder, target: &wgpu::TextureView);

    /// Called when a frame was submitted; the first one is frame 1. What it gives stands in the
    /// window's title.
    fn submitted(&mut self, host: &Host, frame: u32) -> Result<Option<String>>;

    /// Prints how it went, after the last frame.
    fn finish(&mut self, host: &Host) -> Result<()>;
}

/// Makes a scene on the host's device, which draws to a texture of the format given.
pub(crate) type Make<S> = Box<dyn FnOnce(&Host, wgpu::TextureFormat) -> Result<S>>;

/// Shows a scene.
pub(crate) fn show<S: Scene + 'static>(
    title: &'static str,
    show: Show,
    make: Make<S>,
) -> Result<()> {
    match show {
        Show::Window { frames } => window::show(title, frames, make),
        Show::Headless { frames, file } => headless::show(frames, &file, make),
    }
}
