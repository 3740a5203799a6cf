//! How the parity suite tries encodings.

mod frequency;
mod hash_grid;
