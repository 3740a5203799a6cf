// The sizes of kernels that move columns: how many the (first) input has and how many the output, and
// where the output's begin in the input.
struct Columns {
    inputs: u32,
    units: u32,
    offset: u32,
    pad: u32,
}

@group(0) @binding(1) var<uniform> shape: Columns;

// Floats from one row to the next.
fn stride_of(columns: u32) -> u32 {
    return (columns + 3u) / 4u * 4u;
}
