//! Figures, panels and series, and where each of their parts lies.

use super::axis::{Axis, Scale};
use super::shape::{Anchor, Colour, Mark, Shape};

/// Sizes of text.
const TITLE: f64 = 20.0;
const HEADING: f64 = 15.0;
const TEXT: f64 = 13.0;

/// What most lines are drawn with.
const GRID: Colour = Colour(221, 221, 221);
const WHITE: Colour = Colour(255, 255, 255);

const DASH: [f64; 2] = [7.0, 4.0];
const MARKS: [Mark; 4] = [Mark::Circle, Mark::Square, Mark::Triangle, Mark::Diamond];

/// Between a legend's entries, and between the sample and the name of one.
const LEGEND_GAP: f64 = 18.0;
const LEGEND_SAMPLE: f64 = 30.0;
const LEGEND_ROW: f64 = 19.0;

/// A picture of one or more panels.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    title: String,
    panels: Vec<Panel>,
    columns: usize,
    panel_size: [f64; 2],
}

impl Figure {
    /// A figure without panels, with a title above them unless it is empty.
    pub fn new(title: impl Into<String>) -> Self {
        let (panels, panel_size) = (Vec::new(), [680.0, 400.0]);
        Figure { title: title.into(), panels, columns: 1, panel_size }
    }

    /// Adds a panel: below the last one, or beside it if there are more columns.
    #[must_use]
    pub fn panel(mut self, panel: Panel) -> Self {
        self.panels.push(panel);
        self
    }

    /// How many panels stand side by side. Default 1.
    #[must_use]
    pub fn columns(self, columns: usize) -> Self {
        Figure { columns: columns.max(1), ..self }
    }

    /// Width and height of each panel, its labels and legend included, in pixels, at least 200.
    /// Default 680 and 400.
    #[must_use]
    pub fn panel_size(self, width: u32, height: u32) -> Self {
        Figure { panel_size: [width, height].map(|length| f64::from(length.max(200))), ..self }
    }

    /// Width and height in pixels, whole numbers.
    pub fn size(&self) -> [f64; 2] {
        let [width, height] = self.panel_size;
        let columns = self.columns.min(self.panels.len()).max(1);
        let rows = self.panels.len().div_ceil(columns).max(1);
        [width * columns as f64, self.top() + height * rows as f64]
    }

    /// All that is to be drawn, in order: what comes later lies above what came before.
    pub fn shapes(&self) -> Vec<Shape> {
        let [width, height] = self.panel_size;
        let columns = self.columns.min(self.panels.len()).max(1);
        let mut shapes = vec![Shape::Rectangle { at: [0.0; 2], size: self.size(), colour: WHITE }];
        if !self.title.is_empty() {
            let middle = [self.size()[0] / 2.0, 30.0];
            shapes.push(text(&self.title, middle, Anchor::Middle, TITLE));
        }
        for (i, panel) in self.panels.iter().enumerate() {
            let left = width * (i % columns) as f64;
            let top = self.top() + height * (i / columns) as f64;
            panel.draw(&mut shapes, [left, top], self.panel_size);
        }
        shapes
    }

    /// The title.
    pub(super) fn name(&self) -> &str {
        &self.title
    }

    /// Height of the title.
    fn top(&self) -> f64 {
        if self.title.is_empty() { 0.0 } else { 42.0 }
    }
}

/// Axes with series in them. Its legend, above the frame, has each series that has a name, unless
/// there is only one.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    title: String,
    x: Axis,
    y: Axis,
    series: Vec<Series>,
}

impl Panel {
    /// A panel without series, with a title above it unless it is empty.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Panel { title: title.into(), x, y, series: Vec::new() }
    }

    /// Adds a series. Each takes the next of [`Colour::SERIES`] and another form of point, unless
    /// it has a colour of its own.
    #[must_use]
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// Draws it with its upper left corner at `corner`.
    fn draw(&self, shapes: &mut Vec<Shape>, corner: [f64; 2], size: [f64; 2]) {
        let [width, height] = size;
        let (right, bottom) = (corner[0] + width - 20.0, corner[1] + height - 46.0);
        let mut top = corner[1] + 12.0;
        let heading = top + HEADING;
        if !self.title.is_empty() {
            top = heading + 10.0;
        }
        let legend = self.legend(width - 90.0);
        let legend_top = top;
        top += LEGEND_ROW * legend.len() as f64;
        let points = || self.series.iter().flat_map(|series| &series.points);
        // Labels of epochs and of batch sizes have up to six letters.
        let x = self.x.scale(points().map(|point| point.0), ((width - 100.0) / 60.0) as usize);
        let y = self.y.scale(points().map(|point| point.1), ((bottom - top) / 32.0) as usize);
        let widest = y.ticks.iter().map(|(_, label)| text_width(label, TEXT)).fold(0.0, f64::max);
        let left = corner[0] + if self.y.label.is_empty() { 16.0 } else { 36.0 } + widest;
        let frame = Frame { x, y, left, top, right, bottom };

        let middle = (left + right) / 2.0;
        if !self.title.is_empty() {
            shapes.push(text(&self.title, [middle, heading], Anchor::Middle, HEADING));
        }
        frame.draw(shapes);
        shapes.push(text(&self.x.label, [middle, bottom + 36.0], Anchor::Middle, TEXT));
        if !self.y.label.is_empty() {
            shapes.push(Shape::Text {
                text: self.y.label.clone(),
                at: [corner[0] + 18.0, (top + bottom) / 2.0],
                anchor: Anchor::Middle,
                size: TEXT,
                upwards: true,
            });
        }
        for (row, entries) in legend.into_iter().enumerate() {
            let y = legend_top + LEGEND_ROW * (row as f64 + 0.5);
            for (x, series) in entries {
                let ends = [[left + x, y], [left + x + LEGEND_SAMPLE, y]];
                self.style(series).draw_sample(shapes, ends);
                let at = [left + x + LEGEND_SAMPLE + 6.0, y + 4.5];
                let name = self.series.get(series).map_or("", |series| &series.name);
                shapes.push(text(name, at, Anchor::Start, TEXT));
            }
        }
        for (i, series) in self.series.iter().enumerate() {
            series.draw(shapes, &frame, &self.style(i));
        }
    }

    /// The numbers of the named series in rows, each with its distance from the left.
    fn legend(&self, width: f64) -> Vec<Vec<(f64, usize)>> {
        let mut rows: Vec<Vec<(f64, usize)>> = Vec::new();
        if self.series.len() < 2 {
            return rows;
        }
        let mut end = f64::INFINITY;
        for (i, series) in self.series.iter().enumerate() {
            if series.name.is_empty() {
                continue;
            }
            let length = LEGEND_SAMPLE + 6.0 + text_width(&series.name, TEXT);
            if end + length > width {
                rows.push(Vec::new());
                end = 0.0;
            }
            if let Some(row) = rows.last_mut() {
                row.push((end, i));
            }
            end += length + LEGEND_GAP;
        }
        rows
    }

    /// How a series is drawn. The colour and form of one depend on how many without a colour of
    /// their own stand before it.
    fn style(&self, number: usize) -> Style {
        let before = self.series.iter().take(number);
        let place = before.filter(|series| series.colour.is_none()).count();
        let Some(series) = self.series.get(number) else {
            return Style { colour: Colour::BLACK, mark: None, line: None, width: 0.0 };
        };
        let cycled = |count: usize| place % count;
        let colour = Colour::SERIES.get(cycled(Colour::SERIES.len())).copied();
        let mark = MARKS.get(cycled(MARKS.len())).copied();
        let mark = series.mark.or(mark).filter(|_| series.points_drawn);
        Style {
            colour: series.colour.or(colour).unwrap_or(Colour::BLACK),
            mark,
            line: series.line,
            width: series.width,
        }
    }
}

/// Points `(x, y)` that belong together: joined by a line, or each by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    name: String,
    points: Vec<(f64, f64)>,
    /// `None` for no line.
    line: Option<Dash>,
    points_drawn: bool,
    vertical: bool,
    colour: Option<Colour>,
    mark: Option<Mark>,
    width: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Dash {
    Solid,
    Dashed,
}

impl Series {
    /// A line from point to point. It is broken where a point has no place, as NaN; a point that
    /// stands alone there is drawn as a point. One without a name is not in the legend.
    pub fn line(name: impl Into<String>, points: impl Into<Vec<(f64, f64)>>) -> Self {
        Series {
            name: name.into(),
            points: points.into(),
            line: Some(Dash::Solid),
            points_drawn: false,
            vertical: false,
            colour: None,
            mark: None,
            width: 2.0,
        }
    }

    /// Points without a line.
    pub fn scatter(name: impl Into<String>, points: impl Into<Vec<(f64, f64)>>) -> Self {
        Series { line: None, points_drawn: true, ..Series::line(name, points) }
    }

    /// What others are to be compared with: a thin, dashed, grey line.
    pub fn reference(name: impl Into<String>, points: impl Into<Vec<(f64, f64)>>) -> Self {
        Series::line(name, points).dashed().colour(Colour::GREY).width(1.5)
    }

    /// A thin grey line over the whole height, at `x`.
    pub fn vertical(name: impl Into<String>, x: f64) -> Self {
        // The height of the point has no place, so it does not change the range of y.
        Series { vertical: true, ..Series::reference(name, [(x, f64::NAN)]) }
    }

    /// Draws the points too.
    #[must_use]
    pub fn points(self) -> Self {
        Series { points_drawn: true, ..self }
    }

    /// Draws the line, if there is one, in dashes.
    #[must_use]
    pub fn dashed(self) -> Self {
        Series { line: self.line.map(|_| Dash::Dashed), ..self }
    }

    /// Draws it in this colour.
    #[must_use]
    pub fn colour(self, colour: Colour) -> Self {
        Series { colour: Some(colour), ..self }
    }

    /// Draws its points in this form, if it draws them.
    #[must_use]
    pub fn mark(self, mark: Mark) -> Self {
        Series { mark: Some(mark), ..self }
    }

    /// The line's width in pixels. Default 2.
    #[must_use]
    pub fn width(self, width: f64) -> Self {
        Series { width, ..self }
    }

    fn draw(&self, shapes: &mut Vec<Shape>, frame: &Frame, style: &Style) {
        let series = || Some(self.name.clone());
        if self.vertical {
            let places = self.points.iter().filter_map(|&(x, _)| frame.x.place(x));
            for place in places.filter(|place| (0.0..=1.0).contains(place)) {
                let x = frame.left + place * (frame.right - frame.left);
                style.draw_line(shapes, vec![[x, frame.top], [x, frame.bottom]], series());
            }
            return;
        }
        // Many points are drawn smaller, so that they do not hide each other.
        let radius = match self.points.len() {
            0..=60 => 3.5,
            61..=200 => 2.5,
            _ => 1.75,
        };
        let point =
            |at, mark| Shape::Point { at, mark, radius, colour: style.colour, series: series() };
        let places: Vec<_> = self.points.iter().map(|&point| frame.place(point)).collect();
        for stretch in places.split(Option::is_none) {
            let stretch: Vec<[f64; 2]> = stretch.iter().copied().flatten().collect();
            if style.line.is_some() {
                for line in frame.clipped(&stretch) {
                    style.draw_line(shapes, line, series());
                }
            }
            let alone = stretch.len() == 1 && style.line.is_some();
            let alone = alone.then_some(Mark::Circle);
            if let Some(mark) = style.mark.or(alone) {
                let inside = stretch.into_iter().filter(|&at| frame.holds(at));
                shapes.extend(inside.map(|at| point(at, mark)));
            }
        }
    }
}

/// How a series is drawn.
struct Style {
    colour: Colour,
    mark: Option<Mark>,
    line: Option<Dash>,
    width: f64,
}

impl Style {
    fn draw_line(&self, shapes: &mut Vec<Shape>, points: Vec<[f64; 2]>, series: Option<String>) {
        let dash = self.line.filter(|&line| line == Dash::Dashed).map(|_| DASH);
        shapes.push(Shape::Line { points, colour: self.colour, width: self.width, dash, series });
    }

    /// The legend's sample, from point to point.
    fn draw_sample(&self, shapes: &mut Vec<Shape>, ends: [[f64; 2]; 2]) {
        if self.line.is_some() {
            self.draw_line(shapes, ends.to_vec(), None);
        }
        if let Some(mark) = self.mark {
            let [[left, y], [right, _]] = ends;
            let at = [(left + right) / 2.0, y];
            shapes.push(Shape::Point { at, mark, radius: 3.5, colour: self.colour, series: None });
        }
    }
}

/// The area in which series are drawn.
struct Frame {
    x: Scale,
    y: Scale,
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Frame {
    /// Grid, ticks and outline.
    fn draw(&self, shapes: &mut Vec<Shape>) {
        let &Frame { left, top, right, bottom, .. } = self;
        let line = |points: &[[f64; 2]], colour| Shape::Line {
            points: points.to_vec(),
            colour,
            width: 1.0,
            dash: None,
            series: None,
        };
        for (place, label) in ticks(&self.y) {
            let at = bottom - place * (bottom - top);
            shapes.push(line(&[[left, at], [right, at]], GRID));
            shapes.push(text(label, [left - 7.0, at + 4.5], Anchor::End, TEXT));
        }
        let mut end = f64::NEG_INFINITY;
        for (place, label) in ticks(&self.x) {
            let at = left + place * (right - left);
            shapes.push(line(&[[at, top], [at, bottom]], GRID));
            // A label that would touch the one before it is left out.
            let half = text_width(label, TEXT) / 2.0;
            if at - half > end + 6.0 {
                shapes.push(text(label, [at, bottom + 18.0], Anchor::Middle, TEXT));
                end = at + half;
            }
        }
        let corners = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]];
        shapes.push(line(&corners, Colour::BLACK));
    }

    /// Where a point lies, in the frame or outside; `None` if it has no place.
    fn place(&self, (x, y): (f64, f64)) -> Option<[f64; 2]> {
        let (x, y) = (self.x.place(x)?, self.y.place(y)?);
        let (width, height) = (self.right - self.left, self.bottom - self.top);
        Some([self.left + x * width, self.bottom - y * height])
    }

    fn holds(&self, [x, y]: [f64; 2]) -> bool {
        // Rounding may put the end of a given range beside the frame.
        let within = |low: f64, high: f64, value: f64| value >= low - 0.01 && value <= high + 0.01;
        within(self.left, self.right, x) && within(self.top, self.bottom, y)
    }

    /// What of a line lies in the frame.
    fn clipped(&self, points: &[[f64; 2]]) -> Vec<Vec<[f64; 2]>> {
        let mut lines: Vec<Vec<[f64; 2]>> = Vec::new();
        let mut goes_on = false;
        for pair in points.windows(2) {
            let &[from, to] = pair else { continue };
            let Some([begin, end]) = self.part_inside(from, to) else {
                goes_on = false;
                continue;
            };
            match lines.last_mut().filter(|_| goes_on) {
                Some(line) => line.push(end),
                None => lines.push(vec![begin, end]),
            }
            goes_on = end == to;
        }
        lines
    }

    /// The part of a straight line that lies in the frame (Liang and Barsky's algorithm).
    fn part_inside(&self, from: [f64; 2], to: [f64; 2]) -> Option<[[f64; 2]; 2]> {
        if self.holds(from) && self.holds(to) {
            return Some([from, to]);
        }
        let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
        let (mut begin, mut end) = (0.0f64, 1.0f64);
        let edges = [
            (-dx, from[0] - self.left),
            (dx, self.right - from[0]),
            (-dy, from[1] - self.top),
            (dy, self.bottom - from[1]),
        ];
        for (outwards, distance) in edges {
            if outwards == 0.0 && distance < 0.0 {
                return None;
            }
            let crossing = distance / outwards;
            if outwards < 0.0 {
                begin = begin.max(crossing);
            } else if outwards > 0.0 {
                end = end.min(crossing);
            }
        }
        let at = |part: f64| [from[0] + part * dx, from[1] + part * dy];
        let last = if end == 1.0 { to } else { at(end) };
        (begin < end).then(|| [if begin == 0.0 { from } else { at(begin) }, last])
    }
}

/// Places along an axis, with labels.
fn ticks(scale: &Scale) -> impl Iterator<Item = (f64, &str)> {
    let place = |(value, label)| Some((scale.place(value)?, label));
    scale.ticks.iter().map(|(value, label)| (*value, label.as_str())).filter_map(place)
}

fn text(text: &str, at: [f64; 2], anchor: Anchor, size: f64) -> Shape {
    Shape::Text { text: text.to_owned(), at, anchor, size, upwards: false }
}

/// About the width of a text in a font without serifs, rather more than less: which font draws it
/// is not known here.
fn text_width(text: &str, size: f64) -> f64 {
    0.62 * size * text.chars().count() as f64
}
