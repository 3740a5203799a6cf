//! What the program takes.

use minibatch::wgpu;

/// What the process and the device hold, in words that should be the same in each frame.
pub(crate) fn held(device: &wgpu::Device) -> String {
    let megabytes = |bytes: u64| format!("{:.2} MB", bytes as f64 / 1e6);
    let unknown = || "not known".to_owned();
    let host = resident_bytes().map_or_else(unknown, megabytes);
    let allocated = device.generate_allocator_report().map(|report| report.total_allocated_bytes);
    let device = allocated.map_or_else(unknown, megabytes);
    format!("the process holds {host}, its buffers and textures {device}")
}

/// Memory of this process that is not swapped out, where Linux tells it.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
