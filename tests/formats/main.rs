//! Files as sources of samples: good ones and damaged ones.

mod arrays;
mod csv;
mod files;
mod idx;
