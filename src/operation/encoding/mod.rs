//! Encodings of coordinates, for networks that learn a function of few numbers: a picture, a shape.

mod cases;
mod frequency;
mod frequency_backward;
mod gradient;
mod grid;
mod hash_grid;
mod hash_grid_backward_input;
mod hash_grid_collect;
mod hash_grid_scatter;
mod largest_gradient;
mod sample;

pub use frequency::{Frequencies, FrequencyEncoding};
pub use frequency_backward::FrequencyEncodingBackward;
pub use grid::{GridSizes, Level, Levels};
pub use hash_grid::HashGrid;
pub use hash_grid_backward_input::HashGridBackwardInput;
pub use hash_grid_collect::HashGridCollect;
pub use hash_grid_scatter::HashGridScatter;
pub use largest_gradient::LargestGradient;
