// The sizes of kernels that move columns: how many columns the input has (the first one of two), how
// many the output has, and which column of the input is the first one of the output.
struct Columns {
    inputs: u32,
    units: u32,
    offset: u32,
}

@group(0) @binding(1) var<uniform> shape: Columns;

// Floats from one row to the next.
fn stride_of(columns: u32) -> u32 {
    return (columns + 3u) / 4u * 4u;
}
