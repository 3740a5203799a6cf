//! What a figure is made of, for whoever draws it.

/// A colour: red, green and blue, from 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

impl Colour {
    /// Black.
    pub const BLACK: Colour = Colour(0, 0, 0);
    /// The grey of reference lines.
    pub const GREY: Colour = Colour(119, 119, 119);
    /// The colours of series, in order. Colour-blind readers can tell them apart: they are
    /// [Okabe's and Ito's](https://jfly.uni-koeln.de/color/), but for yellow, which is too pale for
    /// a thin line.
    pub const SERIES: [Colour; 7] = [
        Colour(0, 114, 178),
        Colour(213, 94, 0),
        Colour(0, 158, 115),
        Colour(204, 121, 167),
        Colour(86, 180, 233),
        Colour(230, 159, 0),
        Colour::BLACK,
    ];
}

/// The form of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Mark {
    Circle,
    Square,
    Triangle,
    Diamond,
}

impl Mark {
    /// The corners of a mark of this radius at a place; `None` for a circle.
    pub fn corners(self, [x, y]: [f64; 2], radius: f64) -> Option<Vec<[f64; 2]>> {
        let r = radius;
        match self {
            Mark::Circle => None,
            Mark::Square => {
                let r = 0.9 * r;
                Some(vec![[x - r, y - r], [x + r, y - r], [x + r, y + r], [x - r, y + r]])
            }
            Mark::Triangle => {
                Some(vec![[x, y - 1.2 * r], [x + 1.1 * r, y + 0.8 * r], [x - 1.1 * r, y + 0.8 * r]])
            }
            Mark::Diamond => {
                let r = 1.3 * r;
                Some(vec![[x, y - r], [x + r, y], [x, y + r], [x - r, y]])
            }
        }
    }
}

/// Which part of a text lies at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// Something to draw. Lengths are in pixels from the upper left corner, `[right, down]`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Shape {
    /// Straight lines from point to point.
    Line {
        /// At least two points.
        points: Vec<[f64; 2]>,
        /// Of the line.
        colour: Colour,
        /// Of the line.
        width: f64,
        /// Lengths of a dash and of the gap after it; `None` for a solid line.
        dash: Option<[f64; 2]>,
        /// The name of the series that it belongs to, if it does.
        series: Option<String>,
    },
    /// A point.
    Point {
        /// Its centre.
        at: [f64; 2],
        /// Its form.
        mark: Mark,
        /// About half its width.
        radius: f64,
        /// Of its area.
        colour: Colour,
        /// The name of the series that it belongs to, if it does.
        series: Option<String>,
    },
    /// An area without an outline.
    Rectangle {
        /// The upper left corner.
        at: [f64; 2],
        /// Width and height.
        size: [f64; 2],
        /// Of the area.
        colour: Colour,
    },
    /// One line of black text.
    Text {
        /// What it says.
        text: String,
        /// A place on the line that its letters stand on.
        at: [f64; 2],
        /// Which part of it lies there.
        anchor: Anchor,
        /// Its font's size.
        size: f64,
        /// True if it is to be read upwards: turned by 90 degrees about its place.
        upwards: bool,
    },
}
