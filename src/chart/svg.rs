//! A figure as text: SVG, and HTML with the SVG inside.

use std::borrow::Cow;
use std::fmt::{self, Write};

use super::figure::Figure;
use super::shape::{Anchor, Colour, Shape};

impl Figure {
    /// The figure as an SVG file.
    pub fn to_svg(&self) -> String {
        let mut svg = String::new();
        // Writing into a string cannot fail.
        let _ = write_svg(self, &mut svg);
        svg
    }

    /// The figure as a web page, which loads itself again every `reload` seconds if given: as long
    /// as the figure is made anew, a browser shows its last state.
    pub fn to_html(&self, reload: Option<u32>) -> String {
        let reload = reload.map_or_else(String::new, |seconds| {
            format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">\n")
        });
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n{reload}\
             <title>{}</title>\n</head>\n<body>\n{}</body>\n</html>\n",
            escaped(self.name()),
            self.to_svg()
        )
    }
}

fn write_svg(figure: &Figure, svg: &mut String) -> fmt::Result {
    let [width, height] = figure.size();
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif">"#
    )?;
    for shape in figure.shapes() {
        write_shape(&shape, svg)?;
    }
    writeln!(svg, "</svg>")
}

fn write_shape(shape: &Shape, svg: &mut String) -> fmt::Result {
    match shape {
        Shape::Line { points, colour, width, dash, series } => {
            write!(svg, "<polyline{} points=\"", Series(series))?;
            write_points(points, svg)?;
            write!(svg, "\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"")?;
            if let Some([dash, gap]) = dash {
                write!(svg, " stroke-dasharray=\"{dash} {gap}\"")?;
            }
            writeln!(svg, "/>")
        }
        Shape::Point { at, mark, radius, colour, series } => match mark.corners(*at, *radius) {
            None => {
                let (series, [x, y]) = (Series(series), at);
                writeln!(
                    svg,
                    r#"<circle{series} cx="{x:.2}" cy="{y:.2}" r="{radius}" fill="{colour}"/>"#
                )
            }
            Some(corners) => {
                write!(svg, "<polygon{} points=\"", Series(series))?;
                write_points(&corners, svg)?;
                writeln!(svg, "\" fill=\"{colour}\"/>")
            }
        },
        Shape::Rectangle { at: [x, y], size: [width, height], colour } => writeln!(
            svg,
            r#"<rect x="{x:.2}" y="{y:.2}" width="{width:.2}" height="{height:.2}" fill="{colour}"/>"#
        ),
        Shape::Text { text, at: [x, y], anchor, size, upwards } => {
            match upwards {
                true => write!(svg, r#"<text transform="translate({x:.2} {y:.2}) rotate(-90)""#)?,
                false => write!(svg, r#"<text x="{x:.2}" y="{y:.2}""#)?,
            }
            let anchor = match anchor {
                Anchor::Start => "start",
                Anchor::Middle => "middle",
                Anchor::End => "end",
            };
            let text = escaped(text);
            writeln!(svg, r#" font-size="{size}" text-anchor="{anchor}">{text}</text>"#)
        }
    }
}

fn write_points(points: &[[f64; 2]], svg: &mut String) -> fmt::Result {
    for (i, [x, y]) in points.iter().enumerate() {
        let space = if i == 0 { "" } else { " " };
        write!(svg, "{space}{x:.2},{y:.2}")?;
    }
    Ok(())
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Colour(red, green, blue) = self;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// The attribute that names an element's series.
struct Series<'a>(&'a Option<String>);

impl fmt::Display for Series<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, " data-series=\"{}\"", escaped(name)),
            None => Ok(()),
        }
    }
}

/// Text as XML and HTML want it. Control characters are allowed in neither.
fn escaped(text: &str) -> Cow<'_, str> {
    let special = |c: char| matches!(c, '&' | '<' | '>' | '"') || c.is_control();
    if !text.contains(special) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    escaped.into()
}
