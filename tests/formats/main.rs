//! Files as sources of samples: good ones and damaged ones.

mod files;
mod idx;
