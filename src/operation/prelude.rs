//! What the home of an operation imports.

pub(super) use super::access::{Access, Buffers};
pub(super) use super::contract::{InParts, Operation, operation};
pub(super) use super::kernel::{Dispatch, Extent, Grid, Groups, RowConstants, Target, wgsl};
pub(super) use super::matrix_form::AdapterClass;
pub(super) use super::run::Run;
pub(super) use super::shapes::Shapes;
pub(super) use crate::error::Result;
pub(super) use crate::number::Real;
