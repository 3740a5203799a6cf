//! What users' own layers, losses and metrics consist of: elementwise expressions, and sums over a
//! sample's values.
//!
//! All kernels of this project are plain WGSL files, but for that of [`Map`]: a file for each
//! expression that a user may write cannot exist beforehand. So [`Map`] joins two plain files with a
//! function that `text` writes for the expression, and every form of it is validated like the files.

mod cases;
mod gradient;
mod map;
mod row_sum;
mod sample;
mod text;

pub use map::Map;
pub use row_sum::RowSum;
