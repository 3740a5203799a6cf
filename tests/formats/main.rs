//! Files as sources of samples: good ones and damaged ones.

mod csv;
mod files;
mod idx;
