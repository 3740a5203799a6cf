//! Sources, their adaptors, and training from them.

mod adaptors;
mod loading;
mod numbers;
mod processes;
