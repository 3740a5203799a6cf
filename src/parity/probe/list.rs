//! Every probe.

use super::contract::Probe;
use super::{
    binding_offsets, byte_loads, dynamic_barrier, f16_division, f16_storage, fused_steps,
    integer_atomics, long_loops, many_workgroups, nan_bits, rows_257, small_matrices,
    subgroup_broadcast, workgroup_barrier, zeroed_workgroup,
};

/// Each of them.
pub static ALL: [&Probe; 15] = [
    &binding_offsets::PROBE,
    &byte_loads::PROBE,
    &workgroup_barrier::PROBE,
    &dynamic_barrier::PROBE,
    &zeroed_workgroup::PROBE,
    &subgroup_broadcast::PROBE,
    &integer_atomics::PROBE,
    &many_workgroups::PROBE,
    &long_loops::PROBE,
    &nan_bits::PROBE,
    &f16_storage::PROBE,
    &f16_division::PROBE,
    &small_matrices::PROBE,
    &rows_257::PROBE,
    &fused_steps::PROBE,
];
