//! Files as sources of samples: good ones and damaged ones.

mod arrays;
mod channel;
mod csv;
mod files;
mod idx;
#[cfg(feature = "images")]
mod images;
#[cfg(feature = "parquet")]
mod parquet;
