//! Figures of lines and points, with axes, ticks and a legend, drawn as SVG.
//!
//! A [`Figure`] has [`Panel`]s, a panel has two [`Axis`] and any number of [`Series`]. Ranges, ticks,
//! colours and places follow from what is drawn unless they are given. Nothing here can fail:
//! points that have no place, such as NaN, are left out, and a line is broken there.
//!
//! ```
//! use minibatch::chart::{Axis, Figure, Panel, Series};
//!
//! let loss = [(1.0, 2.3), (2.0, 0.9), (3.0, 0.4)];
//! let validation = [(1.0, 2.4), (2.0, 1.1), (3.0, 0.7)];
//! let panel = Panel::new("loss", Axis::linear("epoch").integers(), Axis::log("loss"))
//!     .series(Series::line("training", loss).points())
//!     .series(Series::line("validation", validation).dashed());
//! let svg = Figure::new("A run").panel(panel).to_svg();
//! assert!(svg.starts_with("<svg"));
//! ```
//!
//! To draw with something other than SVG, draw each of [`Figure::shapes`].

mod axis;
mod figure;
mod shape;
mod svg;

pub use axis::Axis;
pub use figure::{Figure, Panel, Series};
pub use shape::{Anchor, Colour, Mark, Shape};
