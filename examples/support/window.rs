//! Frames in a window.

#[cfg(feature = "window")]
pub(crate) use with_winit::show;
#[cfg(not(feature = "window"))]
pub(crate) use without::show;

#[cfg(not(feature = "window"))]
mod without {
    use crate::support::Result;
    use crate::support::frames::{Make, Scene};

    pub(crate) fn show<S: Scene>(_: &str, _: Option<u32>, _: Make<S>) -> Result<()> {
        Err("this program was built without windows: build it with `--features window`, or give it \
             --headless --frames N --out FILE.png"
            .into())
    }
}

#[cfg(feature = "window")]
mod with_winit {
    use std::sync::Arc;

    use minibatch::wgpu;
    use minibatch::wgpu::CurrentSurfaceTexture;
    use winit::application::ApplicationHandler;
    use winit::dpi::{LogicalSize, PhysicalSize};
    use winit::event::WindowEvent;
    use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoop, OwnedDisplayHandle};
    use winit::window::{Window, WindowId};

    use crate::support::Result;
    use crate::support::frames::{Make, Scene};
    use crate::support::host::Host;

    /// The size of a new window, in points.
    const SIZE: LogicalSize<f64> = LogicalSize::new(1024.0, 512.0);

    pub(crate) fn show<S: Scene + 'static>(
        title: &'static str,
        frames: Option<u32>,
        make: Make<S>,
    ) -> Result<()> {
        let no_window = |error: &dyn std::fmt::Display| {
            format!("no window: {error}\nwithout a display: --headless --frames N --out FILE.png")
        };
        let event_loop = EventLoop::new().map_err(|error| no_window(&error))?;
        event_loop.set_control_flow(ControlFlow::Poll);
        let display = event_loop.owned_display_handle();
        let mut app = App { title, frames, display, make: Some(make), shown: None, failure: None };
        event_loop.run_app(&mut app).map_err(|error| no_window(&error))?;
        match (app.failure, app.shown) {
            (Some(failure), _) => Err(failure),
            (None, Some(mut shown)) => {
                shown.scene.finish(&shown.host)?;
                shown.host.check()
            }
            (None, None) => Ok(()),
        }
    }

    /// The window's part in an event loop that winit runs.
    struct App<S> {
        title: &'static str,
        frames: Option<u32>,
        display: OwnedDisplayHandle,
        make: Option<Make<S>>,
        /// There from when the first window can be made.
        shown: Option<Shown<S>>,
        failure: Option<Box<dyn std::error::Error>>,
    }

    struct Shown<S> {
        scene: S,
        host: Host,
        instance: wgpu::Instance,
        surface: wgpu::Surface<'static>,
        configuration: wgpu::SurfaceConfiguration,
        window: Arc<Window>,
        /// How many frames were submitted.
        frame: u32,
        before: Option<wgpu::SubmissionIndex>,
    }

    impl<S: Scene> ApplicationHandler for App<S> {
        fn resumed(&mut self, event_loop: &ActiveEventLoop) {
            let Some(make) = self.make.take() else { return };
            match Shown::new(event_loop, self.title, self.display.clone(), make) {
                Ok(shown) => {
                    shown.window.request_redraw();
                    self.shown = Some(shown);
                }
                Err(failure) => self.stop(event_loop, failure),
            }
        }

        fn window_event(&mut self, event_loop: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
            let Some(shown) = &mut self.shown else { return };
            match event {
                WindowEvent::CloseRequested => event_loop.exit(),
                WindowEvent::Resized(size) => shown.resize(size),
                WindowEvent::RedrawRequested => {
                    if let Err(failure) = shown.next_frame() {
                        return self.stop(event_loop, failure);
                    }
                    if self.frames.is_some_and(|frames| shown.frame >= frames) {
                        event_loop.exit();
                    }
                    shown.window.request_redraw();
                }
                _ => {}
            }
        }
    }

    impl<S> App<S> {
        fn stop(&mut self, event_loop: &ActiveEventLoop, failure: Box<dyn std::error::Error>) {
            self.failure = Some(failure);
            event_loop.exit();
        }
    }

    impl<S: Scene> Shown<S> {
        fn new(
            event_loop: &ActiveEventLoop,
            title: &str,
            display: OwnedDisplayHandle,
            make: Make<S>,
        ) -> Result<Self> {
            let attributes = Window::default_attributes().with_title(title).with_inner_size(SIZE);
            let window = Arc::new(event_loop.create_window(attributes)?);
            let instance = wgpu::Instance::new(
                wgpu::InstanceDescriptor::new_with_display_handle_from_env(Box::new(display)),
            );
            let surface = instance.create_surface(window.clone())?;
            let host = Host::new(&instance, Some(&surface))?;
            let size = window.inner_size();
            let mut configuration = surface
                .get_default_config(&host.adapter, size.width.max(1), size.height.max(1))
                .ok_or("the adapter cannot draw to this window")?;
            // Colours are written as they stand in the picture, so none must be converted.
            let plain = configuration.format.remove_srgb_suffix();
            if surface.get_capabilities(&host.adapter).formats.contains(&plain) {
                configuration.format = plain;
            }
            surface.configure(&host.device, &configuration);
            let scene = make(&host, configuration.format)?;
            let (frame, before) = (0, None);
            Ok(Shown { scene, host, instance, surface, configuration, window, frame, before })
        }

        /// A minimized window has no area, and keeps the surface that it had.
        fn resize(&mut self, size: PhysicalSize<u32>) {
            if size.width > 0 && size.height > 0 {
                let largest = self.host.device.limits().max_texture_dimension_2d;
                self.configuration.width = size.width.min(largest);
                self.configuration.height = size.height.min(largest);
                self.surface.configure(&self.host.device, &self.configuration);
            }
        }

        /// Trains whether or not anything can be shown.
        fn next_frame(&mut self) -> Result<()> {
            let host = &self.host;
            let mut encoder = host.device.create_command_encoder(&Default::default());
            self.scene.advance(host, &mut encoder)?;
            let area = self.window.inner_size();
            let texture = match area.width > 0 && area.height > 0 {
                true => acquire(
                    &mut self.surface,
                    &self.instance,
                    &self.window,
                    host,
                    &self.configuration,
                )?,
                false => None,
            };
            if let Some(texture) = &texture {
                let view = texture.texture.create_view(&Default::default());
                self.scene.draw(&mut encoder, &view);
            }
            let submission = host.queue.submit([encoder.finish()]);
            // Without a frame to show, nothing else would hold the host back.
            if let Some(submission_index) = self.before.replace(submission) {
                let submission_index = Some(submission_index);
                host.device.poll(wgpu::PollType::Wait { submission_index, timeout: None })?;
            }
            if let Some(texture) = texture {
                self.window.pre_present_notify();
                host.queue.present(texture);
            }
            self.frame += 1;
            if let Some(title) = self.scene.submitted(host, self.frame)? {
                self.window.set_title(&title);
            }
            host.check()
        }
    }

    /// The texture of the next frame, if there is one to be had. A surface that has changed is
    /// configured again, and one that was lost is made anew; the next frame is drawn then.
    fn acquire(
        surface: &mut wgpu::Surface<'static>,
        instance: &wgpu::Instance,
        window: &Arc<Window>,
        host: &Host,
        configuration: &wgpu::SurfaceConfiguration,
    ) -> Result<Option<wgpu::SurfaceTexture>> {
        match surface.get_current_texture() {
            CurrentSurfaceTexture::Success(texture)
            | CurrentSurfaceTexture::Suboptimal(texture) => {
                return Ok(Some(texture));
            }
            CurrentSurfaceTexture::Timeout | CurrentSurfaceTexture::Occluded => return Ok(None),
            CurrentSurfaceTexture::Outdated => {}
            CurrentSurfaceTexture::Lost => *surface = instance.create_surface(window.clone())?,
            CurrentSurfaceTexture::Validation => return host.check().map(|()| None),
        }
        surface.configure(&host.device, configuration);
        Ok(None)
    }
}
