//! A render pass that draws two pictures side by side.

use minibatch::wgpu;

pub(crate) struct Halves<'a> {
    pass: wgpu::RenderPass<'a>,
    /// Columns and rows of a half.
    half: [f32; 2],
    /// Columns and rows of a picture.
    picture: [f32; 2],
}

impl<'a> Halves<'a> {
    /// Two pictures whose width is `aspect` times their height, as large as they fit, on black.
    pub(crate) fn new(
        encoder: &'a mut wgpu::CommandEncoder,
        target: &wgpu::TextureView,
        aspect: f32,
    ) -> Self {
        let size = target.texture().size();
        let half @ [width, height] = [size.width as f32 / 2.0, size.height as f32];
        let picture = match width < height * aspect {
            true => [width, width / aspect],
            false => [height * aspect, height],
        };
        let attachment = wgpu::RenderPassColorAttachment {
            view: target,
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations {
                load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                store: wgpu::StoreOp::Store,
            },
        };
        let pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("halves"),
            color_attachments: &[Some(attachment)],
            ..Default::default()
        });
        Halves { pass, half, picture }
    }

    /// The pass, to draw the left picture (0) or the right one (1).
    pub(crate) fn picture(&mut self, number: usize) -> &mut wgpu::RenderPass<'a> {
        let [width, height] = self.picture;
        let left = self.half[0] * number as f32 + (self.half[0] - width) / 2.0;
        let top = (self.half[1] - height) / 2.0;
        self.pass.set_viewport(left, top, width, height, 0.0, 1.0);
        &mut self.pass
    }
}
