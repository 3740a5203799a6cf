//! Figures: what stands in the SVG, read back from it by its own ticks.

use std::path::Path;

use minibatch::callbacks::{LambdaCallback, Plot};
use minibatch::chart::{Axis, Colour, Figure, Panel, Series, Shape};
use minibatch::data::{Dataset, synthetic_digits};
use minibatch::model::Input;
use minibatch::training::{
    Callback, Control, EpochRecord, History, Request, Scores, TrainStart, learning_curves,
};
use minibatch::{Activation, Adam, Cpu, Error, Fit, Loss, Metric, Model, Result, Sequential};

fn digits() -> Dataset {
    synthetic_digits(160, 0).unwrap().with_classes(10).unwrap()
}

fn model() -> Model {
    Sequential::new(Input::pixels(&[28, 28]))
        .dense(10, Activation::Softmax)
        .compile(Adam::default(), Loss::SparseCategoricalCrossentropy, [Metric::Accuracy])
        .build(&Cpu::new())
        .unwrap()
}

/// The name of a series, whether it is dashed, and its points in pixels.
type Line = (String, bool, Vec<(f64, f64)>);

/// A panel as its SVG shows it.
#[derive(Debug, Default)]
struct Drawn {
    title: String,
    /// Where a tick is and what it says, right and down.
    x: Vec<(f64, f64)>,
    y: Vec<(f64, f64)>,
    lines: Vec<Line>,
    points: Vec<(String, (f64, f64))>,
}

fn attribute<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = element.split_once(&format!(" {name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

fn number(element: &str, name: &str) -> f64 {
    attribute(element, name).unwrap().parse().unwrap()
}

/// The panels of an SVG, each of which has a title.
fn drawn(svg: &str) -> Vec<Drawn> {
    let mut panels: Vec<Drawn> = Vec::new();
    for element in svg.lines() {
        let series = || attribute(element, "data-series").map(str::to_owned);
        if element.starts_with("<text") && !element.contains("transform") {
            let text = element.split(['>', '<']).nth(2).unwrap().to_owned();
            let [x, y] = ["x", "y"].map(|name| number(element, name));
            let value = text.parse().ok();
            match (attribute(element, "font-size"), attribute(element, "text-anchor"), value) {
                (Some("15"), ..) => panels.push(Drawn { title: text, ..Drawn::default() }),
                // Text stands on its place; the line that it labels is at its middle.
                (_, Some("end"), Some(value)) => {
                    panels.last_mut().unwrap().y.push((y - 4.5, value));
                }
                (_, Some("middle"), Some(value)) => panels.last_mut().unwrap().x.push((x, value)),
                _ => {}
            }
        } else if element.starts_with("<polyline") {
            let points = attribute(element, "points").unwrap().split(' ').map(|point| {
                let (x, y) = point.split_once(',').unwrap();
                (x.parse().unwrap(), y.parse().unwrap())
            });
            if let Some(series) = series() {
                let dashed = element.contains("stroke-dasharray");
                panels.last_mut().unwrap().lines.push((series, dashed, points.collect()));
            }
        } else if element.starts_with("<circle")
            && let Some(series) = series()
        {
            let at = (number(element, "cx"), number(element, "cy"));
            panels.last_mut().unwrap().points.push((series, at));
        }
    }
    panels
}

impl Drawn {
    /// The value at a pixel, on an axis with these ticks, and how much a pixel is worth.
    fn value(ticks: &[(f64, f64)], pixel: f64) -> (f64, f64) {
        let (&first, &last) = (ticks.first().unwrap(), ticks.last().unwrap());
        assert!(ticks.len() > 1, "{ticks:?}");
        let scale = (last.1 - first.1) / (last.0 - first.0);
        (first.1 + (pixel - first.0) * scale, scale.abs())
    }

    /// Checks that pixels show these values, as well as two digits of a pixel can.
    fn assert_shows(&self, pixels: &[(f64, f64)], values: &[(f64, f64)]) {
        assert_eq!(pixels.len(), values.len(), "{self:?}");
        for (&(right, down), &(x, y)) in pixels.iter().zip(values) {
            let ((shown_x, scale_x), (shown_y, scale_y)) =
                (Self::value(&self.x, right), Self::value(&self.y, down));
            assert!((shown_x - x).abs() <= 0.04 * scale_x, "{shown_x} for {x}");
            assert!((shown_y - y).abs() <= 0.04 * scale_y, "{shown_y} for {y}");
        }
    }

    /// The lines of a series, one after the other.
    fn lines_of(&self, series: &str) -> Vec<&Line> {
        self.lines.iter().filter(|(name, ..)| name == series).collect()
    }

    fn points_of(&self, series: &str) -> Vec<(f64, f64)> {
        let points = self.points.iter().filter(|(name, _)| name == series);
        points.map(|(_, at)| *at).collect()
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// `(epoch, value)` of each epoch that has the value.
fn values(epochs: &[EpochRecord], name: &str) -> Vec<(f64, f64)> {
    epochs.iter().filter_map(|r| Some((f64::from(r.epoch), r.value(name)?))).collect()
}

#[test]
fn a_plot_has_the_values_of_the_history() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.svg");
    let mut plot = Plot::new(&path);
    let fit = Fit::new().epochs(7).validation_split(0.25).validation_freq(2).callback(&mut plot);
    let history = model().fit(digits(), fit).unwrap();

    let panels = drawn(&read(&path));
    let titles: Vec<&str> = panels.iter().map(|panel| panel.title.as_str()).collect();
    assert_eq!(titles, ["loss", "accuracy"]);
    for panel in &panels {
        let training = values(&history.epochs, &panel.title);
        let validation = values(&history.epochs, &format!("val_{}", panel.title));
        assert_eq!((training.len(), validation.len()), (7, 3));
        let [(_, false, line)] = panel.lines_of("training")[..] else { panic!("{panel:?}") };
        panel.assert_shows(line, &training);
        panel.assert_shows(&panel.points_of("training"), &training);
        let [(_, true, line)] = panel.lines_of("validation")[..] else { panic!("{panel:?}") };
        panel.assert_shows(line, &validation);
        assert!(panel.points_of("validation").is_empty());
    }
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
}

#[test]
fn a_plot_goes_on_where_training_does() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.svg");
    let epochs = || {
        let [loss, _] = &drawn(&read(&path))[..] else { panic!("two panels") };
        let shown = loss.points_of("training").into_iter().map(|(x, _)| Drawn::value(&loss.x, x).0);
        shown.map(|epoch| epoch.round() as u32).collect::<Vec<_>>()
    };
    let (mut model, data) = (model(), digits());
    let mut plot = Plot::new(&path);
    model.fit(&data, Fit::new().epochs(3).callback(&mut plot)).unwrap();
    assert_eq!(epochs(), [1, 2, 3]);
    model.fit(&data, Fit::new().initial_epoch(3).epochs(5).callback(&mut plot)).unwrap();
    assert_eq!(epochs(), [1, 2, 3, 4, 5]);
    // Another callback has not seen the first epochs, and a new run begins anew.
    let mut other = Plot::new(&path);
    model.fit(&data, Fit::new().initial_epoch(3).epochs(5).callback(&mut other)).unwrap();
    assert_eq!(epochs(), [4, 5]);
    model.fit(&data, Fit::new().epochs(2).callback(&mut plot)).unwrap();
    assert_eq!(epochs(), [1, 2]);
}

#[test]
fn a_page_reloads_until_training_ends_and_is_always_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.HTML");
    let mut pages = Vec::new();
    let mut plot = Plot::new(&path).title("<run> & \"more\"").reload(5);
    let mut look = LambdaCallback::new().on_epoch_end(|_, _| {
        pages.push(read(&path));
        Ok(())
    });
    let fit = Fit::new().epochs(3).callback(&mut plot).callback(&mut look);
    model().fit(digits(), fit).unwrap();
    drop(look);
    let reload = "<meta http-equiv=\"refresh\" content=\"5\">";
    for (page, epochs) in pages.iter().zip(1..) {
        assert!(page.contains(reload) && page.ends_with("</html>\n"), "{page}");
        assert_eq!(drawn(page)[0].points_of("training").len(), epochs);
    }
    assert_eq!(pages.len(), 3);
    let page = read(&path);
    assert!(!page.contains(reload), "{page}");
    assert!(page.contains("<title>&lt;run&gt; &amp; &quot;more&quot;</title>"), "{page}");
    assert_eq!(drawn(&page)[0].points_of("training").len(), 3);
}

/// A run that nobody controls.
struct Idle;

impl Control for Idle {
    fn steps(&self) -> u64 {
        0
    }

    fn learning_rate(&self) -> f64 {
        0.0
    }

    fn set_learning_rate(&mut self, _learning_rate: f64) -> Result<()> {
        Ok(())
    }

    fn stop(&mut self) {}

    fn request(&mut self, request: Request) {
        panic!("{request:?} is asked for");
    }
}

#[test]
fn values_that_are_no_numbers_are_left_out_and_break_the_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run.svg");
    let mut plot = Plot::new(&path);
    let start = TrainStart::new(0, 6, 1, vec!["loss".to_owned()]);
    plot.train_begin(&mut Idle, &start).unwrap();
    assert!(read(&path).starts_with("<svg"));
    for (epoch, loss) in (1..).zip([3.0, 2.0, f64::NAN, 1.0, f64::INFINITY, 0.5]) {
        let mut record = EpochRecord::new(epoch, Scores::new(loss, []));
        let validation = if epoch < 5 { f64::NAN } else { 1.5 };
        record.validation = Some(Scores::new(validation, []));
        plot.epoch_end(&mut Idle, &record).unwrap();
    }
    plot.train_end(&mut Idle, &History::default()).unwrap();
    let panels = drawn(&read(&path));
    let [panel] = &panels[..] else { panic!("{panels:?}") };
    let [(_, _, line)] = panel.lines_of("training")[..] else { panic!("{panel:?}") };
    panel.assert_shows(line, &[(1.0, 3.0), (2.0, 2.0)]);
    let points = [(1.0, 3.0), (2.0, 2.0), (4.0, 1.0), (6.0, 0.5)];
    panel.assert_shows(&panel.points_of("training"), &points);
    let [(_, true, line)] = panel.lines_of("validation")[..] else { panic!("{panel:?}") };
    panel.assert_shows(line, &[(5.0, 1.5), (6.0, 1.5)]);
}

#[test]
fn a_plot_that_cannot_be_written_ends_the_call_before_training() {
    let directory = tempfile::tempdir().unwrap();
    let mut model = model();
    let mut fit = |name: &str| {
        let mut plot = Plot::new(directory.path().join(name));
        model.fit(digits(), Fit::new().callback(&mut plot)).unwrap_err()
    };
    let error = fit("run.png");
    assert!(matches!(error, Error::Argument { argument: "path", .. }), "{error}");
    assert!(error.to_string().contains("run.png; give a file name that ends in .svg or .html"));
    let error = fit("nowhere/run.svg");
    assert!(
        matches!(&error, Error::Io { path, .. } if path.ends_with("nowhere/run.svg")),
        "{error}"
    );
    assert_eq!(model.steps(), 0);
}

#[test]
fn runs_that_are_compared_have_a_colour_each() {
    let run = |losses: &[f64], validated: bool| -> Vec<EpochRecord> {
        let records = (1..).zip(losses).map(|(epoch, &loss)| {
            let mut record = EpochRecord::new(epoch, Scores::new(loss, []));
            record.validation = validated.then(|| Scores::new(loss + 1.0, []));
            record
        });
        records.collect()
    };
    let (first, second) = (run(&[3.0, 2.0, 1.0], true), run(&[2.5, 1.5], false));
    let figure = learning_curves("", &[("a<b", &first), ("c&d", &second)]);
    let svg = figure.to_svg();
    assert!(svg.contains(">a&lt;b</text>") && svg.contains(">c&amp;d</text>"), "{svg}");
    let panels = drawn(&svg);
    let [panel] = &panels[..] else { panic!("{panels:?}") };
    assert_eq!(panel.title, "loss (validation dashed)");
    let [(_, false, line)] = panel.lines_of("a&lt;b")[..] else { panic!("{panel:?}") };
    panel.assert_shows(line, &[(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)]);
    let [(_, false, line)] = panel.lines_of("c&amp;d")[..] else { panic!("{panel:?}") };
    panel.assert_shows(line, &[(1.0, 2.5), (2.0, 1.5)]);
    let [(_, true, line)] = panel.lines_of("")[..] else { panic!("{panel:?}") };
    panel.assert_shows(line, &[(1.0, 4.0), (2.0, 3.0), (3.0, 2.0)]);
    let colours = |series: &str, dashed: bool| -> Vec<Colour> {
        let lines = figure.shapes().into_iter().filter_map(|shape| match shape {
            Shape::Line { series: Some(name), colour, dash, .. } => {
                (name == series && dash.is_some() == dashed).then_some(colour)
            }
            _ => None,
        });
        lines.collect()
    };
    assert_eq!(colours("a<b", false), colours("", true));
    assert_ne!(colours("a<b", false), colours("c&d", false));
}

/// The pixels of the line or points of a series, and those of the frame's corners.
fn pixels(figure: &Figure, series: &str) -> (Vec<Vec<[f64; 2]>>, [f64; 4]) {
    let (mut found, mut frame) = (Vec::new(), [0.0; 4]);
    for shape in figure.shapes() {
        match shape {
            Shape::Line { points, series: Some(name), .. } if name == series => found.push(points),
            Shape::Point { at, series: Some(name), .. } if name == series => found.push(vec![at]),
            Shape::Line { points, series: None, .. } if points.len() == 5 => {
                frame = [points[0][0], points[0][1], points[2][0], points[2][1]];
            }
            _ => {}
        }
    }
    (found, frame)
}

#[test]
fn lines_end_where_a_given_range_does() {
    let axis = || Axis::linear("").range(0.0, 1.0);
    let crossing = [(-1.0, -1.0), (0.5, 0.5), (0.5, 3.0), (0.8, 3.0), (0.8, 0.2)];
    let figure = Figure::new("").panel(
        Panel::new("", axis(), axis())
            .series(Series::line("line", crossing))
            .series(Series::scatter("points", [(0.25, 0.75), (1.5, 0.5), (0.5, f64::NAN)])),
    );
    let (lines, [left, top, right, bottom]) = pixels(&figure, "line");
    let place = |x: f64, y: f64| [left + x * (right - left), bottom - y * (bottom - top)];
    let expected = [
        vec![place(0.0, 0.0), place(0.5, 0.5), place(0.5, 1.0)],
        vec![place(0.8, 1.0), place(0.8, 0.2)],
    ];
    let flat = |lines: &[Vec<[f64; 2]>]| -> Vec<f64> {
        lines.iter().flatten().flatten().copied().collect()
    };
    assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [3, 2]);
    for (got, expected) in flat(&lines).iter().zip(flat(&expected)) {
        assert!((got - expected).abs() < 1e-6, "{got} {expected}");
    }
    let (points, _) = pixels(&figure, "points");
    assert_eq!(points.len(), 1);
    assert!((points[0][0][0] - place(0.25, 0.75)[0]).abs() < 1e-6);
}

#[test]
fn on_logarithmic_axes_equal_factors_are_equal_lengths() {
    let points = [(1.0, 1000.0), (10.0, 10.0), (100.0, 0.1), (1000.0, 0.0), (0.0, 5.0)];
    let panel = Panel::new("", Axis::log("x"), Axis::log("y"));
    let figure = Figure::new("")
        .panel(panel.series(Series::line("line", points)).series(Series::vertical("here", 10.0)));
    let (lines, [_, top, _, bottom]) = pixels(&figure, "line");
    let [line] = &lines[..] else { panic!("{lines:?}") };
    let [a, b, c] = line[..] else { panic!("{line:?}") };
    for axis in 0..2 {
        let lengths = [b[axis] - a[axis], c[axis] - b[axis]];
        assert!((lengths[0] - lengths[1]).abs() < 1e-6 && lengths[0] > 50.0, "{lengths:?}");
    }
    let (vertical, _) = pixels(&figure, "here");
    assert_eq!(vertical, [vec![[b[0], top], [b[0], bottom]]]);
}

#[test]
fn nothing_lies_outside_the_figure_and_no_two_texts_overlap() {
    let values = |factor: f64| -> Vec<(f64, f64)> {
        (0..40).map(|i| (f64::from(i), factor * f64::from(i * i) - 3.0)).collect()
    };
    let mut figure = Figure::new("A title").columns(2);
    for (i, factor) in [1e-9, 1.0, 12_345.678, 1e40].into_iter().enumerate() {
        let mut panel =
            Panel::new("panel", Axis::linear("epoch").integers(), Axis::linear("value"));
        for series in 0..=2 * i {
            let name = format!("a series with a rather long name, {series}");
            panel = panel.series(Series::line(name, values(factor)).points());
        }
        figure = figure.panel(panel);
    }
    let [width, height] = figure.size();
    let mut texts: Vec<([f64; 4], String)> = Vec::new();
    for shape in figure.shapes() {
        let places = match shape {
            Shape::Line { points, .. } => points,
            Shape::Point { at, .. } => vec![at],
            Shape::Rectangle { at, size, .. } => vec![at, [at[0] + size[0], at[1] + size[1]]],
            Shape::Text { text, at: [x, y], anchor, size, upwards } => {
                // Letters are about half as wide as high.
                let (length, ascent) = (0.52 * size * text.len() as f64, 0.75 * size);
                let before = match anchor {
                    minibatch::chart::Anchor::Start => 0.0,
                    minibatch::chart::Anchor::Middle => length / 2.0,
                    minibatch::chart::Anchor::End => length,
                };
                let (begin, end) = (-before, length - before);
                let area = match upwards {
                    true => [x - ascent, y - end, x, y - begin],
                    false => [x + begin, y - ascent, x + end, y],
                };
                for (other, what) in &texts {
                    let apart = area[0] >= other[2]
                        || other[0] >= area[2]
                        || area[1] >= other[3]
                        || other[1] >= area[3];
                    assert!(apart, "{text:?} lies on {what:?}");
                }
                texts.push((area, text));
                vec![[area[0], area[1]], [area[2], area[3]]]
            }
            _ => Vec::new(),
        };
        for [x, y] in places {
            assert!((0.0..=width).contains(&x) && (0.0..=height).contains(&y), "{x} {y}");
        }
    }
    assert!(texts.len() > 60, "{}", texts.len());
}
