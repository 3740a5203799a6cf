//! Draws a figure as a PNG image.

use anyhow::Context;
use minibatch::chart::{Anchor, Colour, Figure, Shape};
use tiny_skia::{
    FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, StrokeDash,
    Transform,
};
use ttf_parser::{Face, OutlineBuilder};

/// Pixels of the image for one of the figure, so that text stays sharp when it is enlarged.
const SCALE: f32 = 2.0;

/// The figure as a PNG file.
///
/// # Errors
/// If it is too large for an image.
pub(crate) fn png(figure: &Figure) -> anyhow::Result<Vec<u8>> {
    let [width, height] = figure.size().map(|length| (length as f32 * SCALE) as u32);
    let mut image = Pixmap::new(width, height)
        .with_context(|| format!("a figure of {width} x {height} pixels is too large"))?;
    let face = Face::parse(dejavu::sans::regular(), 0).context("cannot read the font")?;
    for shape in figure.shapes() {
        draw(&shape, &face, &mut image);
    }
    image.encode_png().context("cannot encode the image")
}

/// Draws what has a place in the image; a path of one point or of none has no outline, and is left
/// out.
fn draw(shape: &Shape, face: &Face<'_>, image: &mut Pixmap) {
    let scale = Transform::from_scale(SCALE, SCALE);
    let fill = |image: &mut Pixmap, path: Option<Path>, colour: Colour, place: Transform| {
        if let Some(path) = path {
            image.fill_path(&path, &paint(colour), FillRule::Winding, place, None);
        }
    };
    match shape {
        Shape::Line { points, colour, width, dash, .. } => {
            let stroke = Stroke {
                width: *width as f32,
                line_cap: LineCap::Butt,
                line_join: LineJoin::Round,
                dash: dash.and_then(|dash| {
                    StrokeDash::new(dash.map(|length| length as f32).to_vec(), 0.0)
                }),
                ..Stroke::default()
            };
            if let Some(path) = through(points, false) {
                image.stroke_path(&path, &paint(*colour), &stroke, scale, None);
            }
        }
        Shape::Point { at, mark, radius, colour, .. } => {
            let path = match mark.corners(*at, *radius) {
                Some(corners) => through(&corners, true),
                None => PathBuilder::from_circle(at[0] as f32, at[1] as f32, *radius as f32),
            };
            fill(image, path, *colour, scale);
        }
        Shape::Rectangle { at: [x, y], size: [width, height], colour } => {
            let [x, y, width, height] = [*x, *y, *width, *height].map(|length| length as f32);
            let path = Rect::from_xywh(x, y, width, height).map(PathBuilder::from_rect);
            fill(image, path, *colour, scale);
        }
        Shape::Text { text, at: [x, y], anchor, size, upwards } => {
            let (path, width) = outline(text, face, *size as f32);
            let before = match anchor {
                Anchor::Start => 0.0,
                Anchor::Middle => width / 2.0,
                Anchor::End => width,
            };
            let turned = if *upwards { -90.0 } else { 0.0 };
            let place = scale
                .pre_translate(*x as f32, *y as f32)
                .pre_concat(Transform::from_rotate(turned))
                .pre_translate(-before, 0.0);
            fill(image, path, Colour::BLACK, place);
        }
        // A form that this program does not know yet.
        _ => {}
    }
}

fn paint(Colour(red, green, blue): Colour) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(red, green, blue, 255);
    paint
}

fn through(points: &[[f64; 2]], closed: bool) -> Option<Path> {
    let mut builder = PathBuilder::new();
    for (i, [x, y]) in points.iter().enumerate() {
        let (x, y) = (*x as f32, *y as f32);
        if i == 0 { builder.move_to(x, y) } else { builder.line_to(x, y) }
    }
    if closed {
        builder.close();
    }
    builder.finish()
}

/// The outline of a text that begins at the origin, and its width.
fn outline(text: &str, face: &Face<'_>, size: f32) -> (Option<Path>, f32) {
    let scale = size / f32::from(face.units_per_em());
    let mut outline = Outline { builder: PathBuilder::new(), scale, left: 0.0 };
    for letter in text.chars() {
        // Glyph 0 is the box for letters that the font lacks.
        let glyph = face.glyph_index(letter).unwrap_or_default();
        face.outline_glyph(glyph, &mut outline);
        outline.left += f32::from(face.glyph_hor_advance(glyph).unwrap_or_default()) * scale;
    }
    (outline.builder.finish(), outline.left)
}

/// Collects outlines of letters. A font counts upwards, an image downwards.
struct Outline {
    builder: PathBuilder,
    scale: f32,
    /// Where the letter begins.
    left: f32,
}

impl Outline {
    fn at(&self, x: f32, y: f32) -> [f32; 2] {
        [self.left + x * self.scale, -y * self.scale]
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        let [x, y] = self.at(x, y);
        self.builder.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let [x, y] = self.at(x, y);
        self.builder.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ([x1, y1], [x, y]) = (self.at(x1, y1), self.at(x, y));
        self.builder.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ([x1, y1], [x2, y2], [x, y]) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.builder.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.builder.close();
    }
}
